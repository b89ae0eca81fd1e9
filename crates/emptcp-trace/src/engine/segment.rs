//! One segment of a known subflow, part by part.

use super::out::{At, Out};
use super::state::{Connection, Subflow};
use crate::packet::Packet;
use crate::record::{Capped, Hash, MarkKind};
use crate::stream::Unwrapper;
use crate::{Direction, Event, PacketEvent, Run, Settings, Span};
use mptcp_wire::Token;
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;

/// Shared by the processing of all parts of a segment.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) capped: &'a mut Capped,
    pub(super) out: &'a mut Out,
    pub(super) learned: &'a mut Learned,
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
        let dir = subflow.direction(packet.source);
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
        let counters = &mut subflow.halves[dir].counters;
        counters.packets += 1;
        counters.ip_bytes += u64::from(packet.ip_length);
        self.t_last = self.t_last.max(packet.time);

        let first_event = context.out.queue.len();
        let mut findings = Findings::default();
        self.handshake(location, packet, context);
        self.numbers(location, packet);
        self.signals(location, packet, context);
        self.data_sequence_signals(location, packet, context, &mut findings);
        if packet.payload > 0 {
            self.payload(location, packet, context, &mut findings);
        }
        if packet.flags.contains(Flags::ACK) {
            self.acknowledgement(location, packet, &mut findings);
        }
        self.closing(location, packet, context);
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
        if packet.flags.contains(Flags::ACK) && !packet.flags.contains(Flags::RST) {
            subflow.halves[location.dir.reverse()]
                .numbers
                .get_or_insert_with(|| Unwrapper::new(super::open::before(packet.acknowledgement)));
        }
    }

    /// FIN and RST.
    fn closing(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        let half = &mut subflow.halves[location.dir];
        if packet.flags.contains(Flags::FIN) && !half.fin {
            half.fin = true;
            context.out.mark(location.at, MarkKind::Fin, ());
        }
        if packet.flags.contains(Flags::RST) && !half.reset {
            half.reset = true;
            context.out.mark(location.at, MarkKind::Rst, ());
            self.event_kinds.insert(MarkKind::Rst);
        }
        let subflow = &mut self.subflows[location.index];
        if !subflow.closed && subflow.is_over() {
            subflow.closed = true;
            self.open -= u32::from(subflow.established);
        }
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

impl Subflow {
    /// Closed by both sides, or reset by one.
    fn is_over(&self) -> bool {
        let halves = &self.halves.0;
        halves.iter().all(|half| half.fin) || halves.iter().any(|half| half.reset)
    }
}
