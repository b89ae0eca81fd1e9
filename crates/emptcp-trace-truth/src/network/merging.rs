//! A box that merges segments: it holds one back until the next comes, or for a while.

use super::Network;
use super::boxes::{Station, Visit};
use crate::packet::Packet;
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span, Timestamp};
use mptcp_wire::mptcp::{Mapping, MptcpOption};

/// The longest that a segment is held back.
const WAIT: i64 = 4_000_000;
/// Shorter ones are not held back, bytes of payload.
const LEAST: usize = 200;
/// The longest segment that comes out, bytes of payload.
const LONGEST: usize = 8000;

/// A segment that is held back.
#[derive(Clone, Debug)]
pub(super) struct Held {
    packet: Packet,
    until: Timestamp,
    station: Station,
}

impl Network {
    /// When a held segment is to go on.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.held.values().map(|held| held.until).min()
    }

    /// Lets held segments go whose time is over.
    pub(crate) fn release(&mut self, now: Timestamp, ledger: &mut Ledger) -> super::Passage {
        let due: Vec<_> = self
            .held
            .iter()
            .filter(|(_, held)| held.until <= now)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            if let Some(held) = self.held.remove(&key) {
                self.leave(held.packet, held.station, now, ledger);
            }
        }
        std::mem::take(&mut self.passage)
    }

    pub(super) fn merge(&mut self, packet: Packet, visit: Visit, ledger: &mut Ledger) -> Vec<(Span, Packet)> {
        let Visit {
            station, origin, now, ..
        } = visit;
        let key = (packet.subflow, packet.dir == Direction::ClientToServer);
        let fits_one = packet.payload.len() >= LEAST;
        let Some(held) = self.held.remove(&key) else {
            if !fits_one {
                return vec![(Span(0), packet)];
            }
            let until = now + Span(WAIT);
            self.held.insert(key, Held { packet, until, station });
            return Vec::new();
        };
        let mut first = held.packet;
        let next = first.sequence.wrapping_add(first.payload.len() as u32);
        let fits = first.payload.len() + packet.payload.len() <= LONGEST;
        if next != packet.sequence || !fits || !fits_one {
            return vec![(Span(0), first), (Span(1000), packet)];
        }
        // The options of the second are lost, as some boxes do it (RFC 8684, 6).
        first.payload.extend(&packet.payload);
        first.data.extend(&packet.data);
        first.acknowledgement = packet.acknowledgement;
        first.flags = first.flags | packet.flags;
        // Behind the capture it shows only by its harm: a mapping that is lost. Before it, by that too, or by its size.
        let lost = mapping(&packet).is_some_and(|second| mapping(&first) != Some(second));
        let is_large = first.payload.len() > announced_most(&first);
        ledger.note_if(
            lost || (visit.seen_after && is_large),
            origin,
            Some(first.dir),
            Some(first.subflow),
            now,
        );
        if lost {
            let removed = Origin {
                cause: Cause::OptionRemoved,
                what: "a box that merges segments drops the option of the second",
                ..origin
            };
            ledger.note(removed, Some(first.dir), Some(first.subflow), now);
        }
        vec![(Span(0), first)]
    }
}

/// The maximum segment size that hosts announce.
fn announced_most(packet: &Packet) -> usize {
    if packet.source.is_ipv4() { 1460 } else { 1440 }
}

fn mapping(packet: &Packet) -> Option<Mapping> {
    packet.mptcp().find_map(|option| match option {
        MptcpOption::Dss(dss) => dss.mapping,
        _ => None,
    })
}
