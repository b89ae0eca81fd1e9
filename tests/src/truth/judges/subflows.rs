//! Subflows of the kernels, resets and signals that they received, and their class counters.

use super::{frames::no_data_follows_a_reset, free, ways};
use crate::truth::{
    case::{Moment, Traffic},
    seen::{Finding, PATH, Seen},
};
use emptcp_lab::{End, Mib};
use std::collections::BTreeSet;

/// A kernel's view of a host.
fn hosts<'a>(seen: &'a Seen<'_>) -> [(End, &'static str, &'a Mib); 2] {
    [
        (End::Client, "client", &seen.mib[0]),
        (End::Server, "server", &seen.mib[1]),
    ]
}

/// If data is lost at that moment, the host expects another number than that of the reset (README of `reset`): the
/// allowed number of 20.
fn rare(count: f64) -> f64 {
    (count / 10.0).floor()
}

/// Both kernels lost exactly the subflows on the path, quickly and by a reset.
pub fn the_subflow_is_gone(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = seen.transfers.len() as f64;
    let rare = rare(count);
    for (end, host, mib) in hosts(seen) {
        findings.push(Finding::new(
            format!("seconds until the {host}'s kernel had no subflow on path 2, nine connections of ten"),
            seen.gone_after(end, PATH),
            0.0,
            3.0,
        ));
        findings.push(Finding::new(
            format!("subflows on path 2 that the {host}'s kernel still has"),
            seen.subflows_at_the_end(end, PATH) as f64,
            0.0,
            rare,
        ));
        findings.push(Finding::new(
            format!("subflows on path 1 that the {host}'s kernel has"),
            seen.subflows_at_the_end(end, 0) as f64,
            count,
            count,
        ));
        if seen.case.moment == Moment::MidTransfer {
            for (group, name) in [("Tcp", "EstabResets"), ("MPTcpExt", "MPRstRx")] {
                let resets = mib.get(group, name) as f64;
                let least = if name == "MPRstRx" { 0.5 * count } else { count - rare };
                findings.push(Finding::new(format!("{name} of the {host}"), resets, least, 1e9));
            }
        }
    }
    if seen.case.moment == Moment::Before {
        findings.extend(joins_are_refused(seen));
    }
    for (up, way) in [(true, "upload"), (false, "download")] {
        if seen.case.traffic.goes(up) {
            findings.push(Finding::new(
                format!("{way} on path 1, Mbit/s"),
                seen.rate(up, 0),
                free(seen),
                1e9,
            ));
        }
    }
    findings.extend(no_data_follows_a_reset(seen));
    findings
}

/// Every attempt to join ends immediately with a reset: no SYN is retransmitted, and no byte passes.
fn joins_are_refused(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    let [client, server] = &seen.mib;
    let joins = client.get("MPTcpExt", "MPJoinSynTx") as f64;
    let ever: u64 = hosts(seen)
        .into_iter()
        .flat_map(|(end, ..)| seen.transfers.iter().map(move |(report, _)| report.series(end)))
        .flat_map(|series| series.samples().iter().flat_map(|sample| &sample.info.subflows))
        .filter(|flow| seen.bed.lab.path_of(&flow.addresses) == Some(PATH))
        .map(|flow| flow.tcp.bytes_received)
        .sum();
    let mut findings = vec![
        Finding::new("SYNs with MP_JOIN of the client", joins, count, 1e9),
        Finding::new(
            "AttemptFails of the client: as many as it tried",
            client.get("Tcp", "AttemptFails") as f64,
            joins,
            joins,
        ),
        Finding::new(
            "SYNs that the client retransmitted",
            client.get("TcpExt", "TCPSynRetrans") as f64,
            0.0,
            (count / 10.0).floor(),
        ),
        Finding::new(
            "MPJoinAckRx of the server",
            server.get("MPTcpExt", "MPJoinAckRx") as f64,
            0.0,
            0.0,
        ),
        Finding::new("bytes received on path 2", ever as f64, 0.0, 0.0),
    ];
    if seen.case.place.sees_uploads() {
        let reached = server.get("MPTcpExt", "MPJoinSynRx") as f64;
        findings.push(Finding::new("MPJoinSynRx of the server", reached, 0.0, 0.0));
    }
    findings
}

