//! Ends of connections, and when their records are emitted.

use crate::peers::{DOWN, Peers, UP, analyse, at, side};
use emptcp_trace::record::{End, MarkKind};
use emptcp_trace::{Settings, Span};
use mptcp_wire::Version;
use mptcp_wire::mptcp::{MpFastclose, MpTcprst, ResetReason};
use mptcp_wire::tcp::Flags;

fn connected() -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    peers
}

fn idle_after(seconds: i64) -> Settings {
    Settings {
        idle: Span::from_seconds(seconds),
        ..Settings::default()
    }
}

#[test]
fn an_empty_connection_has_two_bytes() {
    let mut peers = connected();
    peers.finish(0, 0);
    let connection = peers.connection();
    assert_eq!(
        (connection.end, connection.size, connection.data.total()),
        (End::DataFin, 2, 0)
    );
    assert_eq!(connection.dacked.0, [1, 1]);
}

#[test]
fn it_has_not_ended_before_both_ends_have_acknowledged() {
    let mut peers = connected();
    peers
        .data(0, UP, 0, 10)
        .data_fin(0, UP, 10)
        .data_fin(0, DOWN, 0)
        .acknowledge(0, DOWN, 11);
    assert_eq!(peers.connection().end, End::Eot);
    peers.acknowledge(0, UP, 1);
    assert_eq!(peers.connection().end, End::DataFin);
}

#[test]
fn last_packets_still_count_while_it_lingers() {
    let mut peers = connected();
    peers.finish(0, 0).at(59_000);
    peers.packet(0, UP).flags(Flags::FIN | Flags::ACK).send();
    let connection = peers.connection();
    assert_eq!((connection.t_end, connection.end), (at(59_000), End::DataFin));
    peers.at(180_000).packet(0, DOWN).flags(Flags::FIN | Flags::ACK).send();
    assert_eq!(peers.connection().t_end, at(59_000));
}

#[test]
fn its_record_comes_when_the_linger_is_over_and_before_the_end_of_the_capture() {
    let mut first = connected();
    first.finish(0, 0);
    let mut second = Peers::new(Version::V1, 2);
    second.at(100_000).connect();
    let analysed = analyse(&[&first, &second], Settings::default());
    let order: Vec<_> = analysed.connections.iter().map(|connection| connection.end).collect();
    assert_eq!(order, [End::DataFin, End::Eot]);
}

#[test]
fn mp_fastclose_ends_a_connection_at_once() {
    for way in [UP, DOWN] {
        let mut peers = connected();
        let receiver_key = peers.keys[side(way.reverse())];
        peers.data(0, DOWN, 0, 100);
        peers
            .packet(0, way)
            .flags(Flags::RST | Flags::ACK)
            .option(MpFastclose { receiver_key })
            .send();
        let analysed = peers.analysed();
        assert_eq!(analysed.marks(MarkKind::MpFastclose), [(Some(0), way, 0, None)]);
        let connection = analysed.only();
        assert_eq!(
            (connection.end, connection.subflows[0].rst[way]),
            (End::Fastclose, true)
        );
    }
}

#[test]
fn subflows_that_are_all_gone_are_no_end() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    let reason = MpTcprst {
        transient: false,
        reason: ResetReason(3),
    };
    peers
        .packet(0, DOWN)
        .flags(Flags::RST | Flags::ACK)
        .option(reason)
        .send();
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers.at(3000).join(path).data(path, DOWN, 100, 100);
    let connection = peers.connection();
    assert_eq!(
        (
            connection.end,
            connection.data.0,
            connection.sf_est,
            connection.sf_max_conc
        ),
        (End::Eot, [0, 200], 2, 1)
    );
    assert_eq!(connection.subflows[0].rst_reason, Some(ResetReason(3)));
}

#[test]
fn silence_ends_a_record_and_the_next_packet_begins_one_that_continues_it() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100).acknowledge(0, UP, 100);
    peers.at(40_000).data(0, DOWN, 100, 50).finish(0, 150);
    let analysed = analyse(&[&peers], idle_after(30));
    let [first, second] = &analysed.connections[..] else {
        panic!("{:?}", analysed.connections);
    };
    assert_eq!((first.end, first.continued, first.data.0), (End::Idle, false, [0, 100]));
    assert_eq!(
        (second.end, second.continued, second.data.0),
        (End::DataFin, true, [0, 50])
    );
    assert_eq!(
        (second.t0, second.tokens, second.loss.total()),
        (at(40_000), first.tokens, 0)
    );
    assert_eq!(second.dacked.0, [1, 51]);
    assert!(second.conn_id > first.conn_id);
    // Still one connection.
    assert_eq!((analysed.totals.connections, analysed.totals.complete), (1, 1));
    // With a longer idle time it is one record.
    assert_eq!(analyse(&[&peers], idle_after(60)).connections.len(), 1);
}

#[test]
fn a_join_can_continue_a_connection_too() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers.at(40_000).join(path).data(path, DOWN, 100, 100);
    let analysed = analyse(&[&peers], idle_after(30));
    assert_eq!((analysed.connections.len(), analysed.totals.orphan_joins), (2, 0));
    let second = &analysed.connections[1];
    assert_eq!(
        (second.continued, second.data.0, second.subflows.len()),
        (true, [0, 100], 2)
    );
}
