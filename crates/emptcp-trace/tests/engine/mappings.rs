//! Mappings from bytes of a subflow to data sequence numbers.

use crate::peers::{DOWN, Peers, UP};
use emptcp_trace::record::{End, Fallback};
use mptcp_wire::mptcp::{Dss, MpFail};
use mptcp_wire::{DataSequenceNumber, Version, WireDataSequenceNumber};

fn connected() -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    peers
}

#[test]
fn a_mapping_sent_once_covers_the_segments_after_it() {
    let mut peers = connected();
    let option = peers.mapping(DOWN, 0, 1, 300);
    peers.packet(0, DOWN).option(option).length(100).send();
    peers.packet(0, DOWN).length(100).send();
    peers.packet(0, DOWN).length(100).send();
    peers.acknowledge(0, UP, 300).finish(0, 300);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.unmapped.0, connection.end),
        ([0, 300], [0, 0], End::DataFin)
    );
    assert!(connection.fallback.is_empty());
}

#[test]
fn a_mapping_sent_with_each_segment_counts_once() {
    let mut peers = connected();
    for _ in 0..3 {
        let option = peers.mapping(DOWN, 0, 1, 300);
        peers.packet(0, DOWN).option(option).length(100).send();
    }
    peers.finish(0, 300);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.same_dsn.0, connection.unmapped.0),
        ([0, 300], [0, 0], [0, 0])
    );
}

#[test]
fn a_segment_may_lie_over_two_mappings() {
    let mut peers = connected();
    // The second mapping comes first, without data; what it maps belongs elsewhere in the stream.
    let second = peers.mapping(DOWN, 5000, 101, 100);
    peers.packet(0, DOWN).option(second).send();
    let first = peers.mapping(DOWN, 0, 1, 100);
    peers.packet(0, DOWN).option(first).length(150).send();
    peers.packet(0, DOWN).length(50).send();
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers.join(path).data(path, DOWN, 100, 4900);
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 5100], [0, 0]));
    assert_eq!((connection.reinj.0, connection.same_dsn.0), ([0, 0], [0, 0]));
    assert_eq!((connection.ooo.0, connection.ooo_pkts.0), ([0, 4900], [0, 1]));
}

#[test]
fn payload_before_its_mapping_waits_for_it() {
    let mut peers = connected();
    peers.packet(0, DOWN).length(100).send();
    let option = peers.mapping(DOWN, 0, 1, 200);
    peers.packet(0, DOWN).option(option).length(100).send();
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 200], [0, 0]));
    assert_eq!(connection.subflows[0].new_dsn.0, [0, 200]);
    assert!(connection.fallback.is_empty());
}

#[test]
fn payload_whose_mapping_never_comes_is_unmapped() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    peers.packet(0, DOWN).length(70).send();
    // The same bytes again are still 70.
    peers.packet(0, DOWN).start(101).length(70).send();
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 100], [0, 70]));
    assert_eq!(connection.fallback, [Fallback::DssDisappeared].into());
}

#[test]
fn an_infinite_mapping_holds_for_all_that_follows() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    let infinite = peers.mapping(DOWN, 100, 101, 0);
    peers.packet(0, DOWN).option(infinite).length(100).send();
    for _ in 0..5 {
        peers.packet(0, DOWN).length(100).send();
    }
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 700], [0, 0]));
    assert_eq!(connection.fallback, [Fallback::InfiniteMapping].into());
}

#[test]
fn after_mp_fail_data_without_dss_goes_on_one_to_one() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100);
    let fail = MpFail {
        data_sequence: DataSequenceNumber(peers.number(DOWN, 0).0),
    };
    peers.packet(0, UP).option(fail).send();
    for _ in 0..5 {
        peers.packet(0, DOWN).length(100).send();
    }
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 600], [0, 0]));
    assert_eq!(connection.fallback, [Fallback::MpFail].into());
}

#[test]
fn a_mapping_far_from_everything_is_a_mistake() {
    let mut peers = connected();
    peers.data(0, DOWN, 0, 100).data(0, DOWN, 1 << 60, 100);
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.unmapped.0), ([0, 100], [0, 100]));
}

#[test]
fn data_that_was_acknowledged_and_not_captured_is_loss_of_the_capture() {
    let mut peers = connected();
    peers
        .data(0, DOWN, 0, 100)
        .data(0, DOWN, 100, 50)
        .data(0, DOWN, 150, 100)
        .finish(0, 250);
    peers.sent.remove(4);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.dacked.0, connection.loss.0),
        ([0, 200], [1, 251], [0, 50])
    );
    assert!(connection.lossy_capture && connection.is_lower_bound() && !connection.truncated);
    assert_eq!(connection.end, End::DataFin);
}

#[test]
fn a_mapping_with_data_fin_is_one_longer_than_its_data() {
    let mut peers = connected();
    let option = Dss {
        data_fin: true,
        ..peers.mapping(DOWN, 0, 1, 101)
    };
    peers.packet(0, DOWN).option(option).length(100).send();
    peers.data_fin(0, UP, 0).acknowledge(0, UP, 101).acknowledge(0, DOWN, 1);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.fin.0, connection.end),
        ([0, 100], [1, 1], End::DataFin)
    );
    assert_eq!((connection.unmapped.0, connection.dacked.0), ([0, 0], [1, 101]));
}

#[test]
fn numbers_of_32_and_of_64_bits_mix() {
    let mut peers = connected();
    for number in 0..4 {
        let mut option = peers.mapping(DOWN, number * 100, 1 + number * 100, 100);
        if let Some(mapping) = &mut option.mapping
            && number % 2 == 0
        {
            mapping.data_sequence = WireDataSequenceNumber::Short(peers.number(DOWN, number * 100).low());
        }
        option.data_ack = Some(WireDataSequenceNumber::Short(peers.number(UP, 0).low()));
        peers.packet(0, DOWN).option(option).length(100).send();
    }
    peers.finish(0, 400);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.dacked.0, connection.end),
        ([0, 400], [1, 401], End::DataFin)
    );
}

#[test]
fn ipv6_is_no_different() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = &mut peers.paths[0];
    path.ends = ["[2001:db8::1]:1000", "[2001:db8::2]:80"].map(|end| end.parse().unwrap());
    // A subflow of the other family.
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers
        .connect()
        .join(path)
        .data(0, DOWN, 0, 100)
        .data(path, DOWN, 100, 100)
        .finish(0, 200);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.sf_est, connection.end),
        ([0, 200], 2, End::DataFin)
    );
    assert_eq!(connection.subflows[0].client.to_string(), "[2001:db8::1]:1000");
}
