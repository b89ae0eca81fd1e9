//! Data on its way: mappings, retransmissions, acknowledgements.

use super::subflow::{Segment, State, Subflow, Use};
use super::{Host, Mode, after};
use crate::packet::Packet;
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Timestamp};
use mptcp_wire::mptcp::{Dss, Mapping, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{DataSequenceNumber, SubflowSequenceNumber, Version, WireDataSequenceNumber, checksum};

/// Delayed acknowledgements, as Linux has them at least.
const DELAY: i64 = 40_000_000;

/// A byte of the data that a side sends.
fn content(side: Direction, at: u64) -> u8 {
    let seed = if side == Direction::ClientToServer { 7 } else { 91 };
    (at.wrapping_mul(seed).wrapping_add(at >> 8) ^ (at >> 3)) as u8
}

impl Host {
    fn bytes(&self, at: u64, length: u32) -> Vec<u8> {
        (at..at + u64::from(length)).map(|at| content(self.side, at)).collect()
    }

    fn number(&self, dsn: u64, long: bool) -> WireDataSequenceNumber {
        match long {
            true => WireDataSequenceNumber::Long(dsn),
            false => WireDataSequenceNumber::Short(DataSequenceNumber(dsn).low()),
        }
    }

    /// The DATA_ACK of now.
    pub(super) fn data_ack(&self) -> WireDataSequenceNumber {
        let received = self.received.complete();
        let fin = u64::from(self.peer_data_fin == Some(received));
        self.number(self.peer_idsn.first_byte().after(received + fin).0, self.plan.long_ack)
    }

    /// A mapping of data, or of the DATA_FIN alone with `at` 0.
    pub(super) fn mapping(&self, data: u64, at: u64, length: u16) -> Mapping {
        let dsn = self.idsn.first_byte().after(data);
        let subflow_sequence = SubflowSequenceNumber(at as u32);
        let content = match at {
            0 => Vec::new(),
            _ => self.bytes(data, length.into()),
        };
        Mapping {
            data_sequence: self.number(dsn.0, self.plan.long_dsn),
            subflow_sequence,
            length,
            checksum: self
                .checksums
                .then(|| checksum::dss(dsn, subflow_sequence, length, &content)),
        }
    }

    /// New data, and data that is sent once more, as far as windows allow.
    pub(super) fn send_data(&mut self, now: Timestamp, ledger: &mut Ledger) {
        while let Some((data, length)) = self.next_piece() {
            let Some(number) = self.choose() else { return };
            self.note_choice(now, ledger);
            let Some(mut subflow) = self.subflows.remove(&number) else {
                return;
            };
            let again = self.again.pop_front().is_some();
            if !again {
                self.data_next += u64::from(length);
            }
            self.send_piece(number, &mut subflow, data, length, now);
            self.subflows.insert(number, subflow);
            if again {
                let origin = Origin::ordinary(Cause::Scheduler, "a host sends data again on another subflow");
                ledger.note(origin, Some(self.side), Some(number), now);
            }
            if self.data_timer.is_none() && self.is_multipath() {
                self.data_timer = Some(now + self.data_patience());
            }
        }
    }

    /// What to send next: place and length, at most what one mapping covers.
    fn next_piece(&mut self) -> Option<(u64, u32)> {
        if self.mode == Mode::Opening || self.mode == Mode::Over {
            return None;
        }
        while let Some(&(data, length)) = self.again.front() {
            if self.is_multipath() && data + u64::from(length) > self.data_una {
                return Some((data, length));
            }
            self.again.pop_front();
        }
        let left = self.application.written - self.data_next;
        let most = u64::from(self.plan.maximum_segment) * u64::from(self.plan.mapping_segments);
        (left > 0).then(|| (self.data_next, left.min(most).min(60_000) as u32))
    }

    /// The subflow that takes the next piece.
    fn choose(&mut self) -> Option<usize> {
        if self.mode == Mode::Plain {
            let first = self
                .subflows
                .get(&0)
                .filter(|first| first.can_send() && first.has_room());
            return first.map(|_| 0);
        }
        let open = |backup: bool| {
            let usable = move |(_, subflow): &(&usize, &Subflow)| {
                subflow.mptcp && subflow.can_send() && subflow.works() && subflow.backup == backup
            };
            self.subflows.iter().filter(usable)
        };
        let backup = open(false).next().is_none();
        let mut ready: Vec<_> = open(backup).filter(|(_, subflow)| subflow.has_room()).collect();
        if ready.is_empty() && open(true).next().is_none() && backup {
            // None works: the first that is open.
            let first = self
                .subflows
                .iter()
                .find(|(_, subflow)| subflow.mptcp && subflow.can_send());
            return first
                .filter(|(_, subflow)| subflow.has_room())
                .map(|(number, _)| *number);
        }
        if self.plan.takes_turns {
            let last = self.last_used;
            ready.sort_by_key(|(number, _)| (**number <= last, **number));
        } else {
            ready.sort_by_key(|(_, subflow)| subflow.round_trip());
        }
        let number = *ready.first()?.0;
        self.last_used = number;
        Some(number)
    }

    fn note_choice(&self, now: Timestamp, ledger: &mut Ledger) {
        let open = self
            .subflows
            .values()
            .filter(|subflow| subflow.mptcp && subflow.can_send());
        if self.is_multipath() && open.count() > 1 {
            let origin = Origin::ordinary(Cause::Scheduler, "a host chooses among several subflows");
            ledger.note(origin, Some(self.side), None, now);
        }
    }

    /// Sends one mapping in segments.
    fn send_piece(&mut self, number: usize, subflow: &mut Subflow, data: u64, length: u32, now: Timestamp) {
        let multipath = self.is_multipath() && subflow.mptcp;
        let mapping = multipath.then(|| self.mapping(data, subflow.next, length as u16));
        let mut sent = 0;
        while sent < length {
            let part = (length - sent).min(self.plan.maximum_segment);
            let repeat = !self.plan.mapping_once || sent == 0;
            subflow.queue.push_back(Segment {
                use_: Use::Data,
                at: subflow.next,
                length: part,
                data: Some(data + u64::from(sent)),
                mapping: mapping.filter(|_| repeat),
                sent: now,
                times: 0,
            });
            subflow.next += u64::from(part);
            let last = subflow.queue.len() - 1;
            self.transmit(number, subflow, last, now);
            sent += part;
        }
    }

    /// Sends a segment of the queue, for the first time or again.
    pub(super) fn transmit(&mut self, number: usize, subflow: &mut Subflow, index: usize, now: Timestamp) {
        let Some(segment) = subflow.queue.get_mut(index) else {
            return;
        };
        segment.times += 1;
        segment.sent = now;
        let segment = segment.clone();
        let packet = match segment.use_ {
            Use::Syn => self.syn(number, subflow, segment.times, now),
            Use::Data => self.data_packet(number, subflow, &segment, now),
            Use::Fin => {
                let mut packet = self.packet(number, subflow, Flags::FIN | Flags::ACK, segment.at, now);
                self.add_dss(subflow, None, &mut packet);
                packet
            }
        };
        if subflow.timer.is_none() || segment.times > 1 {
            subflow.timer = Some(now + subflow.timeout());
        }
        if segment.use_ != Use::Syn {
            subflow.ack_at = None;
            subflow.unacked_segments = 0;
        }
        self.out.push(packet);
    }

    fn data_packet(&mut self, number: usize, subflow: &Subflow, segment: &Segment, now: Timestamp) -> Packet {
        let mut packet = self.packet(number, subflow, Flags::ACK | Flags::PSH, segment.at, now);
        let data = segment.data.unwrap_or(0);
        packet.payload = self.bytes(data, segment.length);
        packet.data = vec![(segment.length, segment.data)];
        let first = segment.at == 1 && subflow.is_opener && !subflow.is_join && !subflow.fully;
        match segment.mapping {
            Some(mapping) if first && self.version == Version::V1 => {
                let option = self.first_data_option(mapping.length, mapping.checksum);
                option.into_iter().for_each(|option| packet.add_mptcp(option));
            }
            mapping => self.add_dss(subflow, mapping, &mut packet),
        }
        if std::mem::take(&mut self.infinite) {
            packet.add_mptcp(Dss {
                data_ack: None,
                mapping: Some(Mapping {
                    length: 0,
                    checksum: self.checksums.then_some(0),
                    ..self.mapping(data, segment.at, 1)
                }),
                data_fin: false,
            });
        }
        packet
    }

    /// DSS with the DATA_ACK, where it is due, and a mapping.
    pub(super) fn add_dss(&self, subflow: &Subflow, mapping: Option<Mapping>, packet: &mut Packet) {
        if self.is_multipath() && subflow.mptcp && self.peer_key.is_some() {
            let data_ack = Some(self.data_ack());
            packet.add_mptcp(Dss {
                data_ack,
                mapping,
                data_fin: false,
            });
        }
    }

    /// An acknowledgement without payload.
    pub(super) fn send_ack(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        let mut packet = self.packet(number, subflow, Flags::ACK, subflow.next, now);
        if self.is_multipath() && subflow.mptcp {
            match self
                .third_option(subflow)
                .filter(|_| subflow.is_opener && !subflow.fully)
            {
                Some(option) => packet.add_mptcp(option),
                None => self.add_dss(subflow, None, &mut packet),
            }
        }
        subflow.ack_at = None;
        subflow.unacked_segments = 0;
        self.out.push(packet);
    }

    /// An acknowledgement with one more option.
    pub(super) fn send_with(&mut self, number: usize, subflow: &mut Subflow, option: MptcpOption, now: Timestamp) {
        let mut packet = self.packet(number, subflow, Flags::ACK, subflow.next, now);
        packet.add_mptcp(option);
        self.out.push(packet);
    }

    /// Acknowledgements that are due.
    pub(super) fn send_acks(&mut self, now: Timestamp) {
        for number in self.numbers() {
            let Some(mut subflow) = self.subflows.remove(&number) else {
                continue;
            };
            if subflow.ack_at.is_some_and(|at| at <= now) && subflow.state == State::Open {
                self.send_ack(number, &mut subflow, now);
            }
            self.subflows.insert(number, subflow);
        }
    }

    /// Asks for an acknowledgement: at once, or with the next one.
    pub(super) fn acknowledge(&self, subflow: &mut Subflow, at_once: bool, now: Timestamp) {
        subflow.unacked_segments += 1;
        let at_once = at_once || subflow.unacked_segments >= 2;
        let at = if at_once { now } else { after(now, DELAY) };
        subflow.ack_at = Some(subflow.ack_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The oldest segment, or the third ACK of a join, once more.
    pub(super) fn retransmit_by_timer(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        subflow.expired();
        let limit = if subflow.state == State::Open { 15 } else { 6 };
        if subflow.backoff > limit {
            subflow.state = State::Gone;
            subflow.timer = None;
            return;
        }
        if subflow.queue.is_empty() {
            if subflow.is_join && subflow.is_opener && !subflow.fully {
                self.send_ack(number, subflow, now);
                subflow.timer = Some(now + subflow.timeout());
            } else {
                subflow.timer = None;
            }
            return;
        }
        self.transmit(number, subflow, 0, now);
        subflow.timer = Some(now + subflow.timeout());
        if subflow.backoff == 2 {
            self.give_away(number, subflow);
        }
    }

    /// What is not acknowledged on a subflow goes to the others.
    pub(super) fn give_away(&mut self, number: usize, subflow: &Subflow) {
        let others = self
            .subflows
            .iter()
            .any(|(other, state)| *other != number && state.mptcp && state.can_send());
        // One that is gone gives all away; another one may come later.
        if !self.is_multipath() || !others && subflow.state != State::Gone {
            return;
        }
        let una = self.data_una;
        let pieces = subflow
            .queue
            .iter()
            .filter_map(|segment| Some((segment.data?, segment.length)));
        let pieces = pieces.filter(|(data, length)| data + u64::from(*length) > una);
        for piece in pieces {
            if !self.again.contains(&piece) {
                self.again.push_back(piece);
            }
        }
    }

    /// How long to wait for a DATA_ACK.
    pub(super) fn data_patience(&self) -> emptcp_trace::Span {
        let open = self.subflows.values().filter(|subflow| subflow.can_send());
        let longest = open.map(|subflow| subflow.timeout().0).max().unwrap_or(1_000_000_000);
        emptcp_trace::Span(2 * longest.min(8_000_000_000))
    }

    /// Data was not acknowledged at the data level in time (RFC 8684, 3.3.6).
    pub(super) fn data_timeout(&mut self, now: Timestamp, _ledger: &mut Ledger) {
        if self.data_timer.is_none_or(|timer| timer > now) {
            return;
        }
        self.data_timer = None;
        if !self.is_multipath() || self.data_una >= self.data_next {
            return;
        }
        // The oldest piece, where a subflow has nothing else to do, as Linux does.
        let idle = self
            .subflows
            .iter()
            .find(|(_, subflow)| subflow.mptcp && subflow.can_send() && subflow.queue.is_empty());
        if idle.is_some() && self.again.is_empty() {
            let length = (self.data_next - self.data_una).min(self.plan.maximum_segment.into());
            self.again.push_back((self.data_una, length as u32));
        }
        self.data_timer = Some(now + self.data_patience());
    }
}
