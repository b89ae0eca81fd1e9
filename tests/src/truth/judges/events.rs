//! Events, compared with the state of the hosts' kernels.

use super::{meets, ways};
use crate::truth::{
    case::Moment,
    seen::{Finding, Seen},
};
use emptcp_lab::{End, FourTuple, TimeSeries};
use emptcp_packet::events::{Event, EventBody};
use emptcp_plan::plan::DeviceDirection;
use mptcp_wire::{Token, Version, crypto::derive};
use std::collections::{BTreeMap, BTreeSet};

fn missed(seen: &Seen<'_>) -> Finding {
    Finding::new(
        "events that newer ones have overwritten",
        seen.events.1 as f64,
        0.0,
        0.0,
    )
}

fn key(event: &Event) -> FourTuple {
    FourTuple::new(event.local, event.remote)
}

/// How many of `wanted` were reported exactly once, and how many unknown ones were reported.
fn once<K: Ord + Copy>(wanted: &BTreeSet<K>, told: impl Iterator<Item = K>) -> (f64, f64) {
    let mut times: BTreeMap<K, usize> = BTreeMap::new();
    told.for_each(|key| *times.entry(key).or_default() += 1);
    let right = wanted.iter().filter(|key| times.get(key) == Some(&1)).count();
    let strange = times.keys().filter(|key| !wanted.contains(key)).count();
    (right as f64, strange as f64)
}

/// Each connection is reported once, with the tokens of its sockets.
pub fn connections_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let tokens = seen.transfers.iter().filter_map(|(report, _)| {
        let token = |end| Some(report.series(end).samples().first()?.info.token).flatten();
        let [client, server] = [token(End::Client)?, token(End::Server)?];
        Some(match seen.near() {
            End::Client => (client, server),
            End::Server => (server, client),
        })
    });
    let wanted: BTreeSet<(Token, Token)> = tokens.collect();
    let count = seen.transfers.len() as f64;
    let (mut told, mut keys_right) = (Vec::new(), 0.0);
    for event in &seen.events.0 {
        if let EventBody::Connection {
            local_token,
            remote_token,
            keys,
            ..
        } = &event.body
        {
            let known = [local_token, remote_token].map(|token| token.unwrap_or_default());
            told.push((known[0], known[1]));
            let derived = keys.map(|keys| keys.map(|key| derive(Version::V1, key).token));
            keys_right += f64::from(u8::from(derived == Some(known)));
        }
    }
    let (right, strange) = once(&wanted, told.into_iter());
    let with_keys = if seen.actor.action.contains("keys=yes") {
        count
    } else {
        0.0
    };
    vec![
        Finding::new(
            "connections reported once, with the tokens of their sockets",
            right,
            count,
            count,
        ),
        Finding::new("reported connections without a socket", strange, 0.0, 0.0),
        Finding::new(
            "reported keys whose hashes are the tokens",
            keys_right,
            with_keys,
            with_keys,
        ),
        missed(seen),
    ]
}

/// Each hook reports each subflow once when it is established. Its end is reported once in all; with one hook, only if
/// the packet that ends it passes there.
pub fn subflows_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let series = seen.transfers.iter().map(|(report, _)| report.series(seen.near()));
    let wanted: BTreeSet<FourTuple> = series.flat_map(|series| series.subflows()).collect();
    let told = |up: bool, direction: Option<DeviceDirection>| {
        let events = seen.events.0.iter();
        let events = events.filter(|event| direction.is_none_or(|direction| direction == event.direction));
        let keys = events.filter_map(|event| match event.body {
            EventBody::Subflow { established, .. } if established == up => Some(key(event)),
            _ => None,
        });
        keys.collect::<Vec<_>>()
    };
    let count = wanted.len() as f64;
    let mut findings = vec![Finding::new(
        "subflows of the kernel",
        count,
        2.0 * seen.transfers.len() as f64,
        1e9,
    )];
    // Subflows of the previous case that were still closing when the policy started.
    let goodbyes = if seen.case.moment == Moment::Before { 0.0 } else { 1e9 };
    for (direction, name) in [
        (DeviceDirection::Ingress, "ingress"),
        (DeviceDirection::Egress, "egress"),
    ] {
        if !seen.actor.both_hooks && (direction == DeviceDirection::Egress) != seen.case.place.is_egress() {
            continue;
        }
        let (up, strange) = once(&wanted, told(true, Some(direction)).into_iter());
        findings.push(Finding::new(
            format!("reported once as established, at {name}"),
            up,
            count,
            count,
        ));
        findings.push(Finding::new(
            "reported subflows that the kernel does not have",
            strange,
            0.0,
            goodbyes,
        ));
    }
    let ends = told(false, None);
    let (down, strange) = once(&wanted, ends.iter().copied());
    let more = ends.len() as f64 - down - strange;
    let least = if seen.actor.both_hooks { count } else { 0.0 };
    findings.extend([
        Finding::new("reported once as ended", down, least, count),
        Finding::new("reported more than once as ended", more, 0.0, goodbyes),
        Finding::new("reported ends that the kernel does not have", strange, 0.0, goodbyes),
        missed(seen),
    ]);
    findings
}

