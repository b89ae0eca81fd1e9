//! Fallback to TCP (RFC 8684, 3.7), and options that stop. What a packet without an option means, the packets after it
//! show: so a direction of a subflow is judged at its end.

use super::evidence::{self, ERASED};
use super::out::{At, MarkFields};
use super::segment::{Context, Location};
use super::state::{Connection, Plain, Waiting};
use crate::packet::Packet;
use crate::record::{Detail, End, Evidence, Fallback, Kind, MarkKind};
use crate::{Direction, Span};
use mptcp_wire::tcp::Flags;

/// So many acknowledgements of data without DATA_ACK show that the options stopped.
const ACKNOWLEDGEMENTS: u32 = 2;
/// So many packets with options, after the other side has none any more, show that their sender goes on.
const GOES_ON: u64 = 3;

impl Connection {
    pub(super) fn fall_back(&mut self, at: At, class: Fallback, evidence: Evidence, context: &mut Context<'_>) {
        if self.fallback.insert(class) {
            let what = MarkFields {
                evidence,
                ..MarkFields::from(Detail::Fallback(class))
            };
            context.out.mark(at, MarkKind::Fallback, what);
        }
    }

    /// Notes whether the packet has an MPTCP option.
    #[inline]
    pub(super) fn note_options(&mut self, location: Location, packet: &Packet) {
        if packet.is_plain() {
            self.note_plain(location, packet);
            return;
        }
        let half = &mut self.subflows[location.index].halves[location.dir];
        half.last_option = Some((packet.number, packet.time));
        half.options += 1;
        half.plain = None;
    }

    fn note_plain(&mut self, location: Location, packet: &Packet) {
        // A SYN without option is another matter, and a RST need have none. After the end nothing needs one.
        if packet.flags.contains(Flags::SYN) || packet.flags.contains(Flags::RST) || self.end.is_some() {
            return;
        }
        let subflow = &mut self.subflows[location.index];
        let others = subflow.halves[location.dir.reverse()].options;
        let half = &mut subflow.halves[location.dir];
        let plain = half.plain.get_or_insert_with(|| {
            Box::new(Plain {
                packet: packet.number,
                time: packet.time,
                acknowledging: 0,
                others,
                is_erased: false,
            })
        });
        plain.is_erased |= packet.padding >= ERASED;
    }

    /// Judges both directions of a subflow. No packet follows that could change it.
    pub(super) fn judge(&mut self, index: usize, context: &mut Context<'_>) {
        for dir in Direction::BOTH {
            if std::mem::replace(&mut self.subflows[index].halves[dir].judged, true) {
                continue;
            }
            self.judge_third_ack(index, dir, context);
            self.judge_mappings(index, dir, context);
            self.judge_options(index, dir, context);
            self.judge_capture(index, dir, context);
        }
    }

    /// The handshake had options, and no packet of the client after it has.
    fn judge_third_ack(&mut self, index: usize, dir: Direction, context: &mut Context<'_>) {
        let subflow = &self.subflows[index];
        let half = &subflow.halves[dir];
        let (Kind::Initial, Some(at)) = (subflow.kind, subflow.plain_third_ack.as_deref().copied()) else {
            return;
        };
        let is_last = half.last_option.is_none_or(|(packet, _)| packet < at.packet);
        if at.dir != dir || !is_last || self.end == Some(End::Refused) {
            return;
        }
        let is_erased = half.plain.as_ref().is_some_and(|plain| plain.is_erased);
        let evidence = evidence::option_missing(is_erased, [at.packet]);
        self.fall_back(at, Fallback::AckWithoutOption, evidence, context);
    }

    /// Payload without mapping, after which no mapping came. If one came, what is between was not captured.
    pub(super) fn judge_mappings(&mut self, index: usize, dir: Direction, context: &mut Context<'_>) {
        let subflow = &self.subflows[index];
        let half = &subflow.halves[dir];
        let is_after = |first: &Waiting| half.last_mapping.is_none_or(|last| last < first.packet);
        let waiting = half.waiting.front().copied();
        let Some(first) = half
            .unmapped_from
            .as_deref()
            .copied()
            .into_iter()
            .chain(waiting)
            .find(is_after)
        else {
            return;
        };
        let at = At {
            conn_id: self.id,
            sf_id: Some(subflow.id),
            dir,
            packet: first.packet,
            t: first.time,
        };
        let is_mapped = half.last_mapping.is_some();
        let has_options = half.last_option.is_some_and(|(packet, _)| packet >= first.packet);
        let is_erased = half.plain.as_ref().is_some_and(|plain| plain.is_erased);
        let proof = half.last_mapping.into_iter().chain([first.packet]);
        let evidence = match has_options {
            true => evidence::mappings_missing(proof),
            false => evidence::option_missing(is_erased, proof),
        };
        // In the middle of a connection, the mapping may have come before.
        if !self.has_told_why() && (is_mapped || subflow.kind != Kind::Unknown) {
            let class = match is_mapped {
                true => Fallback::DssDisappeared,
                false => Fallback::AckWithoutOption,
            };
            self.fall_back(at, class, evidence, context);
        }
        self.judge_other_side(index, at, is_erased, context);
    }

