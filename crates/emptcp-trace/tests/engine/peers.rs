//! Two hosts, packet by packet, as in a capture, and the results of the analysis.

use emptcp_trace::record::{Connection, Evidence, Mark, MarkKind, Stray, Totals};
use emptcp_trace::{Analyzer, Direction, Event, Frame, Next, PacketEvent, PacketNumber, Settings, Source, Timestamp};
use mptcp_wire::crypto::{derive, join_ack_hmac, join_syn_ack_hmac};
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpJoin, MptcpOption};
use mptcp_wire::tcp::{Flags, TcpOption};
use mptcp_wire::{AddressId, Key, LinkType, Nonce, PacketBuilder, SubflowSequenceNumber, Token, Version};
use mptcp_wire::{DataSequenceNumber, WireDataSequenceNumber};
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use Direction::{ClientToServer as UP, ServerToClient as DOWN};

/// When the captures begin.
const START: i64 = 1_700_000_000_000_000_000;

/// Milliseconds after the captures begin.
pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp(START + milliseconds * 1_000_000)
}

/// A frame.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) time: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

/// The two ends of a subflow.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) ends: [SocketAddr; 2],
    pub(crate) isn: [u32; 2],
    /// The next relative sequence number to send, 1 after the SYN.
    pub(crate) next: [u64; 2],
    pub(crate) nonces: [Nonce; 2],
}

/// A connection between two hosts. A direction names its sender too.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) version: Version,
    pub(crate) keys: [Key; 2],
    pub(crate) flags: CapableFlags,
    pub(crate) paths: Vec<Path>,
    pub(crate) sent: Vec<Sent>,
    /// Packets have the identification of IPv4 that Linux gives, not 0.
    pub(crate) counts: bool,
    now: i64,
}

/// A packet under construction. [`Draft::send`] sends it; the next one follows a millisecond later.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    peers: &'a mut Peers,
    path: usize,
    way: Direction,
    flags: Flags,
    options: Vec<MptcpOption>,
    length: usize,
    start: Option<u64>,
    unset_length: bool,
    timestamp: Option<u32>,
    erased: bool,
}

