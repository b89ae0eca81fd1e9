//! Payload: which bytes are new, and which a subflow carried before.

use super::evidence;
use super::out::{At, MarkFields};
use super::segment::{Context, Findings, Location};
use super::state::{Carry, Connection, Waiting};
use crate::packet::Packet;
use crate::record::{Fallback, Kind, MarkKind};
use crate::stream::{Claim, ClaimKind, Resolved};
use crate::{Direction, Piece, Run, Span, SubflowId, Timestamp};
use mptcp_wire::mptcp::MptcpOption;
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::ops::Range;

/// The number of segments for which payload waits for its mapping.
const WAITING: usize = 1000;
/// Pieces of data that are remembered while payload waits for its mapping.
const CARRIED: usize = 4096;
/// Reinjections within this time after a subflow took over belong to the handover.
const EARLY: Span = Span::from_seconds(5);

/// Payload of a packet, by kind.
#[derive(Debug, Default)]
struct Carried {
    reinjected: SmallVec<[(SubflowId, u64); 1]>,
    /// The reinjected ranges, as offsets.
    ranges: SmallVec<[(SubflowId, u64, u64); 1]>,
    same_dsn: u64,
}

impl Connection {
    pub(super) fn payload(
        &mut self,
        location: Location,
        packet: &Packet,
        context: &mut Context<'_>,
        findings: &mut Findings,
    ) {
        let Some(start) = self.relative(location, packet) else {
            return;
        };
        let length = u64::from(packet.payload);
        let end = start + length;
        let subflow_kind = self.subflows[location.index].kind;
        let half = &mut self.subflows[location.index].halves[location.dir];
        if length == 1 && half.next > 1 && end == half.next && end <= half.acknowledged && is_probe(packet) {
            return;
        }
        let mut gaps = SmallVec::new();
        let before = half.seen.insert(start, end, &mut gaps);
        half.counters.payload += length - before;
        if half.t_first_data.is_none() {
            if subflow_kind == Kind::Unknown {
                // What was sent before, and is acknowledged later, was on its way when the capture began.
                half.counted_to = start;
            }
            half.t_first_data = Some(packet.time);
            half.first_data = packet.number;
        }
        half.t_last_data = Some(packet.time);
        half.next = half.next.max(end);
        if before < length {
            half.last_new = packet.number;
        }
        if before == 0 {
            half.t_last_new = Some(packet.time);
            half.rtt_queue.sent(end, packet.time);
            if let (Some(sum), Some(checked)) = (packet.payload_sum, &mut half.checked)
                && checked.feed(start, packet.payload, sum) == Some(false)
            {
                half.checked = None;
                let evidence = evidence::wrong_checksum(packet.number);
                self.fall_back(location.at, Fallback::WrongChecksum, evidence, context);
            }
        } else {
            half.rtt_queue.retransmitted(start, end);
            half.t_last_again = Some(packet.time);
            half.counters.retransmitted += before;
            half.counters.retransmitted_packets += 1;
            if before < length {
                half.t_last_new = Some(packet.time);
            }
            let mut what = MarkFields::from(before);
            if context.is_unclear {
                what.evidence = evidence::same_bytes_again(packet.number);
            }
            context.out.mark(location.at, MarkKind::Retransmission, what);
        }
        if self.watched && before > 0 {
            self.note_retransmission(location, start, end, &gaps, findings);
        }
        let mut carried = Carried::default();
        let late = self.halves[location.dir].out_of_order;
        for gap in gaps {
            self.assign_data_sequence(
                location.index,
                location.dir,
                gap,
                (location.at, packet.time),
                &mut carried,
                Some(findings),
            );
        }
        let data = &mut self.halves[location.dir];
        data.out_of_order_packets += u64::from(data.out_of_order > late);
        if !carried.reinjected.is_empty() || carried.same_dsn > 0 {
            self.account(location.index, location.at, carried, context);
        }
        self.begin_waiting(location.dir, packet.time);
        self.give_up_waiting(location, context);
        self.forget(location, context);
    }

