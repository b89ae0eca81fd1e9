//! Acknowledgements and payload; fallback (RFC 8684, 3.7).

use super::subflow::{Mapped, State, Subflow};
use super::{Host, Mode};
use crate::packet::Packet;
use crate::truth::Ledger;
use emptcp_trace::Timestamp;
use mptcp_wire::mptcp::{CapableKeys, Dss, Mapping, MpFail, MpFastclose, MptcpOption};
use mptcp_wire::tcp::{Flags, Stage};
use mptcp_wire::{DataSequenceNumber, SubflowSequenceNumber, Version, WireDataSequenceNumber, checksum};

impl Host {
    /// A packet of a subflow whose SYNs are over.
    pub(super) fn segment(
        &mut self,
        number: usize,
        subflow: &mut Subflow,
        packet: &Packet,
        now: Timestamp,
        ledger: &mut Ledger,
    ) {
        if packet.flags.stage() != Some(Stage::Ack) {
            return;
        }
        let ack = subflow.relative_ack(packet.acknowledgement);
        if subflow.state == State::Answering {
            if ack < 1 {
                return;
            }
            subflow.acknowledged(1, false, now);
            if !self.third_ack(number, subflow, packet, now) {
                return;
            }
        }
        if subflow.state != State::Open {
            return;
        }
        if !self.confirm(number, subflow, packet, now) {
            return;
        }
        let at = subflow.relative(packet.sequence);
        self.read_options(number, subflow, packet, now);
        if subflow.state != State::Open {
            return;
        }
        // Only DSS may come with an ACK that counts as a duplicate (RFC 8684, 3).
        let signals = packet.mptcp().any(|option| !matches!(option, MptcpOption::Dss(_)));
        let is_pure = packet.space() == 0 && !signals && packet.malformed.is_empty();
        if ack > 0 && subflow.acknowledged(ack as u64, is_pure, now) {
            self.transmit(number, subflow, 0, now);
        }
        if packet.space() > 0 {
            self.accept(number, subflow, packet, at, now);
        }
        let _ = ledger;
    }

