//! Bytes that are sent more than once.

use crate::peers::{DOWN, Peers, UP, analyse};
use emptcp_trace::record::{End, MarkKind};
use emptcp_trace::{Piece, Settings, SubflowId, Watch};
use mptcp_wire::Version;
use mptcp_wire::tcp::Flags;

/// A connection with this many subflows.
fn subflows(count: usize) -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    for number in 1..count {
        let path = peers.path(&format!("10.0.2.{number}:2000"), "10.0.1.1:80");
        peers.join(path);
    }
    peers
}

#[test]
fn a_second_copy_on_another_subflow_is_a_reinjection_caused_by_the_first() {
    let mut peers = subflows(2);
    peers.data(0, DOWN, 0, 1000).data(1, DOWN, 0, 1000).finish(0, 1000);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::Reinjection), [(Some(1), DOWN, 1000, Some(0))]);
    let connection = analysed.only();
    assert_eq!(
        (connection.data.0, connection.reinj.0, connection.reinj_pkts.0),
        ([0, 1000], [0, 1000], [0, 1])
    );
    assert_eq!((connection.retx.0, connection.same_dsn.0), ([0, 0], [0, 0]));
    assert_eq!(connection.subflows[0].reinj_caused.0, [0, 1000]);
    assert_eq!(
        (connection.subflows[1].reinj.0, connection.subflows[1].new_dsn.0),
        ([0, 1000], [0, 0])
    );
}

#[test]
fn a_retransmission_of_a_reinjection_is_a_retransmission() {
    let mut peers = subflows(2);
    peers
        .data(0, DOWN, 0, 1000)
        .data(1, DOWN, 0, 1000)
        .again(1, DOWN, 1, 0, 1000);
    let connection = peers.connection();
    assert_eq!(
        (connection.reinj.0, connection.retx.0, connection.retx_pkts.0),
        ([0, 1000], [0, 1000], [0, 1])
    );
    assert_eq!(connection.subflows[1].payload.0, [0, 1000]);
}

#[test]
fn a_third_copy_on_a_third_subflow_is_one_more_reinjection() {
    let mut peers = subflows(3);
    peers
        .data(0, DOWN, 0, 1000)
        .data(1, DOWN, 0, 1000)
        .data(2, DOWN, 0, 1000);
    let connection = peers.connection();
    assert_eq!(
        (connection.data.0, connection.reinj.0, connection.reinj_pkts.0),
        ([0, 1000], [0, 2000], [0, 2])
    );
    let carried: Vec<_> = connection.subflows.iter().map(|subflow| subflow.reinj[DOWN]).collect();
    let caused: Vec<_> = connection
        .subflows
        .iter()
        .map(|subflow| subflow.reinj_caused[DOWN])
        .collect();
    assert_eq!((carried, caused), (vec![0, 1000, 1000], vec![2000, 0, 0]));
}

#[test]
fn a_copy_that_overlaps_is_a_reinjection_as_far_as_it_does() {
    let mut peers = subflows(2);
    peers.data(0, DOWN, 0, 1000).data(1, DOWN, 600, 1000);
    let watched = Settings {
        watch: Watch::Everything,
        ..Settings::default()
    };
    let analysed = analyse(&[&peers], watched);
    let last = analysed.packets.last().unwrap();
    let runs: Vec<_> = last.runs.iter().map(|run| (run.dsn, run.length, run.piece)).collect();
    let of = SubflowId(0);
    assert_eq!(
        runs,
        [
            (Some(600), 400, Piece::Reinjection { of }),
            (Some(1000), 600, Piece::New)
        ]
    );
    let connection = analysed.only();
    assert_eq!((connection.data.0, connection.reinj.0), ([0, 1600], [0, 400]));
    assert_eq!(connection.subflows[1].new_dsn.0, [0, 600]);
}

#[test]
fn reinjections_go_both_ways() {
    let mut peers = subflows(2);
    peers
        .data(0, UP, 0, 10)
        .data(1, UP, 0, 10)
        .data(1, DOWN, 0, 1000)
        .data(0, DOWN, 0, 1000);
    let connection = peers.connection();
    assert_eq!(connection.reinj.0, [10, 1000]);
    assert_eq!(
        (
            connection.subflows[0].reinj_caused.0,
            connection.subflows[1].reinj_caused.0
        ),
        ([10, 0], [0, 1000])
    );
}

#[test]
fn a_retransmission_is_bytes_that_the_subflow_has_carried() {
    let mut peers = subflows(1);
    peers.data(0, DOWN, 0, 1000).again(0, DOWN, 1, 0, 1000);
    // Half of this one is new.
    peers.again(0, DOWN, 501, 500, 1000).finish(0, 1500);
    let analysed = peers.analysed();
    let marks = analysed.marks(MarkKind::Retransmission);
    assert_eq!(marks, [(Some(0), DOWN, 1000, None), (Some(0), DOWN, 500, None)]);
    let connection = analysed.only();
    assert_eq!(
        (connection.data.0, connection.retx.0, connection.retx_pkts.0),
        ([0, 1500], [0, 1500], [0, 2])
    );
    assert_eq!((connection.reinj.total(), connection.same_dsn.total()), (0, 0));
}

