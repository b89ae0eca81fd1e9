//! One segment of a known subflow, part by part.

use super::clock::Clock;
use super::out::{At, MarkFields, Out};
use super::state::{Connection, Subflow};
use crate::packet::Packet;
use crate::record::{Answer, Capped, Detail, End, Hash, Malformed, MarkKind};
use crate::stream::Unwrapper;
use crate::{Direction, Event, PacketEvent, Run, Settings, Span};
use mptcp_wire::mptcp::{CapableKeys, MpCapable, MptcpOption, Subtype};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{Token, Version};
use smallvec::SmallVec;

/// More payload than the largest frame of a device has; for a capture without the announced maximum.
const LARGEST: u32 = 9216;

/// Shared by the processing of all parts of a segment.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) capped: &'a mut Capped,
    pub(super) out: &'a mut Out,
    pub(super) learned: &'a mut Learned,
    /// The packet has the same bytes as one before: a retransmission, or captured twice.
    pub(super) is_unclear: bool,
    pub(super) clock: &'a Clock,
}

/// Facts from a segment that concern more than its connection.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Newly known tokens and their hosts.
    pub(super) tokens: SmallVec<[(Token, Direction, Hash); 2]>,
}

/// Subflow, direction and time of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) index: usize,
    pub(super) dir: Direction,
    pub(super) at: At,
}

/// Values collected for [`PacketEvent`].
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) runs: SmallVec<[Run; 2]>,
    pub(super) data_ack: Option<u64>,
    pub(super) rtt: Option<Span>,
}

impl Connection {
    pub(super) fn segment(&mut self, index: usize, packet: &Packet, context: &mut Context<'_>) {
        let Some(subflow) = self.subflows.get_mut(index) else {
            return;
        };
        let dir = subflow.direction(packet);
        let location = Location {
            index,
            dir,
            at: At {
                conn_id: self.id,
                sf_id: Some(subflow.id),
                dir,
                packet: packet.number,
                t: packet.time,
            },
        };
        subflow.t_last = subflow.t_last.max(packet.time);
        subflow.acknowledges |= packet.acknowledges();
        let most = subflow.halves[dir.reverse()].maximum_segment.map_or(LARGEST, u32::from);
        let half = &mut subflow.halves[dir];
        half.has_fixed_identification |= half.counters.packets > 0 && half.identification == packet.identification;
        half.identification = packet.identification;
        let counters = &mut half.counters;
        counters.packets += 1;
        counters.ip_bytes += u64::from(packet.ip_length);
        counters.cut_short += u64::from(packet.is_cut);
        counters.aggregates += u64::from(packet.payload > most);
        self.t_last = self.t_last.max(packet.time);

        let first_event = context.out.queue.len();
        let mut findings = Findings::default();
        self.pass_clock(location, packet, context);
        self.note_options(location, packet);
        self.handshake(location, packet, context);
        let options = packet.options.as_slice();
        if self.may_be_malformed(packet, options) {
            self.malformed(location, packet, context);
        }
        self.numbers(location, packet);
        match options {
            [] => {}
            [MptcpOption::Dss(dss)] => {
                self.options.count(Subtype::Dss);
                self.dss(location, packet, dss, context, &mut findings);
            }
            _ => {
                self.signals(location, packet, context);
                self.data_sequence_signals(location, packet, context, &mut findings);
            }
        }
        if packet.payload > 0 {
            self.payload(location, packet, context, &mut findings);
        }
        if packet.flags.contains(Flags::ACK) {
            self.acknowledgement(location, packet, &mut findings);
        }
        if packet.flags.bits() & (Flags::FIN | Flags::RST).bits() != 0 {
            self.closing(location, packet, context);
        }
        self.ending(location, context);
        if self.watched {
            let event = self.packet_event(location, packet, findings);
            context.out.queue.insert(first_event, Event::Packet(Box::new(event)));
        }
    }

    /// Sets the base sequence numbers of both directions, for a capture without the SYN.
    fn numbers(&mut self, location: Location, packet: &Packet) {
        let subflow = &mut self.subflows[location.index];
        subflow.halves[location.dir]
            .numbers
            .get_or_insert_with(|| Unwrapper::new(super::open::before(packet.sequence)));
        if packet.acknowledges() {
            subflow.halves[location.dir.reverse()]
                .numbers
                .get_or_insert_with(|| Unwrapper::new(super::open::before(packet.acknowledgement)));
        }
    }

    /// FIN and RST.
    fn closing(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        let half = &mut subflow.halves[location.dir];
        if packet.flags.contains(Flags::FIN) || packet.flags.contains(Flags::RST) {
            subflow.t_closed.get_or_insert(packet.time);
        }
        if packet.flags.contains(Flags::FIN) && !half.fin {
            half.fin = true;
            context.out.mark(location.at, MarkKind::Fin, ());
        }
        if packet.flags.contains(Flags::RST) && !half.reset {
            half.reset = true;
            context.out.mark(location.at, MarkKind::Rst, ());
            self.event_kinds.insert(MarkKind::Rst);
            self.answer_by_reset(location, context);
        }
        let subflow = &mut self.subflows[location.index];
        if !subflow.closed && subflow.is_over() {
            subflow.closed = true;
            self.open -= u32::from(subflow.established);
            self.judge(location.index, context);
        }
    }

