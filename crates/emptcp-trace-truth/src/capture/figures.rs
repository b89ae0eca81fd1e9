//! Exact figures of a capture, byte by byte.

use super::Seen;
use crate::packet::Packet;
use crate::truth::{Ledger, SubflowTruth, Truth};
use emptcp_trace::{Direction, PerDirection};
use mptcp_wire::mptcp::{CapableKeys, Dss, MpCapable, MptcpOption, Subtype};
use mptcp_wire::tcp::{Flags, Stage};

/// Who carried a byte of the data first: the subflow's number and one, or 0.
type Owners = Vec<u8>;

pub(super) fn truth(all: &[Seen], ledger: Ledger) -> Truth {
    let count = all.iter().map(|seen| seen.record.packet.subflow + 1).max().unwrap_or(0);
    let mut subflows = vec![SubflowTruth::default(); count];
    let mut seen: Vec<PerDirection<Vec<bool>>> = vec![PerDirection::default(); count];
    let mut carried: Vec<PerDirection<Vec<bool>>> = vec![PerDirection::default(); count];
    let mut owners: PerDirection<Owners> = PerDirection::default();
    let mut reinjected = PerDirection::default();
    let (mut connections, mut joined) = (0, vec![0_u8; count]);
    let mapped = mappings(all, count);
    let mut opened = false;
    for packet in all.iter().filter(|seen| !seen.is_copy).map(|seen| &seen.record.packet) {
        let (number, dir) = (packet.subflow, packet.dir);
        let subflow = &mut subflows[number];
        subflow.addresses.get_or_insert(match dir {
            Direction::ClientToServer => [packet.source, packet.destination],
            Direction::ServerToClient => [packet.destination, packet.source],
        });
        // Without the SYN, the third ACK shows a connection too.
        let from_client = dir == Direction::ClientToServer && !packet.flags.contains(Flags::RST);
        opened |= from_client && packet.has(Subtype::MpCapable);
        if packet.has(Subtype::MpJoin) {
            joined[number] = joined[number].max(1 + u8::from(packet.flags.stage() == Some(Stage::Syn)));
        }
        subflow.is_multipath |= packet.mptcp().next().is_some();
        let seen = &mut seen[number][dir];
        for place in packet.offset..packet.offset + packet.payload.len() as u64 {
            match mark(seen, place) {
                true => subflow.retransmitted[dir] += 1,
                false => subflow.payload[dir] += 1,
            }
        }
        for (at, place) in places(packet) {
            if mapped[number][dir].get(at as usize) == Some(&true) {
                let again = mark(&mut carried[number][dir], place);
                let owner = &mut owners[dir];
                if owner.len() <= place as usize {
                    owner.resize(place as usize + 1, 0);
                }
                let owner = &mut owner[place as usize];
                match *owner {
                    0 => *owner = number as u8 + 1,
                    other if usize::from(other) != number + 1 && !again => reinjected[dir] += 1,
                    _ => {}
                }
            }
        }
    }
    connections += u64::from(opened);
    let mut truth = Truth {
        facts: ledger.facts,
        subflows,
        reinjected,
        connections,
        joins: [2, 1].map(|least| joined.iter().filter(|joined| **joined >= least).count() as u64),
        weighs: ledger.weighs,
        headers_cut: false,
    };
    truth.headers_cut = all.iter().any(|seen| super::headers(seen) > seen.most);
    number(&mut truth, all);
    truth
}

/// Where the payload of a packet is in its subflow, and in the data, byte by byte.
fn places(packet: &Packet) -> impl Iterator<Item = (u64, u64)> {
    let runs = packet.data.iter().scan(packet.offset, |at, (length, first)| {
        let start = *at;
        *at += u64::from(*length);
        Some((start, u64::from(*length), *first))
    });
    runs.filter_map(|(start, length, first)| Some((start, length, first?)))
        .flat_map(|(start, length, first)| (0..length).map(move |byte| (start + byte, first + byte)))
}

/// The bytes of each subflow that a mapping in the capture covers.
fn mappings(all: &[Seen], count: usize) -> Vec<PerDirection<Vec<bool>>> {
    let mut mapped: Vec<PerDirection<Vec<bool>>> = vec![PerDirection::default(); count];
    for packet in all.iter().map(|seen| &seen.record.packet) {
        for option in packet.mptcp() {
            let (at, length) = match option {
                MptcpOption::Dss(Dss {
                    mapping: Some(mapping),
                    data_fin,
                    ..
                }) => (mapping.subflow_sequence.0, mapping.length - u16::from(*data_fin)),
                MptcpOption::MpCapable(MpCapable {
                    keys: CapableKeys::BothWithData { data_length, .. },
                    ..
                }) => (1, *data_length),
                _ => continue,
            };
            for place in 0..u64::from(length) {
                mark(&mut mapped[packet.subflow][packet.dir], u64::from(at) - 1 + place);
            }
        }
    }
    mapped
}

/// Sets a place; whether it was set.
fn mark(places: &mut Vec<bool>, place: u64) -> bool {
    let place = place as usize;
    if places.len() <= place {
        places.resize(place + 1, false);
    }
    std::mem::replace(&mut places[place], true)
}

/// The packets of each fact.
fn number(truth: &mut Truth, all: &[Seen]) {
    for fact in &mut truth.facts {
        let [from, to] = fact.span;
        let of_subflow = |packet: &&(usize, &Seen)| {
            let number = packet.1.record.packet.subflow;
            fact.subflow.is_none_or(|subflow| subflow == number)
        };
        let numbered: Vec<_> = all.iter().enumerate().collect();
        let first = numbered
            .iter()
            .filter(of_subflow)
            .find(|(_, seen)| seen.record.time >= from);
        let last = numbered
            .iter()
            .filter(of_subflow)
            .rfind(|(_, seen)| seen.record.time <= to);
        let number = |place: &(usize, &Seen)| place.0 as u64 + 1;
        fact.packets = match (first.map(number), last.map(number)) {
            (Some(first), Some(last)) => Some([first.min(last), last.max(first)]),
            (Some(only), None) | (None, Some(only)) => Some([only; 2]),
            (None, None) => None,
        };
    }
}