    /// Finds the data sequence numbers of bytes that are new to the subflow, and the subflow that carried them before.
    fn assign_data_sequence(
        &mut self,
        index: usize,
        dir: Direction,
        bytes: Range<u64>,
        (at, now): (At, Timestamp),
        carried: &mut Carried,
        mut findings: Option<&mut Findings>,
    ) {
        let subflow = &mut self.subflows[index];
        let id = subflow.id;
        let half = &mut subflow.halves[dir];
        let mut pieces = SmallVec::<[Resolved; 2]>::new();
        half.mappings.resolve(bytes.start, bytes.end, &mut pieces);
        if subflow.infinite && pieces.iter().any(|piece| piece.dsn.is_none()) {
            // After MP_FAIL data goes on, one to one, without mappings (RFC 8684, 3.7).
            if let Some((ssn, dsn)) = half.mapped_to {
                half.mappings.insert_infinite(ssn, dsn);
                pieces.clear();
                half.mappings.resolve(bytes.start, bytes.end, &mut pieces);
            }
        }
        let mut claims = SmallVec::<[Claim; 2]>::new();
        for piece in pieces {
            let Resolved { start, length, dsn } = piece;
            let Some(dsn) = dsn else {
                self.halves[dir].waiting += 1;
                self.subflows[index].halves[dir].waiting.push_back(Waiting {
                    start,
                    end: start + length,
                    packet: at.packet,
                    time: now,
                });
                if let Some(findings) = &mut findings {
                    findings.runs.push(run(None, length, Piece::Unmapped));
                }
                continue;
            };
            let highest = self.halves[dir].owners.highest();
            self.halves[dir].owners.carry(id, dsn, length, &mut claims);
            for claim in claims.drain(..) {
                if claim.kind == ClaimKind::New && self.halves[dir].waiting > 0 {
                    self.remember_carry(dir, claim, id, at);
                }
                let piece = self.claim(index, dir, claim, highest, now, carried);
                if let Some(findings) = &mut findings {
                    let start = self.shown(claim.start);
                    findings.runs.push(run(Some(start), claim.length, piece));
                }
            }
        }
    }

    /// Counts a run of bytes by the subflow that carried it before. Returns its kind.
    fn claim(
        &mut self,
        index: usize,
        dir: Direction,
        claim: Claim,
        highest: u64,
        now: Timestamp,
        carried: &mut Carried,
    ) -> Piece {
        let Claim { start, length, kind } = claim;
        let data = &mut self.halves[dir];
        let half = &mut self.subflows[index].halves[dir];
        match kind {
            ClaimKind::New => {
                data.data += length;
                half.counters.new_dsn += length;
                if start < highest {
                    data.out_of_order += length;
                } else {
                    data.rtt_queue.sent(start + length, now);
                }
                Piece::New
            }
            ClaimKind::Reinjection { of } => {
                data.rtt_queue.retransmitted(start, start + length);
                half.counters.reinjected += length;
                half.t_last_again = Some(now);
                if half.t_first_data.is_some_and(|first| now - first <= EARLY) {
                    half.reinjected_early += length;
                }
                if let Some(first) = self.subflows.get_mut(of.0 as usize) {
                    first.halves[dir].counters.reinjection_caused += length;
                }
                carried.ranges.push((of, start, start + length));
                match carried.reinjected.iter_mut().find(|(by, _)| *by == of) {
                    Some((_, bytes)) => *bytes += length,
                    None => carried.reinjected.push((of, length)),
                }
                Piece::Reinjection { of }
            }
            ClaimKind::SameSubflow => {
                data.rtt_queue.retransmitted(start, start + length);
                half.counters.same_dsn += length;
                half.t_last_again = Some(now);
                carried.same_dsn += length;
                Piece::SameSubflow
            }
            ClaimKind::Forgotten => {
                self.truncated = true;
                Piece::SameSubflow
            }
        }
    }

    /// Emits marks for bytes that a packet carried again.
    fn account(&mut self, index: usize, at: At, carried: Carried, context: &mut Context<'_>) {
        let half = &mut self.subflows[index].halves[at.dir];
        half.counters.reinjected_packets += u64::from(!carried.reinjected.is_empty());
        for (of, bytes) in carried.reinjected {
            let what = MarkFields {
                bytes,
                other_sf: Some(of),
                detail: None,
                ..MarkFields::default()
            };
            context.out.mark(at, MarkKind::Reinjection, what);
        }
        if carried.same_dsn > 0 {
            context.out.mark(at, MarkKind::SameDsn, carried.same_dsn);
            self.suspect_corruption(at, context);
        }
    }

    /// A mapping came: resolves payload that waited for it.
    pub(super) fn resolve_waiting(&mut self, index: usize, dir: Direction, context: &mut Context<'_>) {
        let half = &mut self.subflows[index].halves[dir];
        if half.waiting.is_empty() {
            return;
        }
        let late = std::mem::take(&mut half.waiting);
        self.halves[dir].waiting = self.halves[dir].waiting.saturating_sub(late.len());
        for waiting in late {
            let at = At {
                conn_id: self.id,
                sf_id: Some(self.subflows[index].id),
                dir,
                packet: waiting.packet,
                t: waiting.time,
            };
            let mut carried = Carried::default();
            let bytes = waiting.start..waiting.end;
            self.assign_data_sequence(index, dir, bytes, (at, waiting.time), &mut carried, None);
            self.correct_owners(index, at, &mut carried, context);
            self.account(index, at, carried, context);
        }
        if self.halves[dir].waiting == 0 {
            self.halves[dir].carried = VecDeque::new();
        }
    }

