//! A subflow as both captures have it.

use super::Point;
use super::packet::Packet;
use super::pending::{Item, Pending};
use super::tally::Tally;
use crate::{PacketNumber, Timestamp};
use mptcp_wire::mptcp::{CapableKeys, MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{Key, Nonce, Token, TruncatedHmac, Version};
use smallvec::SmallVec;
use std::net::SocketAddr;

/// Offset of relative sequence numbers, so that numbers before a SYN stay above 0.
pub(super) const BEGIN: u64 = 1 << 32;

/// The direction of a packet relative to the host that sent the SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlowDirection {
    FromOpener,
    ToOpener,
}

impl FlowDirection {
    pub(super) const BOTH: [Self; 2] = [Self::FromOpener, Self::ToOpener];

    pub(super) fn index(self) -> usize {
        usize::from(self == Self::ToOpener)
    }

    pub(super) fn reverse(self) -> Self {
        match self {
            Self::FromOpener => Self::ToOpener,
            Self::ToOpener => Self::FromOpener,
        }
    }
}

/// A subflow at one of the two points.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) opener: SocketAddr,
    pub(super) acceptor: SocketAddr,
    /// The base of relative sequence numbers, by [`FlowDirection`].
    base: [Option<u32>; 2],
    /// The sequence numbers of SYN and SYN+ACK.
    pub(super) initial: [Option<u32>; 2],
    /// TSval of the SYN.
    pub(super) syn_timestamp: Option<u32>,
    pub(super) first: (Timestamp, PacketNumber),
    /// The first SYN with MP_CAPABLE.
    pub(super) capable: Option<PacketNumber>,
}

impl Ends {
    pub(super) fn new(packet: &Packet, flow_direction: FlowDirection) -> Self {
        let (opener, acceptor) = match flow_direction {
            FlowDirection::FromOpener => (packet.source, packet.destination),
            FlowDirection::ToOpener => (packet.destination, packet.source),
        };
        Self {
            opener,
            acceptor,
            base: [None; 2],
            initial: [None; 2],
            syn_timestamp: None,
            first: (packet.time, packet.number),
            capable: None,
        }
    }
}

/// A property that identifies a subflow even when addresses and ports were translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fingerprint {
    /// Initial sequence number and TSval of the SYN.
    Syn(u32, Option<u32>),
    /// The key of the sender of MP_CAPABLE.
    Key(Key),
    /// Token and nonce in the SYN of an MP_JOIN.
    Join(Token, Nonce),
    /// HMAC and nonce in the SYN+ACK of an MP_JOIN.
    JoinAnswer(TruncatedHmac, Nonce),
}

/// MPTCP data of the handshake, from either capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) version: Option<Version>,
    /// Keys by [`FlowDirection`] of their sender.
    pub(super) keys: [Option<Key>; 2],
    pub(super) join: Option<Token>,
    pub(super) capable: bool,
}

/// A subflow.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// At A and B.
    pub(super) ends: [Option<Ends>; 2],
    pub(super) identity: Identity,
    pub(super) pending: [Pending; 2],
    pub(super) tally: [Tally; 2],
    /// The highest relative sequence number, by [`FlowDirection`].
    highest: [u64; 2],
    /// Packets, by [`FlowDirection`] and point.
    order: [[u64; 2]; 2],
    /// Fingerprints to find its other half; removed when it is found.
    pub(super) fingerprints: SmallVec<[(Point, Fingerprint); 4]>,
}

impl Flow {
    pub(super) fn is_joined(&self) -> bool {
        self.ends.iter().all(Option::is_some)
    }

    /// Whether a SYN with this number opens this subflow at `point`, where it is known. Its SYN need not be the first
    /// packet: that may have been lost before this point, or not be captured, and its own packets may come before a
    /// repeated SYN.
    pub(super) fn is_opened_by(&self, point: Point, sequence: u32) -> bool {
        let from_opener = FlowDirection::FromOpener.index();
        let initial = |point: Point| self.ends[point.index()].as_ref()?.initial[from_opener];
        if let Some(number) = initial(point).or_else(|| initial(point.other())) {
            return number == sequence;
        }
        let base = self.ends[point.index()]
            .as_ref()
            .and_then(|ends| ends.base[from_opener]);
        base.is_none_or(|base| is_near(base, sequence))
    }

