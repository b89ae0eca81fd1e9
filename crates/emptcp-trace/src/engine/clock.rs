//! Steps of the capture's clock. Back: a packet is earlier than the one before it. Forward: the capture has no packet
//! for a while, and by the TCP timestamps of both hosts (RFC 7323) less time has passed.

use super::out::MarkFields;
use super::segment::{Context, Location};
use super::state::Connection;
use crate::packet::Packet;
use crate::record::{Cause, Detail, Evidence, MarkKind};
use crate::{Span, Timestamp};
use mptcp_wire::tcp::Flags;

/// Packets of several queues of one device may be this much out of order.
const BACK: Span = Span(1_000_000);
/// A shorter pause is not compared with timestamps.
const PAUSE: Span = Span(500_000_000);
/// A sender with a short round-trip time has sent again after this time.
const TIMEOUT: Span = Span::from_seconds(2);
/// The ticks of a timestamp are counted for this long, or so many of them, before they measure time.
const LEARNT: Span = Span(50_000_000);
const TICKS: u32 = 8;
/// A tick is at least this long and at most that (RFC 7323, 5.4).
const SHORTEST_TICK: f64 = 1e6;
const LONGEST_TICK: f64 = 1e9;

/// The clock of the capture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Steps back.
    pub(super) steps: u32,
    /// The last of them.
    back: Span,
    previous: Option<Timestamp>,
    /// The last time in which the capture has no packet.
    pause: Option<(Timestamp, Timestamp)>,
}

/// The timestamps of one direction of a subflow: first and last TSval, and when they were captured.
#[derive(Debug)]
pub(super) struct Stamps {
    first: (u32, Timestamp),
    last: (u32, Timestamp),
    /// The end of a pause, and how much of it did not pass for the sender.
    missing: Option<Box<(Timestamp, Span)>>,
}

impl Clock {
    /// A packet. Returns whether the clock went back before it.
    #[inline]
    pub(super) fn pass(&mut self, time: Timestamp) -> bool {
        let Some(previous) = self.previous.replace(time) else {
            return false;
        };
        let passed = time - previous;
        if passed >= PAUSE {
            self.pause = Some((previous, time));
        }
        let is_back = passed.0 < -BACK.0;
        if is_back {
            self.steps += 1;
            self.back = passed;
        }
        is_back
    }

    /// Whether nothing has happened since `last` that a packet could show.
    #[inline]
    fn is_steady(&self, last: Timestamp, now: Timestamp) -> bool {
        self.pause.is_none_or(|(_, end)| last >= end && now - end > PAUSE)
    }

    /// A packet that is known to be late changes nothing.
    pub(super) fn previous(&self) -> Option<Timestamp> {
        self.previous
    }

    pub(super) fn set_previous(&mut self, previous: Option<Timestamp>) {
        self.previous = previous;
    }
}

impl Connection {
    /// Steps of the clock since its last packet.
    #[inline]
    pub(super) fn pass_clock(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let clock = context.clock;
        if let Some(stamps) = &mut self.subflows[location.index].halves[location.dir].stamps
            && let Some(value) = packet.timestamp
            && clock.steps == self.clock_seen
            && clock.is_steady(stamps.last.1, packet.time)
        {
            stamps.last = (value, packet.time);
        } else {
            self.note_clock(location, packet, context);
        }
    }

    #[inline(never)]
    fn note_clock(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let clock = context.clock;
        if clock.steps != self.clock_seen {
            let new = clock.steps.wrapping_sub(self.clock_seen);
            self.clock_seen = clock.steps;
            self.step(location, new, clock.back, context);
        }
        if clock.pause.is_some() {
            self.note_impossible_wait(location, packet, context);
        }
        let Some(value) = packet.timestamp else { return };
        let halves = &mut self.subflows[location.index].halves;
        let now = (value, packet.time);
        let stamps = halves[location.dir].stamps.get_or_insert(Stamps {
            first: now,
            last: now,
            missing: None,
        });
        let pause = clock
            .pause
            .filter(|pause| stamps.last.1 <= pause.0 && packet.time >= pause.1);
        let missing = pause.and_then(|pause| Some((pause.1, stamps.missing(now)?)));
        stamps.last = now;
        if missing.is_none() {
            return;
        }
        stamps.missing = missing.map(Box::new);
        let other = &halves[location.dir.reverse()].stamps;
        let other = other.as_ref().and_then(|stamps| stamps.missing.as_deref().copied());
        if let (Some((end, one)), Some((same, two))) = (missing, other)
            && end == same
            && self.last_step.is_none_or(|(last, _)| last != end)
        {
            let step = one.min(two);
            self.last_step = Some((end, step));
            self.step(location, 1, step, context);
        }
    }

    /// Data in flight when a long pause of the whole capture began, acknowledged at its end and not sent again: its
    /// sender would have sent it again (RFC 6298, 5), so the pause did not pass for it.
    fn note_impossible_wait(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let Some((begin, end)) = context.clock.pause.filter(|pause| pause.1 - pause.0 >= TIMEOUT) else {
            return;
        };
        if packet.time - end > PAUSE || self.last_step.is_some_and(|(last, _)| last == end) {
            return;
        }
        let half = &self.subflows[location.index].halves[location.dir.reverse()];
        let number = half.numbers.as_ref().and_then(|from| from.peek(packet.acknowledgement));
        let (Some(number), Some((next, Some(sent)))) = (number, half.rtt_queue.oldest()) else {
            return;
        };
        let is_quick = half.rtt.least().is_some_and(|least| least.0 < TIMEOUT.0 / 4);
        let is_whole = half.seen.len() <= 1;
        if packet.flags.contains(Flags::ACK) && next <= number && sent <= begin && is_quick && is_whole {
            let step = end - begin;
            self.last_step = Some((end, step));
            self.step(location, 1, step, context);
        }
    }

    /// Whether a time that ended now and lasted for `span` has a step of the clock in it.
    pub(super) fn has_step(&self, span: Span, now: Timestamp) -> bool {
        self.last_step.is_some_and(|(end, _)| now - end < span)
    }

    fn step(&mut self, location: Location, steps: u32, by: Span, context: &mut Context<'_>) {
        self.clock_steps += steps;
        self.event_kinds.insert(MarkKind::ClockStep);
        let what = MarkFields {
            evidence: Evidence::certain(Cause::ClockStep, [location.at.packet]),
            ..MarkFields::from(Detail::Step(by))
        };
        context.out.mark(location.at, MarkKind::ClockStep, what);
    }
}

impl Stamps {
    /// The time that passed for the capture and not for the sender, when it is long.
    fn missing(&self, now: (u32, Timestamp)) -> Option<Span> {
        let learnt = self.last.1 - self.first.1;
        let ticks = self.last.0.wrapping_sub(self.first.0);
        let is_learnt = ticks >= TICKS || (learnt >= LEARNT && ticks > 0);
        let tick = match is_learnt {
            true => (learnt.0 as f64 / f64::from(ticks)).max(SHORTEST_TICK),
            false => LONGEST_TICK,
        };
        let span = now.1 - self.last.1;
        let more = now.0.wrapping_sub(self.last.0);
        // A tick may have been about to end.
        let passed = tick * f64::from(more.saturating_add(u32::from(!is_learnt)));
        let missing = Span(span.0.saturating_sub(passed as i64));
        (missing >= PAUSE && missing.0 > span.0 / 2).then_some(missing)
    }
}