/// Payload that a kernel had received on a subflow at a time (seconds after the beginning), interpolated between two
/// samples.
fn received(series: &TimeSeries, subflow: &FourTuple, moment: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for (at, info) in series.of(subflow) {
        let (at, bytes) = (at.as_secs_f64(), info.tcp.bytes_received as f64);
        if at >= moment {
            let part = (moment - before.0) / f64::max(at - before.0, 1e-9);
            return before.1 + part.clamp(0.0, 1.0) * (bytes - before.1);
        }
        before = (at, bytes);
    }
    before.1
}

/// Between its first and its last record, each subflow carried the bytes of the receiver's kernel. In records,
/// retransmissions count each time.
pub fn figures_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (up, way, _) in ways(seen) {
        if !meets(seen, up) {
            continue;
        }
        let sent_here = up == (seen.near() == End::Client);
        // Time and bytes of the first and the last record of each subflow.
        let mut records: BTreeMap<FourTuple, [(u64, u64); 2]> = BTreeMap::new();
        for event in &seen.events.0 {
            if let EventBody::Record(flow) = &event.body {
                let sender = if sent_here { &flow.sent } else { &flow.received };
                let now = (event.time_ns, sender.bytes);
                records.entry(key(event)).or_insert([now; 2])[1] = now;
            }
        }
        let (mut told, mut known, mut again, mut silent, mut latest) = (0.0, 0.0, 0.0, 0.0, 0.0_f64);
        for ((report, applied), begun) in seen.transfers.iter().zip(&seen.begun_ns) {
            let (receiver, sender) = if up {
                (End::Server, End::Client)
            } else {
                (End::Client, End::Server)
            };
            for subflow in report.series(seen.near()).subflows() {
                let at = |end: End| {
                    if end == seen.near() {
                        subflow
                    } else {
                        subflow.reversed()
                    }
                };
                let Some([first, last]) = records.get(&subflow) else {
                    silent += 1.0;
                    continue;
                };
                let [from, to] = [first, last].map(|(time, _)| (*time as f64 - *begun as f64) * 1e-9);
                if seen.case.moment == Moment::MidTransfer {
                    latest = latest.max(from - applied);
                }
                told += (last.1 - first.1) as f64;
                let series = report.series(receiver);
                known += received(series, &at(receiver), to) - received(series, &at(receiver), from);
                let last = report.series(sender).of(&at(sender)).last();
                again += last.map_or(0.0, |(_, info)| info.tcp.bytes_retransmitted as f64);
            }
        }
        findings.push(Finding::new(
            format!("subflows of the {way} without a record"),
            silent,
            0.0,
            0.0,
        ));
        findings.push(Finding::new(
            "seconds until the last subflow was reported",
            latest,
            0.0,
            3.0,
        ));
        findings.push(Finding::new(
            format!("{way}: bytes of all records, as a share of {known:.0} received by the receiver's kernel"),
            told / f64::max(known, 1.0),
            0.95,
            1.05 + again / f64::max(known, 1.0),
        ));
    }
    findings.push(missed(seen));
    findings
}
