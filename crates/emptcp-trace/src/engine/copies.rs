//! Packets that the capture has more than once: with all devices of a host that has a bridge, a VLAN, a bond or a
//! container, each device shows the packet again.
//!
//! A copy has the same bytes from the IP header on, but for TTL and header checksum. So has a retransmission of a host
//! whose packets have no IPv4 identification and no timestamps; then the time decides: a host cannot know of a loss
//! before a round-trip time has passed.
//!
//! A device may also split what another shows as one aggregate, so ranges of bytes are compared too.

use super::state::Subflow;
use crate::packet::Packet;
use crate::{Direction, Span, Timestamp};
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;

/// Packets that are remembered, at most.
const PACKETS: usize = 1024;
/// Ranges of payload that are remembered: the segments of an aggregate of 64 KiB, and some of other flows.
const RANGES: usize = 128;
/// Segments of an aggregate, at most.
const SEGMENTS: u16 = 128;
/// An identification (IPv4) returns after 65536 packets of a host at the earliest, and no retransmission has it.
const SAME_IDENTIFICATION: Span = Span::from_seconds(1);
/// Two packets with the same TSval left their host within a tick of its clock: 1 ms in Linux, 10 ms in others.
const TICK: Span = Span(20_000_000);
/// What passes on one host within this time is a copy, where no round-trip time is known.
const MOMENT: Span = Span(1_000_000);

/// The shortest time after which Linux repeats a segment without an answer (`TCP_RTO_MIN`).
const TIMEOUT: Span = Span(200_000_000);

/// The last packets.
#[derive(Debug)]
pub(super) struct Copies {
    packets: Box<[Seen; PACKETS]>,
    ranges: Box<[Carried; RANGES]>,
    next: usize,
}

/// A packet, in a place that its fingerprint chooses.
#[derive(Clone, Copy, Debug)]
struct Seen {
    fingerprint: u64,
    time: Timestamp,
}

/// Payload of a packet.
#[derive(Clone, Copy, Debug)]
struct Carried {
    /// Flow and direction.
    flow: u64,
    start: u32,
    length: u32,
    timestamp: Option<u32>,
    identification: u16,
    time: Timestamp,
}

impl Carried {
    /// Whether the identifications (IPv4) allow that one packet is a part of the other: those of the segments of an
    /// aggregate count up from that of the aggregate.
    fn may_be_part(&self, packet: &Packet) -> bool {
        if packet.identification == 0 || self.identification == 0 {
            return true;
        }
        let ahead = packet.sequence.0.wrapping_sub(self.start).cast_signed();
        let counted = packet.identification.wrapping_sub(self.identification);
        match ahead {
            0 => counted == 0,
            1.. => (1..=SEGMENTS).contains(&counted),
            _ => (1..=SEGMENTS).contains(&counted.wrapping_neg()),
        }
    }
}

impl Default for Copies {
    fn default() -> Self {
        let none = Seen {
            fingerprint: 0,
            time: Timestamp(i64::MIN),
        };
        let nothing = Carried {
            flow: 0,
            start: 0,
            length: 0,
            timestamp: None,
            identification: 0,
            time: Timestamp(i64::MIN),
        };
        Self {
            packets: Box::new([none; PACKETS]),
            ranges: Box::new([nothing; RANGES]),
            next: 0,
        }
    }
}

/// What is known of a packet that looks like one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing like it was seen lately, or it differs.
    New,
    /// The capture has it again.
    Copy,
    /// It has the same bytes as one before, and may be a copy or a retransmission.
    Unclear,
}

impl Copies {
    /// Judges a packet, and remembers it unless it is a copy. Its subflow is looked up only where it matters.
    #[inline]
    pub(super) fn judge<'a>(&mut self, packet: &Packet, subflow: impl FnOnce() -> Option<&'a Subflow>) -> Verdict {
        let place = &mut self.packets[packet.fingerprint as usize % PACKETS];
        if place.fingerprint == packet.fingerprint {
            let before = place.time;
            return self.judge_again(packet, before, subflow());
        }
        *place = Seen {
            fingerprint: packet.fingerprint,
            time: packet.time,
        };
        if packet.payload == 0 {
            return Verdict::New;
        }
        if subflow().is_some_and(|subflow| subflow.may_have_seen(packet) && self.is_covered(packet, subflow)) {
            return Verdict::Copy;
        }
        self.remember(packet);
        Verdict::New
    }

    /// Judges a packet with the same bytes as one before.
    #[cold]
    fn judge_again(&mut self, packet: &Packet, before: Timestamp, subflow: Option<&Subflow>) -> Verdict {
        let verdict = same_bytes(packet, packet.time - before, subflow);
        if verdict != Verdict::Copy {
            self.packets[packet.fingerprint as usize % PACKETS].time = packet.time;
            if packet.payload > 0 {
                self.remember(packet);
            }
        }
        verdict
    }

    #[inline]
    fn remember(&mut self, packet: &Packet) {
        self.ranges[self.next % RANGES] = Carried {
            flow: packet.flow_print,
            start: packet.sequence.0,
            length: packet.payload,
            timestamp: packet.timestamp,
            identification: packet.identification,
            time: packet.time,
        };
        self.next = self.next.wrapping_add(1);
    }

    /// Whether packets of the same moment carried all of the payload.
    #[cold]
    fn is_covered(&self, packet: &Packet, subflow: &Subflow) -> bool {
        let limit = limit(packet, Some(subflow));
        let is_fixed = identification(packet, Some(subflow)) == 0;
        let fits = |range: &&Carried| {
            let age = packet.time - range.time;
            let in_time = range.time.0 != i64::MIN && age >= Span::default() && age < limit;
            let same = range.flow == packet.flow_print && range.timestamp == packet.timestamp;
            in_time && same && (is_fixed || range.may_be_part(packet))
        };
        let mut pieces: SmallVec<[(u32, u32); 8]> = self
            .ranges
            .iter()
            .filter(fits)
            .filter_map(|range| overlap(packet, range))
            .collect();
        pieces.sort_unstable();
        let covered = pieces.iter().fold(0, |upto, (start, end)| match *start <= upto {
            true => upto.max(*end),
            false => upto,
        });
        covered >= packet.payload
    }
}