    fn remember_carry(&mut self, dir: Direction, claim: Claim, subflow: SubflowId, at: At) {
        let carried = &mut self.halves[dir].carried;
        if carried.len() >= CARRIED {
            carried.pop_front();
        }
        carried.push_back(Carry {
            start: claim.start,
            end: claim.start + claim.length,
            subflow,
            packet: at.packet,
            time: at.t,
        });
    }

    /// The mapping of a segment came late, and shows data that another subflow was taken for the first to carry, though
    /// its segment came later: that one is the reinjection.
    fn correct_owners(&mut self, index: usize, at: At, carried: &mut Carried, context: &mut Context<'_>) {
        let dir = at.dir;
        let id = self.subflows[index].id;
        for (of, start, end) in std::mem::take(&mut carried.ranges) {
            let later = |carry: &&Carry| {
                carry.subflow == of && carry.packet > at.packet && carry.start < end && start < carry.end
            };
            let later: SmallVec<[Carry; 2]> = self.halves[dir].carried.iter().filter(later).copied().collect();
            for carry in later {
                let (start, end) = (start.max(carry.start), end.min(carry.end));
                let bytes = end - start;
                self.halves[dir].owners.correct(start, end, id, of);
                let half = &mut self.subflows[index].halves[dir];
                half.counters.reinjected -= bytes;
                half.counters.new_dsn += bytes;
                half.counters.reinjection_caused += bytes;
                let Some(other) = self.subflows.get_mut(of.0 as usize) else {
                    continue;
                };
                let other = &mut other.halves[dir].counters;
                other.reinjection_caused -= bytes;
                other.new_dsn -= bytes;
                other.reinjected += bytes;
                other.reinjected_packets += 1;
                if let Some((_, counted)) = carried.reinjected.iter_mut().find(|(by, _)| *by == of) {
                    *counted -= bytes;
                }
                let what = MarkFields {
                    bytes,
                    other_sf: Some(id),
                    ..MarkFields::default()
                };
                let at = At {
                    sf_id: Some(of),
                    packet: carry.packet,
                    t: carry.time,
                    ..at
                };
                context.out.mark(at, MarkKind::Reinjection, what);
            }
        }
        carried.reinjected.retain(|(_, bytes)| *bytes > 0);
    }

    /// Payload that waited for too many segments counts as unmapped.
    fn give_up_waiting(&mut self, location: Location, context: &mut Context<'_>) {
        let half = &mut self.subflows[location.index].halves[location.dir];
        if half.waiting.len() > WAITING {
            let first = half.waiting.front().copied();
            let given_up = half.waiting.len();
            half.counters.unmapped += half
                .waiting
                .drain(..)
                .map(|waiting| waiting.end - waiting.start)
                .sum::<u64>();
            if half.unmapped_from.is_none() {
                half.unmapped_from = first.map(Box::new);
            }
            self.halves[location.dir].waiting = self.halves[location.dir].waiting.saturating_sub(given_up);
            // So much in one piece is not what one mapping covers: none was missed, there is none.
            self.judge_mappings(location.index, location.dir, context);
        }
    }

    /// The data sequence numbers of repeated bytes, for the packet's event.
    fn note_retransmission(
        &self,
        location: Location,
        start: u64,
        end: u64,
        gaps: &[Range<u64>],
        findings: &mut Findings,
    ) {
        let mut pieces = SmallVec::<[Resolved; 2]>::new();
        let mappings = &self.subflows[location.index].halves[location.dir].mappings;
        let mut from = start;
        for gap in gaps {
            mappings.resolve(from, gap.start, &mut pieces);
            from = gap.end;
        }
        mappings.resolve(from, end, &mut pieces);
        for piece in pieces {
            let dsn = piece.dsn.map(|dsn| self.shown(dsn));
            findings.runs.push(run(dsn, piece.length, Piece::Retransmission));
        }
    }
}

/// Whether one byte that was sent and acknowledged before is a keep-alive or a probe of a closed window, which send the
/// last byte again (RFC 9293, 3.8.4 and 3.8.6.1). Data is pushed, or has a mapping.
fn is_probe(packet: &Packet) -> bool {
    let maps = |option: &MptcpOption| matches!(option, MptcpOption::Dss(dss) if dss.mapping.is_some());
    !packet.flags.contains(Flags::PSH) && !packet.options.iter().any(maps)
}

fn run(dsn: Option<u64>, length: u64, piece: Piece) -> Run {
    Run {
        dsn,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        piece,
    }
}
