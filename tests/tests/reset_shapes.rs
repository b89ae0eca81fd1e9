//! Malformed packets through `reset`: each passes unchanged, or becomes a complete reset.

use emptcp_packet::{require, testing::is_root, testrun::Verdict};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    expect::checksums_are_right,
    hosts::{Hosts, Peer},
    sandbox::{Place, alone},
};
use mptcp_wire::{Key, LinkType, Segment, Version};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Packets for each hook.
const ROUNDS: usize = 4_000;

fn packet(random: &mut StdRng) -> Packet {
    let kinds = [Kind::Ack, Kind::Data, Kind::Data, Kind::Fin, Kind::Syn];
    let mut packet = Packet::new(Peer::Client, kinds[random.random_range(0..kinds.len())]);
    match random.random_range(0..6) {
        0 => packet.vlan = vec![100],
        1 => packet.trailer = 6,
        2 => packet.ip_options = "94040000".to_owned(),
        3 => packet.extensions = vec![60],
        4 => packet.segments = 3,
        _ => {}
    }
    packet
}

#[test]
fn a_damaged_packet_is_untouched_or_becomes_a_whole_reset() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        for (seed, hook) in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp].into_iter().enumerate() {
            let mut random = StdRng::seed_from_u64(seed as u64);
            let place = Place::with_policy(hook, Peer::Client, "", &["reset connection=yes"]);
            let (mut resets, mut untouched) = (0, 0);
            for round in 0..ROUNDS {
                let ip = [4, 6][round % 2];
                let mut hosts = Hosts::with_keys(ip, Version::V1, [Key([1; 8]), Key([2; 8])]);
                for subflow in &mut hosts.subflows {
                    subflow.ends[0].set_port(1024 + (round / 4) as u16);
                }
                if round % 4 < 2 {
                    // The element takes them already; the record is what matters.
                    for packet in hosts.handshake(0) {
                        place.frame(packet.from, &packet.build(&mut hosts));
                    }
                }
                let packet = packet(&mut random);
                let mut frame = packet.build(&mut hosts);
                for _ in 0..random.random_range(0..3) {
                    let at = random.random_range(54..frame.len());
                    frame[at] = random.random();
                }
                let output = place.frame(Peer::Client, &frame);
                let context = format!(
                    "{hook:?}, round {round}, {:?}\n in {frame:02x?}\nout {:02x?}",
                    output.verdict, output.packet
                );
                assert_ne!(output.verdict, Verdict::Drop, "{context}");
                if output.packet == frame {
                    untouched += 1;
                    assert_eq!(output.verdict, Verdict::Pass, "{context}");
                    continue;
                }
                resets += 1;
                let segment = Segment::parse(&output.packet, LinkType::Ethernet)
                    .unwrap_or_else(|error| panic!("{error}: {context}"));
                assert_eq!(segment.tcp().flags().bits(), 0x14, "{context}");
                assert_eq!(segment.payload_range().len(), 0, "{context}");
                assert_eq!(segment.payload_range().end, output.packet.len(), "{context}");
                let right = checksums_are_right(&output.packet, false)
                    || hook == Hook::Xdp && checksums_are_right(&output.packet, true);
                assert!(right, "{context}");
            }
            eprintln!("{hook:?}: {resets} resets, {untouched} untouched");
            assert!(resets > 300 && untouched > 300, "{hook:?}: {resets} and {untouched}");
        }
    });
}
