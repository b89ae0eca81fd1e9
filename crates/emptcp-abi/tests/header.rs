//! Compiles `abi.h` itself and compares every size, offset and number with the Rust mirror.

use emptcp_abi::*;
use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

/// What Rust expects: a C expression and its value.
#[derive(Default)]
struct Claims(Vec<(String, u64)>);

impl Claims {
    fn number(&mut self, expression: impl Into<String>, value: u64) {
        self.0.push((expression.into(), value));
    }

    fn values(&mut self, prefix: &str, all: &[(&str, u32)]) {
        for (name, value) in all {
            self.number(format!("EMPTCP_{prefix}{name}"), u64::from(*value));
        }
    }
}

macro_rules! layout {
    ($claims:ident, $rust:ident, $c:literal, $($field:ident),*) => {
        $claims.number(concat!("sizeof(struct ", $c, ")"), size_of::<$rust>() as u64);
        let mut covered = 0;
        $(
            $claims.number(
                concat!("__builtin_offsetof(struct ", $c, ", ", stringify!($field), ")"),
                std::mem::offset_of!($rust, $field) as u64,
            );
            $claims.number(
                concat!("sizeof(((struct ", $c, " *)0)->", stringify!($field), ")"),
                field_size(|value: &$rust| size_of_val(&value.$field)) as u64,
            );
            covered += field_size(|value: &$rust| size_of_val(&value.$field));
        )*
        assert_eq!(covered, size_of::<$rust>(), "a field of {} is not compared", $c);
    };
}

fn field_size<T: zerocopy::FromZeros>(size: impl Fn(&T) -> usize) -> usize {
    size(&T::new_zeroed())
}

fn claims() -> Claims {
    let mut c = Claims::default();
    for (name, value) in [
        ("ABI_VERSION", ABI_VERSION),
        ("POLICIES", POLICIES),
        ("BANK_SLOTS", BANK_SLOTS),
        ("CHAIN_SLOTS", CHAIN_SLOTS),
        ("SLOT_FIRST_ELEMENT", SLOT_FIRST_ELEMENT),
        ("SLOT_LAST_ELEMENT", SLOT_LAST_ELEMENT),
        ("SLOT_SLOW_PATH", SLOT_SLOW_PATH),
        ("SLOT_NEXT_POLICY", SLOT_NEXT_POLICY),
        ("CHAIN_LIMIT", CHAIN_LIMIT),
        ("SLOT_END", SLOT_END),
        ("TAIL_CALLS", TAIL_CALLS),
        ("CORE_COUNTERS", CORE_COUNTERS),
        ("ELEMENT_COUNTERS", ELEMENT_COUNTERS),
        ("COUNTERS", COUNTERS),
        ("RULES", RULES),
        ("FLOW_WAYS", FLOW_WAYS),
        ("SECRETS", SECRETS),
        ("RANGES", RANGES),
        ("RUN", RUN),
        ("PASSAGE_CLOSED", PASSAGE_CLOSED),
        ("WINDOW_LARGEST", WINDOW_LARGEST),
        ("WINDOW_LEAST", WINDOW_LEAST),
        ("RULE_END", u32::from(RULE_END)),
        ("SCALE_UNKNOWN", u32::from(SCALE_UNKNOWN)),
        ("RULE_KINDS", RULE_KINDS),
        ("EVENT_BODY", EVENT_BODY),
        ("EVENT_BYTES", EVENT_BYTES),
        ("EVENT_WORDS", EVENT_WORDS),
        ("ANY_MPTCP", ANY_MPTCP),
        ("CORE_COUNTERS_USED", core_counter::ALL.len() as u32),
    ] {
        c.number(format!("EMPTCP_{name}"), u64::from(value));
    }
    c.values("FEATURE_", feature::ALL);
    c.values("ELEMENT_", element_kind::ALL);
    c.values("CORE_", core_counter::ALL);
    c.values("", packet_type::ALL);
    c.values("", side::ALL);
    c.values("", direction::ALL);
    c.values("FLOW_", flow_state::ALL);
    c.values("FLOW_", flow_flag::ALL);
    c.values("ADOPTED_", adopted::ALL);
    c.values("KNOWN_", known::ALL);
    c.values("FIN_", fin::ALL);
    c.values("RULE_", rule_kind::ALL);
    c.values("EVENT_", event_kind::ALL);
    c.values("SUBFLOW_", subflow_change::ALL);
    c.values("UNKNOWN_", subflow_unknown::ALL);
    layout!(c, Counter, "emptcp_counter", packets, bytes);
    layout!(c, FlowKey, "emptcp_flow_key", local, remote, local_port, remote_port);
    layout!(
        c,
        Sender,
        "emptcp_sender",
        packets,
        bytes,
        last_ns,
        rtt_sent_ns,
        dsn_next,
        end,
        contiguous,
        acknowledgement,
        sack_edge,
        window,
        window_max,
        rtt_end,
        rtt_timestamp,
        known,
        range_count,
        window_scale,
        address_id,
        fin,
        run_count,
        reserved,
        dsn_first,
        idsn,
        isn,
        base,
        retransmissions,
        uncertain,
        unacceptable,
        reanchored,
        rtt_us,
        rtt_min_us,
        rtt_samples,
        fin_end,
        run_begin,
        run_end,
        ranges
    );
    layout!(c, Range, "emptcp_range", begin, end);
    layout!(c, Resolution, "emptcp_resolution", generation, ifindex, policies);
    layout!(
        c,
        Flow,
        "emptcp_flow",
        id,
        first_ns,
        last_ns,
        connection,
        local_token,
        remote_token,
        ifindex,
        flags,
        state,
        version,
        resolution,
        watch,
        sender,
        passage,
        dsn_jump
    );
    layout!(c, Passage, "emptcp_passage", ran, types, idle, other);
    layout!(c, DevicePair, "emptcp_device_pair", upper, lower);
    layout!(c, FlowSet, "emptcp_flow_set", tag);
    layout!(c, Slot, "emptcp_slot", flow, key, reserved);
    layout!(c, Table, "emptcp_table", secret, set_mask, reserved);
    layout!(
        c,
        Connection,
        "emptcp_connection",
        id,
        first_ns,
        last_ns,
        packets,
        bytes,
        retransmissions,
        idsn,
        data_ack,
        dsn_next,
        token,
        window_max,
        subflows,
        version,
        reserved,
        ended,
        noted_ns
    );
    layout!(c, Totals, "emptcp_totals", packets, bytes, retransmissions);
    layout!(
        c,
        Adoption,
        "emptcp_adoption",
        key,
        token,
        flags,
        version,
        made,
        connection,
        address_id,
        window_scale,
        reserved
    );
    layout!(c, TokenKey, "emptcp_token_key", token, side);
    layout!(c, Keys, "emptcp_keys", key);
    layout!(
        c,
        Rule,
        "emptcp_rule",
        kind,
        policy,
        accept,
        reserved,
        on_match,
        on_miss,
        low,
        high,
        address,
        mask
    );
    layout!(
        c,
        Event,
        "emptcp_event",
        time_ns,
        flow,
        key,
        policy,
        kind,
        body_length,
        direction,
        reserved
    );
    layout!(c, EventRing, "emptcp_event_ring", next, slots, writers, reserved);
    layout!(
        c,
        EventSlot,
        "emptcp_event_slot",
        sequence,
        checksum,
        length,
        reserved,
        words
    );
    layout!(
        c,
        EventConnection,
        "emptcp_event_connection",
        connection,
        token,
        version,
        opened_by,
        keys_included,
        reserved,
        key
    );
    layout!(
        c,
        EventSubflow,
        "emptcp_event_subflow",
        connection,
        token,
        change,
        opened_by,
        initial,
        backup,
        address_id,
        reset,
        unknown
    );
    c
}