    /// As `check_fully_established` of Linux: what the first packets of the peer prove. False if the subflow is reset.
    fn confirm(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, now: Timestamp) -> bool {
        if !subflow.mptcp || subflow.fully || !self.is_multipath() {
            return true;
        }
        if Self::shows_establishment(packet) {
            subflow.fully = true;
            if subflow.is_join && subflow.queue.is_empty() {
                subflow.timer = None;
                subflow.backoff = 0;
            }
            return true;
        }
        let first = subflow.relative(packet.sequence) == 1 && subflow.expected == 1;
        let capable = packet
            .mptcp()
            .any(|option| matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_)));
        if first && !capable {
            if subflow.is_join {
                let reason = self.reason(1);
                self.reset(number, subflow, reason, now);
                return false;
            }
            self.fall_back(subflow);
        }
        true
    }

    pub(super) fn fall_back(&mut self, subflow: &mut Subflow) {
        self.fell_back = true;
        self.mode = Mode::Plain;
        subflow.mptcp = false;
        self.again.clear();
        self.data_timer = None;
        // What was sent stays in the stream of this subflow; it has no mapping any more when it is sent again.
        for segment in &mut subflow.queue {
            segment.mapping = None;
        }
    }

    fn read_options(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, now: Timestamp) {
        for option in packet.mptcp() {
            match option {
                MptcpOption::Dss(dss) if subflow.mptcp => self.read_dss(subflow, dss, now),
                MptcpOption::MpCapable(capable) if subflow.mptcp && self.is_multipath() => {
                    if let CapableKeys::BothWithData {
                        data_length, checksum, ..
                    } = capable.keys
                    {
                        let mapping = Mapping {
                            data_sequence: WireDataSequenceNumber::Long(self.peer_idsn.first_byte().0),
                            subflow_sequence: SubflowSequenceNumber(1),
                            length: data_length,
                            checksum,
                        };
                        Self::learn(subflow, mapping, 0, false);
                    }
                }
                MptcpOption::AddAddr(option) if self.is_multipath() => self.announced(number, subflow, option, now),
                MptcpOption::MpFastclose(MpFastclose { receiver_key }) if *receiver_key == self.key => {
                    self.fastclosed(number, subflow, true, now);
                }
                MptcpOption::MpFail(_) if self.is_multipath() => self.failed(number, subflow, now),
                MptcpOption::RemoveAddr(option) if self.is_multipath() => {
                    self.address_removed(option.address_ids(), now)
                }
                MptcpOption::MpPrio(option) => subflow.backup = option.backup,
                _ => {}
            }
        }
    }

    fn read_dss(&mut self, subflow: &mut Subflow, dss: &Dss, now: Timestamp) {
        if !self.is_multipath() {
            return;
        }
        if let Some(data_ack) = dss.data_ack {
            let first = self.idsn.first_byte();
            let dsn = match data_ack {
                WireDataSequenceNumber::Long(number) => DataSequenceNumber(number),
                WireDataSequenceNumber::Short(low) => first.after(self.data_una).extend(low),
            };
            let place = first.distance_to(dsn);
            if place > self.data_una as i64 {
                let fin = self.data_fin.is_some_and(|fin| place as u64 > fin);
                self.data_fin_acked |= fin;
                self.data_una = (place as u64).min(self.data_next);
                self.data_timer = (self.data_una < self.data_next).then(|| now + self.data_patience());
            }
        }
        if dss.mapping.is_some_and(|mapping| mapping.length == 0) {
            // Infinite: from here on as TCP (RFC 8684, 3.7).
            return self.fall_back(subflow);
        }
        if let Some(mapping) = dss.mapping {
            let first = self.peer_idsn.first_byte();
            let dsn = match mapping.data_sequence {
                WireDataSequenceNumber::Long(number) => DataSequenceNumber(number),
                WireDataSequenceNumber::Short(low) => first.after(self.received.complete()).extend(low),
            };
            let place = first.distance_to(dsn).max(0) as u64;
            if dss.data_fin {
                self.peer_data_fin = Some(place + u64::from(mapping.length) - 1);
                subflow.ack_at = Some(now);
            }
            if mapping.subflow_sequence.0 > 0 || !dss.data_fin {
                Self::learn(subflow, mapping, place, dss.data_fin);
            }
        }
    }

    fn learn(subflow: &mut Subflow, mapping: Mapping, place: u64, data_fin: bool) {
        let near = subflow.expected;
        let at = near as i64 + i64::from(mapping.subflow_sequence.0.wrapping_sub(near as u32).cast_signed());
        let length = u64::from(mapping.length) - u64::from(data_fin);
        let known = subflow
            .mappings
            .iter()
            .any(|known| known.at as i64 == at && known.length == length);
        if !known && at > 0 {
            subflow.mappings.push_back(Mapped {
                at: at as u64,
                length,
                data: place,
                option: mapping,
            });
        }
    }

    /// Payload and FIN.
    fn accept(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, at: i64, now: Timestamp) {
        let end = at + packet.payload.len() as i64;
        if packet.flags.contains(Flags::FIN) {
            subflow.fin_at = Some(end as u64);
        }
        let new = end > subflow.expected as i64;
        let in_order = at <= subflow.expected as i64;
        if new && in_order {
            let skip = (subflow.expected as i64 - at) as usize;
            subflow.pending.extend(&packet.payload[skip..]);
            subflow.expected = end as u64;
        } else if new && packet.space() > 0 {
            subflow.held.entry(at as u64).or_insert_with(|| packet.payload.clone());
        }
        while let Some((&start, held)) = subflow.held.first_key_value() {
            if start > subflow.expected {
                break;
            }
            let skip = ((subflow.expected - start) as usize).min(held.len());
            let rest = held[skip..].to_vec();
            subflow.held.pop_first();
            subflow.expected += rest.len() as u64;
            subflow.pending.extend(rest);
        }
        let fin = subflow.fin_at == Some(subflow.expected) && !subflow.fin_received;
        if fin {
            subflow.fin_received = true;
            subflow.expected += 1;
        }
        let gap = !subflow.held.is_empty();
        self.acknowledge(
            subflow,
            !new || !in_order || gap || fin || packet.flags.contains(Flags::FIN),
            now,
        );
        self.pass_on(number, subflow, now);
    }

    /// What has arrived, and whether the peer has closed.
    pub(super) fn tell_application(&mut self, now: Timestamp) {
        let bytes = self.received.complete();
        let closed = match self.mode {
            Mode::Plain => self.subflows.get(&0).is_some_and(|first| first.fin_received),
            Mode::Multipath => self.peer_data_fin == Some(bytes),
            Mode::Opening | Mode::Over => return,
        };
        if bytes > 0 || closed {
            self.application.start(now);
        }
        self.application.read(bytes, closed, now);
    }

    /// Bytes in order, to the connection.
    fn pass_on(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        if subflow.is_join && !subflow.mptcp {
            subflow.pending.clear();
            return;
        }
        while !subflow.pending.is_empty() {
            let end = subflow.expected - u64::from(subflow.fin_received);
            let at = end - subflow.pending.len() as u64;
            if self.mode == Mode::Plain || !subflow.mptcp {
                let place = self.received.complete();
                self.received.insert(place, place + subflow.pending.len() as u64);
                subflow.pending.clear();
                return;
            }
            while subflow
                .mappings
                .front()
                .is_some_and(|known| known.at + known.length <= at)
            {
                subflow.mappings.pop_front();
            }
            let covers = |known: &&Mapped| known.at <= at && at < known.at + known.length;
            let Some(mapped) = subflow.mappings.iter().find(covers).copied() else {
                return self.unmapped(number, subflow, now);
            };
            let available = mapped.at + mapped.length - at;
            let take = available.min(subflow.pending.len() as u64);
            if mapped.option.checksum.is_some() {
                if take < available {
                    return;
                }
                if !self.is_intact(subflow, &mapped) {
                    return self.corrupt(number, subflow, &mapped, now);
                }
                subflow.checksum_seen = true;
            }
            subflow.pending.drain(..take as usize);
            let place = mapped.data + (at - mapped.at);
            self.received.insert(place, place + take);
        }
    }

    fn is_intact(&self, subflow: &Subflow, mapped: &Mapped) -> bool {
        let bytes: Vec<u8> = subflow.pending.iter().take(mapped.length as usize).copied().collect();
        let dsn = self.peer_idsn.first_byte().after(mapped.data);
        let option = mapped.option;
        option.checksum == Some(checksum::dss(dsn, option.subflow_sequence, option.length, &bytes))
    }

    /// Data without a mapping. The first of a connection makes it fall back (RFC 8684, 3.7). Later data does so with
    /// Linux of today where there never was a second subflow (`subflow_check_data_avail`); else the subflow is reset.
    fn unmapped(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        let alone = !subflow.is_join && self.subflows.is_empty();
        if alone && (self.received.complete() == 0 || self.version == Version::V1) {
            self.fall_back(subflow);
            self.pass_on(number, subflow, now);
        } else {
            let reason = self.reason(1);
            self.reset(number, subflow, reason, now);
        }
    }

    /// A wrong checksum (RFC 8684, 3.3.1 and 3.7): with other subflows this one is reset; alone it falls back, at the
    /// very first silently, as nothing says that the peer can do better.
    fn corrupt(&mut self, number: usize, subflow: &mut Subflow, mapped: &Mapped, now: Timestamp) {
        let data_sequence = self.peer_idsn.first_byte().after(mapped.data);
        let alone = self.subflows.is_empty();
        if !subflow.is_join && !subflow.checksum_seen && alone {
            self.fall_back(subflow);
            return self.pass_on(number, subflow, now);
        }
        if alone && !subflow.is_join {
            self.send_with(number, subflow, MpFail { data_sequence }.into(), now);
            self.fall_back(subflow);
            return self.pass_on(number, subflow, now);
        }
        let reason = self.reason(6);
        self.reset_with(number, subflow, Some(MpFail { data_sequence }), reason, now);
    }

    /// The peer found a wrong checksum on the only subflow: an infinite mapping, and TCP from then on.
    fn failed(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        let data_sequence = self.idsn.first_byte().after(self.data_una);
        self.send_with(number, subflow, MpFail { data_sequence }.into(), now);
        self.fall_back(subflow);
        self.infinite = true;
    }
}
