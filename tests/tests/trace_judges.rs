//! tcptrace and tshark about the same captures: retransmissions and round-trip times of each subflow, reinjected
//! packets.

use emptcp_tests::captures;
use emptcp_tests::tcptrace::{self, Ends};
use emptcp_tests::traces::{analysed, scenarios, write};
use emptcp_tests::tshark;
use emptcp_trace::Direction;
use emptcp_trace::record::{Mark, MarkKind};
use std::collections::BTreeMap;
use std::path::Path;

/// Figures of tcptrace about one direction of a TCP connection.
#[derive(Clone, Copy, Debug)]
struct Judged {
    retransmitted: u64,
    samples: u64,
    /// Milliseconds.
    mean: f64,
    /// Milliseconds.
    longest: f64,
}

/// All figures of tcptrace about a capture, by sender and receiver.
fn judged(capture: &Path) -> BTreeMap<Ends, Vec<Judged>> {
    let figures = tcptrace::figures(capture, ["rexmt_data_bytes", "RTT_samples", "RTT_avg", "RTT_max"]);
    let judgement = |[bytes, samples, mean, longest]: [f64; 4]| Judged {
        retransmitted: bytes as u64,
        samples: samples as u64,
        mean,
        longest,
    };
    figures
        .into_iter()
        .map(|(ends, figures)| (ends, figures.into_iter().map(judgement).collect()))
        .collect()
}

#[test]
fn retransmissions_and_round_trip_times_are_those_of_tcptrace() {
    let Some(scenarios) = scenarios() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut directions, mut explained_seen, mut differing) = (0, 0, Vec::new());
    for (name, place) in scenarios {
        for file in ["client.pcap.zst", "server.pcapng.zst"] {
            let converted = folder.path().join("capture.pcap");
            write(&converted, &captures::read(&place.join(file)));
            let theirs = judged(&converted);
            let ours = analysed(&converted);
            for subflow in ours.connections.iter().flat_map(|connection| &connection.subflows) {
                let ways = [(subflow.client, subflow.server), (subflow.server, subflow.client)];
                for (way, ends) in Direction::BOTH.into_iter().zip(ways) {
                    // Reused ports: the connections are distinguished by their order.
                    let Some([judged]) = theirs.get(&ends).map(Vec::as_slice) else {
                        continue;
                    };
                    directions += 1;
                    let rtt = &subflow.rtt[way];
                    let (bytes, count, mean) = (subflow.retx[way], rtt.n, rtt.mean.unwrap_or(0.0));
                    // With SYN and FIN, which we leave out: they add to the mean no more than the longest time.
                    let extra = judged.samples as i64 - count as i64;
                    let (sum, all) = (mean * count as f64, judged.samples.max(1) as f64);
                    let possible = sum / all - 0.1..=(sum + judged.longest * extra as f64) / all + 0.1;
                    let place = format!("{name}/{file} {}.{} {}", subflow.conn_id, subflow.sf_id, way.name());
                    let explained = EXPLAINED.iter().find(|(explained, ..)| *explained == place);
                    let (expected, theirs) = explained.map_or((bytes, bytes), |(_, ours, theirs)| (*ours, *theirs));
                    explained_seen += usize::from(explained.is_some());
                    let agrees = (bytes, judged.retransmitted) == (expected, theirs);
                    if !agrees || !(0..=2).contains(&extra) || !possible.contains(&judged.mean) {
                        differing.push(format!(
                            "{place}: {bytes} bytes, {count} samples, {mean:.3} ms; {judged:?}"
                        ));
                    }
                }
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!((directions, explained_seen), (DIRECTIONS, EXPLAINED.len()));
}

/// Directions of subflows in all captures, those with ports that were used again left out.
const DIRECTIONS: usize = 2212;

/// Retransmitted bytes that differ from tcptrace: place, ours, tcptrace's.
const EXPLAINED: &[(&str, u64, u64)] = &[
    // Four FINs sent again, and two SYNs: they take a sequence number each, but are no payload.
    ("backup_handover/client.pcap.zst 0.0 c2s", 0, 4),
    ("syn_lost/client.pcap.zst 0.0 c2s", 0, 2),
    // Frames 85 and 89 of the file carry the same 464 bytes, and at the server tcptrace counts them too.
    ("fastclose/client.pcap.zst 0.0 s2c", 464, 0),
];

/// Reinjected bytes of payload by frame, by tshark.
fn reinjected(capture: &Path) -> BTreeMap<u64, u64> {
    let preferences = ["mptcp.analyze_mappings:TRUE", "mptcp.intersubflows_retransmission:TRUE"];
    let found = tshark::fields_with(
        capture,
        &preferences,
        "mptcp.reinjection_of",
        &["frame.number", "tcp.len"],
    );
    let frames = found.into_iter().map(|fields| {
        let number = |at: usize| fields[at].parse::<u64>().expect("a number");
        (number(0), number(1))
    });
    frames.filter(|(_, length)| *length > 0).collect()
}

/// Bytes of marks of a kind, by frame.
fn marked(marks: &[Mark], kind: MarkKind) -> BTreeMap<u64, u64> {
    let mut frames = BTreeMap::new();
    for mark in marks.iter().filter(|mark| mark.kind == kind) {
        *frames.entry(mark.packet.0).or_default() += mark.bytes;
    }
    frames
}

#[test]
fn reinjected_packets_are_those_of_tshark() {
    let Some(scenarios) = scenarios() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (name, place) in scenarios {
        let converted = folder.path().join("capture.pcap");
        write(&converted, &captures::read(&place.join("server.pcapng.zst")));
        let theirs = reinjected(&converted);
        let ours = analysed(&converted);
        let (reinjected, again) = (
            marked(&ours.marks, MarkKind::Reinjection),
            marked(&ours.marks, MarkKind::Retransmission),
        );
        // tshark also names frames that a subflow retransmits after another carried a copy. It was the first to carry
        // them.
        let retransmitted: Vec<_> = theirs.keys().filter(|frame| !reinjected.contains_key(frame)).collect();
        for frame in &retransmitted {
            assert_eq!(again.get(frame), theirs.get(frame), "{name}: frame {frame}");
        }
        let missed: Vec<_> = reinjected.keys().filter(|frame| !theirs.contains_key(frame)).collect();
        assert!(missed.is_empty(), "{name}: {missed:?}");
        // It has whole packets, where we have the bytes that were there before.
        let whole: u64 = reinjected.keys().map(|frame| theirs[frame]).sum();
        let bytes: u64 = reinjected.values().sum();
        assert!(bytes <= whole, "{name}");
        if !theirs.is_empty() {
            found.push((name, reinjected.len(), bytes, whole, retransmitted.len()));
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|(name, packets, bytes, whole, again)| (name.as_str(), *packets, *bytes, *whole, *again))
        .collect();
    assert_eq!(
        found,
        [
            ("backup_handover", 35, 48_280, 48_348, 4),
            ("fastclose", 1, 1, 1, 0),
            ("many", 15, 20_016, 20_016, 0),
            ("removeaddr", 175, 241_808, 248_500, 0),
        ]
    );
}