fn header() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf/include/emptcp/abi.h")
}

#[test]
fn every_size_offset_and_number_is_the_one_of_the_header() {
    let claims = claims();
    let mut program =
        String::from("#include <stdio.h>\n#include <linux/types.h>\n#include \"abi.h\"\nint main(void) {\n");
    for (expression, _) in &claims.0 {
        writeln!(
            program,
            "printf(\"%s=%llu\\n\", \"{expression}\", (unsigned long long)({expression}));"
        )
        .unwrap();
    }
    program.push_str("return 0; }\n");

    let directory = tempfile::tempdir().unwrap();
    let (source, probe) = (directory.path().join("probe.c"), directory.path().join("probe"));
    std::fs::write(&source, program).unwrap();
    let compiler = Command::new("cc")
        .arg("-I")
        .arg(header().parent().unwrap())
        .arg("-o")
        .args([&probe, &source])
        .output()
        .expect("a C compiler `cc` (package gcc)");
    assert!(
        compiler.status.success(),
        "{}",
        String::from_utf8_lossy(&compiler.stderr)
    );
    let output = Command::new(&probe).output().unwrap();
    let actual: BTreeMap<_, _> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(expression, value)| (expression, value.parse::<u64>().unwrap()))
        .collect();

    for (expression, value) in &claims.0 {
        assert_eq!(
            actual[expression.as_str()],
            *value,
            "{expression}: the header (left) and Rust (right) differ"
        );
    }
}

#[test]
fn every_number_and_structure_of_the_header_is_mirrored() {
    let header = std::fs::read_to_string(header()).unwrap();
    let claims: Vec<String> = claims().0.into_iter().map(|(expression, _)| expression).collect();
    for line in header.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("#define"), Some(name), Some(_)) => {
                assert!(claims.iter().any(|claim| claim == name), "{name} has no mirror");
            }
            (Some("struct"), Some(name), Some("{")) => {
                let size = format!("sizeof(struct {name})");
                assert!(claims.contains(&size), "struct {name} has no mirror");
            }
            (Some(word), _, _) if word.starts_with("EMPTCP_") => {
                let name = word.trim_end_matches(',');
                assert!(claims.iter().any(|claim| claim == name), "{name} has no mirror");
            }
            _ => {}
        }
    }
}
