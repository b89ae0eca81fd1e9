//! Reads both captures side by side.

use super::clock::{Clock, Observations};
use super::flow::{BEGIN, Flow, FlowDirection};
use super::flows::{FlowNumber, Flows};
use super::packet::Packet;
use super::pending::{Item, Key, Pair};
use super::reader::Reader;
use super::{ClockOffset, CompareSettings, Comparison, Point, build};
use crate::{PacketNumber, Result, Source, Span, Timestamp};
use serde::Serialize;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Two copies of a packet, or of a part of it: a row of the table of pairs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PairedPacket {
    /// The subflow; [`ComparedSubflow::number`](super::ComparedSubflow) says which one that is.
    pub number: usize,
    /// The sender is the host that sent the SYN of this subflow.
    pub from_opener: bool,
    /// The time at A, by A's clock.
    pub t_a: Timestamp,
    /// The time at B, by B's clock.
    pub t_b: Timestamp,
    /// The packet in A.
    pub packet_a: PacketNumber,
    /// The packet in B.
    pub packet_b: PacketNumber,
    /// The sequence number, counted from 0 for the SYN.
    pub sequence: u64,
    /// Bytes of payload in A's copy.
    pub length: u32,
    /// Both copies have the same borders.
    pub exact: bool,
}

/// Compares two captures: reads `a` and `b` in parallel, to their ends.
///
/// ```
/// use emptcp_trace::compare::{CompareSettings, compare};
/// use emptcp_trace::{Direction, Timestamp, source::Packets};
/// use mptcp_wire::{LinkType, PacketBuilder, tcp::Flags};
///
/// let [mut a, mut b] = ["client", "server"].map(|name| Packets::new(name, LinkType::Ethernet));
/// for (number, is_lost) in [false, true, false].into_iter().enumerate() {
///     let packet = PacketBuilder::new("10.0.0.1:4000".parse()?, "10.0.0.2:80".parse()?)
///         .flags(Flags::ACK)
///         .sequence(1000 + 100 * number as u32)
///         .payload(&[7; 100]);
///     let mut frame = vec![0; packet.buffer_length()];
///     let length = packet.build(&mut frame)?;
///     frame.truncate(length);
///     let sent = 1_000_000 * number as i64;
///     a.push(Timestamp(sent), frame.clone());
///     if !is_lost {
///         b.push(Timestamp(sent + 500_000), frame);
///     }
/// }
/// let comparison = compare(a, b, CompareSettings::default())?;
/// let subflow = &comparison.connections[0].subflows[0];
/// let lost: u64 = Direction::BOTH.map(|direction| subflow.directions[direction].lost.packets).iter().sum();
/// assert_eq!(lost, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of the sources.
pub fn compare(a: impl Source, b: impl Source, settings: CompareSettings) -> Result<Comparison> {
    compare_with(a, b, settings, |_| {})
}

/// As [`compare`]; also calls `observe` with every pair of packets, roughly in the order of time.
///
/// # Errors
/// Those of the sources.
pub fn compare_with(
    a: impl Source,
    b: impl Source,
    settings: CompareSettings,
    observe: impl FnMut(&PairedPacket),
) -> Result<Comparison> {
    let (mut a, mut b) = (Reader::new(a), Reader::new(b));
    let mut comparer = Comparer {
        settings,
        flows: Flows::new(settings.subflows),
        waiting: VecDeque::new(),
        observations: Observations::default(),
        first_difference: None,
        position: [None; 2],
        read: [0; 2],
        exceeded: 0,
        observe,
    };
    while let Some(point) = comparer.choose(a.next_time()?, b.next_time()?) {
        let packet = match point {
            Point::A => a.next()?,
            Point::B => b.next()?,
        };
        if let Some(packet) = packet {
            comparer.take(point, packet);
        }
        comparer.expire([&a.capture, &b.capture].map(|capture| capture.first.zip(capture.last)));
    }
    let captures = [a.capture, b.capture];
    let ranges = captures.each_ref().map(|capture| capture.first.zip(capture.last));
    while let Some(waiting) = comparer.waiting.pop_front() {
        comparer.give_up(waiting, ranges, true);
    }
    let clock = match settings.clock {
        ClockOffset::Auto => comparer.observations.estimate(),
        ClockOffset::Same => Clock::given(Span(0)),
        ClockOffset::Given(offset) => Clock::given(offset),
    };
    Ok(build::comparison(captures, clock, comparer.flows, comparer.exceeded))
}

