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

/// Relative sequence numbers begin here, so that those before a SYN do not go below 0.
pub(super) const BEGIN: u64 = 1 << 32;

/// From the host that sent the SYN, or to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    FromOpener,
    ToOpener,
}

impl Way {
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
    /// What sequence numbers are counted from, by [`Way`].
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
    pub(super) fn new(packet: &Packet, way: Way) -> Self {
        let (opener, acceptor) = match way {
            Way::FromOpener => (packet.source, packet.destination),
            Way::ToOpener => (packet.destination, packet.source),
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

/// What identifies a subflow even when addresses and ports were changed.
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

/// What the handshake says about MPTCP, from either capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) version: Option<Version>,
    /// Keys by [`Way`] of their sender.
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
    /// The highest relative sequence number, by [`Way`].
    highest: [u64; 2],
    /// Packets, by [`Way`] and point.
    order: [[u64; 2]; 2],
    /// What was remembered of it to find its other half, to be forgotten then.
    pub(super) fingerprints: SmallVec<[(Point, Fingerprint); 4]>,
}

impl Flow {
    pub(super) fn is_joined(&self) -> bool {
        self.ends.iter().all(Option::is_some)
    }

    /// The way of a packet seen at `point`, where the subflow is known.
    pub(super) fn way(&self, point: Point, packet: &Packet) -> Way {
        match &self.ends[point.index()] {
            Some(ends) if ends.opener == packet.source => Way::FromOpener,
            Some(_) => Way::ToOpener,
            None => opening_way(packet),
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

    /// What acknowledgements of packets going `way` count from, at A and B.
    pub(super) fn bases(&self, way: Way) -> [u32; 2] {
        let of = |ends: &Option<Ends>| {
            ends.as_ref()
                .and_then(|ends| ends.base[way.reverse().index()])
                .unwrap_or(0)
        };
        self.ends.each_ref().map(of)
    }

    /// Puts a packet seen at `point` into the numbers that both captures share.
    pub(super) fn place(&mut self, point: Point, way: Way, packet: Packet) -> Item {
        if packet.has(Flags::SYN)
            && let Some(ends) = &mut self.ends[point.index()]
        {
            if ends.initial[way.index()].is_none() {
                ends.initial[way.index()] = Some(packet.sequence);
                ends.base[way.index()] = Some(packet.sequence);
            }
            if way == Way::FromOpener && ends.syn_timestamp.is_none() {
                ends.syn_timestamp = packet.timestamp;
            }
        }
        let base = self.base(point, way, packet.sequence);
        let relative = packet.sequence.wrapping_sub(base);
        let start = self.unwrap(way, relative);
        let end = start + u64::from(packet.sequence_length());
        self.highest[way.index()] = self.highest[way.index()].max(end);
        let acknowledged = packet.acknowledgement.map_or(0, |number| {
            let base = self.base(point, way.reverse(), number.wrapping_sub(1));
            number.wrapping_sub(base)
        });
        let order = &mut self.order[way.index()][point.index()];
        *order += 1;
        Item::new(packet, start, acknowledged, *order)
    }

    /// What sequence numbers going `way` count from at `point`: those of the SYN, or of the first packet.
    fn base(&mut self, point: Point, way: Way, otherwise: u32) -> u32 {
        let of = |ends: &Option<Ends>| ends.as_ref().and_then(|ends| ends.base[way.index()]);
        let base = of(&self.ends[point.index()])
            // The other capture has the SYN: unless somebody shifts the numbers, it is the same.
            .or_else(|| of(&self.ends[point.other().index()]))
            .unwrap_or(otherwise);
        if let Some(ends) = &mut self.ends[point.index()] {
            ends.base[way.index()] = Some(base);
        }
        base
    }

    /// The 64-bit number nearest to the highest that ends in `relative`.
    fn unwrap(&self, way: Way, relative: u32) -> u64 {
        let highest = self.highest[way.index()].max(BEGIN);
        let distance = relative.wrapping_sub(highest as u32).cast_signed();
        highest.saturating_add_signed(distance.into())
    }

    /// Takes over the half of `other`, which turned out to be the same subflow at the other point. Gives its packets
    /// that wait, by way, to be offered again.
    pub(super) fn absorb(&mut self, mut other: Self, point: Point) -> [Vec<Item>; 2] {
        self.ends[point.index()] = other.ends[point.index()].take();
        for way in Way::BOTH.map(Way::index) {
            self.order[way][point.index()] = other.order[way][point.index()];
            self.highest[way] = self.highest[way].max(other.highest[way]);
            self.tally[way].absorb(&other.tally[way], point);
            self.identity.keys[way] = self.identity.keys[way].or(other.identity.keys[way]);
        }
        self.identity.version = self.identity.version.or(other.identity.version);
        self.identity.join = self.identity.join.or(other.identity.join);
        self.identity.capable |= other.identity.capable;
        other.pending.map(|mut pending| pending.drain(point))
    }

    /// Learns from the MPTCP options of a packet. Gives what it can be recognised by.
    pub(super) fn learn(&mut self, point: Point, way: Way, packet: &Packet) -> SmallVec<[Fingerprint; 2]> {
        let mut found = SmallVec::new();
        let syn = packet.has(Flags::SYN) && !packet.has(Flags::ACK);
        if syn {
            found.push(Fingerprint::Syn(packet.sequence, packet.timestamp));
        }
        for option in packet.options().mptcp().map_while(Result::ok) {
            match option {
                MptcpOption::MpCapable(capable) => {
                    self.identity.capable = true;
                    // The answer decides the version.
                    if way == Way::ToOpener || self.identity.version.is_none() {
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
                    for (key, way) in [(sender, way), (receiver, way.reverse())] {
                        let known = &mut self.identity.keys[way.index()];
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

/// The way of the first packet of a subflow: a SYN+ACK goes to the opener; without a SYN the higher port is taken for
/// the opener's.
pub(super) fn opening_way(packet: &Packet) -> Way {
    let from_opener = match (packet.has(Flags::SYN), packet.has(Flags::ACK)) {
        (true, acknowledges) => !acknowledges,
        (false, _) => (packet.source.port(), packet.source.ip()) > (packet.destination.port(), packet.destination.ip()),
    };
    if from_opener { Way::FromOpener } else { Way::ToOpener }
}
