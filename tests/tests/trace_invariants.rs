//! Invariants of every capture, and comparisons with the counters of the kernels at both ends.
//!
//! `trace_judges.rs` compares other analysers. The tests of the crate check that the form of a capture does not matter
//! (file, standard input, compressed, rotated).

use emptcp_tests::captures;
use emptcp_tests::traces::{Analysed, analysed, scenarios};
use emptcp_trace::Direction;
use emptcp_trace::record::{Connection, End, Kind};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every capture there is, analysed.
fn all() -> Option<Vec<(PathBuf, Analysed)>> {
    let paths = captures::shared("traces")?;
    Some(paths.into_iter().map(|path| (path.clone(), analysed(&path))).collect())
}

#[test]
fn what_ended_with_data_fin_was_acknowledged_to_the_last_byte() {
    let Some(captures) = all() else { return };
    let mut checked = 0;
    for (path, analysed) in captures {
        for connection in &analysed.connections {
            if connection.end != End::DataFin || connection.lossy_capture || connection.truncated {
                continue;
            }
            checked += usize::from(!connection.mid_stream);
            for way in Direction::BOTH {
                if connection.mid_stream {
                    continue;
                }
                let (data, fin) = (connection.data[way], connection.fin[way]);
                assert_eq!(fin, 1, "{}: {connection:?}", path.display());
                assert_eq!(data + fin, connection.dacked[way], "{}: {connection:?}", path.display());
            }
        }
    }
    assert_eq!(checked, DATA_FIN);
}

/// Number of connections by their end.
const DATA_FIN: usize = 586;

#[test]
fn the_parts_of_a_connection_add_up_to_the_whole() {
    let Some(captures) = all() else { return };
    let mut checked = 0;
    for (path, analysed) in captures {
        let place = path.display();
        assert_eq!(
            analysed.totals.capped,
            Default::default(),
            "{place}: a limit was reached"
        );
        let complete = analysed.connections.iter().filter(|connection| connection.complete);
        assert_eq!(complete.count() as u64, analysed.totals.complete, "{place}");
        let attempted: u64 = analysed
            .connections
            .iter()
            .map(|connection| u64::from(connection.sf_att))
            .sum();
        let subflows = analysed.connections.iter().flat_map(|connection| &connection.subflows);
        let unknown = subflows.filter(|subflow| subflow.kind == Kind::Unknown).count() as u64;
        assert_eq!(
            attempted,
            analysed.totals.connections + analysed.totals.joins + unknown,
            "{place}"
        );
        for connection in &analysed.connections {
            checked += usize::from(!connection.mid_stream);
            add_up(connection, &format!("{place} {}", connection.conn_id));
        }
    }
    assert_eq!(checked, CONNECTIONS);
}

/// Connections of the captures, continued ones included.
const CONNECTIONS: usize = 618;

fn add_up(connection: &Connection, place: &str) {
    let Connection { subflows, .. } = connection;
    for way in Direction::BOTH {
        let sum = |of: fn(&emptcp_trace::record::Subflow) -> emptcp_trace::PerDirection<u64>| -> u64 {
            subflows.iter().map(|subflow| of(subflow)[way]).sum()
        };
        // Each data sequence number has one subflow that carried it first.
        assert_eq!(sum(|subflow| subflow.new_dsn), connection.data[way], "{place}");
        // The payload of a subflow is the sum of new, reinjected, repeated (`same_dsn`) and unmapped bytes.
        for subflow in subflows {
            let parts = subflow.new_dsn[way] + subflow.reinj[way] + subflow.same_dsn[way] + subflow.unmapped[way];
            assert_eq!(parts, subflow.payload[way], "{place}.{}", subflow.sf_id);
            assert!(
                subflow.ip_bytes[way] >= subflow.payload[way] + subflow.retx[way],
                "{place}"
            );
            assert!(
                subflow.retx_pkts[way] + subflow.reinj_pkts[way] <= 2 * subflow.pkts[way],
                "{place}"
            );
        }
        assert_eq!(
            sum(|subflow| subflow.reinj),
            sum(|subflow| subflow.reinj_caused),
            "{place}"
        );
        assert_eq!(sum(|subflow| subflow.reinj), connection.reinj[way], "{place}");
        assert_eq!(sum(|subflow| subflow.retx), connection.retx[way], "{place}");
        assert_eq!(sum(|subflow| subflow.unmapped), connection.unmapped[way], "{place}");
        assert_eq!(sum(|subflow| subflow.pkts), connection.pkts[way], "{place}");
    }
    assert_eq!(
        connection.size,
        connection.data.total() + connection.fin.total(),
        "{place}"
    );
    assert_eq!(connection.dur, connection.t_end - connection.t0, "{place}");
    let established = subflows.iter().filter(|subflow| subflow.established).count();
    assert_eq!(established, connection.sf_est as usize, "{place}");
    assert!(
        connection.sf_est <= connection.sf_att && connection.sf_max_conc <= connection.sf_est,
        "{place}"
    );
    assert!(
        subflows.iter().all(|subflow| subflow.t_last <= connection.t_end),
        "{place}"
    );
}

