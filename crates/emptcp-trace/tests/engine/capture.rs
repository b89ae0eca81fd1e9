//! Faults of the capture: copies, packets that it does not have, cut ones, steps of its clock.

use crate::peers::{Analysed, DOWN, Peers, Sent, UP, analyse_frames, at};
use emptcp_trace::record::{Cause, Causes, Certainty, Detail, MarkKind};
use emptcp_trace::{Settings, Span, Timestamp};
use mptcp_wire::Version;

fn analysed(frames: Vec<Sent>) -> Analysed {
    analyse_frames(frames, Settings::default())
}

fn later(frame: &Sent, microseconds: i64) -> Sent {
    Sent {
        time: Timestamp(frame.time.0 + microseconds * 1000),
        bytes: frame.bytes.clone(),
    }
}

/// A handshake with 20 ms of round-trip time, five packets with data, and the end.
fn transfer(counts: bool) -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.counts = counts;
    peers.at(0).syn().at(10).syn_ack().at(20).third_ack();
    for number in 0..5 {
        peers.at(30 + 20 * number as i64).data(0, UP, number * 100, 100);
        peers
            .at(40 + 20 * number as i64)
            .acknowledge(0, DOWN, number * 100 + 100);
    }
    peers.at(200).finish(500, 0);
    peers
}

/// Each packet again after this time, with another TTL, as a second device of the host shows it.
fn twice(frames: &[Sent], microseconds: i64) -> Vec<Sent> {
    let mut all: Vec<Sent> = frames.to_vec();
    all.extend(frames.iter().map(|frame| {
        let mut copy = later(frame, microseconds);
        copy.bytes[22] -= 1;
        copy.bytes[24..26].copy_from_slice(&[1, 2]);
        copy
    }));
    all.sort_by_key(|frame| frame.time);
    all
}

#[test]
fn a_packet_that_two_devices_show_counts_once() {
    for (counts, microseconds) in [(true, 3), (true, 15_000), (false, 3), (false, 900)] {
        let peers = transfer(counts);
        let once = peers.connection();
        let again = analysed(twice(&peers.sent, microseconds));
        assert_eq!(
            again.totals.captured_twice,
            peers.sent.len() as u64,
            "{counts} {microseconds}"
        );
        let again = again.only();
        assert_eq!(again.captured_twice, again.pkts);
        assert_eq!(
            (again.retx_pkts.0, again.data, again.options),
            ([0, 0], once.data, once.options)
        );
        assert_eq!((again.pkts, again.subflows[0].syn_retx), (once.pkts, 0));
    }
}

#[test]
fn a_retransmission_is_no_copy_of_the_capture() {
    // Another identification; the same, but none that says so, later than the round-trip time.
    for (counts, milliseconds) in [(true, 1), (false, 25), (false, 300)] {
        let mut peers = Peers::new(Version::V1, 1);
        peers.counts = counts;
        peers.at(0).syn().at(10).syn_ack().at(20).third_ack();
        peers
            .at(30)
            .data(0, UP, 0, 100)
            .at(30 + milliseconds)
            .again(0, UP, 1, 0, 100);
        let analysed = peers.analysed();
        assert_eq!(analysed.totals.captured_twice, 0);
        assert_eq!(analysed.evidence(MarkKind::Retransmission).causes, Causes::NONE);
        assert_eq!(analysed.only().retx_pkts.0, [1, 0], "{counts} {milliseconds}");
    }
}

#[test]
fn what_may_be_a_copy_or_a_retransmission_says_so() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.at(0).syn().at(10).syn_ack().at(20).third_ack();
    peers.at(30).data(0, UP, 0, 100).at(45).again(0, UP, 1, 0, 100);
    let analysed = peers.analysed();
    let evidence = analysed.evidence(MarkKind::Retransmission);
    assert_eq!(evidence.certainty, Certainty::CannotTell);
    assert_eq!(evidence.causes, Causes::of(&[Cause::CapturedTwice, Cause::PacketsLost]));
}

#[test]
fn an_aggregate_that_another_device_shows_in_segments_counts_once() {
    for aggregate_first in [true, false] {
        let mut peers = Peers::new(Version::V1, 1);
        peers.at(0).syn().at(10).syn_ack().at(20).third_ack();
        let whole = peers.mapping(DOWN, 0, 1, 3000);
        peers.at(30).packet(0, DOWN).option(whole).length(3000).start(1).send();
        let aggregate = peers.sent.pop().unwrap();
        for start in [1, 1001, 2001] {
            peers
                .at(30)
                .packet(0, DOWN)
                .option(whole)
                .length(1000)
                .start(start)
                .send();
        }
        let mut segments: Vec<Sent> = peers.sent.split_off(3).iter().map(|frame| later(frame, 5)).collect();
        let place = if aggregate_first { 0 } else { segments.len() };
        segments.insert(place, later(&aggregate, if aggregate_first { 0 } else { 9 }));
        peers.sent.extend(segments);
        let connection = analysed(peers.sent.clone()).only();
        assert_eq!((connection.data.0, connection.retx_pkts.0), ([0, 3000], [0, 0]));
        assert_eq!(connection.captured_twice.0, [0, if aggregate_first { 3 } else { 1 }]);
    }
}

