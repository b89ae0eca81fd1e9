//! Two captures of the same traffic show the changes between them, which `truth.json` of each scenario lists.

use emptcp_tests::captures;
use emptcp_trace::{
    Direction,
    compare::{CompareSettings, ComparedDirection, Comparison, Stage, compare},
    source,
};
use emptcp_trace_report::compare::findings;
use std::path::PathBuf;

/// Both captures of a scenario, compared; none when the shared captures are absent.
fn compared(scenario: &str) -> Option<Comparison> {
    let files: Vec<PathBuf> = captures::shared(&format!("traces/v1/{scenario}"))?;
    let file = |name: &str| {
        let path = files
            .iter()
            .find(|path| path.file_name().is_some_and(|file| file == name));
        source::open([path.unwrap_or_else(|| panic!("{scenario} has no {name}"))]).unwrap()
    };
    let comparison = compare(
        file("client.pcap.zst"),
        file("server.pcapng.zst"),
        CompareSettings::default(),
    )
    .unwrap();
    assert_eq!((comparison.exceeded, comparison.not_followed), (0, 0), "{scenario}");
    // Both use the clock of one machine; the error of the estimate is half the difference of the smallest delays.
    assert!(
        comparison.clock.offset.0.abs() < 100_000,
        "{scenario}: {:?}",
        comparison.clock
    );
    for subflow in comparison
        .connections
        .iter()
        .flat_map(|connection| &connection.subflows)
    {
        assert!(subflow.a.is_some() && subflow.b.is_some(), "{scenario}: {subflow:?}");
        for direction in Direction::BOTH {
            assert_eq!(subflow.directions[direction].appeared.packets, 0, "{scenario}");
        }
    }
    Some(comparison)
}

fn direction(comparison: &Comparison, connection: usize, subflow: usize, direction: Direction) -> &ComparedDirection {
    &comparison.connections[connection].subflows[subflow].directions[direction]
}

/// Options that were removed: subflow, direction, name, stage, how often.
fn removed(comparison: &Comparison) -> Vec<(u32, &'static str, String, Stage, u64)> {
    let mut removed = Vec::new();
    for subflow in comparison
        .connections
        .iter()
        .flat_map(|connection| &connection.subflows)
    {
        for direction in Direction::BOTH {
            for option in &subflow.directions[direction].options {
                assert_eq!((option.added, option.changed), (0, 0), "{option:?}");
                if option.removed > 0 {
                    let name = option.option.to_string();
                    removed.push((subflow.sf_id.0, direction.name(), name, option.stage, option.removed));
                }
            }
        }
    }
    removed
}

#[test]
fn options_that_were_removed_are_named_with_the_packets_that_lost_them() {
    let capable = || "MP_CAPABLE".to_owned();
    let cases = [
        ("fb_syn", vec![(0, "c2s", capable(), Stage::Syn, 1)]),
        ("fb_synack", vec![(0, "s2c", capable(), Stage::SynAck, 1)]),
        (
            "fb_ack",
            vec![
                (0, "c2s", capable(), Stage::Ack, 1),
                (0, "c2s", capable(), Stage::Data, 1),
            ],
        ),
        ("fb_join", vec![(1, "c2s", "MP_JOIN".to_owned(), Stage::Syn, 1)]),
    ];
    for (scenario, expected) in cases {
        let Some(comparison) = compared(scenario) else { return };
        assert_eq!(removed(&comparison), expected, "{scenario}");
        assert!(
            findings(&comparison)[0].contains("something between removed the option"),
            "{scenario}"
        );
    }
    let Some(comparison) = compared("fb_dss_one") else {
        return;
    };
    let removed = removed(&comparison);
    assert!(removed.iter().all(|(_, _, name, ..)| name == "DSS"), "{removed:?}");
    assert!(
        removed
            .iter()
            .any(|&(_, way, _, stage, count)| (way, stage) == ("s2c", Stage::Data) && count > 2000)
    );
}

#[test]
fn altered_payload_is_found_and_nothing_else() {
    let Some(comparison) = compared("csum_corrupt_single") else {
        return;
    };
    let payload = direction(&comparison, 0, 0, Direction::ServerToClient).payload;
    assert_eq!(payload.changed, 1);
    assert!(payload.compared > 90, "{payload:?}");
    assert_eq!(removed(&comparison), []);
}

#[test]
fn losses_are_those_that_tcp_repaired() {
    let Some(comparison) = compared("lossy") else { return };
    // The retransmissions of the server, as tcptrace counts them in its own capture.
    for (subflow, packets, bytes) in [(0, 75, 104_148), (1, 19, 26_980)] {
        let down = direction(&comparison, 0, subflow, Direction::ServerToClient);
        assert_eq!((down.lost.data_packets, down.lost.bytes), (packets, bytes));
    }
    assert_eq!(removed(&comparison), []);
}

#[test]
fn one_way_delays_are_those_of_the_paths() {
    let Some(comparison) = compared("bulk2") else { return };
    assert_eq!(comparison.connections.len(), 2);
    for connection in 0..2 {
        for (subflow, milliseconds) in [(0, 10.0), (1, 30.0)] {
            for way in Direction::BOTH {
                let delay = direction(&comparison, connection, subflow, way).delay;
                let least = delay.min.unwrap();
                assert!((milliseconds..milliseconds + 0.5).contains(&least), "{delay:?}");
            }
        }
    }
}

#[test]
fn nothing_is_said_to_have_changed_where_nothing_did() {
    for scenario in [
        "empty",
        "reuse",
        "many",
        "tcp_only",
        "dualstack",
        "v6only",
        "fastclose",
        "siri",
    ] {
        let Some(comparison) = compared(scenario) else { return };
        assert!(
            findings(&comparison)[0].starts_with("Nothing was changed"),
            "{scenario}: {:?}",
            findings(&comparison)
        );
    }
}

#[test]
fn a_lost_syn_is_told() {
    let Some(comparison) = compared("syn_lost") else { return };
    let up = direction(&comparison, 0, 0, Direction::ClientToServer);
    assert!(up.lost.first_handshake.is_some());
    let expected = "A SYN of subflow 0 of connection 0 from the client";
    assert!(
        findings(&comparison)
            .iter()
            .any(|finding| finding.starts_with(expected)),
        "{:?}",
        findings(&comparison)
    );
}