    /// The direction of a packet at `point`; the subflow must be known there.
    pub(super) fn direction_of(&self, point: Point, packet: &Packet) -> FlowDirection {
        match &self.ends[point.index()] {
            Some(ends) if ends.opener == packet.source => FlowDirection::FromOpener,
            Some(_) => FlowDirection::ToOpener,
            None => opening_direction(packet),
        }
    }

    /// Whether the timestamps option is carried unchanged.
    pub(super) fn keeps_timestamps(&self) -> bool {
        match self
            .ends
            .each_ref()
            .map(|ends| ends.as_ref().and_then(|ends| ends.syn_timestamp))
        {
            [Some(a), Some(b)] => a == b,
            _ => true,
        }
    }

    /// The base of acknowledgement numbers in this direction, at A and B.
    pub(super) fn bases(&self, flow_direction: FlowDirection) -> [u32; 2] {
        let of = |ends: &Option<Ends>| {
            ends.as_ref()
                .and_then(|ends| ends.base[flow_direction.reverse().index()])
                .unwrap_or(0)
        };
        self.ends.each_ref().map(of)
    }

    /// Converts a packet at `point` to sequence numbers that both captures share.
    pub(super) fn place(&mut self, point: Point, flow_direction: FlowDirection, packet: Packet) -> Item {
        if packet.has(Flags::SYN)
            && let Some(ends) = &mut self.ends[point.index()]
        {
            if ends.initial[flow_direction.index()].is_none() {
                ends.initial[flow_direction.index()] = Some(packet.sequence);
                // Packets before the SYN were placed by another number of the same sequence: it stays the base.
                let base = &mut ends.base[flow_direction.index()];
                if base.is_none_or(|base| !is_near(base, packet.sequence)) {
                    *base = Some(packet.sequence);
                }
            }
            if flow_direction == FlowDirection::FromOpener && ends.syn_timestamp.is_none() {
                ends.syn_timestamp = packet.timestamp;
            }
        }
        let base = self.base(point, flow_direction, packet.sequence);
        let relative = packet.sequence.wrapping_sub(base);
        let start = self.unwrap(flow_direction, relative);
        let end = start + u64::from(packet.sequence_length());
        self.highest[flow_direction.index()] = self.highest[flow_direction.index()].max(end);
        let acknowledged = packet.acknowledgement.map_or(0, |number| {
            let base = self.base(point, flow_direction.reverse(), number.wrapping_sub(1));
            number.wrapping_sub(base)
        });
        let order = &mut self.order[flow_direction.index()][point.index()];
        *order += 1;
        Item::new(packet, start, acknowledged, *order)
    }

    /// The base of sequence numbers in this direction at `point`: the number of the SYN, or of the first packet.
    fn base(&mut self, point: Point, flow_direction: FlowDirection, otherwise: u32) -> u32 {
        let of = |ends: &Option<Ends>| ends.as_ref().and_then(|ends| ends.base[flow_direction.index()]);
        let base = of(&self.ends[point.index()])
            // The other capture has the SYN: its number is the same unless a middlebox shifts numbers.
            .or_else(|| of(&self.ends[point.other().index()]))
            .unwrap_or(otherwise);
        if let Some(ends) = &mut self.ends[point.index()] {
            ends.base[flow_direction.index()] = Some(base);
        }
        base
    }

    /// The 64-bit number with the low half `relative` that is nearest to the highest number.
    fn unwrap(&self, flow_direction: FlowDirection, relative: u32) -> u64 {
        let highest = self.highest[flow_direction.index()].max(BEGIN);
        let distance = relative.wrapping_sub(highest as u32).cast_signed();
        highest.saturating_add_signed(distance.into())
    }

