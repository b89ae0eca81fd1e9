//! DSS: mappings, DATA_FIN and DATA_ACK (RFC 8684, 3.3).

use super::handshake::{capable_data, derived};
use super::segment::{Context, Findings, Here};
use super::state::{Checked, Connection};
use crate::packet::Packet;
use crate::record::{Fallback, Hash, MarkKind};
use crate::{Direction, Timestamp};
use mptcp_wire::mptcp::{Dss, Mapping, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{DataSequenceNumber, WireDataSequenceNumber};

/// A data sequence number this far above everything seen is no loss of the capture but an error.
const PLAUSIBLE: u64 = 1 << 32;
/// The same for the first number of a direction, when only 32 bits of it travel.
const PLAUSIBLE_SHORT: u64 = 1 << 24;

impl Connection {
    pub(super) fn data_sequence_signals(
        &mut self,
        here: Here,
        packet: &Packet,
        context: &mut Context<'_>,
        findings: &mut Findings,
    ) {
        if packet.handshake
            && let Some(length) = capable_data(packet)
        {
            // The third ACK of version 1 maps its data itself, to the first numbers there are (RFC 8684, 3.1).
            self.map(here.index, here.dir, 1, 0, length.into());
        }
        for option in &packet.options {
            if let MptcpOption::Dss(dss) = option {
                self.dss(here, packet, dss, context, findings);
            }
        }
    }

    fn dss(&mut self, here: Here, packet: &Packet, dss: &Dss, context: &mut Context<'_>, findings: &mut Findings) {
        self.complete |= !self.complete && self.has_both_keys();
        self.halves[here.dir].last_dss = Some(packet.time);
        if let Some(mapping) = &dss.mapping {
            self.mapping(here, packet, mapping, dss.data_fin, context);
        }
        if let Some(number) = dss.data_ack {
            findings.data_ack = self.data_ack(here, packet.time, number, context);
        }
    }

    fn mapping(&mut self, here: Here, packet: &Packet, mapping: &Mapping, fin: bool, context: &mut Context<'_>) {
        let number = self.absolute(here, mapping.data_sequence, context, packet);
        let data = &self.halves[here.dir];
        let reachable = data.highest().saturating_add(PLAUSIBLE);
        let Some(dsn) = data.offset(number).filter(|dsn| *dsn <= reachable) else {
            return;
        };
        let length = u64::from(mapping.length);
        let Some(near) = self.relative(here, packet) else {
            return;
        };
        if length == 0 {
            self.fall_back(here.at, Fallback::InfiniteMapping, context);
            let ssn = near_to(near, mapping.subflow_sequence.0);
            self.subflows[here.index].halves[here.dir]
                .mappings
                .insert_infinite(ssn, dsn);
            self.resolve_waiting(here.index, here.dir, context);
            return;
        }
        let data = length - u64::from(fin);
        if fin {
            let half = &mut self.halves[here.dir];
            if half.fin.is_none() {
                half.fin = Some(dsn + data);
                context.out.mark(here.at, MarkKind::DataFin, ());
                self.begin_waiting(here.dir, packet.time);
            }
        }
        if data == 0 {
            return;
        }
        let ssn = near_to(near, mapping.subflow_sequence.0);
        if self.map(here.index, here.dir, ssn, dsn, data)
            && let Some(checksum) = mapping.checksum
        {
            let checked = Checked::begin(ssn, number, mapping, checksum, fin);
            self.subflows[here.index].halves[here.dir].checked = Some(Box::new(checked));
        }
        self.resolve_waiting(here.index, here.dir, context);
    }

    /// Remembers a mapping; whether it is new.
    pub(super) fn map(&mut self, index: usize, dir: Direction, ssn: u64, dsn: u64, length: u64) -> bool {
        let half = &mut self.subflows[index].halves[dir];
        let end = (ssn + length, dsn + length);
        if half.mapped_to.is_none_or(|to| to.0 <= end.0) {
            half.mapped_to = Some(end);
        }
        half.mappings.insert(ssn, dsn, length)
    }

    /// The relative sequence number of the first byte after the packet's start (of its SYN's payload, if it is one).
    pub(super) fn relative(&mut self, here: Here, packet: &Packet) -> Option<u64> {
        let numbers = self.subflows[here.index].halves[here.dir].numbers.as_mut()?;
        let syn = packet.flags.contains(Flags::SYN);
        // A reset may be forged: its number is not believed.
        let start = match packet.flags.contains(Flags::RST) {
            true => numbers.peek(packet.sequence),
            false => numbers.unwrap(packet.sequence),
        };
        Some(start? + u64::from(syn))
    }

    /// The whole number of a mapping; the first one decides what the direction counts from, where no key does.
    fn absolute(
        &mut self,
        here: Here,
        number: WireDataSequenceNumber,
        context: &mut Context<'_>,
        packet: &Packet,
    ) -> DataSequenceNumber {
        self.choose_hash(here.dir, number, packet, context);
        let half = &mut self.halves[here.dir];
        if let Some(reference) = half.reference() {
            return number.extend(reference);
        }
        let first = number.extend(DataSequenceNumber(0));
        half.base = Some(first);
        half.relative = true;
        first
    }

    /// Version 1 with the hash of version 0: the first number shows it, when no join did.
    fn choose_hash(
        &mut self,
        dir: Direction,
        number: WireDataSequenceNumber,
        packet: &Packet,
        context: &mut Context<'_>,
    ) {
        if self.hash_is_sure || self.hash != Hash::Sha256 {
            return;
        }
        let Some(key) = self.halves[dir].key else {
            return;
        };
        let far = |hash| {
            let first = derived(key, hash).idsn.first_byte();
            let plausible = match number {
                WireDataSequenceNumber::Short(_) => PLAUSIBLE_SHORT,
                WireDataSequenceNumber::Long(_) => PLAUSIBLE,
            };
            first.distance_to(number.extend(first)).unsigned_abs() > plausible
        };
        if !far(Hash::Sha256) {
            self.hash_is_sure = true;
        } else if !far(Hash::Sha1) {
            self.believe_hash(Hash::Sha1, packet, context);
        }
    }

    /// A DATA_ACK, which acknowledges the other direction; its offset.
    fn data_ack(
        &mut self,
        here: Here,
        now: Timestamp,
        number: WireDataSequenceNumber,
        context: &mut Context<'_>,
    ) -> Option<u64> {
        let dir = here.dir.reverse();
        let half = &mut self.halves[dir];
        let offset = half.offset(number.extend(half.reference()?))?;
        let highest = half.highest();
        if offset <= half.acknowledged || offset > highest.saturating_add(PLAUSIBLE) {
            return Some(offset);
        }
        let waited = highest.saturating_sub(half.acknowledged);
        half.acknowledged = offset;
        if let Some(span) = half.rtt_queue.acknowledged(offset, now) {
            half.rtt.record(span);
        }
        let history = context.settings.limits.history;
        half.owners.forget_below(offset.saturating_sub(history));
        self.t_last_data_ack = Some(now);
        self.progress(here, dir, waited, now, context);
        Some(offset)
    }
}

/// The 64-bit relative number with these lower 32 bits that lies nearest to `near`.
fn near_to(near: u64, low: u32) -> u64 {
    let [.., a, b, c, d] = near.to_be_bytes();
    let distance = low.wrapping_sub(u32::from_be_bytes([a, b, c, d])).cast_signed();
    near.saturating_add_signed(distance.into())
}
