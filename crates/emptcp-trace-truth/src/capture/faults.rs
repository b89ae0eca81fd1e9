//! Faults of the capture: hosts and paths have nothing to do with them.

use super::Seen;
use crate::packet::Record;
use crate::plan::{Happening, Plan};
use crate::random::Random;
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span};
use std::collections::BTreeMap;

/// What a part of a capture lacks was not captured, either.
const MISSING: Origin = Origin::ordinary(Cause::NotCaptured, "the rest is not captured");

pub(super) fn apply(plan: &Plan, number: usize, happening: Happening, seen: &mut Vec<Seen>, ledger: &mut Ledger) {
    let origin = happening.origin(number);
    let mut random = Random::new(plan.seed, 200 + number as u64);
    match happening {
        Happening::NotCaptured { per_mille } => seen.retain(|seen| {
            let dropped = random.below(1000) < per_mille;
            if dropped {
                ledger.note_lost(origin, &seen.record.packet, seen.record.time);
            }
            !dropped
        }),
        Happening::Gap {
            after_per_mille,
            packets,
        } => {
            let first = seen.len() * after_per_mille as usize / 1000;
            let last = (first + packets).min(seen.len());
            for seen in seen.drain(first..last) {
                ledger.note_lost(origin, &seen.record.packet, seen.record.time);
            }
        }
        Happening::Twice { later, routed } => twice(origin, later, routed, seen, ledger),
        Happening::Begins { after_per_mille } => {
            let missing = seen.len() * after_per_mille as usize / 1000;
            if missing > 0 {
                seen.drain(..missing);
                over_all(origin, seen, ledger);
                over_all(MISSING, seen, ledger);
            }
        }
        Happening::Ends { after_per_mille } => {
            let kept = seen.len() * after_per_mille as usize / 1000;
            // Without the last acknowledgements it is as good as whole.
            if seen[kept..].iter().any(|seen| seen.record.packet.space() > 0) {
                seen.truncate(kept);
                over_all(origin, seen, ledger);
            }
        }
        Happening::CutShort { bytes } => {
            for one in seen.iter_mut() {
                one.most = bytes;
                if one.record.packet.length() + 14 > bytes {
                    ledger.note(origin, None, None, one.record.time);
                }
            }
        }
        Happening::OneDirection { sender } => {
            seen.retain(|seen| seen.record.packet.dir == sender);
            over_all(origin, seen, ledger);
            over_all(MISSING, seen, ledger);
        }
        Happening::Order { by } => {
            let before: Vec<_> = seen.iter().map(|seen| seen.record.time).collect();
            let late = |seen: &Seen| match seen.record.packet.dir {
                Direction::ClientToServer => Span(0),
                Direction::ServerToClient => by,
            };
            seen.sort_by_key(|seen| seen.record.time + late(seen));
            if seen.iter().map(|seen| seen.record.time).ne(before) {
                over_all(origin, seen, ledger);
            }
        }
        Happening::Offload { most } => aggregate(origin, most, seen, ledger),
        Happening::ClockStep { after_per_mille, by } => {
            let first = seen.len() * after_per_mille as usize / 1000;
            for one in &mut seen[first..] {
                one.time = one.time + by;
            }
            if let Some(one) = seen.get(first).filter(|_| first > 0) {
                ledger.note(origin, None, None, one.record.time);
            }
        }
        _ => {}
    }
}

/// It concerns the whole capture.
fn over_all(origin: Origin, seen: &[Seen], ledger: &mut Ledger) {
    let times: Vec<_> = seen.iter().map(|seen| seen.record.time).collect();
    for time in [times.iter().min(), times.iter().max()].into_iter().flatten() {
        ledger.note(origin, None, None, *time);
    }
}

/// Every packet once more, as a second device saw it: behind a bridge the same, behind a router with another TTL.
fn twice(origin: Origin, later: Span, routed: bool, seen: &mut Vec<Seen>, ledger: &mut Ledger) {
    let copies: Vec<_> = seen
        .iter()
        .map(|seen| {
            let mut copy = seen.clone();
            copy.is_copy = true;
            copy.record.time = copy.record.time + later;
            copy.time = copy.record.time;
            if routed {
                copy.record.packet.time_to_live -= 1;
            }
            copy
        })
        .collect();
    over_all(origin, seen, ledger);
    seen.extend(copies);
    seen.sort_by_key(|seen| seen.record.time);
}

/// Segments of one direction in a row, with the same options, in one packet (TSO, GRO).
fn aggregate(origin: Origin, most: usize, seen: &mut Vec<Seen>, ledger: &mut Ledger) {
    let mut out: Vec<Seen> = Vec::with_capacity(seen.len());
    let mut last: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    for one in seen.drain(..) {
        let packet = &one.record.packet;
        let key = (packet.subflow, packet.dir == Direction::ClientToServer);
        let open = last.get(&key).copied();
        if let Some(open) = open
            && let Some(into) = out.get_mut(open)
            && follows(&into.record, &one.record, most)
        {
            let first = &mut into.record.packet;
            first.payload.extend(&packet.payload);
            first.data.extend(&packet.data);
            ledger.note_if(false, origin, Some(packet.dir), Some(packet.subflow), one.record.time);
            continue;
        }
        last.insert(key, out.len());
        out.push(one);
    }
    *seen = out;
}

fn follows(first: &Record, second: &Record, most: usize) -> bool {
    let (one, other) = (&first.packet, &second.packet);
    let next = one.sequence.wrapping_add(one.payload.len() as u32);
    !one.payload.is_empty()
        && !other.payload.is_empty()
        && next == other.sequence
        && one.payload.len() + other.payload.len() <= most
        && one.options == other.options
        && one.acknowledgement == other.acknowledgement
        && one.flags == other.flags
        && (second.time - first.time).0 < 2_000_000
}
