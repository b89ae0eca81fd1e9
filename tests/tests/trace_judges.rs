//! tcptrace and tshark about the same captures: retransmissions and round-trip times of each subflow, reinjected packets.

use emptcp_tests::captures;
use emptcp_tests::traces::{analysed, scenarios, write};
use emptcp_trace::Direction;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What tcptrace says about one direction of a TCP connection.
#[derive(Clone, Copy, Debug)]
struct Judged {
    retransmitted: u64,
    samples: u64,
    /// Milliseconds.
    mean: f64,
}

/// Everything that tcptrace says about a capture, by who sends to whom.
fn tcptrace(capture: &Path) -> BTreeMap<(SocketAddr, SocketAddr), Vec<Judged>> {
    let output = Command::new("tcptrace")
        .args(["-lr", "-n", "--csv"])
        .arg(capture)
        .output()
        .expect("tcptrace");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tcptrace: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let names: Vec<_> = lines.next().expect("a heading").split(',').collect();
    let mut judged = BTreeMap::new();
    for line in lines {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        let cell = |name: &str| cells[names.iter().position(|one| *one == name).expect("a column")];
        let end = |host, port| {
            SocketAddr::new(
                cell(host).parse().expect("an address"),
                cell(port).parse().expect("a port"),
            )
        };
        let (a, b) = (end("host_a", "port_a"), end("host_b", "port_b"));
        for (from, to, way) in [(a, b, "a2b"), (b, a, "b2a")] {
            let number = |name: &str| cell(&format!("{name}_{way}")).parse().expect("a number");
            let judgement = Judged {
                retransmitted: number("rexmt_data_bytes") as u64,
                samples: number("RTT_samples") as u64,
                mean: number("RTT_avg"),
            };
            judged.entry((from, to)).or_insert_with(Vec::new).push(judgement);
        }
    }
    judged
}

#[test]
fn retransmissions_and_round_trip_times_are_those_of_tcptrace() {
    let Some(scenarios) = scenarios() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut directions, mut differing) = (0, Vec::new());
    for (name, place) in scenarios {
        for file in ["client.pcap.zst", "server.pcapng.zst"] {
            let converted = folder.path().join("capture.pcap");
            write(&converted, &captures::read(&place.join(file)));
            let theirs = tcptrace(&converted);
            let ours = analysed(&converted);
            for subflow in ours.connections.iter().flat_map(|connection| &connection.subflows) {
                let ways = [(subflow.client, subflow.server), (subflow.server, subflow.client)];
                for (way, ends) in Direction::BOTH.into_iter().zip(ways) {
                    // Ports that are used again: the connections are told apart by their order.
                    let Some([judged]) = theirs.get(&ends).map(Vec::as_slice) else {
                        continue;
                    };
                    directions += 1;
                    let rtt = &subflow.rtt[way];
                    let (bytes, count, mean) = (subflow.retx[way], rtt.n, rtt.mean.unwrap_or(0.0));
                    // With SYN and FIN, which we leave out: whatever they add to the mean, it is not more than the longest time.
                    let extra = judged.samples as i64 - count as i64;
                    let longest = subflow
                        .hs_rtt
                        .iter()
                        .flatten()
                        .copied()
                        .chain(rtt.max)
                        .fold(0.0, f64::max);
                    let (sum, all) = (mean * count as f64, judged.samples.max(1) as f64);
                    let possible = sum / all - 0.1..=(sum + longest * extra as f64) / all + 0.1;
                    if bytes != judged.retransmitted || !(0..=2).contains(&extra) || !possible.contains(&judged.mean) {
                        let place = format!("{name}/{file} {}.{} {}", subflow.conn_id, subflow.sf_id, way.name());
                        differing.push(format!(
                            "{place}: {bytes} bytes, {count} samples, {mean:.3} ms; {judged:?}"
                        ));
                    }
                }
            }
        }
    }
    eprintln!("{directions}");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
