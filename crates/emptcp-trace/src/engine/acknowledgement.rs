//! TCP acknowledgements: round-trip times of subflows, and progress of the data.

use super::segment::{Context, Findings, Location};
use super::state::{Connection, DataHalf, SubflowHalf};
use crate::packet::Packet;
use crate::record::{Detail, MarkKind};
use crate::{Direction, Span, Timestamp};

/// Ranges are dropped only occasionally, because dropping moves the remaining ones.
const FORGET_EVERY: u64 = 64 << 10;

impl Connection {
    pub(super) fn acknowledgement(&mut self, location: Location, packet: &Packet, findings: &mut Findings) {
        let half = &mut self.subflows[location.index].halves[location.dir.reverse()];
        half.t_last_ack = Some(packet.time);
        let Some(number) = half.numbers.as_ref().and_then(|from| from.peek(packet.acknowledgement)) else {
            return;
        };
        if number <= half.acknowledged {
            return;
        }
        if half.unseen_ack.is_none() && half.misses_below(number) {
            half.unseen_ack = Some(Box::new((packet.number, packet.time)));
        }
        let acknowledges_payload = number.min(half.next) > half.acknowledged.max(1);
        half.acknowledged = number;
        let sample = half.rtt_queue.acknowledged(number, packet.time);
        findings.rtt = sample.filter(|span| !self.has_step(*span, packet.time));
        let half = &mut self.subflows[location.index].halves[location.dir.reverse()];
        if let Some(span) = findings.rtt {
            half.rtt.record(span);
        }
        if acknowledges_payload && packet.is_plain() {
            let plain = &mut self.subflows[location.index].halves[location.dir].plain;
            if let Some(plain) = plain {
                plain.acknowledging += 1;
            }
        }
    }

    /// Drops state so far below the acknowledgements that no copy of it is expected.
    pub(super) fn forget(&mut self, location: Location, context: &mut Context<'_>) {
        let limits = &context.settings.limits;
        let half = &mut self.subflows[location.index].halves[location.dir];
        let floor = half.acknowledged.saturating_sub(limits.history);
        if floor >= half.seen.floor() + FORGET_EVERY {
            half.count_not_captured(floor);
            half.seen.forget_below(floor);
            half.mappings.forget_below(floor);
        }
        let mappings = half.mappings.shrink(limits.mappings);
        let ranges = half.seen.shrink(limits.intervals) + self.halves[location.dir].owners.shrink(limits.intervals);
        if mappings + ranges > 0 {
            context.capped.mappings += mappings as u64;
            context.capped.intervals += ranges as u64;
            self.truncated = true;
        }
    }

    /// Starts the timer of data that waits for its DATA_ACK.
    pub(super) fn begin_waiting(&mut self, dir: Direction, now: Timestamp) {
        let half = &mut self.halves[dir];
        if half.waiting_since.is_none() && half.highest() > half.acknowledged {
            half.waiting_since = Some(now);
        }
    }

    /// A DATA_ACK has advanced; this many bytes had waited before.
    pub(super) fn progress(
        &mut self,
        location: Location,
        dir: Direction,
        waited: u64,
        now: Timestamp,
        context: &mut Context<'_>,
    ) {
        let half = &mut self.halves[dir];
        let outstanding = half.highest().saturating_sub(half.acknowledged);
        let Some(since) = half.waiting_since else {
            return;
        };
        // What the clock jumped over did not pass.
        let jumped = self
            .last_step
            .filter(|(end, _)| *end > since)
            .map_or(0, |(_, span)| span.0);
        let half = &mut self.halves[dir];
        let gap = Span((now - since).0 - jumped);
        half.longest_stall = half.longest_stall.max(gap);
        half.waiting_since = (outstanding > 0).then_some(now);
        if gap >= context.settings.stall {
            self.event_kinds.insert(MarkKind::Stall);
            let was_lost = self
                .subflows
                .iter()
                .any(|subflow| subflow.halves[dir].t_last_again >= Some(since));
            let mut what = super::out::MarkFields::from(Detail::Gap(gap));
            what.bytes = waited;
            what.evidence = super::evidence::stall(was_lost, location.at.packet);
            context
                .out
                .mark(super::out::At { dir, ..location.at }, MarkKind::Stall, what);
        }
    }
}

impl SubflowHalf {
    /// Whether an acknowledgement of everything below `number` covers payload that was not seen. A FIN takes a number
    /// too, and need not have been seen.
    #[inline]
    fn misses_below(&self, number: u64) -> bool {
        number > self.next.max(1) + 1 || (self.seen.has_holes() && self.seen.missing(1, number.min(self.next)) > 0)
    }

    /// Counts payload below `upto` that was not seen, where it is acknowledged. Called before ranges are dropped.
    pub(super) fn count_not_captured(&mut self, upto: u64) {
        let from = self.seen.floor().max(self.counted_to).max(1);
        let end = if upto > self.next.max(1) + 1 {
            upto - u64::from(self.fin)
        } else {
            upto.min(self.next)
        };
        if end > from {
            self.counters.not_captured += self.seen.missing(from, end);
            self.counted_to = end;
        }
    }
}

impl DataHalf {
    /// The end of the data seen so far; a DATA_FIN takes one number.
    pub(super) fn highest(&self) -> u64 {
        self.owners.highest().max(self.fin.map_or(0, |fin| fin + 1))
    }
}
