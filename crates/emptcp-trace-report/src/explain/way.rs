//! What the packets of one direction of a subflow show beyond their handshake: bytes that the capture lacks, bytes that
//! came late or again, packets without an option, packets without an answer.

use super::At;
use emptcp_trace::{Direction, PacketEvent, PerDirection, Piece, Span, Timestamp};
use mptcp_wire::mptcp::MptcpOption;
use mptcp_wire::tcp::{Flags, Stage};
use std::ops::Range;

/// Gaps, and copies, of a direction that are remembered.
const REMEMBERED: usize = 64;
/// Copies that wait for their acknowledgement.
const PENDING: usize = 32;

/// Packets one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) first: At,
    pub(super) last: At,
    pub(super) packets: u64,
    /// Payload in them.
    pub(super) bytes: u64,
}

impl Run {
    pub(super) fn add(run: &mut Option<Self>, at: At, bytes: u64) {
        let run = run.get_or_insert(Self {
            first: at,
            last: at,
            packets: 0,
            bytes: 0,
        });
        run.last = at;
        run.packets += 1;
        run.bytes += bytes;
    }
}

/// Bytes that no packet has brought yet, and since when.
#[derive(Clone, Debug)]
struct Gap {
    bytes: Range<u64>,
    since: At,
}

/// A packet with bytes that had been captured before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) at: At,
    end: u64,
    pub(super) judgement: Judgement,
}

/// Whether a copy was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Not known: no acknowledgement, or no round-trip time to compare with.
    Open,
    /// The acknowledgement came a round trip after the copy, not after the original: the original was lost.
    Needed,
    /// The acknowledgement came too soon to be for the copy: the original had arrived.
    Needless,
}

/// One direction of a subflow.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) packets: u64,
    pub(super) last: Option<At>,
    /// The number after the highest one seen, or acknowledged.
    next: u64,
    /// The last packet with payload.
    pub(super) last_data: Option<At>,
    /// What the other side has acknowledged, and since when.
    pub(super) acked: u64,
    pub(super) last_acked: Option<At>,
    gaps: Vec<Gap>,
    /// Acknowledged, but never seen.
    missing: Vec<Gap>,
    /// Sequence numbers that were acknowledged and never captured.
    pub(super) unseen: Option<Run>,
    /// Bytes that came after later ones, within less than a round trip: out of order.
    pub(super) overtaken: Option<Run>,
    /// Data that was acknowledged before it was captured: the capture is out of order.
    pub(super) acked_early: Option<Run>,
    /// The shortest time from data to its acknowledgement.
    pub(super) shortest_rtt: Option<Span>,
    copies: Vec<Copy>,
    /// The last DSS.
    pub(super) last_dss: Option<At>,
    /// Packets without any MPTCP option since then; handshakes and resets do not count.
    pub(super) bare: Option<Run>,
    /// Packets with payload that no mapping covered when they came, since the last mapping.
    pub(super) unmapped: Option<Run>,
    /// Likewise, before a later mapping; the first such run.
    pub(super) unmapped_before: Option<Run>,
    /// A DSS that maps less than the payload of its packet: the packet, and the payload that it maps.
    pub(super) short_mapping: Option<(At, u32)>,
    /// Another MPTCP option after the last DSS.
    pub(super) other_option: Option<At>,
    /// Packets that need an answer (data, FIN, keep-alive) since the last packet of the other side.
    pub(super) unanswered: Option<Run>,
    /// The largest payload, that of the packet before, and how often two in a row make up one of the largest.
    largest: u32,
    before: (u32, u64),
    pub(super) halves: u64,
    pub(super) first_half: Option<At>,
    /// The same bytes, sent again and again: their first number, and the packets that carry them.
    stuck: Option<(u64, Run)>,
    /// When the longest such time ended with an answer: the run, and the answer.
    pub(super) mended: Option<(Run, At)>,
    /// Of `unanswered`: packets that repeat bytes.
    pub(super) repeated: u64,
    /// What the other side had sent when this one sent a RST.
    heard_at_reset: Option<u64>,
    /// A packet of a sender that had sent a RST before, which it sent later than that: it acknowledges newer data, or
    /// repeats bytes.
    pub(super) after_reset: Option<At>,
    /// Gaps that were filled a round trip or more late: the bytes, the packet, and since when they were missing.
    filled: Vec<(Range<u64>, At, At)>,
    /// Some of those bytes came once more.
    filled_again: bool,
}

