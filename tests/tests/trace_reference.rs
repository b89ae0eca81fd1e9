//! Compares every value with the reference analyser. If the two differ, `data/trace_reference.txt` lists both values
//! and the reason. A difference that is not listed fails, and so does a listed one that does not occur.

use emptcp_tests::captures;
use emptcp_tests::traces::{Analysed, analysed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Seconds: the reference rounds times to microseconds, and a double holds a time of this century to 0.2 of one.
const TIME: f64 = 2e-6;
/// Milliseconds: the reference rounds to three places.
const ROUNDED: f64 = 0.0011;

/// Counts compared values, and collects differences: place to ours and theirs.
#[derive(Debug, Default)]
struct Comparison {
    values: u64,
    differences: BTreeMap<String, (String, String)>,
}

impl Comparison {
    fn compare(&mut self, place: String, ours: &Value, theirs: &Value) {
        self.compare_within(0.0, place, ours, theirs);
    }

    fn compare_within(&mut self, tolerance: f64, place: String, ours: &Value, theirs: &Value) {
        self.values += 1;
        let same = match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= tolerance,
            _ => ours == theirs,
        };
        if !same {
            self.differences.insert(place, (written(ours), written(theirs)));
        }
    }

    /// A distribution is one value: number, mean, smallest, largest.
    fn compare_rtt(&mut self, place: String, ours: &Value, theirs: &Value) {
        self.values += 1;
        let pairs = [("n", "n"), ("mean", "avg_ms"), ("min", "min_ms"), ("max", "max_ms")];
        let same = |(ours, theirs): (&Value, &Value)| match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= ROUNDED,
            _ => ours == theirs,
        };
        if !pairs.iter().all(|(our, their)| same((&ours[our], &theirs[their]))) {
            let line = |side: fn(&(&'static str, &'static str)) -> &'static str, value: &Value| {
                let words: Vec<_> = pairs.iter().map(|pair| written(&value[side(pair)])).collect();
                words.join(" ")
            };
            let both = (line(|pair| pair.0, ours), line(|pair| pair.1, theirs));
            self.differences.insert(place, both);
        }
    }
}

