//! Where connections stop being Multipath TCP.

use crate::peers::{DOWN, Peers, UP, side};
use emptcp_trace::record::{Connection, End, Fallback, MarkKind};
use mptcp_wire::Version;
use mptcp_wire::tcp::Flags;

fn connected() -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    peers
}

/// Ends as TCP does.
fn closed(peers: &mut Peers) -> Connection {
    peers.packet(0, UP).flags(Flags::FIN | Flags::ACK).send();
    peers.packet(0, DOWN).flags(Flags::FIN | Flags::ACK).send();
    peers.packet(0, UP).send();
    peers.connection()
}

#[test]
fn a_syn_ack_without_option() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn();
    peers.packet(0, DOWN).flags(Flags::SYN | Flags::ACK).send();
    peers.packet(0, UP).send();
    peers.packet(0, UP).length(100).send();
    let connection = closed(&mut peers);
    assert_eq!(
        (connection.fallback, connection.end),
        ([Fallback::SynAckWithoutOption].into(), End::Fallback)
    );
    assert_eq!(
        (connection.complete, connection.sf_est, connection.unmapped.0),
        (false, 0, [100, 0])
    );
}

#[test]
fn a_third_ack_without_option() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn().syn_ack();
    peers.packet(0, UP).send();
    peers.packet(0, UP).length(100).send();
    let connection = closed(&mut peers);
    assert_eq!(
        (connection.fallback, connection.end),
        ([Fallback::AckWithoutOption].into(), End::Fallback)
    );
    assert!(!connection.complete);
}

#[test]
fn first_data_without_option() {
    let mut peers = connected();
    peers.packet(0, UP).length(100).send();
    peers.packet(0, DOWN).length(200).send();
    let connection = closed(&mut peers);
    assert_eq!(
        (connection.fallback, connection.end),
        ([Fallback::AckWithoutOption].into(), End::Fallback)
    );
    assert_eq!(connection.unmapped.0, [100, 200]);
}

#[test]
fn a_syn_again_without_option() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn();
    peers.packet(0, UP).flags(Flags::SYN).start(0).send();
    peers.packet(0, DOWN).flags(Flags::SYN | Flags::ACK).send();
    peers.packet(0, UP).send();
    let connection = closed(&mut peers);
    // The SYN+ACK answers in kind: that is no second fallback.
    let expected = [Fallback::SynAgainWithoutOption];
    assert_eq!((connection.fallback, connection.end), (expected.into(), End::Fallback));
}

#[test]
fn dss_that_disappears() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    for _ in 0..1200 {
        peers.packet(0, DOWN).length(10).send();
    }
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::Fallback).len(), 1);
    let connection = closed(&mut peers);
    assert_eq!(
        (connection.fallback, connection.end),
        ([Fallback::DssDisappeared].into(), End::Fallback)
    );
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 100], [0, 12_000]));
}

#[test]
fn one_side_goes_on() {
    let mut peers = connected();
    peers.data(0, UP, 0, 100).data(0, DOWN, 0, 100);
    peers.packet(0, DOWN).length(70).send();
    peers.at(5000).data(0, UP, 100, 100);
    peers.packet(0, DOWN).length(70).send();
    let connection = peers.connection();
    assert_eq!(
        connection.fallback,
        [Fallback::DssDisappeared, Fallback::OneSided].into()
    );
}

#[test]
fn a_checksum_that_is_wrong_and_one_that_is_right() {
    for (wrong, expected) in [(0, None), (1, Some(Fallback::WrongChecksum))] {
        let mut peers = connected();
        let payload: Vec<u8> = (0..100).map(|index| (1 + index) as u8).collect();
        let mut option = peers.mapping(DOWN, 0, 1, 100);
        if let Some(mapping) = &mut option.mapping {
            mapping.checksum = Some(checksum(peers.number(DOWN, 0).0, 1, 100, &payload) ^ wrong);
        }
        peers.packet(0, DOWN).option(option).length(100).send();
        assert_eq!(peers.connection().fallback, expected.into_iter().collect());
    }
}

/// RFC 8684, 3.3.1: over the data and a pseudo-header with the 64-bit data sequence number.
fn checksum(dsn: u64, ssn: u32, length: u16, payload: &[u8]) -> u16 {
    let mut bytes = dsn.to_be_bytes().to_vec();
    bytes.extend(ssn.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn the_same_bytes_again_after_one_side_fell_back_may_corrupt_the_stream() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    for _ in 0..1200 {
        peers.packet(0, DOWN).length(10).send();
    }
    let next = peers.paths[0].next[side(DOWN)];
    let option = peers.mapping(DOWN, 0, next, 100);
    peers.packet(0, DOWN).option(option).length(100).send();
    let connection = peers.connection();
    assert!(connection.events.contains(&MarkKind::StreamCorruptionSuspected));
    assert_eq!(connection.same_dsn.0, [0, 100]);
}