/// The part of the payload that a range has, as offsets in the payload.
fn overlap(packet: &Packet, range: &Carried) -> Option<(u32, u32)> {
    let distance = range.start.wrapping_sub(packet.sequence.0).cast_signed();
    let start = i64::from(distance);
    let end = start + i64::from(range.length);
    let clamp = |offset: i64| u32::try_from(offset.clamp(0, i64::from(packet.payload))).unwrap_or(0);
    (clamp(start) < clamp(end)).then(|| (clamp(start), clamp(end)))
}

/// Whether a packet with the same bytes as one `age` before is a copy of it.
fn same_bytes(packet: &Packet, age: Span, subflow: Option<&Subflow>) -> Verdict {
    let identification = identification(packet, subflow);
    // A host answers each of several segments with the same ACK or RST: nothing tells such packets from copies, but for
    // other packets of this sender that the capture has twice.
    let ends_or_begins = packet.flags.contains(Flags::SYN) || packet.flags.contains(Flags::FIN);
    let is_answer = packet.payload == 0 && identification == 0 && !ends_or_begins;
    let may_be_copy = !is_answer || subflow.is_some_and(|subflow| subflow.is_captured_twice(packet));
    let is_copy = may_be_copy
        && age >= Span::default()
        && match (identification, packet.timestamp) {
            (0, None) => age < limit(packet, subflow),
            (0, Some(_)) => age < limit(packet, subflow) || (age > TICK && age < SAME_IDENTIFICATION),
            _ => age < SAME_IDENTIFICATION,
        };
    match is_copy {
        true => Verdict::Copy,
        // Merged captures of two points are up to one way apart.
        false if identification == 0 && age < round_trip(subflow).unwrap_or(TIMEOUT) => Verdict::Unclear,
        false => Verdict::New,
    }
}

/// The identification; 0 where its sender has the same in all packets.
fn identification(packet: &Packet, subflow: Option<&Subflow>) -> u16 {
    match subflow {
        Some(subflow) if subflow.halves[subflow.direction(packet)].has_fixed_identification => 0,
        _ => packet.identification,
    }
}

fn round_trip(subflow: Option<&Subflow>) -> Option<Span> {
    subflow.and_then(Subflow::least_round_trip)
}

/// No retransmission of the packet passes within this time.
fn limit(packet: &Packet, subflow: Option<&Subflow>) -> Span {
    match round_trip(subflow) {
        // A host may acknowledge the same twice at once, so without payload only a moment counts.
        Some(span) if packet.payload > 0 => Span(span.0 / 2),
        Some(span) => Span((span.0 / 2).min(MOMENT.0)),
        None => MOMENT,
    }
}

impl Subflow {
    /// Whether the capture has other packets of this sender twice.
    fn is_captured_twice(&self, packet: &Packet) -> bool {
        self.halves[self.direction(packet)].counters.captured_twice > 0
    }

    /// Whether the payload ends within what was sent already.
    fn may_have_seen(&self, packet: &Packet) -> bool {
        let half = &self.halves[self.direction(packet)];
        let start = half.numbers.as_ref().and_then(|numbers| numbers.peek(packet.sequence));
        start.is_some_and(|start| start + u64::from(packet.payload) <= half.next)
    }

    /// The shortest time from the capture to both ends and back, as far as it is known.
    fn least_round_trip(&self) -> Option<Span> {
        let opener = self.opener();
        let part = |dir: Direction| {
            let handshake = self.hs_rtt[usize::from(dir != opener)].map(|ms| Span((ms * 1e6) as i64));
            match (self.halves[dir].rtt.least(), handshake) {
                (Some(least), Some(handshake)) => Some(least.min(handshake)),
                (least, handshake) => least.or(handshake),
            }
        };
        match Direction::BOTH.map(part) {
            [Some(a), Some(b)] => Some(Span(a.0 + b.0)),
            [a, b] => a.or(b),
        }
    }
}
