//! DSS: mappings, DATA_FIN and DATA_ACK (RFC 8684, 3.3).

use super::handshake::{capable_data, derived};
use super::segment::{Context, Findings, Location};
use super::state::{Checked, Connection};
use crate::packet::Packet;
use crate::record::{Cause, Evidence, Fallback, Hash, MarkKind};
use crate::{Direction, Timestamp};
use mptcp_wire::mptcp::{Dss, Mapping, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{DataSequenceNumber, WireDataSequenceNumber};

/// A data sequence number this far above the highest one is an error, not a loss in the capture.
const PLAUSIBLE: u64 = 1 << 32;
/// The same for the first number of a direction, when only 32 bits of it travel.
const PLAUSIBLE_SHORT: u64 = 1 << 24;

impl Connection {
    #[inline(never)]
    pub(super) fn data_sequence_signals(
        &mut self,
        location: Location,
        packet: &Packet,
        context: &mut Context<'_>,
        findings: &mut Findings,
    ) {
        if packet.handshake
            && !packet.flags.contains(Flags::SYN)
            && let Some(length) = capable_data(packet)
        {
            // The third ACK of version 1 maps its data itself, to the first data sequence numbers (RFC 8684, 3.1).
            self.map(location.index, location.dir, 1, 0, length.into());
            self.subflows[location.index].halves[location.dir].last_mapping = Some(packet.number);
        }
        for option in &packet.options {
            if let MptcpOption::Dss(dss) = option {
                self.dss(location, packet, dss, context, findings);
            }
        }
    }

    #[inline]
    pub(super) fn dss(
        &mut self,
        location: Location,
        packet: &Packet,
        dss: &Dss,
        context: &mut Context<'_>,
        findings: &mut Findings,
    ) {
        self.complete |= !self.complete && !self.mid_stream && self.has_both_keys();
        if let Some(mapping) = &dss.mapping {
            self.subflows[location.index].halves[location.dir].last_mapping = Some(packet.number);
            self.mapping(location, packet, mapping, dss.data_fin, context);
        }
        if let Some(number) = dss.data_ack {
            let offset = self.data_ack(location, packet.time, number, context);
            findings.data_ack = offset.map(|offset| self.shown(offset));
        }
    }

    fn mapping(
        &mut self,
        location: Location,
        packet: &Packet,
        mapping: &Mapping,
        fin: bool,
        context: &mut Context<'_>,
    ) {
        let number = self.absolute(location, mapping.data_sequence, context, packet);
        let data = &self.halves[location.dir];
        let reachable = data.highest().saturating_add(PLAUSIBLE);
        let Some(dsn) = data.offset(number).filter(|dsn| *dsn <= reachable) else {
            return;
        };
        let length = u64::from(mapping.length);
        let Some(near) = self.relative(location, packet) else {
            return;
        };
        if length == 0 {
            let evidence = Evidence::certain(Cause::HostFellBack, [packet.number]);
            self.fall_back(location.at, Fallback::InfiniteMapping, evidence, context);
            let ssn = near_to(near, mapping.subflow_sequence.0);
            self.subflows[location.index].halves[location.dir]
                .mappings
                .insert_infinite(ssn, dsn);
            self.resolve_waiting(location.index, location.dir, context);
            return;
        }
        let data = length - u64::from(fin);
        if fin {
            let half = &mut self.halves[location.dir];
            if half.fin.is_none() {
                half.fin = Some(dsn + data);
                context.out.mark(location.at, MarkKind::DataFin, ());
                self.begin_waiting(location.dir, packet.time);
            }
        }
        if data == 0 {
            return;
        }
        let ssn = near_to(near, mapping.subflow_sequence.0);
        let is_short = matches!(mapping.data_sequence, WireDataSequenceNumber::Short(_));
        let is_known = !(is_short && self.halves[location.dir].is_short);
        if self.map(location.index, location.dir, ssn, dsn, data)
            && let Some(checksum) = mapping.checksum.filter(|_| is_known)
        {
            let checked = Checked::begin(ssn, number, mapping, checksum, fin);
            self.subflows[location.index].halves[location.dir].checked = Some(Box::new(checked));
        }
        self.resolve_waiting(location.index, location.dir, context);
    }

    /// Adds a mapping; returns whether it is new.
    pub(super) fn map(&mut self, index: usize, dir: Direction, ssn: u64, dsn: u64, length: u64) -> bool {
        let half = &mut self.subflows[index].halves[dir];
        let end = (ssn + length, dsn + length);
        if half.mapped_to.is_none_or(|to| to.0 <= end.0) {
            half.mapped_to = Some(end);
        }
        half.mappings.insert(ssn, dsn, length)
    }

    /// The relative sequence number of the first byte after the packet's start (of its SYN's payload, if it is one).
    pub(super) fn relative(&mut self, location: Location, packet: &Packet) -> Option<u64> {
        let numbers = self.subflows[location.index].halves[location.dir].numbers.as_mut()?;
        let syn = packet.flags.contains(Flags::SYN);
        // A reset may be forged: do not trust its number.
        let start = match packet.flags.contains(Flags::RST) {
            true => numbers.peek(packet.sequence),
            false => numbers.unwrap(packet.sequence),
        };
        Some(start? + u64::from(syn))
    }

    /// The 64-bit number of a mapping. Without a key, the first one becomes the base of its direction.
    fn absolute(
        &mut self,
        location: Location,
        number: WireDataSequenceNumber,
        context: &mut Context<'_>,
        packet: &Packet,
    ) -> DataSequenceNumber {
        self.choose_hash(location.dir, number, packet, context);
        let half = &mut self.halves[location.dir];
        if let Some(reference) = half.reference() {
            return number.extend(reference);
        }
        self.begin_numbers(location.dir, number)
    }

    /// Detects version 1 with the hash of version 0 by the first number, if no join has shown it.
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

    /// Handles a DATA_ACK, which acknowledges the other direction. Returns its offset.
    fn data_ack(
        &mut self,
        location: Location,
        now: Timestamp,
        number: WireDataSequenceNumber,
        context: &mut Context<'_>,
    ) -> Option<u64> {
        let dir = location.dir.reverse();
        if self.mid_stream && self.halves[dir].base.is_none() {
            self.begin_numbers(dir, number);
        }
        let half = &mut self.halves[dir];
        let offset = half.offset(number.extend(half.reference()?))?;
        let highest = half.highest();
        if offset <= half.acknowledged || offset > highest.saturating_add(PLAUSIBLE) {
            return Some(offset);
        }
        let waited = highest.saturating_sub(half.acknowledged);
        half.acknowledged = offset;
        let step = self.last_step;
        if let Some(span) = half.rtt_queue.acknowledged(offset, now)
            && step.is_none_or(|(end, _)| now - end >= span)
        {
            half.rtt.record(span);
        }
        let history = context.settings.limits.history;
        half.owners.forget_below(offset.saturating_sub(history));
        self.t_last_data_ack = Some(now);
        self.progress(location, dir, waited, now, context);
        Some(offset)
    }
}

/// The 64-bit relative number with these lower 32 bits that lies nearest to `near`.
fn near_to(near: u64, low: u32) -> u64 {
    let [.., a, b, c, d] = near.to_be_bytes();
    let distance = low.wrapping_sub(u32::from_be_bytes([a, b, c, d])).cast_signed();
    near.saturating_add_signed(distance.into())
}
