//! Memory limits: each is counted, and the affected connection is marked.

use crate::peers::{DOWN, Peers, UP, analyse, analyse_frames};
use emptcp_trace::record::{Capped, End};
use emptcp_trace::{Limits, Order, Settings, Span};
use mptcp_wire::{Token, Version};

fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.limits);
    settings
}

/// Three subflows.
fn three() -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    for number in 1..3 {
        let path = peers.path(&format!("10.0.2.{number}:2000"), "10.0.1.1:80");
        peers.join(path);
    }
    peers
}

#[test]
fn of_too_many_connections_the_one_idle_for_longest_is_emitted() {
    let all: Vec<_> = (1..=3)
        .map(|number| {
            let mut peers = Peers::new(Version::V1, number);
            peers.at(i64::from(number) * 100).connect();
            peers
        })
        .collect();
    let all: Vec<_> = all.iter().collect();
    let analysed = analyse(&all, limited(|limits| limits.connections = 2));
    assert_eq!(analysed.totals.capped.connections, 1);
    let truncated: Vec<_> = analysed
        .connections
        .iter()
        .map(|connection| (connection.conn_id.0, connection.truncated))
        .collect();
    assert_eq!(truncated, [(0, true), (1, false), (2, false)]);
    let analysed = analyse(&all, limited(|limits| limits.connections = 3));
    assert_eq!(analysed.totals.capped, Capped::default());
}

#[test]
fn a_connection_that_goes_on_after_silence_takes_a_place_like_any_other() {
    let [mut first, mut second, mut third] = [1, 2, 3].map(|number| Peers::new(Version::V1, number));
    // The first is emitted as idle when the second begins, and continues.
    first.connect().at(50_000).data(0, DOWN, 0, 100);
    second.at(40_000).connect();
    third.at(60_000).connect();
    let settings = Settings {
        idle: Span::from_seconds(30),
        ..limited(|limits| limits.connections = 2)
    };
    let analysed = analyse(&[&first, &second, &third], settings);
    let truncated = analysed.connections.iter().filter(|connection| connection.truncated);
    let truncated: Vec<_> = truncated.map(|connection| connection.client.to_string()).collect();
    assert_eq!(truncated, ["10.0.0.2"]);
    assert_eq!(analysed.totals.capped.connections, 1);
}

#[test]
fn subflows_beyond_the_limit_are_counted_as_attempts() {
    let peers = three();
    let analysed = analyse(&[&peers], limited(|limits| limits.subflows = 2));
    assert_eq!((analysed.totals.capped.subflows, analysed.totals.joins), (1, 2));
    let connection = analysed.only();
    assert_eq!(
        (connection.sf_att, connection.sf_est, connection.subflows.len()),
        (3, 2, 2)
    );
    assert!(connection.truncated && connection.is_lower_bound());
}

#[test]
fn of_too_many_orphans_the_oldest_are_forgotten() {
    let mut peers = Peers::new(Version::V1, 1);
    for number in 0..5 {
        let path = peers.path(&format!("10.0.2.{number}:2000"), "10.0.1.1:80");
        peers.join_syn(path, UP, Token(number));
    }
    let analysed = analyse(&[&peers], limited(|limits| limits.orphans = 3));
    assert_eq!((analysed.totals.orphan_joins, analysed.totals.capped.orphans), (5, 2));
    assert!(analysed.connections.is_empty());
}

#[test]
fn intervals_of_data_beyond_the_limit_are_forgotten_and_the_connection_says_so() {
    let mut peers = three();
    for number in 0..20 {
        peers.data(0, DOWN, number * 100, 10);
    }
    let analysed = analyse(&[&peers], limited(|limits| limits.intervals = 8));
    assert!(analysed.totals.capped.intervals > 0);
    let connection = analysed.only();
    assert!(connection.truncated);
    // New data is still counted.
    assert_eq!(connection.data.0, [0, 200]);
}

#[test]
fn mappings_beyond_the_limit_are_forgotten_and_the_connection_says_so() {
    let mut peers = three();
    // Each mapping is apart from the one before.
    for number in 0..100 {
        peers.data(0, DOWN, number * 100, 10);
    }
    let analysed = analyse(&[&peers], limited(|limits| limits.mappings = 64));
    assert_eq!(analysed.totals.capped.mappings, 36);
    assert!(analysed.only().truncated);
}

#[test]
fn segments_that_are_not_timed_are_counted() {
    let mut peers = three();
    for number in 0..10 {
        peers.data(0, DOWN, number * 100, 100);
    }
    peers.acknowledge(0, UP, 1000);
    let analysed = analyse(&[&peers], limited(|limits| limits.rtt = 4));
    assert_eq!(analysed.totals.capped.rtt, 6);
    let connection = analysed.only();
    assert!(!connection.truncated);
    assert_eq!(connection.data.0, [0, 1000]);
}

#[test]
fn data_below_the_history_is_not_taken_for_new() {
    let mut peers = three();
    for number in 0..4 {
        peers
            .data(0, DOWN, number * 50_000, 50_000)
            .acknowledge(0, UP, (number + 1) * 50_000);
    }
    // A copy of what was acknowledged long ago.
    peers.data(1, DOWN, 0, 1000);
    let connection = analyse(&[&peers], limited(|limits| limits.history = 1000)).only();
    assert_eq!((connection.data.0, connection.reinj.0), ([0, 200_000], [0, 0]));
    assert!(connection.truncated);
    let connection = analyse(&[&peers], Settings::default()).only();
    assert_eq!((connection.reinj.0, connection.truncated), ([0, 1000], false));
}

#[test]
fn packets_are_put_in_order_as_far_as_the_buffer_reaches() {
    let mut peers = three();
    peers.data(0, DOWN, 0, 1000).finish(0, 1000);
    let frames = peers.sent.clone();
    let mut shuffled = frames.clone();
    shuffled.reverse();
    let by_time = |packets| Settings {
        order: Order::ByTime,
        ..limited(|limits| limits.reorder_packets = packets)
    };
    let ordered = analyse_frames(shuffled.clone(), by_time(1000));
    assert_eq!(ordered.totals.capped.late, 0);
    let connection = ordered.only();
    assert_eq!(
        (connection.end, connection.sf_est, connection.data.0),
        (End::DataFin, 3, [0, 1000])
    );
    let late = analyse_frames(shuffled, by_time(2)).totals.capped.late;
    assert!(late > 0, "{late}");
}

#[test]
fn packets_are_held_no_longer_than_the_span() {
    let mut peers = three();
    peers.at(5000).data(0, DOWN, 0, 1000).at(5001);
    let mut frames = peers.sent.clone();
    // It comes five seconds late.
    let syn = frames.remove(3);
    frames.push(syn);
    let settings = Settings {
        order: Order::ByTime,
        ..limited(|limits| limits.reorder_span = Span::from_seconds(1))
    };
    assert_eq!(analyse_frames(frames, settings).totals.capped.late, 1);
}