/// Applications and kernels of both ends have seen the end of each connection.
pub fn the_connection_is_reset(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    // With payload both ways the first failure ends the threads of the other direction as well.
    let aborted = |text: &str| seen.case.traffic == Traffic::Both && text.contains("was not finished");
    let reset = |text: &str| text.contains("Connection reset") || text.contains("Broken pipe") || aborted(text);
    let told = seen.ended.iter().flatten().filter(|(text, _)| reset(text)).count();
    let others = seen
        .ended
        .iter()
        .map(|ended| ended.as_ref().map_or("none", |(text, _)| text));
    let others: BTreeSet<&str> = others.filter(|text| !reset(text)).collect();
    let mut findings = vec![Finding::new(
        format!("connections of which the application got a reset (others: {others:?})"),
        told as f64,
        count,
        count,
    )];
    for (end, host, mib) in hosts(seen) {
        findings.push(Finding::new(
            format!("MPFastcloseRx of the {host}"),
            mib.get("MPTcpExt", "MPFastcloseRx") as f64,
            // Where data was lost just then, the number in the reset is not the one that the host waits for.
            0.5 * count,
            1e9,
        ));
        for path in [0, PATH] {
            findings.push(Finding::new(
                format!("subflows on path {} that the {host}'s kernel still has", path + 1),
                seen.subflows_at_the_end(end, path) as f64,
                0.0,
                rare(count),
            ));
        }
    }
    findings.extend(no_data_follows_a_reset(seen));
    findings
}

/// The kernel that received MP_PRIO has marked the subflow as backup and sends nothing on it.
pub fn the_peer_sends_no_more(seen: &Seen<'_>) -> Vec<Finding> {
    // The host that gets the acknowledgements is the one that sends the payload.
    let (end, host) = if seen.case.place.sees_uploads() {
        (End::Server, "server")
    } else {
        (End::Client, "client")
    };
    let mut findings = vec![Finding::new(
        format!("subflows on path 2 that the {host}'s kernel takes for backup"),
        seen.backups(end) as f64,
        seen.transfers.len() as f64,
        seen.transfers.len() as f64,
    )];
    findings.extend(ways(seen).map(|(_, way, rate)| {
        Finding::new(
            format!("{way} on path 2 by the receiver's kernel, Mbit/s"),
            rate,
            0.0,
            0.4,
        )
    }));
    findings
}

/// The client does not receive the second address.
pub fn no_subflow_comes(seen: &Seen<'_>) -> Vec<Finding> {
    let count = seen.transfers.len() as f64;
    let held = !seen.case.place.sees_uploads();
    let (least, most) = if held { (0.0, 0.0) } else { (count, 1e9) };
    let announced = seen.mib[0].get("MPTcpExt", "AddAddr") as f64;
    vec![
        Finding::new("ADD_ADDR that the client's kernel has met", announced, least, most),
        Finding::new(
            "subflows on path 2 that the client's kernel has",
            seen.subflows_at_the_end(End::Client, PATH) as f64,
            least,
            most,
        ),
    ]
}

/// The kernel that stopped sending was asked to continue, and does.
pub fn the_peer_sends_again(seen: &Seen<'_>) -> Vec<Finding> {
    let (end, host) = if seen.case.place.sees_uploads() {
        (End::Server, "server")
    } else {
        (End::Client, "client")
    };
    let count = seen.transfers.len() as f64;
    let backups = |late: bool| {
        let marked = seen.transfers.iter().filter(|(report, applied)| {
            let series = report.series(end);
            let mut within = series
                .samples()
                .iter()
                .filter(|sample| sample.at.as_secs_f64() < *applied + 0.1);
            let sample = if late { series.last() } else { within.next_back() };
            sample.is_some_and(|sample| {
                let mut flows = sample.info.subflows.iter();
                flows.any(|flow| {
                    seen.bed.lab.path_of(&flow.addresses) == Some(PATH) && sample.backup.contains(&flow.addresses)
                })
            })
        });
        marked.count() as f64
    };
    let mut findings = vec![
        Finding::new(
            format!("subflows that the {host}'s kernel took for backup when the policy came"),
            backups(false),
            // In the first 1.5 s of a busy subflow, MP_PRIO has not reached every connection.
            0.8 * count,
            count,
        ),
        Finding::new(
            format!("subflows that the {host}'s kernel takes for backup at the end"),
            backups(true),
            0.0,
            0.0,
        ),
    ];
    findings.extend(ways(seen).map(|(_, way, rate)| {
        Finding::new(
            format!("{way} on path 2 by the receiver's kernel, Mbit/s"),
            rate,
            free(seen),
            1e9,
        )
    }));
    findings
}

/// All packets are in the class of marked packets.
pub fn the_class_gets_all(seen: &Seen<'_>) -> Vec<Finding> {
    let [others, marked] = seen.classes.map(|packets| packets as f64);
    vec![
        Finding::new(
            "packets in the class of marked ones, by tc -s class",
            marked,
            100.0,
            1e9,
        ),
        // Neighbour discovery.
        Finding::new("packets in the class of all others", others, 0.0, 5.0),
    ]
}
