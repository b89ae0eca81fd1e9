//! Events for tests.

use super::{Collector, Sentence, SentenceKind};
use emptcp_trace::record::{Connection, Detail, End, Hash, Kind, Mark, MarkKind, Opener, RttSummary, Subflow, Vantage};
use emptcp_trace::{
    ConnectionId, Direction, Event, PacketEvent, PacketNumber, PerDirection, Span, SubflowId, Timestamp,
};
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpCapable, MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, JoinHmac, Key, Nonce, Token, TruncatedHmac, Version};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) const UP: Direction = Direction::ClientToServer;
pub(super) const DOWN: Direction = Direction::ServerToClient;

/// When the tests begin.
const START: i64 = 1_700_000_000_000_000_000;

/// A point in time, milliseconds after the first SYN.
pub(super) fn after(milliseconds: i64) -> Timestamp {
    Timestamp(START + milliseconds * 1_000_000)
}

/// Makes the events of a connection, one packet after the other.
pub(super) struct Script {
    collector: Collector,
    pub(super) connection: Connection,
    packets: u64,
    now: i64,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            collector: Collector::new(ConnectionId(0)),
            connection: connection(),
            packets: 0,
            now: 0,
        }
    }

    /// A packet on a subflow at a time in milliseconds.
    pub(super) fn packet(&mut self, milliseconds: i64, subflow: u32, dir: Direction, flags: Flags) -> &mut Self {
        self.with_options(milliseconds, subflow, dir, flags, &[])
    }

    pub(super) fn with_options(
        &mut self,
        milliseconds: i64,
        subflow: u32,
        dir: Direction,
        flags: Flags,
        options: &[MptcpOption],
    ) -> &mut Self {
        let mut packet = self.next(milliseconds, subflow, dir);
        packet.flags = flags;
        if flags.contains(Flags::SYN) {
            packet.sequence = 0;
        }
        if !flags.contains(Flags::ACK) {
            packet.acknowledgement = None;
        }
        packet.options = SmallVec::from_slice(options);
        self.send(packet)
    }

    /// A bare packet, to be filled in and given to [`Script::send`].
    pub(super) fn next(&mut self, milliseconds: i64, subflow: u32, dir: Direction) -> PacketEvent {
        self.packets += 1;
        self.now = milliseconds;
        PacketEvent {
            number: PacketNumber(self.packets),
            t: after(milliseconds),
            conn_id: ConnectionId(0),
            sf_id: SubflowId(subflow),
            dir,
            flags: Flags::ACK,
            sequence: 1,
            acknowledgement: Some(1),
            payload: 0,
            window: 65_535,
            in_flight: 0,
            runs: SmallVec::new(),
            data_ack: None,
            rtt: None,
            options: SmallVec::new(),
        }
    }

    pub(super) fn send(&mut self, packet: PacketEvent) -> &mut Self {
        self.collector.observe(&Event::Packet(Box::new(packet)));
        self
    }

    /// A mark at the last packet.
    pub(super) fn mark(
        &mut self,
        kind: MarkKind,
        subflow: Option<u32>,
        dir: Direction,
        detail: Option<Detail>,
    ) -> &mut Self {
        self.mark_of(kind, subflow, dir, 0, None, detail)
    }

    pub(super) fn mark_of(
        &mut self,
        kind: MarkKind,
        subflow: Option<u32>,
        dir: Direction,
        bytes: u64,
        other: Option<u32>,
        detail: Option<Detail>,
    ) -> &mut Self {
        self.collector.observe(&Event::Mark(Mark {
            conn_id: ConnectionId(0),
            sf_id: subflow.map(SubflowId),
            t: after(self.now),
            packet: PacketNumber(self.packets),
            dir,
            kind,
            bytes,
            other_sf: other.map(SubflowId),
            detail,
            evidence: emptcp_trace::record::Evidence::default(),
        }));
        self
    }

    pub(super) fn story(&mut self) -> Vec<Sentence> {
        self.connection.t_end = after(self.now);
        self.connection.dur = self.connection.t_end - self.connection.t0;
        self.collector.story(&self.connection)
    }

    /// The sentences of one kind.
    pub(super) fn sentences(&mut self, kind: SentenceKind) -> Vec<String> {
        let story = self.story().into_iter();
        story
            .filter(|sentence| sentence.kind == kind)
            .map(|sentence| sentence.text)
            .collect()
    }
}

