//! `rate_limit mode=window` finds the window of every connection, wherever its data sequence numbers begin.

use emptcp::{manifest::Hook, require, testing::is_root};
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::Who,
    sandbox::{Place, alone},
    table::{open, random_hosts},
};
use mptcp_wire::Version;
use rand::{SeedableRng, rngs::StdRng};
use std::{thread::sleep, time::Duration};

/// The window field of a frame with Ethernet and IPv4 headers.
fn window(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[14 + 20 + 14], frame[14 + 20 + 15]])
}

#[test]
fn a_hundred_connections_with_random_initial_data_sequence_numbers_are_all_brought_down() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let actors = ["rate_limit rate=8mbit mode=window ramp=no"];
        let place = Place::with_policy(Hook::TcIngress, Who::Client, "", &actors);
        let mut random = StdRng::seed_from_u64(21);
        let mut connections: Vec<_> = (0..100)
            .map(|_| {
                let mut hosts = random_hosts(&mut random, 4, Version::V1);
                open(&place, &mut hosts, 0);
                hosts
            })
            .collect();
        let large = |options: &[&str]| {
            let mut packet = Packet::new(Who::Client, Kind::Ack).with(options);
            packet.window = Some(60_000);
            packet
        };
        // The first acknowledgement says nothing about data.
        let first: Vec<_> = connections
            .iter_mut()
            .map(|hosts| window(&place.frame(Who::Client, &large(&[]).build(hosts)).packet))
            .collect();
        let mut last = first.clone();
        // 10 MB in a quarter of a second are 320 Mbit/s.
        for _ in 0..4 {
            for (hosts, last) in connections.iter_mut().zip(&mut last) {
                hosts.data_next[1] = hosts.data_next[1].wrapping_add(10_000_000);
                *last = window(&place.frame(Who::Client, &large(&["dss ack"]).build(hosts)).packet);
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