/// A packet that waits, in the order of reading.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    flow: FlowNumber,
    flow_direction: FlowDirection,
    point: Point,
    key: Key,
    time: Timestamp,
}

struct Comparer<O> {
    settings: CompareSettings,
    flows: Flows,
    waiting: VecDeque<Waiting>,
    observations: Observations,
    /// The difference of the first pair: an estimate until there are pairs in both directions.
    first_difference: Option<Span>,
    position: [Option<Timestamp>; 2],
    read: [u64; 2],
    exceeded: u64,
    observe: O,
}

/// The first and last time of a capture so far.
type Range = Option<(Timestamp, Timestamp)>;

impl<O: FnMut(&PairedPacket)> Comparer<O> {
    /// The rough difference, clock of B minus clock of A; none while it is unknown.
    fn offset(&self) -> Option<Span> {
        match self.settings.clock {
            ClockOffset::Auto => self.observations.rough().or(self.first_difference),
            ClockOffset::Same => Some(Span(0)),
            ClockOffset::Given(offset) => Some(offset),
        }
    }

    /// A time in A's clock.
    fn common(&self, point: Point, time: Timestamp) -> Timestamp {
        match (point, self.offset()) {
            (Point::B, Some(Span(offset))) => time + Span(offset.saturating_neg()),
            _ => time,
        }
    }

    /// The capture to read next: the one that is earlier in time. None: both are at their ends.
    fn choose(&self, a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Point> {
        let behind = |a_is_behind| if a_is_behind { Point::A } else { Point::B };
        match (a, b) {
            (None, None) => None,
            (Some(_), None) => Some(Point::A),
            (None, Some(_)) => Some(Point::B),
            // Nothing matches, and packets of one capture pile up: the clocks may be unrelated.
            (Some(_), Some(_)) if self.offset().is_none() && self.waiting.len() > self.settings.packets / 2 => {
                Some(behind(self.read[0] < self.read[1]))
            }
            (Some(a), Some(b)) => Some(behind(a <= self.common(Point::B, b))),
        }
    }

    fn take(&mut self, point: Point, packet: Packet) {
        self.read[point.index()] += 1;
        self.position[point.index()] = self.position[point.index()].max(Some(packet.time));
        let Some(mut number) = self.flows.of(point, &packet) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(number) else { return };
        let flow_direction = flow.direction_of(point, &packet);
        flow.tally[flow_direction.index()].seen(point, &packet);
        let found = flow.learn(point, flow_direction, &packet);
        if let Some((whole, waited)) = self.flows.recognise(point, number, &packet, &found) {
            number = whole;
            for (flow_direction, items) in FlowDirection::BOTH.into_iter().zip(waited) {
                for item in items {
                    self.offer(point, number, flow_direction, item);
                }
            }
        }
        let Some(flow) = self.flows.get_mut(number) else { return };
        let item = flow.place(point, flow_direction, packet);
        self.offer(point, number, flow_direction, item);
    }

    fn offer(&mut self, point: Point, number: FlowNumber, flow_direction: FlowDirection, item: Item) {
        let Some(flow) = self.flows.get_mut(number) else { return };
        let (bases, strict, time) = (flow.bases(flow_direction), flow.keeps_timestamps(), item.packet.time);
        let mut differences: SmallVec<[(Timestamp, Span); 2]> = SmallVec::new();
        let (tally, observe) = (&mut flow.tally[flow_direction.index()], &mut self.observe);
        let key = flow.pending[flow_direction.index()].offer(point, item, strict, |pair: Pair<'_>| {
            tally.pair(&pair, bases);
            let [a, b] = pair.items;
            if a.start == b.start {
                differences.push((a.packet.time, b.packet.time - a.packet.time));
            }
            observe(&PairedPacket {
                number,
                from_opener: flow_direction == FlowDirection::FromOpener,
                t_a: a.packet.time,
                t_b: b.packet.time,
                packet_a: a.packet.number,
                packet_b: b.packet.number,
                sequence: a.start.saturating_sub(BEGIN),
                length: a.packet.payload_length,
                exact: pair.exact,
            });
        });
        for (at_a, difference) in differences {
            self.first_difference.get_or_insert(difference);
            let from_a = flow.direction_from_a();
            let [leaving, coming] =
                [from_a, from_a.reverse()].map(|flow_direction| &flow.tally[flow_direction.index()].samples);
            if leaving.count() > 0 && coming.count() > 0 {
                self.observations
                    .note(at_a, difference, flow_direction == from_a, leaving, coming);
            }
        }
        self.waiting.extend(key.map(|key| Waiting {
            flow: number,
            flow_direction,
            point,
            key,
            time,
        }));
    }