    /// Whether an earlier class of fallback explains that there is no option any more.
    fn has_told_why(&self) -> bool {
        let told = [
            Fallback::SynAckWithoutOption,
            Fallback::SynAckMirrored,
            Fallback::SynAgainWithoutOption,
            Fallback::AckWithoutOption,
            Fallback::MpFail,
            Fallback::InfiniteMapping,
        ];
        told.iter().any(|class| self.fallback.contains(class))
    }

    /// Packets without options to the end, though the connection was not over.
    fn judge_options(&mut self, index: usize, dir: Direction, context: &mut Context<'_>) {
        let subflow = &self.subflows[index];
        let half = &subflow.halves[dir];
        let (Some((last, _)), Some(plain)) = (half.last_option, half.plain.as_deref().copied()) else {
            return;
        };
        let was_open = subflow.established && !self.has_told_why();
        let has_lost_mappings = half.unmapped_from.is_some() || !half.waiting.is_empty();
        if !was_open || (plain.acknowledging < ACKNOWLEDGEMENTS && !has_lost_mappings) {
            return;
        }
        let at = At {
            conn_id: self.id,
            sf_id: Some(subflow.id),
            dir,
            packet: plain.packet,
            t: plain.time,
        };
        let what = MarkFields {
            evidence: evidence::option_missing(plain.is_erased, [last, plain.packet]),
            ..MarkFields::default()
        };
        self.event_kinds.insert(MarkKind::OptionsStopped);
        context.out.mark(at, MarkKind::OptionsStopped, what);
        self.judge_other_side(index, at, plain.is_erased, context);
    }

    /// A one-sided fallback: the other side goes on with options. `at` is where this side stopped.
    fn judge_other_side(&mut self, index: usize, at: At, is_erased: bool, context: &mut Context<'_>) {
        let subflow = &self.subflows[index];
        let other = &subflow.halves[at.dir.reverse()];
        let Some((packet, time)) = other.last_option else {
            return;
        };
        let plain = subflow.halves[at.dir].plain.as_deref().copied();
        let after = plain.map_or(0, |plain| other.options.saturating_sub(plain.others));
        let later: Span = time - at.t;
        let goes_on = later > context.settings.stall || (after >= GOES_ON && later > Span::default());
        if !goes_on {
            return;
        }
        let evidence = evidence::one_sided(is_erased, [at.packet, packet]);
        let at = At {
            dir: at.dir.reverse(),
            packet,
            t: time,
            ..at
        };
        self.fall_back(at, Fallback::OneSided, evidence, context);
    }

    /// Payload that was acknowledged, but is not in the capture.
    fn judge_capture(&mut self, index: usize, dir: Direction, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[index];
        let half = &mut subflow.halves[dir];
        if subflow.kind == Kind::Unknown && half.t_first_data.is_none() {
            return;
        }
        half.count_not_captured(half.acknowledged);
        let bytes = half.counters.not_captured;
        let (true, Some((packet, t))) = (bytes > 0, half.unseen_ack.as_deref().copied()) else {
            return;
        };
        let at = At {
            conn_id: self.id,
            sf_id: Some(subflow.id),
            dir: dir.reverse(),
            packet,
            t,
        };
        let what = MarkFields {
            evidence: evidence::not_captured(packet),
            ..MarkFields::from(bytes)
        };
        self.event_kinds.insert(MarkKind::NotCaptured);
        context.out.mark(at, MarkKind::NotCaptured, what);
    }

    /// Notes repeated bytes at new sequence numbers after a one-sided fallback: the receiver may take them for new
    /// data.
    pub(super) fn suspect_corruption(&mut self, at: At, context: &mut Context<'_>) {
        let lost = [Fallback::DssDisappeared, Fallback::OneSided];
        if lost.iter().any(|class| self.fallback.contains(class)) {
            self.event_kinds.insert(MarkKind::StreamCorruptionSuspected);
            let what = MarkFields {
                evidence: evidence::corruption(at.packet),
                ..MarkFields::default()
            };
            context.out.mark(at, MarkKind::StreamCorruptionSuspected, what);
        }
    }
}