/// As the list has it: fractions with three places, lists without quotes.
fn written(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => format!("{:.3}", number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(all) if all.is_empty() => "\"\"".to_owned(),
        Value::Array(all) => all.iter().map(written).collect::<Vec<_>>().join(" "),
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn file_of(folder: &Path, capture: &str) -> PathBuf {
    let places = ["v1", "v0-public", "licensed"].map(|place| folder.join(place).join(capture));
    let packed = places
        .iter()
        .map(|path| PathBuf::from(format!("{}.zst", path.display())));
    let found = places.iter().cloned().chain(packed).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no file for {capture}"))
}

fn compare_capture(reference: &Value, analysed: &Analysed, to: &mut Comparison) {
    let capture = reference["capture"].as_str().unwrap();
    // The reference has no connections without a captured handshake.
    let begun = analysed.connections.iter().filter(|connection| !connection.mid_stream);
    let connections: Vec<_> = begun.collect();
    let totals = serde_json::to_value(&analysed.totals).unwrap();
    for (ours, theirs) in [
        ("tcp", "tcp_pkts"),
        ("mptcp", "mptcp_pkts"),
        ("connections", "conns"),
        ("complete", "complete"),
        ("orphan_joins", "orphan_joins"),
    ] {
        to.compare(format!("{capture} {ours}"), &totals[ours], &reference[theirs]);
    }
    let theirs = reference["connections"].as_array().unwrap();
    assert_eq!(connections.len(), theirs.len(), "{capture}: connections");
    for (ours, theirs) in connections.iter().zip(theirs) {
        let place = format!("{capture} {}", ours.conn_id.0);
        compare_connection(&place, &serde_json::to_value(ours).unwrap(), theirs, to);
    }
}

fn compare_connection(place: &str, ours: &Value, theirs: &Value, to: &mut Comparison) {
    to.compare_within(TIME, format!("{place} t0"), &ours["t0"], &theirs["t0"]);
    to.compare_within(TIME, format!("{place} dur"), &ours["dur"], &theirs["duration"]);
    for (our, their) in [
        ("conn_id", "id"),
        ("client", "client"),
        ("server", "server"),
        ("port", "port"),
        ("version", "ver"),
        ("complete", "complete"),
        ("hash", "hash"),
        ("tokens", "tokens"),
        ("end", "end"),
        ("sf_att", "sf_attempted"),
        ("sf_est", "sf_established"),
        ("flag_a", "flagA"),
        ("flag_c", "flagC"),
        ("data", "data_bytes"),
        ("fin", "datafin"),
        ("size", "size"),
        ("dacked", "dacked"),
        ("reinj", "reinj_bytes"),
        ("reinj_pkts", "reinj_pkts"),
        ("retx", "retx_bytes"),
        ("retx_pkts", "retx_pkts"),
        ("unmapped", "unmapped"),
        ("same_dsn", "dsn_retx_same_sf"),
        ("loss", "capture_loss"),
        ("fallback", "fallback"),
    ] {
        to.compare(format!("{place} {our}"), &ours[our], &theirs[their]);
    }
    let names = [
        "MP_CAPABLE",
        "MP_JOIN",
        "DSS",
        "ADD_ADDR",
        "REMOVE_ADDR",
        "MP_PRIO",
        "MP_FAIL",
        "MP_FASTCLOSE",
        "MP_TCPRST",
    ];
    let named = theirs["opts"].as_object().unwrap().iter();
    let named: serde_json::Map<_, _> = named
        .map(|(number, count)| (names[number.parse::<usize>().unwrap()].to_owned(), count.clone()))
        .collect();
    to.compare(format!("{place} options"), &ours["options"], &named.into());
    let (subflows, expected) = (&ours["subflows"], theirs["subflows"].as_array().unwrap());
    assert_eq!(subflows.as_array().unwrap().len(), expected.len(), "{place}: subflows");
    for (index, theirs) in expected.iter().enumerate() {
        compare_subflow(&format!("{place}.{index}"), &subflows[index], theirs, to);
    }
}

fn compare_subflow(place: &str, ours: &Value, theirs: &Value, to: &mut Comparison) {
    for (our, their) in [
        ("kind", "kind"),
        ("established", "established"),
        ("backup", "backup"),
        ("rst", "rst"),
        ("payload", "uniq_payload"),
        ("new_dsn", "new_dsn"),
        ("retx", "retx_bytes"),
        ("reinj", "reinj_bytes"),
        ("reinj_caused", "reinj_caused"),
        ("pkts", "pkts"),
    ] {
        to.compare(format!("{place} {our}"), &ours[our], &theirs[their]);
    }
    for (address, port, their) in [("client", "client_port", "c"), ("server", "server_port", "s")] {
        let written = format!("{}:{}", ours[address].as_str().unwrap(), ours[port]);
        to.compare(format!("{place} {address}"), &written.into(), &theirs[their]);
    }
    let delay = format!("{place} join_delay");
    to.compare_within(TIME, delay, &ours["join_delay"], &theirs["join_delay"]);
    for (index, their) in ["rtt_c2s", "rtt_s2c"].into_iter().enumerate() {
        to.compare_rtt(format!("{place} {their}"), &ours["rtt"][index], &theirs[their]);
        let (our, their) = (&ours["hs_rtt"][index], &theirs["hs_rtt_ms"][index]);
        to.compare_within(ROUNDED, format!("{place} hs_rtt.{index}"), our, their);
    }
}

#[test]
fn every_value_is_that_of_the_reference_or_explained() {
    if captures::shared("traces").is_none() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let mut comparison = Comparison::default();
    for list in ["v1/reference.jsonl", "reference-public.jsonl"] {
        for line in fs::read_to_string(folder.join(list)).unwrap().lines() {
            let reference: Value = serde_json::from_str(line).unwrap();
            let file = file_of(&folder, reference["capture"].as_str().unwrap());
            compare_capture(&reference, &analysed(&file), &mut comparison);
        }
    }
    // All values of the reference were compared.
    assert_eq!(comparison.values, VALUES);
    let explained = explained();
    let mut faults = Vec::new();
    for (place, both) in &comparison.differences {
        match explained.get(place.as_str()) {
            Some((ours, theirs)) if (*ours, *theirs) == (both.0.as_str(), both.1.as_str()) => {}
            Some(listed) => faults.push(format!("{place}: {both:?}, but the list has {listed:?}")),
            None => faults.push(format!("{place}: {both:?} is not explained")),
        }
    }
    let gone = explained
        .keys()
        .filter(|place| !comparison.differences.contains_key(**place));
    faults.extend(gone.map(|place| format!("{place} is explained, but does not differ")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The content of `data/trace_reference.txt`: place to ours and theirs.
fn explained() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let lines = include_str!("../data/trace_reference.txt").lines();
    let differences = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    differences
        .map(|line| {
            let parts: Vec<_> = line.split(" | ").collect();
            let [place, ours, theirs] = parts[..] else {
                panic!("three parts: {line}");
            };
            (place, (ours, theirs))
        })
        .collect()
}

/// The number of values of the reference.
const VALUES: u64 = 37_511;