pub(crate) fn side(way: Direction) -> usize {
    usize::from(way == DOWN)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Peers {
    /// Two hosts with unique keys.
    pub(crate) fn new(version: Version, number: u8) -> Self {
        let mut peers = Self {
            version,
            keys: [Key([number, 1, 2, 3, 4, 5, 6, 7]), Key([number, 9, 9, 9, 9, 9, 9, 9])],
            flags: CapableFlags::HMAC,
            paths: Vec::new(),
            sent: Vec::new(),
            counts: false,
            now: 0,
        };
        peers.path(&format!("10.0.0.{number}:1000"), "10.0.1.1:80");
        peers
    }

    /// Another pair of ends; its number.
    pub(crate) fn path(&mut self, client: &str, server: &str) -> usize {
        let number = self.paths.len() as u32;
        self.paths.push(Path {
            ends: [address(client), address(server)],
            isn: [1_000_000 + number, 0xffff_ff00 + number],
            next: [0, 0],
            nonces: [Nonce(0x1000 + number), Nonce(0x2000 + number)],
        });
        self.paths.len() - 1
    }

    /// Sets the time of the next packet.
    pub(crate) fn at(&mut self, milliseconds: i64) -> &mut Self {
        self.now = milliseconds;
        self
    }

    /// By the hash of this version.
    pub(crate) fn token(&self, of: Direction, hash: Version) -> Token {
        derive(hash, self.keys[side(of)]).token
    }

    /// The whole number of the byte with this offset; offset 0 is the first byte.
    pub(crate) fn number(&self, way: Direction, offset: u64) -> DataSequenceNumber {
        derive(self.version, self.keys[side(way)])
            .idsn
            .first_byte()
            .after(offset)
    }

    pub(crate) fn packet(&mut self, path: usize, way: Direction) -> Draft<'_> {
        Draft {
            peers: self,
            path,
            way,
            flags: Flags::ACK,
            options: Vec::new(),
            length: 0,
            start: None,
            unset_length: false,
            timestamp: None,
            erased: false,
        }
    }

    /// MP_CAPABLE with this many keys, from the sender.
    pub(crate) fn capable(&self, way: Direction, keys: usize) -> MpCapable {
        let (sender, receiver) = (self.keys[side(way)], self.keys[side(way.reverse())]);
        MpCapable {
            version: self.version,
            flags: self.flags,
            keys: match keys {
                0 => CapableKeys::None,
                1 => CapableKeys::Sender(sender),
                _ => CapableKeys::Both { sender, receiver },
            },
        }
    }

    pub(crate) fn syn(&mut self) -> &mut Self {
        let keys = match self.version {
            Version::V0 => 1,
            Version::V1 => 0,
        };
        let option = self.capable(UP, keys);
        self.packet(0, UP).flags(Flags::SYN).option(option).send()
    }

    pub(crate) fn syn_ack(&mut self) -> &mut Self {
        let option = self.capable(DOWN, 1);
        self.packet(0, DOWN)
            .flags(Flags::SYN | Flags::ACK)
            .option(option)
            .send()
    }

    pub(crate) fn third_ack(&mut self) -> &mut Self {
        let option = self.capable(UP, 2);
        self.packet(0, UP).option(option).send()
    }

    /// The initial subflow.
    pub(crate) fn connect(&mut self) -> &mut Self {
        self.syn().syn_ack().third_ack()
    }

    pub(crate) fn join_syn(&mut self, path: usize, opener: Direction, token: Token) -> &mut Self {
        let nonce = self.paths[path].nonces[side(opener)];
        let option = MpJoin::Syn {
            backup: false,
            address_id: AddressId(path as u8),
            token,
            nonce,
        };
        self.packet(path, opener).flags(Flags::SYN).option(option).send()
    }

    /// The SYN+ACK of a join, with the HMAC of these keys; the key of the answering host comes first.
    pub(crate) fn join_answer(&mut self, path: usize, opener: Direction, keys: [Key; 2]) -> &mut Self {
        let way = opener.reverse();
        let nonces = &self.paths[path].nonces;
        let (local, remote) = (nonces[side(way)], nonces[side(opener)]);
        let option = MpJoin::SynAck {
            backup: false,
            address_id: AddressId(path as u8 + 100),
            hmac: join_syn_ack_hmac(self.version, keys[0], keys[1], local, remote),
            nonce: local,
        };
        self.packet(path, way)
            .flags(Flags::SYN | Flags::ACK)
            .option(option)
            .send()
    }

    pub(crate) fn join_proof(&mut self, path: usize, opener: Direction) -> &mut Self {
        let nonces = &self.paths[path].nonces;
        let (local, remote) = (nonces[side(opener)], nonces[side(opener.reverse())]);
        let keys = (self.keys[side(opener)], self.keys[side(opener.reverse())]);
        let option = MpJoin::Ack {
            hmac: join_ack_hmac(self.version, keys.0, keys.1, local, remote),
        };
        self.packet(path, opener).option(option).send()
    }

    /// A further subflow.
    pub(crate) fn join(&mut self, path: usize) -> &mut Self {
        self.join_by(path, UP)
    }

    pub(crate) fn join_by(&mut self, path: usize, opener: Direction) -> &mut Self {
        let keys = [self.keys[side(opener.reverse())], self.keys[side(opener)]];
        let token = self.token(opener.reverse(), self.version);
        self.join_syn(path, opener, token)
            .join_answer(path, opener, keys)
            .join_proof(path, opener)
    }

    /// A mapping from offset `dsn` to the relative number `ssn`, with a DATA_ACK of nothing.
    pub(crate) fn mapping(&self, way: Direction, dsn: u64, ssn: u64, length: u16) -> Dss {
        Dss {
            data_ack: None,
            mapping: Some(Mapping {
                data_sequence: WireDataSequenceNumber::Long(self.number(way, dsn).0),
                subflow_sequence: SubflowSequenceNumber(ssn as u32),
                length,
                checksum: None,
            }),
            data_fin: false,
        }
    }

    /// The next bytes of a path, mapped to offset `dsn`.
    pub(crate) fn data(&mut self, path: usize, way: Direction, dsn: u64, length: u16) -> &mut Self {
        let ssn = self.paths[path].next[side(way)];
        let option = self.mapping(way, dsn, ssn, length);
        self.packet(path, way).option(option).length(length.into()).send()
    }

    /// Bytes that the path has carried before: those from `ssn` on.
    pub(crate) fn again(&mut self, path: usize, way: Direction, ssn: u64, dsn: u64, length: u16) -> &mut Self {
        let option = self.mapping(way, dsn, ssn, length);
        self.packet(path, way)
            .option(option)
            .length(length.into())
            .start(ssn)
            .send()
    }

    /// Acknowledges all that came on the path; `data_ack` is an offset.
    pub(crate) fn acknowledge(&mut self, path: usize, way: Direction, data_ack: u64) -> &mut Self {
        let number = self.number(way.reverse(), data_ack);
        let option = Dss {
            data_ack: Some(WireDataSequenceNumber::Long(number.0)),
            mapping: None,
            data_fin: false,
        };
        self.packet(path, way).option(option).send()
    }

    /// A DATA_FIN without data.
    pub(crate) fn data_fin(&mut self, path: usize, way: Direction, dsn: u64) -> &mut Self {
        let option = Dss {
            data_fin: true,
            ..self.mapping(way, dsn, 0, 1)
        };
        self.packet(path, way).option(option).send()
    }

    /// Ends the connection after this many bytes in each direction.
    pub(crate) fn finish(&mut self, up: u64, down: u64) -> &mut Self {
        self.data_fin(0, UP, up).data_fin(0, DOWN, down);
        self.acknowledge(0, DOWN, up + 1).acknowledge(0, UP, down + 1)
    }

    /// The result of the analysis.
    pub(crate) fn analysed(&self) -> Analysed {
        analyse(&[self], Settings::default())
    }

    /// The same for its only connection.
    pub(crate) fn connection(&self) -> Connection {
        self.analysed().only()
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) fn option(mut self, option: impl Into<MptcpOption>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Bytes of payload.
    pub(crate) fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// The relative sequence number, if it is not the next.
    pub(crate) fn start(mut self, start: u64) -> Self {
        self.start = Some(start);
        self
    }

    /// As before segmentation by the device: the IP header has no length.
    pub(crate) fn unset_length(mut self) -> Self {
        self.unset_length = true;
        self
    }

    /// With the timestamps option, TSval this.
    pub(crate) fn timestamp(mut self, value: u32) -> Self {
        self.timestamp = Some(value);
        self
    }

    /// With no-operation options where an option was.
    pub(crate) fn erased(mut self) -> Self {
        self.erased = true;
        self
    }

    pub(crate) fn send(self) -> &'a mut Peers {
        let (from, to) = (side(self.way), side(self.way.reverse()));
        let path = &mut self.peers.paths[self.path];
        let start = self.start.unwrap_or(path.next[from]);
        let takes = self.length as u64
            + u64::from(self.flags.contains(Flags::SYN))
            + u64::from(self.flags.contains(Flags::FIN));
        path.next[from] = path.next[from].max(start + takes);
        let acknowledged = path.next[to];
        let payload: Vec<u8> = (0..self.length).map(|index| (start as usize + index) as u8).collect();
        let mut builder = PacketBuilder::new(path.ends[from], path.ends[to])
            .identification(if self.peers.counts {
                self.peers.sent.len() as u16 + 1
            } else {
                0
            })
            .flags(self.flags)
            .sequence(path.isn[from].wrapping_add(start as u32))
            .payload(&payload);
        if self.flags.contains(Flags::ACK) {
            builder = builder.acknowledgement(path.isn[to].wrapping_add(acknowledged as u32));
        }
        if let Some(value) = self.timestamp {
            builder = builder.option(TcpOption::Timestamps { value, echo_reply: 0 });
        }
        if self.erased {
            builder = builder.option_bytes(&[1; 12]);
        }
        for option in self.options {
            builder = builder.mptcp(option);
        }
        let mut bytes = vec![0; builder.buffer_length()];
        builder.build(&mut bytes).unwrap();
        if self.unset_length {
            bytes[16..18].fill(0);
        }
        let time = at(self.peers.now);
        self.peers.now += 1;
        self.peers.sent.push(Sent { time, bytes });
        self.peers
    }
}

