//! `rate_limit mode=window` finds the window of every connection, wherever its data sequence numbers begin.

use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::Peer,
    sandbox::{Place, alone},
    table::{open, random_hosts},
};
use mptcp_wire::Version;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// The window field of a frame with Ethernet and IPv4 headers.
fn window(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[14 + 20 + 14], frame[14 + 20 + 15]])
}

#[test]
fn a_hundred_connections_with_random_initial_data_sequence_numbers_are_all_brought_down() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let actors = ["rate_limit rate=8mbit mode=window ramp=no"];
        let place = Place::with_policy(Hook::TcIngress, Peer::Client, "", &actors);
        let mut random = StdRng::seed_from_u64(21);
        let mut connections: Vec<_> = (0..100)
            .map(|_| {
                let mut hosts = random_hosts(&mut random, 4, Version::V1);
                open(&place, &mut hosts, 0);
                hosts
            })
            .collect();
        let large = |options: &[&str]| {
            let mut packet = Packet::new(Peer::Client, Kind::Ack).with(options);
            packet.window = Some(60_000);
            packet
        };
        // The first acknowledgement has no information about data.
        let first: Vec<_> = connections
            .iter_mut()
            .map(|hosts| window(&place.frame(Peer::Client, &large(&[]).build(hosts)).packet))
            .collect();
        let mut last = first.clone();
        // 10 MB in a quarter of a second are 320 Mbit/s.
        for _ in 0..4 {
            for (hosts, last) in connections.iter_mut().zip(&mut last) {
                hosts.data_next[1] = hosts.data_next[1].wrapping_add(10_000_000);
                *last = window(&place.frame(Peer::Client, &large(&["dss ack"]).build(hosts)).packet);
            }
            sleep(Duration::from_millis(250));
        }
        let free = first.iter().zip(&last).filter(|(first, last)| last >= first).count();
        assert_eq!(
            free, 0,
            "{free} of 100 connections are not limited: {first:?}, {last:?}"
        );
    });
}

#[test]
fn a_rate_of_many_gigabits_leaves_the_window_of_a_connection_that_has_that_rate() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        // The first window is the rate over 80, and the window times the rate then just above 2^64.
        let rate = 38_415_400_000u64;
        let actors = [&*format!("rate_limit rate={rate}bit mode=window ramp=no")];
        let place = Place::with_policy(Hook::TcIngress, Peer::Client, "", &actors);
        let mut hosts = random_hosts(&mut StdRng::seed_from_u64(22), 4, Version::V1);
        open(&place, &mut hosts, 0);
        let mut large = Packet::new(Peer::Client, Kind::Ack).with(&["dss ack"]);
        large.window = Some(60_000);
        let begin = Instant::now();
        let mut acknowledge = |bytes: u64| {
            hosts.data_next[1] = hosts.data_next[1].wrapping_add(bytes);
            window(&place.frame(Peer::Client, &large.build(&mut hosts)).packet)
        };
        assert_eq!(acknowledge(1), 60_000);
        sleep(Duration::from_millis(220));
        let bytes = begin.elapsed().as_secs_f64() * rate as f64 / 8.0;
        // More than half the numbers in one step would count as a step back.
        assert_eq!(acknowledge((bytes as u64).min(2_000_000_000)), 60_000);
        assert_eq!(acknowledge(1), 60_000);
    });
}