    fn waits(flows: &mut Flows, waiting: &Waiting) -> bool {
        let flow = flows.get_mut(waiting.flow);
        flow.is_some_and(|flow| flow.pending[waiting.flow_direction.index()].waits(waiting.point, waiting.key))
    }

    /// Discards packets that wait for too long, or the oldest when too many wait.
    fn expire(&mut self, ranges: [Range; 2]) {
        while let Some(&oldest) = self.waiting.front() {
            let reached = self.position[oldest.point.other().index()];
            let due = self.offset().is_some()
                && reached.is_some_and(|reached| {
                    let reached = self.common(oldest.point.other(), reached);
                    reached - self.common(oldest.point, oldest.time) > self.settings.window
                });
            if !due && Self::waits(&mut self.flows, &oldest) {
                break;
            }
            self.waiting.pop_front();
            self.give_up(oldest, ranges, false);
        }
        let most = self.settings.packets;
        if self.waiting.len() > most {
            let flows = &mut self.flows;
            self.waiting.retain(|waiting| Self::waits(flows, waiting));
            // Discard several at a time, so that this runs rarely.
            while self.waiting.len() > most - most / 8
                && let Some(oldest) = self.waiting.pop_front()
            {
                self.exceeded += 1;
                self.give_up(oldest, ranges, false);
            }
        }
    }

    /// Counts a packet without a copy in the other capture.
    fn give_up(&mut self, waiting: Waiting, ranges: [Range; 2], at_end: bool) {
        let (other, time) = (waiting.point.other(), self.common(waiting.point, waiting.time));
        let range = ranges[other.index()].map(|(first, last)| (self.common(other, first), self.common(other, last)));
        let Some(flow) = self.flows.get_mut(waiting.flow) else {
            return;
        };
        let Some(item) = flow.pending[waiting.flow_direction.index()].remove(waiting.point, waiting.key) else {
            return;
        };
        let delay = flow.delay_range();
        let leaves = (waiting.flow_direction == flow.direction_from_a()) == (waiting.point == Point::A);
        let outside = match range {
            None => true,
            // Its copy may have arrived after the other capture ended,
            Some((first, last)) if leaves => time < first || (at_end && last < time + delay),
            // or may have left before the other capture began.
            Some((first, last)) => time < first + delay || last < time,
        };
        let tally = &mut flow.tally[waiting.flow_direction.index()];
        tally.single(waiting.point, &item.packet, item.payload_left(), item.touched, outside);
    }
}

impl Flow {
    /// The direction of packets that pass A first. Their difference (time at B minus time at A) exceeds that of the
    /// other direction by the round-trip time between the points, whatever the clocks.
    pub(super) fn direction_from_a(&self) -> FlowDirection {
        let [forward, backward] = self.tally.each_ref().map(|tally| tally.samples.mean());
        match (forward, backward) {
            (Some(forward), Some(backward)) if forward < backward => FlowDirection::ToOpener,
            _ => FlowDirection::FromOpener,
        }
    }

    /// A bound of the one-way delay: the distance of the extremes of all differences.
    fn delay_range(&self) -> Span {
        let ranges = self.tally.iter().filter_map(|tally| tally.samples.range());
        let (least, most) = ranges.fold((i64::MAX, i64::MIN), |(least, most), range| {
            (least.min(range.0), most.max(range.1))
        });
        Span(most.saturating_sub(least).max(0))
    }
}
