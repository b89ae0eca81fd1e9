//! Exact figures of a capture, byte by byte.

use crate::packet::Record;
use crate::truth::{Ledger, SubflowTruth, Truth};
use emptcp_trace::{Direction, PerDirection};
use mptcp_wire::mptcp::Subtype;
use mptcp_wire::tcp::Stage;

/// Who carried a byte of the data first: the subflow's number and one, or 0.
type Owners = Vec<u8>;

pub(super) fn truth(records: &[Record], copies: &[Record], ledger: Ledger) -> Truth {
    let count = records.iter().map(|record| record.packet.subflow + 1).max().unwrap_or(0);
    let mut subflows = vec![SubflowTruth::default(); count];
    let mut seen: Vec<PerDirection<Vec<bool>>> = vec![PerDirection::default(); count];
    let mut carried: Vec<PerDirection<Vec<bool>>> = vec![PerDirection::default(); count];
    let mut owners: PerDirection<Owners> = PerDirection::default();
    let mut reinjected = PerDirection::default();
    let (mut connections, mut joined) = (0, vec![false; count]);
    let mut opened = false;
    for record in records {
        let packet = &record.packet;
        let (number, dir) = (packet.subflow, packet.dir);
        let subflow = &mut subflows[number];
        subflow.addresses.get_or_insert(match dir {
            Direction::ClientToServer => [packet.source, packet.destination],
            Direction::ServerToClient => [packet.destination, packet.source],
        });
        if packet.flags.stage() == Some(Stage::Syn) {
            opened |= packet.has(Subtype::MpCapable);
            joined[number] |= packet.has(Subtype::MpJoin);
        }
        subflow.is_multipath |= packet.mptcp().next().is_some();
        let seen = &mut seen[number][dir];
        for place in packet.offset..packet.offset + packet.payload.len() as u64 {
            match mark(seen, place) {
                true => subflow.retransmitted[dir] += 1,
                false => subflow.payload[dir] += 1,
            }
        }
        let data = packet.data.iter();
        for (length, first) in data.filter_map(|(length, first)| Some((*length, (*first)?))) {
            for place in first..first + u64::from(length) {
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
        joins: joined.iter().filter(|joined| **joined).count() as u64,
        weighs: ledger.weighs,
    };
    number(&mut truth, records, copies);
    truth
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
fn number(truth: &mut Truth, records: &[Record], copies: &[Record]) {
    let mut times: Vec<_> = records
        .iter()
        .chain(copies)
        .map(|record| (record.time, record.packet.subflow))
        .collect();
    times.sort_by_key(|(time, _)| *time);
    for fact in &mut truth.facts {
        let [from, to] = fact.span;
        let of = |(_, (_, subflow)): &(usize, &(_, usize))| fact.subflow.is_none_or(|wanted| wanted == *subflow);
        let first = times.iter().enumerate().filter(of).find(|(_, (time, _))| *time >= from);
        let last = times.iter().enumerate().filter(of).rfind(|(_, (time, _))| *time <= to);
        fact.packets = match (first, last) {
            (Some((first, _)), Some((last, _))) => {
                let (first, last) = (first as u64 + 1, last as u64 + 1);
                Some([first.min(last), last.max(first)])
            }
            (Some((only, _)), None) | (None, Some((only, _))) => Some([only as u64 + 1; 2]),
            (None, None) => None,
        };
    }
}