    /// A RST in place of a SYN+ACK.
    fn answer_by_reset(&mut self, location: Location, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        let opener = subflow.opener();
        let asked = subflow.halves[opener].numbers.is_some() && subflow.syn_option.is_some();
        if location.dir == opener || subflow.answer.is_some() || !asked {
            return;
        }
        subflow.answer = Some(Answer::Rst);
        if location.index == 0 {
            self.end_as(End::Refused, location.at, context);
        }
    }

    /// Most packets have a DSS alone, which is never wrong where no checksums are required.
    #[inline]
    fn may_be_malformed(&self, packet: &Packet, options: &[MptcpOption]) -> bool {
        let is_usual = match options {
            [] => true,
            [MptcpOption::Dss(_)] => !self.flag_a,
            _ => false,
        };
        !is_usual || !packet.malformed.is_empty()
    }

    /// Options that are malformed, or have a form that is not allowed where they are.
    fn malformed(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let wrong = packet
            .options
            .iter()
            .filter_map(|option| self.not_allowed(location, packet, option));
        for malformed in packet.malformed.iter().cloned().chain(wrong.collect::<Vec<_>>()) {
            self.malformed_options[location.dir] += 1;
            self.event_kinds.insert(MarkKind::MalformedOption);
            let what = MarkFields {
                evidence: super::evidence::malformed(location.at.packet),
                ..MarkFields::from(Detail::Malformed(malformed))
            };
            context.out.mark(location.at, MarkKind::MalformedOption, what);
        }
    }

    /// What is wrong with an option that is well-formed by itself.
    fn not_allowed(&self, location: Location, packet: &Packet, option: &MptcpOption) -> Option<Malformed> {
        let expected = match option {
            MptcpOption::MpCapable(capable) => self.capable_not_allowed(location, packet, capable)?,
            MptcpOption::MpJoin(join) => {
                let is_mirrored = self.subflows[location.index].answer == Some(Answer::SynAckMirrored);
                let stage = packet.flags.stage().filter(|_| !is_mirrored)?;
                length_of(join.check_stage(stage).err()?)?
            }
            MptcpOption::Dss(dss) => {
                let mapping = dss.mapping.filter(|_| self.requires_checksums())?;
                let lacks = mapping.checksum.is_none() && mapping.length > 0;
                lacks.then(|| format!("{}: checksums are required", option.buffer_length() + 2))?
            }
            // RFC 8684, 3.6: on other packets the receiver ignores it.
            MptcpOption::MpTcprst(_) => {
                let is_reset = packet.flags.contains(Flags::RST);
                (!is_reset).then(|| "a packet with RST".to_owned())?
            }
            MptcpOption::MpPrio(prio) => {
                let is_wrong = prio.address_id.is_some() && self.version == Version::V1;
                is_wrong.then(|| "3 in version 1".to_owned())?
            }
            _ => return None,
        };
        Some(Malformed {
            option: option.subtype().name(),
            subtype: Some(option.subtype().number()),
            length: u8::try_from(option.buffer_length()).ok(),
            expected,
        })
    }

    fn capable_not_allowed(&self, location: Location, packet: &Packet, capable: &MpCapable) -> Option<String> {
        if self.subflows[location.index].answer == Some(Answer::SynAckMirrored) {
            return None;
        }
        if let Err(error) = capable.check_stage(packet.flags.stage()?) {
            return length_of(error);
        }
        let without = matches!(capable.keys, CapableKeys::BothWithData { checksum: None, .. });
        (without && self.requires_checksums()).then(|| "24: checksums are required".to_owned())
    }

    /// Both sides use checksums when one asks for them (RFC 8684, 3.1).
    fn requires_checksums(&self) -> bool {
        self.flag_a
            && self
                .subflows
                .first()
                .is_some_and(|subflow| subflow.answer == Some(Answer::SynAck))
    }

    fn packet_event(&self, location: Location, packet: &Packet, findings: Findings) -> PacketEvent {
        let subflow = &self.subflows[location.index];
        let (half, other) = (&subflow.halves[location.dir], &subflow.halves[location.dir.reverse()]);
        let relative = |numbers: &Option<Unwrapper>, number| numbers.as_ref().and_then(|from| from.peek(number));
        // RFC 7323, 2.2: the window of a SYN is never scaled.
        let scale = match packet.flags.contains(Flags::SYN) {
            true => 0,
            false => half.window_scale,
        };
        let acknowledges = packet.flags.contains(Flags::ACK);
        PacketEvent {
            number: packet.number,
            t: packet.time,
            conn_id: self.id,
            sf_id: subflow.id,
            dir: location.dir,
            flags: packet.flags,
            sequence: relative(&half.numbers, packet.sequence).unwrap_or(0),
            acknowledgement: acknowledges
                .then(|| relative(&other.numbers, packet.acknowledgement))
                .flatten(),
            payload: packet.payload,
            window: u64::from(packet.window) << scale,
            in_flight: half.in_flight(),
            runs: findings.runs,
            data_ack: findings.data_ack,
            rtt: findings.rtt,
            options: packet.options.clone(),
        }
    }
}

/// The lengths that an error allows.
fn length_of(error: mptcp_wire::Error) -> Option<String> {
    match error {
        mptcp_wire::Error::OptionLength { expected, .. } => Some(expected.to_owned()),
        _ => None,
    }
}

impl Subflow {
    /// Closed by both sides, or reset by one.
    fn is_over(&self) -> bool {
        let halves = &self.halves.0;
        halves.iter().all(|half| half.fin) || halves.iter().any(|half| half.reset)
    }
}
