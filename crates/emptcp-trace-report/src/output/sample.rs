//! Records for the tests of the output, with a value in every field.

use emptcp_trace::record::*;
use emptcp_trace::{ConnectionId, Direction, PacketNumber, PerDirection, Span, SubflowId, Timestamp};
use mptcp_wire::mptcp::ResetReason;
use mptcp_wire::{AddressId, Token, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const START: i64 = 1_795_167_384_306_793_001;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 1, 1, last])
}

fn both<T>(c2s: T, s2c: T) -> PerDirection<T> {
    PerDirection([c2s, s2c])
}

fn rtt(mean: f64) -> RttSummary {
    RttSummary {
        n: 12,
        mean: Some(mean),
        min: Some(mean / 2.0),
        max: Some(mean * 3.0),
        stdev: Some(0.5),
        p50: Some(mean),
        p95: Some(mean * 2.0),
        p99: Some(mean * 2.5),
    }
}

/// A connection of two subflows that carried data from the server.
pub(crate) fn connection(conn_id: u64) -> Connection {
    let size = 10_000_000 + conn_id;
    Connection {
        conn_id: ConnectionId(conn_id),
        trace: Arc::from("traces/a.pcap"),
        t0: Timestamp(START),
        t_end: Timestamp(START) + Span(8_213_000_000),
        dur: Span(8_213_000_000),
        dur_dack: Some(Span(8_210_000_000)),
        end: End::DataFin,
        version: Version::V1,
        hash: Hash::Sha256,
        tokens: [Some(Token(0x1680_d3ca)), None],
        client: ip(2),
        server: ip(1),
        port: 5001,
        flag_a: false,
        flag_c: true,
        complete: true,
        sf_est: 2,
        sf_att: 3,
        sf_max_conc: 2,
        data: both(12, size),
        fin: both(1, 1),
        dacked: both(13, size + 1),
        size: size + 14,
        reinj: both(0, 36_099),
        reinj_pkts: both(0, 27),
        retx: both(0, 104_148),
        retx_pkts: both(0, 75),
        same_dsn: both(0, 3),
        unmapped: both(0, 4),
        loss: both(0, 0),
        ooo_pkts: both(0, 5),
        ooo: both(0, 7_000),
        pkts: both(2820, 3022),
        ip_bytes: both(150_000, 10_200_000),
        mptcp_rtt: both(RttSummary::default(), rtt(25.0)),
        longest_stall: both(Span(0), Span(1_250_000_000)),
        add_addr: both(0, 1),
        add_addr_echo: both(0, 1),
        add_addr_joined: both(0, 1),
        remove_addr: both(0, 0),
        mp_prio: both(1, 0),
        handovers: 1,
        fallback: BTreeSet::from([Fallback::MpFail, Fallback::OneSided]),
        events: BTreeSet::from([MarkKind::Stall, MarkKind::KeyChanged]),
        options: BTreeMap::from([("DSS", 8404), ("MP_CAPABLE", 4)]),
        vantage: Vantage::Client,
        partial: false,
        mid_stream: false,
        continued: false,
        truncated: true,
        lossy_capture: false,
        captured_twice: both(3, 4),
        not_captured: both(0, 1448),
        cut_short: both(5, 6),
        aggregates: both(0, 12),
        clock_steps: 1,
        malformed_options: both(1, 0),
        dsn_relative: false,
        subflows: vec![subflow(conn_id, 0), subflow(conn_id, 1)],
    }
}