    /// Merges `other`, which is the same subflow at the other point. Returns its waiting packets, by direction, to be
    /// matched again.
    pub(super) fn absorb(&mut self, mut other: Self, point: Point) -> [Vec<Item>; 2] {
        self.ends[point.index()] = other.ends[point.index()].take();
        for flow_direction in FlowDirection::BOTH.map(FlowDirection::index) {
            self.order[flow_direction][point.index()] = other.order[flow_direction][point.index()];
            self.highest[flow_direction] = self.highest[flow_direction].max(other.highest[flow_direction]);
            self.tally[flow_direction].absorb(&other.tally[flow_direction], point);
            self.identity.keys[flow_direction] =
                self.identity.keys[flow_direction].or(other.identity.keys[flow_direction]);
        }
        self.identity.version = self.identity.version.or(other.identity.version);
        self.identity.join = self.identity.join.or(other.identity.join);
        self.identity.capable |= other.identity.capable;
        other.pending.map(|mut pending| pending.drain(point))
    }

    /// Evaluates the MPTCP options of a packet. Returns the fingerprints of the subflow in it.
    pub(super) fn learn(
        &mut self,
        point: Point,
        flow_direction: FlowDirection,
        packet: &Packet,
    ) -> SmallVec<[Fingerprint; 2]> {
        let mut found = SmallVec::new();
        let syn = packet.has(Flags::SYN) && !packet.has(Flags::ACK);
        if syn {
            found.push(Fingerprint::Syn(packet.sequence, packet.timestamp));
        }
        for option in packet.options().mptcp().map_while(Result::ok) {
            match option {
                MptcpOption::MpCapable(capable) => {
                    self.identity.capable = true;
                    // The SYN+ACK decides the version.
                    if flow_direction == FlowDirection::ToOpener || self.identity.version.is_none() {
                        self.identity.version = Some(capable.version);
                    }
                    if syn && let Some(ends) = &mut self.ends[point.index()] {
                        ends.capable.get_or_insert(packet.number);
                    }
                    let (sender, receiver) = match capable.keys {
                        CapableKeys::None => (None, None),
                        CapableKeys::Sender(sender) => (Some(sender), None),
                        CapableKeys::Both { sender, receiver } | CapableKeys::BothWithData { sender, receiver, .. } => {
                            (Some(sender), Some(receiver))
                        }
                    };
                    found.extend(sender.map(Fingerprint::Key));
                    for (key, flow_direction) in [(sender, flow_direction), (receiver, flow_direction.reverse())] {
                        let known = &mut self.identity.keys[flow_direction.index()];
                        *known = known.or(key);
                    }
                }
                MptcpOption::MpJoin(MpJoin::Syn { token, nonce, .. }) => {
                    self.identity.join.get_or_insert(token);
                    found.push(Fingerprint::Join(token, nonce));
                }
                MptcpOption::MpJoin(MpJoin::SynAck { hmac, nonce, .. }) => {
                    found.push(Fingerprint::JoinAnswer(hmac, nonce));
                }
                _ => {}
            }
        }
        found
    }
}

/// Whether a number is so near to that of a SYN that chance is no explanation: one window without scaling.
fn is_near(number: u32, initial: u32) -> bool {
    number.wrapping_sub(initial).cast_signed().unsigned_abs() <= u32::from(u16::MAX)
}

/// The direction of the first packet of a subflow: a SYN+ACK goes to the opener. Without a SYN, the host with the
/// higher port is assumed to be the opener.
pub(super) fn opening_direction(packet: &Packet) -> FlowDirection {
    let from_opener = match (packet.has(Flags::SYN), packet.has(Flags::ACK)) {
        (true, acknowledges) => !acknowledges,
        (false, _) => (packet.source.port(), packet.source.ip()) > (packet.destination.port(), packet.destination.ip()),
    };
    if from_opener {
        FlowDirection::FromOpener
    } else {
        FlowDirection::ToOpener
    }
}