impl Way {
    /// Copies captured between two moments.
    pub(super) fn copies(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Copy> {
        self.copies
            .iter()
            .filter(move |copy| copy.at.t >= from && copy.at.t <= to)
    }

    /// Whether bytes just before this moment are missing in the capture.
    pub(super) fn lacks_bytes_before(&self, t: Timestamp, within: Span) -> bool {
        let near = |gap: &Gap| gap.since.t <= t && t - gap.since.t <= within;
        self.missing.iter().chain(&self.gaps).any(near)
    }

    /// The same bytes sent at least so often, without progress since.
    pub(super) fn stuck(&self, least: u64) -> Option<Run> {
        self.stuck.map(|(_, run)| run).filter(|run| run.packets >= least)
    }

    /// Whether those bytes are acknowledged in the capture, although their sender goes on to repeat them.
    pub(super) fn is_heard(&self) -> bool {
        self.stuck.is_some_and(|(start, _)| self.acked > start)
    }

    /// Bytes that came after later ones, a round trip or more late.
    pub(super) fn late(&self) -> Option<Run> {
        let mut run = None;
        for (bytes, at, _) in &self.filled {
            Run::add(&mut run, *at, bytes.end - bytes.start);
        }
        run
    }

    /// Whether all of them came so late that their sender must have sent them again, and only once.
    pub(super) fn late_by(&self, least: Span) -> bool {
        !self.filled_again && self.filled.iter().all(|(_, at, since)| at.t - since.t >= least)
    }

    /// Whether bytes are missing in the capture that this packet or its acknowledgement skips.
    pub(super) fn jumped_at(&self, at: At) -> bool {
        self.missing.iter().chain(&self.gaps).any(|gap| gap.since == at)
    }

    /// Whether nothing is known of what the sender sent: no packet but RST, and no acknowledgement.
    pub(super) fn next_is_unknown(&self) -> bool {
        self.next == 0
    }

    /// Whether the sender waits for an acknowledgement.
    pub(super) fn waits(&self) -> bool {
        self.next > self.acked.max(1)
    }

    /// The first and the last number of a packet, plus one.
    fn numbers(packet: &PacketEvent) -> Option<Range<u64>> {
        let syn = packet.flags.contains(Flags::SYN);
        if packet.flags.contains(Flags::RST) || (packet.sequence == 0 && !syn) {
            return None;
        }
        let length = u64::from(packet.payload) + u64::from(syn) + u64::from(packet.flags.contains(Flags::FIN));
        Some(packet.sequence..packet.sequence + length)
    }

    /// A packet of this direction.
    fn sent(&mut self, packet: &PacketEvent, at: At, round_trip: Option<Span>) {
        self.packets += 1;
        self.last = Some(at);
        if packet.payload > 0 {
            self.last_data = Some(at);
        }
        let Some(numbers) = Self::numbers(packet) else { return };
        self.split(packet, numbers.end, at);
        if self.next == 0 {
            self.next = numbers.start;
        }
        if numbers.start > self.next && self.gaps.len() < REMEMBERED {
            self.gaps.push(Gap {
                bytes: self.next..numbers.start,
                since: at,
            });
        }
        let fills = numbers.start < self.next && !numbers.is_empty() && self.fill(&numbers, at, round_trip);
        let below = numbers.start < self.next && !numbers.is_empty();
        let repeats = below && !fills && !packet.flags.contains(Flags::SYN);
        self.next = self.next.max(numbers.end);
        self.repeat(&numbers, repeats, at);
        if packet.runs.iter().any(|run| run.piece == Piece::Retransmission) && self.copies.len() < REMEMBERED {
            self.copies.push(Copy {
                at,
                end: numbers.end,
                judgement: Judgement::Open,
            });
        }
    }

    /// Two segments in a row that together have the size of the largest ones: one was split.
    fn split(&mut self, packet: &PacketEvent, end: u64, at: At) {
        let (length, next) = self.before;
        let joins = length > 0 && next == packet.sequence && packet.payload > 0;
        if joins && length < self.largest && length + packet.payload == self.largest {
            self.halves += 1;
            self.first_half.get_or_insert(at);
            self.before = (0, 0);
            return;
        }
        self.largest = self.largest.max(packet.payload);
        self.before = (packet.payload, end);
    }

    /// Keeps count of how often the same bytes are sent. Later bytes for the first time are progress only if they are
    /// not sent in between by a sender that has room in its window.
    fn repeat(&mut self, numbers: &Range<u64>, repeats: bool, at: At) {
        let bytes = numbers.end - numbers.start;
        match &mut self.stuck {
            Some((start, run)) if *start == numbers.start && bytes > 0 => {
                let mut longer = Some(*run);
                Run::add(&mut longer, at, bytes);
                *run = longer.unwrap_or(*run);
            }
            _ if repeats => {
                let again = |bytes: &Range<u64>| bytes.start < numbers.end && numbers.start < bytes.end;
                self.filled_again |= self.filled.iter().any(|(bytes, _, _)| again(bytes));
                let mut run = None;
                Run::add(&mut run, at, bytes);
                self.stuck = run.map(|run| (numbers.start, run));
            }
            // Its sender has gone on.
            Some(_) if bytes > 0 => self.stuck = None,
            _ => {}
        }
    }

    /// Bytes below the highest ones came: they fill a gap, or come again. Returns whether they fill one.
    fn fill(&mut self, numbers: &Range<u64>, at: At, round_trip: Option<Span>) -> bool {
        let gaps = take(&mut self.gaps, numbers);
        let fills = !gaps.is_empty();
        for gap in gaps {
            let bytes = gap.bytes.end - gap.bytes.start;
            // A sender repeats at the earliest after three duplicate acknowledgements, a round trip later.
            let soon = round_trip.is_some_and(|round_trip| (at.t - gap.since.t).0 * 2 < round_trip.0);
            if soon {
                Run::add(&mut self.overtaken, at, bytes);
            } else if self.filled.len() < REMEMBERED {
                self.filled.push((gap.bytes, at, gap.since));
            }
        }
        for gap in take(&mut self.missing, numbers) {
            let bytes = gap.bytes.end - gap.bytes.start;
            Run::add(&mut self.acked_early, at, bytes);
            if let Some(unseen) = &mut self.unseen {
                unseen.bytes = unseen.bytes.saturating_sub(bytes);
            }
        }
        fills
    }

    /// The other side acknowledged up to here.
    fn acknowledged(&mut self, number: u64, at: At, rtt: Option<Span>, round_trip: Option<Span>) {
        if number <= self.acked {
            return;
        }
        self.acked = number;
        self.last_acked = Some(at);
        self.shortest_rtt = [self.shortest_rtt, rtt].into_iter().flatten().min();
        if self.next == 0 {
            self.next = number;
        }
        for gap in take(&mut self.gaps, &(0..number)) {
            self.lack(gap.bytes, at);
        }
        if number > self.next {
            self.lack(self.next..number, at);
            self.next = number;
        }
        // Near the receiver, the time to the acknowledgement says nothing about the path.
        let whole = |shortest: &Span| round_trip.is_some_and(|round_trip| shortest.0 * 2 >= round_trip.0);
        let shortest = self.shortest_rtt.filter(whole);
        let pending = self.copies.iter_mut().rev().take(PENDING);
        for copy in pending.filter(|copy| copy.judgement == Judgement::Open && copy.end <= number) {
            if let Some(shortest) = shortest.filter(|shortest| shortest.0 > 0) {
                let soon = (at.t - copy.at.t).0 * 10 < shortest.0 * 7;
                copy.judgement = if soon { Judgement::Needless } else { Judgement::Needed };
            }
        }
    }

    fn lack(&mut self, bytes: Range<u64>, at: At) {
        Run::add(&mut self.unseen, at, bytes.end - bytes.start);
        if self.missing.len() < REMEMBERED {
            self.missing.push(Gap { bytes, since: at });
        }
    }

    /// MPTCP options of a packet, or none.
    fn options(&mut self, packet: &PacketEvent, at: At) {
        let dss = packet.options.iter().find_map(|option| match option {
            MptcpOption::Dss(dss) => Some(dss),
            _ => None,
        });
        let unmapped = packet.runs.iter().filter(|run| run.dsn.is_none());
        let unmapped: u32 = unmapped.map(|run| run.length).sum();
        if let Some(dss) = dss {
            self.last_dss = Some(at);
            (self.bare, self.other_option) = (None, None);
            if dss.mapping.is_some() {
                if let Some(run) = self.unmapped.take() {
                    self.unmapped_before.get_or_insert(run);
                }
                if unmapped > 0 && unmapped < packet.payload {
                    self.short_mapping.get_or_insert((at, packet.payload - unmapped));
                }
            }
        } else if packet.options.is_empty() {
            if packet.flags.stage() == Some(Stage::Ack) {
                Run::add(&mut self.bare, at, packet.payload.into());
            }
        } else if !packet.flags.contains(Flags::SYN) {
            self.other_option = Some(at);
        }
        if unmapped > 0 {
            Run::add(&mut self.unmapped, at, unmapped.into());
        }
    }

    /// Whether TCP demands an answer: payload, FIN, or a keep-alive (RFC 9293, 3.8.4). A pure ACK needs none.
    fn needs_answer(&self, packet: &PacketEvent) -> bool {
        let ordinary = !packet.flags.contains(Flags::RST) && !packet.flags.contains(Flags::SYN);
        let keep_alive = packet.sequence > 0 && packet.sequence + 1 == self.next && self.acked >= self.next;
        ordinary && (packet.payload > 0 || packet.flags.contains(Flags::FIN) || keep_alive)
    }
}

/// Removes the parts of gaps that lie in a range, and returns them.
fn take(gaps: &mut Vec<Gap>, range: &Range<u64>) -> Vec<Gap> {
    let mut taken = Vec::new();
    let mut left = Vec::with_capacity(gaps.len());
    for gap in gaps.drain(..) {
        let (start, end) = (gap.bytes.start.max(range.start), gap.bytes.end.min(range.end));
        if start >= end {
            left.push(gap);
            continue;
        }
        let piece = |bytes| Gap {
            bytes,
            since: gap.since,
        };
        taken.push(piece(start..end));
        left.extend(
            [gap.bytes.start..start, end..gap.bytes.end]
                .into_iter()
                .filter(|bytes| !bytes.is_empty())
                .map(piece),
        );
    }
    *gaps = left;
    taken
}

/// Takes a packet into account in both directions of its subflow. `round_trip` is that of the handshake.
pub(super) fn observe(
    ways: &mut PerDirection<Way>,
    packet: &PacketEvent,
    at: At,
    round_trip: Option<Span>,
    reset: bool,
) {
    let (to, from): (Direction, Direction) = (packet.dir, packet.dir.reverse());
    let heard = ways[from].next;
    if packet.flags.contains(Flags::RST) {
        ways[to].heard_at_reset.get_or_insert(heard);
    } else if reset && packet.flags.stage() == Some(Stage::Ack) {
        // What was queued before the RST may come after it: such packets prove nothing.
        let way = &mut ways[to];
        let newer = packet
            .acknowledgement
            .zip(way.heard_at_reset)
            .is_some_and(|(number, heard)| number > heard);
        if newer || packet.runs.iter().any(|run| run.piece == Piece::Retransmission) {
            way.after_reset.get_or_insert(at);
        }
    }
    ways[to].options(packet, at);
    let needs_answer = ways[to].needs_answer(packet);
    ways[to].sent(packet, at, round_trip);
    if needs_answer {
        let repeats = packet.runs.iter().any(|run| run.piece == Piece::Retransmission);
        let way = &mut ways[to];
        Run::add(&mut way.unanswered, at, packet.payload.into());
        way.repeated += u64::from(repeats);
    }
    let other = &mut ways[from];
    if let Some(run) = other.unanswered.take() {
        other.repeated = 0;
        let length = |run: &Run| run.last.t - run.first.t;
        if other.mended.is_none_or(|(longest, _)| length(&run) > length(&longest)) {
            other.mended = Some((run, at));
        }
    }
    if let Some(number) = packet.acknowledgement {
        other.acknowledged(number, at, packet.rtt, round_trip);
    }
}