/// Values on which both ends must agree: addresses, tokens, end, bytes; addresses and new bytes of each subflow.
fn common(connection: &Connection) -> Vec<String> {
    let mut seen = vec![format!(
        "{:?} {} {} {} v{} {} {:?} {:?} {:?} {:?}",
        connection.tokens,
        connection.client,
        connection.server,
        connection.port,
        connection.version.number(),
        connection.complete,
        connection.end,
        connection.data,
        connection.fin,
        connection.dacked,
    )];
    seen.extend(connection.subflows.iter().map(|subflow| {
        format!(
            "{} {} {:?} {} {}",
            subflow.client, subflow.server, subflow.opened_by, subflow.established, subflow.backup
        )
    }));
    seen
}

#[test]
fn both_ends_of_a_path_without_middlebox_tell_the_same() {
    let Some(scenarios) = scenarios() else { return };
    let mut differing = BTreeSet::new();
    for (name, folder) in scenarios {
        let client = analysed(&folder.join("client.pcap.zst")).connections;
        let server = analysed(&folder.join("server.pcapng.zst")).connections;
        let client: Vec<_> = client.iter().map(common).collect();
        let server: Vec<_> = server.iter().map(common).collect();
        if client != server {
            differing.insert(name.clone());
            for (client, server) in client.iter().zip(&server) {
                if client != server {
                    eprintln!("{name}\n {client:?}\n {server:?}");
                }
            }
        }
    }
    // Only in these were options removed on the path, so the ends saw different connections.
    let removed = ["fb_ack", "fb_dss_one", "fb_join", "fb_syn", "fb_synack"];
    assert_eq!(differing, removed.map(str::to_owned).into());
}

#[test]
fn joins_and_connections_are_those_that_the_kernel_of_the_server_counted() {
    let Some(scenarios) = scenarios() else { return };
    for (name, folder) in scenarios {
        let truth: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.join("truth.json")).unwrap()).unwrap();
        let counted = |counter: &str| truth["server_mib"][counter].as_u64().unwrap_or(0);
        let analysed = analysed(&folder.join("server.pcapng.zst"));
        let (connections, joins) = (analysed.totals.connections, analysed.totals.joins);
        if name == "tcp_only" {
            // Its listener uses plain TCP and counts no options.
            assert_eq!((connections, counted("MPCapableSYNRX")), (1, 0), "{name}");
            continue;
        }
        assert_eq!(
            (connections, joins),
            (counted("MPCapableSYNRX"), counted("MPJoinSynRx")),
            "{name}"
        );
        assert_eq!(analysed.totals.orphan_joins, 0, "{name}");
        // A join whose connection the kernel had just freed is one to us, but it was refused.
        let subflows = analysed.connections.iter().flat_map(|connection| &connection.subflows);
        let refused = subflows.filter(|subflow| subflow.kind == Kind::Join && !subflow.established && subflow.rst.0[1]);
        assert_eq!(refused.count() as u64, counted("MPJoinNoTokenFound"), "{name}");
    }
}

#[test]
fn an_empty_connection_has_two_bytes() {
    let Some(files) = captures::shared("traces/v1/empty") else {
        return;
    };
    for path in files {
        let connections = analysed(&path).connections;
        assert_eq!(connections.len(), 20, "{}", path.display());
        for connection in connections {
            assert_eq!((connection.size, connection.end), (2, End::DataFin), "{connection:?}");
            assert_eq!(connection.data.total(), 0);
        }
    }
}

/// Maximum memory, KiB, of a process that analyses a capture this many times, each time later than before.
fn memory(capture: &Path, times: u32) -> (u64, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_emptcp-test-trace-memory"))
        .arg(capture)
        .arg(times.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (memory, rest) = text.trim().split_once(' ').expect("memory and counts");
    (memory.parse().unwrap(), rest.to_owned())
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_capture() {
    let Some(files) = captures::shared("traces") else {
        return;
    };
    for (ending, few, many) in [
        ("Captures__flood.pcap.zst", 2, 20),
        ("addaddr_two/server.pcapng.zst", 5, 100),
    ] {
        let path = files.iter().find(|path| path.ends_with(ending)).unwrap();
        let ((before, _), (after, counts)) = (memory(path, few), memory(path, many));
        eprintln!("{ending}: {before} KiB, {after} KiB: {counts}");
        assert!(
            after < before + before / 10 + 1024,
            "{ending}: {before} KiB, then {after} KiB: {counts}"
        );
    }
}