/// One of its subflows.
pub(crate) fn subflow(conn_id: u64, sf_id: u32) -> Subflow {
    let initial = sf_id == 0;
    let delay = Span(101_451_000 * i64::from(sf_id));
    Subflow {
        conn_id: ConnectionId(conn_id),
        sf_id: SubflowId(sf_id),
        kind: if initial { Kind::Initial } else { Kind::Join },
        opened_by: Opener::Client,
        client: SocketAddr::new(ip(2), 35_490),
        server: SocketAddr::new(ip(1), 5001),
        address_ids: [None, Some(AddressId(2))],
        t_syn: Timestamp(START) + delay,
        t_est: Some(Timestamp(START) + delay + Span(40_000_000)),
        t_last: Timestamp(START) + Span(8_213_000_000),
        join_delay: delay,
        answer: Some(Answer::SynAck),
        established: true,
        backup: !initial,
        hmac_ok: (!initial).then_some(true),
        syn_retx: 1,
        payload: both(12, 6_000_000),
        new_dsn: both(12, 5_900_000),
        retx: both(0, 104_148),
        retx_pkts: both(0, 75),
        reinj: both(0, 36_099),
        reinj_pkts: both(0, 27),
        reinj_caused: both(0, 1),
        same_dsn: both(0, 2),
        unmapped: both(0, 4),
        pkts: both(1410, 1511),
        ip_bytes: both(75_000, 5_100_000),
        rtt: both(rtt(20.0), rtt(22.5)),
        hs_rtt: [Some(20.412), None],
        t_first_data: both(None, Some(Timestamp(START) + Span(50_000_000))),
        t_last_data: both(None, Some(Timestamp(START) + Span(8_000_000_001))),
        fin: both(true, true),
        rst: both(false, false),
        captured_twice: both(3, 4),
        not_captured: both(0, 1448),
        cut_short: both(5, 6),
        aggregates: both(0, 12),
        one_direction: false,
        rst_transient: (!initial).then_some(true),
        rst_reason: (!initial).then_some(ResetReason(3)),
    }
}

/// One mark for each form that a detail can have.
pub(crate) fn marks(conn_id: u64) -> Vec<Mark> {
    let details = [
        (MarkKind::Syn, None),
        (
            MarkKind::AddAddr,
            Some(Detail::Address {
                id: AddressId(2),
                address: Some(ip(9)),
                port: Some(4444),
            }),
        ),
        (
            MarkKind::RemoveAddr,
            Some(Detail::AddressIds(vec![AddressId(2), AddressId(3)])),
        ),
        (MarkKind::Syn, Some(Detail::Backup(true))),
        (
            MarkKind::MpPrio,
            Some(Detail::Priority {
                backup: true,
                address_id: Some(AddressId(5)),
            }),
        ),
        (
            MarkKind::MpTcprst,
            Some(Detail::Reset {
                transient: true,
                reason: ResetReason(3),
            }),
        ),
        (MarkKind::MalformedOption, Some(Detail::Malformed(malformed()))),
        (MarkKind::ClockStep, Some(Detail::Step(Span(-1_250_000_000)))),
        (MarkKind::Fallback, Some(Detail::Fallback(Fallback::MpFail))),
        (MarkKind::Stall, Some(Detail::Gap(Span(1_250_000_000)))),
        (MarkKind::End, Some(Detail::End(End::DataFin))),
    ];
    let mark = |(position, (kind, detail))| Mark {
        conn_id: ConnectionId(conn_id),
        sf_id: (kind != MarkKind::End).then_some(SubflowId(0)),
        t: Timestamp(START + 1000 * position),
        packet: PacketNumber(7),
        dir: Direction::ServerToClient,
        kind,
        bytes: 1400,
        other_sf: (kind == MarkKind::Stall).then_some(SubflowId(1)),
        detail,
        evidence: emptcp_trace::record::Evidence::default(),
    };
    (0_i64..).zip(details).map(mark).collect()
}

fn malformed() -> Malformed {
    Malformed {
        option: "MP_CAPABLE",
        subtype: Some(0),
        length: Some(22),
        expected: "24".to_owned(),
    }
}

/// An option without a connection, with a value in every field.
pub(crate) fn stray() -> Stray {
    Stray {
        stray: StrayKind::OrphanJoin,
        packet: PacketNumber(7),
        t: Timestamp(START),
        source: ip(2),
        source_port: 35_490,
        destination: ip(1),
        destination_port: 5001,
        syn: true,
        token: Some(Token(0x1680_d3ca)),
        address_id: Some(AddressId(2)),
        answer: Some(Answer::Rst),
        answer_packet: Some(PacketNumber(8)),
        rst_packet: Some(PacketNumber(8)),
        rst_reason: Some(ResetReason(3)),
        malformed: Some(malformed()),
    }
}

/// A capture that holds one of each.
pub(crate) fn totals() -> Totals {
    Totals {
        packets: 36_532,
        bytes: 10_600_000,
        first: Some(Timestamp(START)),
        last: Some(Timestamp(START) + Span(8_213_000_000)),
        tcp: 36_530,
        mptcp: 36_529,
        connections: 1,
        complete: 1,
        joins: 1,
        ..Totals::default()
    }
}