/// A connection with its initial subflow, 20 ms away, and nothing else.
fn connection() -> Connection {
    Connection {
        conn_id: ConnectionId(0),
        trace: "test".into(),
        t0: after(0),
        t_end: after(0),
        dur: Span(0),
        dur_dack: None,
        end: End::Eot,
        version: Version::V1,
        hash: Hash::Sha256,
        tokens: [None, None],
        client: IpAddr::from([10, 1, 1, 2]),
        server: IpAddr::from([10, 1, 1, 1]),
        port: 5001,
        flag_a: false,
        flag_c: false,
        complete: true,
        sf_est: 1,
        sf_att: 1,
        sf_max_conc: 1,
        data: PerDirection::default(),
        fin: PerDirection::default(),
        dacked: PerDirection::default(),
        size: 0,
        reinj: PerDirection::default(),
        reinj_pkts: PerDirection::default(),
        retx: PerDirection::default(),
        retx_pkts: PerDirection::default(),
        same_dsn: PerDirection::default(),
        unmapped: PerDirection::default(),
        loss: PerDirection::default(),
        ooo_pkts: PerDirection::default(),
        ooo: PerDirection::default(),
        pkts: PerDirection::default(),
        ip_bytes: PerDirection::default(),
        mptcp_rtt: PerDirection::default(),
        longest_stall: PerDirection::default(),
        add_addr: PerDirection::default(),
        add_addr_echo: PerDirection::default(),
        add_addr_joined: PerDirection::default(),
        remove_addr: PerDirection::default(),
        mp_prio: PerDirection::default(),
        handovers: 0,
        fallback: BTreeSet::new(),
        events: BTreeSet::new(),
        options: BTreeMap::new(),
        vantage: Vantage::Server,
        partial: false,
        mid_stream: false,
        continued: false,
        truncated: false,
        lossy_capture: false,
        captured_twice: PerDirection::default(),
        not_captured: PerDirection::default(),
        cut_short: PerDirection::default(),
        aggregates: PerDirection::default(),
        clock_steps: 0,
        malformed_options: PerDirection::default(),
        dsn_relative: false,
        subflows: vec![subflow(0)],
    }
}

/// An established subflow from 10.1.(n+1).2 to 10.1.(n+1).1, 20 ms away.
pub(super) fn subflow(number: u8) -> Subflow {
    let joins = number > 0;
    Subflow {
        conn_id: ConnectionId(0),
        sf_id: SubflowId(number.into()),
        kind: if joins { Kind::Join } else { Kind::Initial },
        opened_by: Opener::Client,
        client: ([10, 1, number + 1, 2], 40_000).into(),
        server: ([10, 1, number + 1, 1], 5001).into(),
        address_ids: if joins {
            [Some(AddressId(number + 1)), Some(AddressId(0))]
        } else {
            [None, None]
        },
        t_syn: after(0),
        t_est: None,
        t_last: after(0),
        join_delay: Span(0),
        answer: None,
        established: true,
        backup: false,
        hmac_ok: joins.then_some(true),
        syn_retx: 0,
        payload: PerDirection::default(),
        new_dsn: PerDirection::default(),
        retx: PerDirection::default(),
        retx_pkts: PerDirection::default(),
        reinj: PerDirection::default(),
        reinj_pkts: PerDirection::default(),
        reinj_caused: PerDirection::default(),
        same_dsn: PerDirection::default(),
        unmapped: PerDirection::default(),
        pkts: PerDirection::default(),
        ip_bytes: PerDirection::default(),
        rtt: PerDirection([RttSummary::default(); 2]),
        hs_rtt: [Some(0.5), Some(19.5)],
        t_first_data: PerDirection::default(),
        t_last_data: PerDirection::default(),
        fin: PerDirection::default(),
        rst: PerDirection::default(),
        captured_twice: PerDirection::default(),
        not_captured: PerDirection::default(),
        cut_short: PerDirection::default(),
        aggregates: PerDirection::default(),
        one_direction: false,
        rst_transient: None,
        rst_reason: None,
    }
}

pub(super) const SYN_ACK: fn() -> Flags = || Flags::SYN | Flags::ACK;
pub(super) const RST_ACK: fn() -> Flags = || Flags::RST | Flags::ACK;

pub(super) fn capable(flags: CapableFlags, keys: CapableKeys) -> MptcpOption {
    let version = Version::V1;
    MpCapable { version, flags, keys }.into()
}

pub(super) fn opened(script: &mut Script, server: CapableFlags) {
    let (sender, receiver) = (Key([7; 8]), Key([8; 8]));
    let both = CapableKeys::Both { sender, receiver };
    script
        .with_options(0, 0, UP, Flags::SYN, &[capable(CapableFlags::HMAC, CapableKeys::None)])
        .with_options(
            20,
            0,
            DOWN,
            SYN_ACK(),
            &[capable(server, CapableKeys::Sender(receiver))],
        )
        .with_options(20, 0, UP, Flags::ACK, &[capable(CapableFlags::HMAC, both)]);
}

pub(super) fn join_syn(backup: bool) -> MptcpOption {
    MpJoin::Syn {
        backup,
        address_id: AddressId(2),
        token: Token(1),
        nonce: Nonce(2),
    }
    .into()
}

pub(super) fn join_syn_ack() -> MptcpOption {
    MpJoin::SynAck {
        backup: false,
        address_id: AddressId(0),
        hmac: TruncatedHmac(1),
        nonce: Nonce(2),
    }
    .into()
}

pub(super) fn joined(script: &mut Script, backup: bool) {
    script
        .with_options(100, 1, UP, Flags::SYN, &[join_syn(backup)])
        .with_options(120, 1, DOWN, SYN_ACK(), &[join_syn_ack()])
        .with_options(
            120,
            1,
            UP,
            Flags::ACK,
            &[MpJoin::Ack {
                hmac: JoinHmac([0; 20]),
            }
            .into()],
        );
    let mut second = subflow(1);
    second.t_syn = after(100);
    second.t_last = after(120);
    script.connection.subflows.push(second);
}
