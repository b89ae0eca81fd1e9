//! Captures that begin in the middle of connections, and joins to connections that they do not have.

use crate::peers::{Analysed, DOWN, Peers, Sent, UP, analyse_frames};
use emptcp_trace::Settings;
use emptcp_trace::record::{Answer, Kind, StrayKind};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Version};

fn analysed(frames: &[Sent]) -> Analysed {
    analyse_frames(frames.to_vec(), Settings::default())
}

/// A connection of two subflows that carries data on both; `first` packets are the handshakes.
fn two_subflows() -> (Peers, usize) {
    let mut peers = Peers::new(Version::V1, 1);
    peers.path("10.0.2.1:2000", "10.0.1.1:80");
    peers.connect().join(1);
    let first = peers.sent.len();
    for number in 0..10_u64 {
        peers.data((number % 2) as usize, DOWN, number * 100, 100);
        peers.acknowledge((number % 2) as usize, UP, number * 100 + 100);
    }
    peers.again(1, DOWN, 1, 100, 100);
    peers.finish(0, 1000);
    (peers, first)
}

#[test]
fn a_connection_is_shown_from_its_middle_on() {
    let (peers, first) = two_subflows();
    let whole = peers.connection();
    let analysed = analysed(&peers.sent[first..]);
    assert_eq!((analysed.totals.mid_stream, analysed.totals.connections), (1, 0));
    let part = analysed.only();
    assert!(part.mid_stream && part.partial && part.dsn_relative && !part.complete);
    assert_eq!(
        (part.client, part.server, part.port),
        (whole.client, whole.server, whole.port)
    );
    assert_eq!((part.data, part.retx, part.fin), (whole.data, whole.retx, whole.fin));
    assert_eq!((part.dacked, part.loss.0, part.sf_est), (whole.dacked, [0, 0], 2));
    assert!(part.fallback.is_empty());
    let kinds: Vec<_> = part
        .subflows
        .iter()
        .map(|subflow| (subflow.kind, subflow.client.port()))
        .collect();
    assert_eq!(kinds, [(Kind::Unknown, 1000), (Kind::Unknown, 2000)]);
    assert_eq!((part.end, part.subflows[1].retx.0), (whole.end, [0, 100]));
}

#[test]
fn two_connections_of_the_same_hosts_stay_two() {
    let (one, first) = two_subflows();
    let mut other = Peers::new(Version::V1, 2);
    other.path("10.0.2.1:3000", "10.0.1.1:80");
    other.connect().join(1);
    let after = other.sent.len();
    for number in 0..10_u64 {
        other.data((number % 2) as usize, DOWN, number * 100, 100);
    }
    let mut frames = one.sent[first..].to_vec();
    frames.extend_from_slice(&other.sent[after..]);
    frames.sort_by_key(|frame| frame.time);
    let analysed = analysed(&frames);
    let sizes: Vec<_> = analysed
        .connections
        .iter()
        .map(|connection| connection.data.0[1])
        .collect();
    assert_eq!(sizes, [1000, 1000]);
}

#[test]
fn a_subflow_whose_handshake_is_missing_belongs_to_its_connection() {
    let (peers, first) = two_subflows();
    // Without the three packets of the join.
    let frames: Vec<_> = peers.sent[..first - 3]
        .iter()
        .chain(&peers.sent[first..])
        .cloned()
        .collect();
    let connection = analysed(&frames).only();
    assert!(!connection.mid_stream && connection.complete);
    assert_eq!(
        (connection.subflows[1].kind, connection.data.0),
        (Kind::Unknown, [0, 1000])
    );
}

#[test]
fn the_last_packets_of_a_connection_open_no_new_one() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect().data(0, DOWN, 0, 100).finish(0, 100);
    peers.at(200_000).acknowledge(0, UP, 101);
    let analysed = peers.analysed();
    assert_eq!((analysed.connections.len(), analysed.totals.mid_stream), (1, 0));
}

#[test]
fn a_join_without_its_connection_is_listed_with_its_answer() {
    let (peers, first) = two_subflows();
    let join = first - 3;
    let mut refused = peers.clone();
    refused.sent.truncate(join + 1);
    refused.packet(1, DOWN).flags(Flags::RST | Flags::ACK).send();
    for (frames, answer, reset) in [
        (&peers.sent[join..first], Some(Answer::SynAck), None),
        (&peers.sent[join..join + 1], None, None),
        (&refused.sent[join..], Some(Answer::Rst), Some(2)),
    ] {
        let analysed = analysed(frames);
        assert_eq!((analysed.totals.orphan_joins, analysed.strays.len()), (1, 1));
        let stray = &analysed.strays[0];
        assert_eq!(
            (stray.stray, stray.packet.0, stray.syn),
            (StrayKind::OrphanJoin, 1, true)
        );
        assert_eq!(
            (stray.token, stray.address_id),
            (Some(peers.token(DOWN, Version::V1)), Some(AddressId(1)))
        );
        assert_eq!((stray.answer, stray.rst_packet.map(|packet| packet.0)), (answer, reset));
        assert_eq!((stray.source_port, stray.destination_port), (2000, 80));
    }
}

#[test]
fn a_join_without_its_syn_is_listed_too() {
    let (peers, first) = two_subflows();
    for from in [first - 2, first - 1] {
        let analysed = analysed(&peers.sent[from..first]);
        assert_eq!((analysed.totals.orphan_joins, analysed.strays.len()), (1, 1));
        let stray = &analysed.strays[0];
        assert_eq!((stray.syn, stray.token, stray.source_port), (false, None, 2000));
    }
}