/// The output of the analysis.
#[derive(Clone, Debug)]
pub(crate) struct Analysed {
    pub(crate) connections: Vec<Connection>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) packets: Vec<PacketEvent>,
    pub(crate) strays: Vec<Stray>,
    pub(crate) totals: Totals,
}

impl Analysed {
    /// The evidence of the only mark of a kind.
    pub(crate) fn evidence(&self, kind: MarkKind) -> &Evidence {
        let mut marks = self.marks.iter().filter(|mark| mark.kind == kind);
        let mark = marks.next().expect("a mark of the kind");
        assert!(marks.next().is_none(), "several: {:?}", self.marks);
        &mark.evidence
    }

    pub(crate) fn only(mut self) -> Connection {
        assert_eq!(self.connections.len(), 1, "{:?}", self.connections);
        self.connections.remove(0)
    }

    /// Marks of a kind: subflow, direction, bytes, other subflow.
    pub(crate) fn marks(&self, kind: MarkKind) -> Vec<(Option<u32>, Direction, u64, Option<u32>)> {
        let marks = self.marks.iter().filter(|mark| mark.kind == kind);
        marks
            .map(|mark| {
                let (subflow, other) = (mark.sf_id.map(|id| id.0), mark.other_sf.map(|id| id.0));
                (subflow, mark.dir, mark.bytes, other)
            })
            .collect()
    }
}

