//! What was told, against what the kernels of the hosts know.

use super::{meets, ways};
use crate::truth::{
    case::Moment,
    seen::{Finding, Seen},
};
use emptcp::{
    events::{Body, Event},
    plan::Direction,
};
use emptcp_lab::{End, SubflowKey};
use mptcp_wire::{Key, Version, crypto::derive};
use std::collections::{BTreeMap, BTreeSet};

fn missed(seen: &Seen<'_>) -> Finding {
    Finding::new("events that gave way to newer ones", seen.events.1 as f64, 0.0, 0.0)
}

fn key(event: &Event) -> SubflowKey {
    SubflowKey {
        local: event.local,
        remote: event.remote,
    }
}

/// How many of `wanted` were told just once, and how many were told that nobody knows.
fn once<K: Ord + Copy>(wanted: &BTreeSet<K>, told: impl Iterator<Item = K>) -> (f64, f64) {
    let mut times: BTreeMap<K, usize> = BTreeMap::new();
    told.for_each(|key| *times.entry(key).or_default() += 1);
    let right = wanted.iter().filter(|key| times.get(key) == Some(&1)).count();
    let strange = times.keys().filter(|key| !wanted.contains(key)).count();
    (right as f64, strange as f64)
}

/// Each connection is told once, by the tokens that its sockets have.
pub fn connections_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let tokens = seen.transfers.iter().filter_map(|(report, _)| {
        let token = |end| Some(report.series(end).samples().first()?.info.token);
        let [client, server] = [token(End::Client)?, token(End::Server)?];
        Some(match seen.near() {
            End::Client => (client, server),
            End::Server => (server, client),
        })
    });
    let wanted: BTreeSet<(u32, u32)> = tokens.collect();
    let count = seen.transfers.len() as f64;
    let (mut told, mut keys_right) = (Vec::new(), 0.0);
    for event in &seen.events.0 {
        if let Body::Connection {
            local_token,
            remote_token,
            keys,
            ..
        } = &event.body
        {
            let known = [local_token, remote_token].map(|token| token.map_or(0, |token| token.0));
            told.push((known[0], known[1]));
            let derived = keys.map(|keys| keys.map(|key| derive(Version::V1, Key(key.reveal())).token.0));
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
            "connections told once, with the tokens of their sockets",
            right,
            count,
            count,
        ),
        Finding::new("connections told that no socket knows", strange, 0.0, 0.0),
        Finding::new(
            "keys told whose hashes are the tokens",
            keys_right,
            with_keys,
            with_keys,
        ),
        missed(seen),
    ]
}

/// Each subflow is told by each hook once when it is up, and once in all when it has ended; at one hook, only where the
/// packet that ends it passes there.
pub fn subflows_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let series = seen.transfers.iter().map(|(report, _)| report.series(seen.near()));
    let wanted: BTreeSet<SubflowKey> = series.flat_map(|series| series.subflows()).collect();
    let told = |up: bool, direction: Option<Direction>| {
        let events = seen.events.0.iter();
        let events = events.filter(|event| direction.is_none_or(|direction| direction == event.direction));
        let keys = events.filter_map(|event| match event.body {
            Body::Subflow { established, .. } if established == up => Some(key(event)),
            _ => None,
        });
        keys.collect::<Vec<_>>()
    };
    let count = wanted.len() as f64;
    let mut findings = vec![Finding::new(
        "subflows that the kernel has",
        count,
        2.0 * seen.transfers.len() as f64,
        1e9,
    )];
    // Those of the case before that still said goodbye when the policy came.
    let goodbyes = if seen.case.moment == Moment::Before { 0.0 } else { 1e9 };
    for (direction, name) in [(Direction::Ingress, "ingress"), (Direction::Egress, "egress")] {
        if !seen.actor.both_hooks && (direction == Direction::Egress) != seen.case.place.is_egress() {
            continue;
        }
        let (up, strange) = once(&wanted, told(true, Some(direction)).into_iter());
        findings.push(Finding::new(format!("told once as up, at {name}"), up, count, count));
        findings.push(Finding::new(
            "told that the kernel does not have",
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
        Finding::new("told once as ended", down, least, count),
        Finding::new("told more than once as ended", more, 0.0, goodbyes),
        Finding::new("ends told that the kernel does not have", strange, 0.0, goodbyes),
        missed(seen),
    ]);
    findings
}

/// The last figures of each subflow are those of the kernel that receives. What was sent again counts in a record each time.
pub fn figures_are_told(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (up, way, _) in ways(seen) {
        if !meets(seen, up) {
            continue;
        }
        let sent_here = up == (seen.near() == End::Client);
        // Bytes and time of the first and the last record of each subflow.
        let mut records: BTreeMap<SubflowKey, [(u64, u64); 2]> = BTreeMap::new();
        for event in &seen.events.0 {
            if let Body::Record(flow) = &event.body {
                let sender = if sent_here { &flow.sent } else { &flow.received };
                let now = (event.time_ns, sender.bytes);
                records.entry(key(event)).or_insert([now; 2])[1] = now;
            }
        }
        let (mut told, mut known, mut again, mut silent) = (0.0, 0.0, 0.0, 0.0);
        for (report, applied) in &seen.transfers {
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
                let since = |end: End, bytes: fn(&emptcp_lab::SubflowInfo) -> u64| {
                    let key = at(end);
                    let all: Vec<_> = report.series(end).of(&key).collect();
                    let last = all.last().map_or(0, |(_, info)| bytes(info));
                    let before = all.iter().rev().find(|(time, _)| time.as_secs_f64() <= *applied);
                    let before = before.map_or(0, |(_, info)| bytes(info));
                    let before = if seen.case.moment == Moment::Before { 0 } else { before };
                    (last - before) as f64
                };
                match records.get(&subflow) {
                    Some([first, last]) => {
                        let before = if seen.case.moment == Moment::Before { 0 } else { first.1 };
                        told += (last.1 - before) as f64;
                    }
                    None => silent += 1.0,
                }
                known += since(receiver, |info| info.bytes_received);
                again += since(sender, |info| info.bytes_retransmitted);
            }
        }
        // A record comes every 0.2 s, and at the end; the samples of the kernel every 0.1 s.
        let most = 1.03 + again / f64::max(known, 1.0);
        findings.push(Finding::new(
            format!("subflows of the {way} without a record"),
            silent,
            0.0,
            0.0,
        ));
        findings.push(Finding::new(
            format!("{way}: bytes of all records, as a part of {known} that the receiver's kernel got"),
            told / f64::max(known, 1.0),
            0.93,
            most,
        ));
    }
    findings.push(missed(seen));
    findings
}