#[test]
fn what_was_acknowledged_but_is_not_in_the_capture_is_counted() {
    let mut peers = transfer(true);
    // The third of the packets with data.
    peers.sent.remove(7);
    let analysed = peers.analysed();
    let mark = analysed
        .marks
        .iter()
        .find(|mark| mark.kind == MarkKind::NotCaptured)
        .unwrap();
    assert_eq!((mark.bytes, mark.packet.0, mark.dir), (100, 8, DOWN));
    assert_eq!(mark.evidence.causes, Causes::of(&[Cause::NotCaptured]));
    let connection = analysed.only();
    assert_eq!((connection.not_captured.0, connection.retx.0), ([100, 0], [0, 0]));
    assert!(connection.fallback.is_empty() && connection.lossy_capture);
}

#[test]
fn a_hole_that_is_filled_later_or_never_acknowledged_is_not_missing() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect().data(0, UP, 0, 100);
    peers.again(0, UP, 201, 200, 100);
    peers.packet(0, DOWN).send();
    peers.again(0, UP, 101, 100, 100);
    let hole = peers.clone();
    peers.acknowledge(0, DOWN, 300);
    assert_eq!(peers.connection().not_captured.0, [0, 0]);
    assert_eq!(hole.connection().not_captured.0, [0, 0]);
}

#[test]
fn a_capture_of_one_direction_says_so_and_gives_what_it_can() {
    let peers = transfer(true);
    let of = |port: u16| {
        let frames = peers
            .sent
            .iter()
            .filter(|frame| frame.bytes[34..36] == port.to_be_bytes());
        analysed(frames.cloned().collect())
    };
    let up = of(1000).only();
    assert!(up.subflows[0].one_direction && up.complete && up.fallback.is_empty());
    assert_eq!(up.sf_est, 1);
    assert_eq!((up.data.0, up.not_captured.0), ([500, 0], [0, 0]));
    let down = of(80).only();
    assert!(down.mid_stream && down.subflows[0].one_direction);
    assert_eq!((down.data.0, down.fin.0, down.dacked.0), ([0, 0], [0, 1], [401, 0]));
    assert!(!peers.connection().subflows[0].one_direction);
}

#[test]
fn packets_that_were_cut_are_counted() {
    let mut peers = transfer(true);
    for frame in &mut peers.sent {
        frame.bytes.truncate(110);
    }
    let connection = analysed(peers.sent).only();
    assert_eq!((connection.cut_short.0, connection.data.0), ([5, 0], [500, 0]));
}

#[test]
fn a_clock_that_is_set_back_is_counted_once() {
    let mut peers = transfer(true);
    let half = peers.sent.len() / 2;
    for frame in &mut peers.sent[half..] {
        frame.time = Timestamp(frame.time.0 - 3_000_000_000);
    }
    let analysed = analysed(peers.sent);
    assert_eq!(analysed.totals.clock_back, 1);
    assert_eq!(
        analysed.evidence(MarkKind::ClockStep).causes,
        Causes::of(&[Cause::ClockStep])
    );
    let connection = analysed.only();
    assert_eq!((connection.clock_steps, connection.data.0), (1, [500, 0]));
    assert!(
        connection
            .longest_stall
            .0
            .iter()
            .all(|stall| *stall < Span::from_seconds(1))
    );
}

/// Data and acknowledgements each 10 ms, with timestamps in milliseconds; the clock of the capture jumps by an hour, or
/// both hosts are silent for as long.
fn with_timestamps(jump: i64, hosts_jump: bool) -> Analysed {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    for number in 0..40_u64 {
        let milliseconds = 10 * number as i64;
        let passed = if number < 20 { 0 } else { jump };
        let stamp = (milliseconds + if hosts_jump { passed } else { 0 }) as u32 + 5;
        let (ssn, dsn) = (number * 100 + 1, number * 100);
        let option = peers.mapping(UP, dsn, ssn, 100);
        peers.at(10 + milliseconds + passed);
        peers
            .packet(0, UP)
            .option(option)
            .timestamp(stamp)
            .length(100)
            .start(ssn)
            .send();
        let acknowledged = peers.number(UP, dsn);
        let ack = mptcp_wire::mptcp::Dss {
            data_ack: Some(mptcp_wire::WireDataSequenceNumber::Long(acknowledged.0)),
            ..Default::default()
        };
        peers.packet(0, DOWN).option(ack).timestamp(stamp + 77).send();
    }
    peers.analysed()
}

#[test]
fn a_clock_that_jumps_ahead_of_the_timestamps_is_told_from_hosts_that_were_silent() {
    let jumped = with_timestamps(3_600_000, false);
    let steps: Vec<_> = jumped
        .marks
        .iter()
        .filter(|mark| mark.kind == MarkKind::ClockStep)
        .collect();
    let Some(Detail::Step(step)) = steps[0].detail else {
        panic!("{steps:?}");
    };
    assert!((step.seconds() - 3600.0).abs() < 1.0 && steps.len() == 1);
    assert!(jumped.marks(MarkKind::Stall).is_empty());
    let silent = with_timestamps(3_600_000, true);
    assert!(silent.marks(MarkKind::ClockStep).is_empty());
    assert_eq!(silent.marks(MarkKind::Stall).len(), 1);
    assert!(at(0) < at(1));
}

#[test]
fn an_identification_that_never_changes_shows_no_copy() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.at(0).syn().at(10).syn_ack().at(20).third_ack();
    for milliseconds in [30, 50, 300] {
        peers.at(milliseconds).packet(0, DOWN).send();
    }
    for frame in &mut peers.sent {
        frame.bytes[18..20].copy_from_slice(&[0, 1]);
    }
    let analysed = analysed(peers.sent);
    assert_eq!((analysed.totals.captured_twice, analysed.totals.tcp), (0, 6));
}