#[test]
fn data_again_at_a_new_place_of_the_same_subflow_is_neither() {
    let mut peers = subflows(1);
    peers
        .data(0, DOWN, 0, 1000)
        .data(0, DOWN, 0, 1000)
        .data(0, DOWN, 1000, 10);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::SameDsn), [(Some(0), DOWN, 1000, None)]);
    let connection = analysed.only();
    assert_eq!((connection.data.0, connection.same_dsn.0), ([0, 1010], [0, 1000]));
    assert_eq!((connection.reinj.total(), connection.retx.total()), (0, 0));
}

#[test]
fn a_reinjection_comes_even_after_the_data_was_acknowledged() {
    let mut peers = subflows(2);
    peers
        .data(0, DOWN, 0, 1000)
        .acknowledge(0, UP, 1000)
        .data(1, DOWN, 0, 1000);
    assert_eq!(peers.connection().reinj.0, [0, 1000]);
}

#[test]
fn data_fin_on_every_subflow_is_no_reinjection() {
    let mut peers = subflows(3);
    peers.data(0, DOWN, 0, 1000);
    for path in 0..3 {
        peers.data_fin(path, DOWN, 1000).data_fin(path, UP, 0);
    }
    peers.acknowledge(0, UP, 1001).acknowledge(0, DOWN, 1);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::DataFin).len(), 2);
    let connection = analysed.only();
    assert_eq!(
        (connection.fin.0, connection.size, connection.end),
        ([1, 1], 1002, End::DataFin)
    );
    assert_eq!(
        (
            connection.reinj.total(),
            connection.same_dsn.total(),
            connection.unmapped.total()
        ),
        (0, 0, 0)
    );
}

#[test]
fn keep_alives_and_window_probes_are_no_retransmissions() {
    let mut peers = subflows(1);
    peers.data(0, DOWN, 0, 1000).acknowledge(0, UP, 1000);
    peers.packet(0, DOWN).start(1000).length(1).send();
    peers.packet(0, DOWN).start(1000).send();
    let connection = peers.connection();
    assert_eq!(
        (
            connection.retx.total(),
            connection.retx_pkts.total(),
            connection.unmapped.total()
        ),
        (0, 0, 0)
    );
}

#[test]
fn round_trips_are_not_taken_of_what_was_sent_again() {
    let mut peers = subflows(1);
    peers.at(100).data(0, DOWN, 0, 1000).at(140).acknowledge(0, UP, 1000);
    peers.at(200).data(0, DOWN, 1000, 1000).again(0, DOWN, 1001, 1000, 1000);
    peers.at(300).acknowledge(0, UP, 2000);
    let rtt = peers.connection().subflows[0].rtt[DOWN];
    assert_eq!(
        (rtt.n, rtt.mean, rtt.min, rtt.max),
        (1, Some(40.0), Some(40.0), Some(40.0))
    );
}

#[test]
fn what_waited_for_a_hole_is_not_timed() {
    let mut peers = subflows(1);
    peers.at(100).data(0, DOWN, 0, 1000);
    peers.at(110).again(0, DOWN, 2001, 2000, 1000);
    peers.at(150).again(0, DOWN, 1001, 1000, 1000);
    peers.at(160).acknowledge(0, UP, 3000);
    assert_eq!(peers.connection().subflows[0].rtt[DOWN].n, 0);
}

#[test]
fn one_byte_of_data_that_comes_again_is_a_retransmission_and_a_keep_alive_is_not() {
    let mut peers = Peers::new(Version::V1, 1);
    peers
        .connect()
        .data(0, UP, 0, 100)
        .data(0, UP, 100, 1)
        .acknowledge(0, DOWN, 101);
    for milliseconds in [300, 700] {
        peers.at(milliseconds).again(0, UP, 101, 100, 1);
    }
    peers.at(1500);
    peers
        .packet(0, UP)
        .flags(Flags::PSH | Flags::ACK)
        .length(1)
        .start(101)
        .send();
    // RFC 9293, 3.8.4: the last byte again, on an idle subflow.
    peers.at(9000).packet(0, UP).length(1).start(101).send();
    assert_eq!(peers.connection().retx_pkts.0, [3, 0]);
}

#[test]
fn the_owner_of_data_is_who_carried_it_first_though_its_mapping_came_late() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path("10.0.2.1:2000", "10.0.1.1:80");
    peers.connect().join(path).data(0, UP, 0, 100);
    // The second segment of a mapping that covers two; the first, with the mapping, comes later.
    peers.packet(path, UP).length(100).start(101).send();
    let packet = peers.sent.len() as u64 + 1;
    peers.data(0, UP, 100, 200);
    let option = peers.mapping(UP, 100, 1, 200);
    peers.packet(path, UP).option(option).length(100).start(1).send();
    let analysed = peers.analysed();
    // Its bytes 200 to 299 were first on the other subflow; 100 to 199 were not.
    assert_eq!(
        analysed.marks(MarkKind::Reinjection),
        [(Some(0), UP, 100, Some(1)), (Some(1), UP, 100, Some(0))]
    );
    assert_eq!(
        analysed
            .marks
            .iter()
            .find(|mark| mark.kind == MarkKind::Reinjection)
            .unwrap()
            .packet
            .0,
        packet
    );
    let connection = analysed.only();
    let of = |index: usize| {
        let subflow = &connection.subflows[index];
        (
            subflow.new_dsn.0[0],
            subflow.reinj.0[0],
            subflow.reinj_caused.0[0],
            subflow.reinj_pkts.0[0],
        )
    };
    assert_eq!((of(0), of(1)), ((200, 100, 100, 1), (100, 100, 100, 1)));
    assert_eq!(connection.data.0, [300, 0]);
}
