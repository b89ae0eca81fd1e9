//! The generated captures themselves, judged by tshark, and by what must hold of any.

use emptcp_trace::record::Cause;
use emptcp_trace_truth::{Capture, Fact, Scored};
use std::collections::BTreeSet;
use std::fs::File;
use std::process::Command;

fn bytes(capture: &Capture) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture.write(&mut bytes).expect("memory can be written to");
    bytes
}

#[test]
fn a_seed_gives_the_same_capture_and_the_same_truth_each_time() {
    for seed in 0..20 {
        let [one, other] = [Capture::new(seed), Capture::new(seed)];
        assert_eq!(bytes(&one), bytes(&other), "seed {seed}");
        assert_eq!(one.truth, other.truth, "seed {seed}");
    }
}

#[test]
fn every_cause_happens_and_can_be_shown_in_some_capture() {
    // Nobody who sees one point of the path can show that it changed addresses or options, and an offload does no harm.
    let never = [Cause::AddressTranslated, Cause::OptionChanged, Cause::Offload];
    let mut missing: BTreeSet<_> = Cause::ALL.into_iter().filter(|cause| !never.contains(cause)).collect();
    for capture in (0..3000).map(Capture::new) {
        let is_new = |fact: &&Fact| fact.happening.is_some() && missing.contains(&fact.cause);
        let news: Vec<_> = capture.truth.facts.iter().filter(is_new).cloned().collect();
        if !news.is_empty() {
            let shown = capture.can_be_shown();
            let shown = news
                .into_iter()
                .filter(|fact| fact.happening.is_some_and(|number| shown[number]));
            shown.for_each(|fact| {
                missing.remove(&fact.cause);
            });
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never shown: {missing:?}");
}

#[test]
fn where_nothing_unusual_happens_all_figures_are_exact_and_nobody_is_accused() {
    let mut seen = 0;
    for seed in 0..150 {
        let capture = Capture::new(seed);
        if capture.can_be_shown().is_empty() {
            let scored = Scored::of(&capture);
            assert_eq!(scored.wrong_figures, Vec::<String>::new(), "seed {seed}");
            let accused: Vec<_> = scored.verdicts.iter().filter(|verdict| verdict.accuses).collect();
            assert!(accused.is_empty(), "seed {seed}: {accused:?}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} captures without anything unusual");
}

/// What tshark says of each packet: state of the checksums (0 is bad), malformed or not, messages of experts.
fn tshark(capture: &Capture) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("capture.pcap");
    capture
        .write(File::create(&path).expect("a file"))
        .expect("the file can be written");
    let fields = [
        "tcp.checksum.status",
        "ip.checksum.status",
        "_ws.malformed",
        "_ws.expert.message",
    ];
    let output = Command::new("tshark")
        .args(["-n", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        .args(["--disable-protocol", "http", "--disable-protocol", "tls"])
        .args(["-T", "fields"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(&path)
        .output();
    match output {
        Ok(output) => Some(
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .map(str::to_owned)
                .collect(),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("tshark: {error}"),
    }
}

#[test]
fn tshark_finds_no_fault_in_the_packets_but_where_the_truth_says_so() {
    let required = std::env::var_os("EMPTCP_REQUIRE_SHARED").is_some_and(|value| value == "1");
    for seed in 0..12 {
        let capture = Capture::new(seed);
        let has = |cause| capture.truth.facts.iter().any(|fact| fact.cause == cause);
        let Some(lines) = tshark(&capture) else {
            assert!(!required, "tshark is not installed");
            println!("SKIPPED: tshark is not installed (set EMPTCP_REQUIRE_SHARED=1 to fail instead)");
            return;
        };
        assert_eq!(lines.len(), capture.len(), "seed {seed}");
        for (index, line) in lines.iter().enumerate() {
            let fields: Vec<_> = line.split('\t').collect();
            let [tcp, ip, malformed, experts] = fields[..] else {
                panic!("seed {seed}: {line}")
            };
            let at = format!("seed {seed}, packet {}: {line}", index + 1);
            let is_bad = |status: &str| status == "0" || status == "Bad";
            assert!(has(Cause::CutShort) || !is_bad(tcp), "{at}");
            assert!(!is_bad(ip), "{at}");
            assert!(
                has(Cause::CutShort) || has(Cause::Violation) || malformed.is_empty(),
                "{at}"
            );
            assert!(has(Cause::Violation) || !experts.contains("MPTCP"), "{at}");
        }
    }
}