/// Frames of a list.
#[derive(Debug)]
struct Frames {
    frames: Vec<Sent>,
    next: usize,
}

impl Source for Frames {
    fn next(&mut self) -> emptcp_trace::Result<Next<'_>> {
        let Some(frame) = self.frames.get(self.next) else {
            return Ok(Next::End);
        };
        self.next += 1;
        Ok(Next::Frame(Frame {
            number: PacketNumber(self.next as u64),
            time: frame.time,
            link: Ok(LinkType::Ethernet),
            original_length: frame.bytes.len() as u32,
            bytes: &frame.bytes,
        }))
    }

    fn name(&self) -> Arc<str> {
        "frames".into()
    }
}

/// Analyses all packets of these in the order of time.
pub(crate) fn analyse(all: &[&Peers], settings: Settings) -> Analysed {
    let mut frames: Vec<_> = all.iter().flat_map(|peers| peers.sent.iter().cloned()).collect();
    frames.sort_by_key(|frame| frame.time);
    analyse_frames(frames, settings)
}

/// Analyses frames as they come.
pub(crate) fn analyse_frames(frames: Vec<Sent>, settings: Settings) -> Analysed {
    let (mut connections, mut marks, mut packets, mut totals) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut strays = Vec::new();
    for event in Analyzer::with_settings(Frames { frames, next: 0 }, settings) {
        match event.unwrap() {
            Event::Connection(connection) => connections.push(*connection),
            Event::Mark(mark) => marks.push(mark),
            Event::Packet(packet) => packets.push(*packet),
            Event::Stray(stray) => strays.push(*stray),
            Event::End(end) => totals = Some(*end),
            Event::Quiet(time) => panic!("quiet at {time:?}"),
        }
    }
    Analysed {
        connections,
        marks,
        packets,
        strays,
        totals: totals.unwrap(),
    }
}
