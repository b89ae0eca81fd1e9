//! One generated connection of version 1: a request, a download over all subflows, the end.

use super::random::Random;
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Idsn, Key, Nonce, SubflowSequenceNumber, Token, Version, WireDataSequenceNumber, crypto};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const SEGMENT: u32 = 1380;
const REQUEST: u32 = 180;

/// The sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

use Side::{Client, Server};

impl Side {
    fn peer(self) -> Self {
        match self {
            Client => Server,
            Server => Client,
        }
    }
}

/// A planned packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) flags: Flags,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) payload: u32,
    pub(super) option: Option<MptcpOption>,
    pub(super) again: Again,
}

/// Whether payload was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    SameSubflow,
    OtherSubflow,
}

/// What the generator put in; the analysis must find the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) connections: u64,
    pub(super) joins: u64,
    pub(super) retransmitted: u64,
    pub(super) reinjected: u64,
}

impl Truth {
    pub(super) fn count(&mut self, packet: &Planned) {
        let opens = packet.flags == Flags::SYN;
        match packet.option {
            Some(MptcpOption::MpCapable(_)) if opens => self.connections += 1,
            Some(MptcpOption::MpJoin(_)) if opens => self.joins += 1,
            _ => {}
        }
        match packet.again {
            Again::No => {}
            Again::SameSubflow => self.retransmitted += u64::from(packet.payload),
            Again::OtherSubflow => self.reinjected += u64::from(packet.payload),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Half {
    initial: u32,
    /// Bytes sent so far, the SYN counted.
    sent: u32,
}

#[derive(Clone, Copy, Debug)]
struct Subflow {
    client: SocketAddr,
    server: SocketAddr,
    halves: [Half; 2],
}

impl Subflow {
    fn half(&mut self, side: Side) -> &mut Half {
        &mut self.halves[side as usize]
    }

    fn next(&self, side: Side) -> u32 {
        let half = self.halves[side as usize];
        half.initial.wrapping_add(half.sent)
    }
}

/// A run of segments under one mapping, as Linux sends it: the mapping is on each of them.
#[derive(Clone, Copy, Debug)]
struct Burst {
    subflow: usize,
    /// Of the first byte, counted from 1 for the first byte after the SYN.
    at: u32,
    /// Counted from 0 for the first byte of the connection.
    data: u64,
    segments: u32,
}

/// A connection and the packets that it will send next.
#[derive(Debug)]
pub(super) struct Connection {
    keys: [Key; 2],
    idsn: [Idsn; 2],
    subflows: Vec<Subflow>,
    planned: VecDeque<Planned>,
    /// Bytes that each side has sent, and the other has acknowledged.
    data: [u64; 2],
    segments_left: u32,
    over: bool,
}

impl Connection {
    /// The `number`th connection of the capture.
    pub(super) fn new(number: u64, random: &mut Random) -> Self {
        let keys = [Key(random.next().to_be_bytes()), Key(random.next().to_be_bytes())];
        let mut connection = Self {
            keys,
            idsn: keys.map(|key| crypto::derive(Version::V1, key).idsn),
            subflows: Vec::new(),
            planned: VecDeque::new(),
            data: [0; 2],
            // Most are short, and most bytes are in the few that are long.
            segments_left: match random.below(20) {
                0 => 2000 + random.below(6000),
                1..6 => 100 + random.below(500),
                _ => 4 + random.below(60),
            },
            over: false,
        };
        let subflows = 2 + random.below(3) as u8;
        for path in 0..subflows {
            connection.subflows.push(subflow(number, path, random));
        }
        connection.open();
        for path in 1..subflows {
            connection.join(path, random);
        }
        connection
    }

    /// The next packet; `None` at the end.
    pub(super) fn next(&mut self, random: &mut Random) -> Option<Planned> {
        if self.planned.is_empty() {
            match self.segments_left {
                _ if self.over => {}
                0 => self.close(),
                _ => self.transfer(random),
            }
        }
        self.planned.pop_front()
    }

    fn open(&mut self) {
        let capable = |keys| {
            let flags = CapableFlags::HMAC;
            let version = Version::V1;
            Some(MpCapable { version, flags, keys }.into())
        };
        let both = CapableKeys::Both {
            sender: self.keys[0],
            receiver: self.keys[1],
        };
        self.send(0, Client, Flags::SYN, 0, capable(CapableKeys::None));
        self.send(
            0,
            Server,
            Flags::SYN | Flags::ACK,
            0,
            capable(CapableKeys::Sender(self.keys[1])),
        );
        self.send(0, Client, Flags::ACK, 0, capable(both));
        let mapping = self.mapping(Client, 1, 0, REQUEST as u16);
        self.data[0] = REQUEST.into();
        let request = self.dss(Client, 0, Some(mapping));
        self.send(0, Client, Flags::ACK | Flags::PSH, REQUEST, request);
        let answer = self.dss(Server, self.data[0], None);
        self.send(0, Server, Flags::ACK, 0, answer);
    }

    fn join(&mut self, path: u8, random: &mut Random) {
        let index = usize::from(path);
        let [client, server] = self.keys;
        let (nonce, answer) = (Nonce(random.next() as u32), Nonce(random.next() as u32));
        let token: Token = crypto::derive(Version::V1, server).token;
        let (backup, address_id) = (false, AddressId(path));
        let syn = MpJoin::Syn {
            backup,
            address_id,
            token,
            nonce,
        };
        self.send(index, Client, Flags::SYN, 0, Some(syn.into()));
        let syn_ack = MpJoin::SynAck {
            backup,
            address_id: AddressId(0),
            hmac: crypto::join_syn_ack_hmac(Version::V1, server, client, answer, nonce),
            nonce: answer,
        };
        self.send(index, Server, Flags::SYN | Flags::ACK, 0, Some(syn_ack.into()));
        let hmac = crypto::join_ack_hmac(Version::V1, client, server, nonce, answer);
        self.send(index, Client, Flags::ACK, 0, Some(MpJoin::Ack { hmac }.into()));
        let fourth = self.dss(Server, self.data[0], None);
        self.send(index, Server, Flags::ACK, 0, fourth);
    }

    /// A burst on each of two subflows, then their acknowledgements; sometimes something is lost.
    fn transfer(&mut self, random: &mut Random) {
        let first = random.below(self.subflows.len() as u32) as usize;
        let second = random.below(self.subflows.len() as u32) as usize;
        let bursts: Vec<Burst> = [first, second]
            .into_iter()
            .filter_map(|subflow| self.burst(subflow, 2 + random.below(9)))
            .collect();
        for burst in &bursts {
            if random.below(50) == 0 {
                let lost = random.below(burst.segments);
                self.segment(*burst, lost, Again::SameSubflow);
            }
        }
        if let [burst, ..] = bursts[..]
            && random.below(100) == 0
        {
            self.reinject(burst);
        }
        for burst in bursts {
            for segment in (0..burst.segments).filter(|segment| segment % 2 == 1 || segment + 1 == burst.segments) {
                let until = (segment + 1) * SEGMENT;
                let acknowledged = self.dss(Client, burst.data + u64::from(until), None);
                let subflow = &self.subflows[burst.subflow];
                let acknowledgement = subflow.halves[1].initial.wrapping_add(burst.at + until);
                self.push(
                    burst.subflow,
                    Client,
                    Flags::ACK,
                    (None, Some(acknowledgement)),
                    0,
                    acknowledged,
                );
            }
        }
    }

    fn burst(&mut self, subflow: usize, segments: u32) -> Option<Burst> {
        let segments = segments.min(self.segments_left);
        if segments == 0 {
            return None;
        }
        self.segments_left -= segments;
        let half = self.subflows[subflow].half(Server);
        let burst = Burst {
            subflow,
            at: half.sent,
            data: self.data[1],
            segments,
        };
        half.sent = half.sent.wrapping_add(segments * SEGMENT);
        self.data[1] += u64::from(segments * SEGMENT);
        for number in 0..segments {
            self.segment(burst, number, Again::No);
        }
        Some(burst)
    }

    /// Sends a segment of a burst.
    fn segment(&mut self, burst: Burst, number: u32, again: Again) {
        let mapping = self.mapping(Server, burst.at, burst.data, (burst.segments * SEGMENT) as u16);
        let option = self.dss(Server, self.data[0], Some(mapping));
        let initial = self.subflows[burst.subflow].halves[1].initial;
        let sequence = initial.wrapping_add(burst.at + number * SEGMENT);
        self.push(
            burst.subflow,
            Server,
            Flags::ACK,
            (Some(sequence), None),
            SEGMENT,
            option,
        );
        if let Some(planned) = self.planned.back_mut() {
            planned.again = again;
        }
    }

    /// Sends the whole of a burst on the next subflow.
    fn reinject(&mut self, burst: Burst) {
        let subflow = (burst.subflow + 1) % self.subflows.len();
        let half = self.subflows[subflow].half(Server);
        let copy = Burst {
            subflow,
            at: half.sent,
            ..burst
        };
        half.sent = half.sent.wrapping_add(burst.segments * SEGMENT);
        for number in 0..burst.segments {
            self.segment(copy, number, Again::OtherSubflow);
        }
    }

    /// DATA_FIN of both sides on the first subflow, then the FINs of all.
    fn close(&mut self) {
        self.over = true;
        for side in [Server, Client] {
            let end = self.data[side as usize];
            let fin = Dss {
                data_fin: true,
                ..self.dss_of(
                    side,
                    self.data[side.peer() as usize],
                    Some(self.mapping(side, 0, end, 1)),
                )
            };
            self.send(0, side, Flags::ACK, 0, Some(fin.into()));
            self.data[side as usize] = end + 1;
            let acknowledged = self.dss(side.peer(), end + 1, None);
            self.send(0, side.peer(), Flags::ACK, 0, acknowledged);
        }
        for subflow in 0..self.subflows.len() {
            self.send(subflow, Server, Flags::FIN | Flags::ACK, 0, None);
            self.send(subflow, Client, Flags::FIN | Flags::ACK, 0, None);
            self.send(subflow, Server, Flags::ACK, 0, None);
        }
    }

    fn wire(&self, side: Side, data: u64) -> WireDataSequenceNumber {
        WireDataSequenceNumber::Long(self.idsn[side as usize].first_byte().after(data).0)
    }

    fn mapping(&self, side: Side, at: u32, data: u64, length: u16) -> Mapping {
        Mapping {
            data_sequence: self.wire(side, data),
            subflow_sequence: SubflowSequenceNumber(at),
            length,
            checksum: None,
        }
    }

    fn dss_of(&self, side: Side, acknowledged: u64, mapping: Option<Mapping>) -> Dss {
        Dss {
            data_ack: Some(self.wire(side.peer(), acknowledged)),
            mapping,
            data_fin: false,
        }
    }

    fn dss(&self, side: Side, acknowledged: u64, mapping: Option<Mapping>) -> Option<MptcpOption> {
        Some(self.dss_of(side, acknowledged, mapping).into())
    }

    /// Plans a packet with what comes next in the subflow.
    fn send(&mut self, subflow: usize, side: Side, flags: Flags, payload: u32, option: Option<MptcpOption>) {
        self.push(subflow, side, flags, (None, None), payload, option);
        let counted = payload + u32::from(flags.contains(Flags::SYN)) + u32::from(flags.contains(Flags::FIN));
        self.subflows[subflow].half(side).sent += counted;
    }

    /// Plans a packet with these sequence and acknowledgement numbers, or the next ones.
    fn push(
        &mut self,
        index: usize,
        side: Side,
        flags: Flags,
        numbers: (Option<u32>, Option<u32>),
        payload: u32,
        option: Option<MptcpOption>,
    ) {
        let subflow = self.subflows[index];
        let (source, destination) = match side {
            Client => (subflow.client, subflow.server),
            Server => (subflow.server, subflow.client),
        };
        let acknowledgement = match flags.contains(Flags::ACK) {
            true => numbers.1.unwrap_or(subflow.next(side.peer())),
            false => 0,
        };
        self.planned.push_back(Planned {
            source,
            destination,
            flags,
            sequence: numbers.0.unwrap_or(subflow.next(side)),
            acknowledgement,
            payload,
            option,
            again: Again::No,
        });
    }
}

/// Every eighth connection is over IPv6; a client has an address for each path.
fn subflow(number: u64, path: u8, random: &mut Random) -> Subflow {
    let port = 32_768 + (number % 28_000) as u16;
    let host = (number / 28_000 % 60_000) as u16;
    let (client, server) = if number.is_multiple_of(8) {
        let address = |network, host| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host);
        (address(path.into(), host).into(), address(100, 1).into())
    } else {
        let [high, low] = host.to_be_bytes();
        let client = Ipv4Addr::new(10, path, high, low);
        (std::net::IpAddr::from(client), Ipv4Addr::new(192, 0, 2, 1).into())
    };
    let mut half = || Half {
        initial: random.next() as u32,
        sent: 0,
    };
    Subflow {
        client: SocketAddr::new(client, port),
        server: SocketAddr::new(server, 443),
        halves: [half(), half()],
    }
}
