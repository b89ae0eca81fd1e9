//! A record agrees with the state of the two hosts, whatever else arrives (docs/flow-records.md).

use emptcp_abi::{Flow, FlowKey, flow_flag, flow_state};
use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone},
    table::{data, open, place, random_hosts, record},
};
use mptcp_wire::Version;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, thread::sleep, time::Duration};

const LOCAL: usize = 0;
const REMOTE: usize = 1;

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

/// An established subflow that has carried data both ways; the client is remote.
fn running(hook: Hook, random: &mut StdRng, ip: u8, version: Version) -> (Place, Hosts) {
    let place = place(hook, "");
    let mut hosts = random_hosts(random, ip, version);
    open(&place, &mut hosts, 0);
    for from in [Peer::Client, Peer::Server, Peer::Client, Peer::Server] {
        place.send(&mut hosts, &data(from));
    }
    (place, hosts)
}

/// The fields that no forged packet may change: all except counters of refused segments.
fn believed(flow: &Flow) -> Flow {
    let mut flow = *flow;
    for sender in &mut flow.sender {
        sender.unacceptable = 0;
        sender.run_begin = 0;
        sender.run_end = 0;
        sender.run_count = 0;
    }
    flow
}

#[test]
fn forged_segments_of_every_kind_with_random_numbers_change_nothing_but_counters() {
    test(|| {
        let mut random = StdRng::seed_from_u64(7);
        for (hook, ip, version) in [
            (Hook::TcIngress, 4, Version::V1),
            (Hook::TcEgress, 6, Version::V1),
            (Hook::Xdp, 4, Version::V0),
        ] {
            let (place, mut hosts) = running(hook, &mut random, ip, version);
            let before = record(&place, &hosts, 0).expect("a record");
            let kinds = [Kind::Syn, Kind::SynAck, Kind::Ack, Kind::Data, Kind::Fin, Kind::Rst];
            let mut forged = 0;
            for _ in 0..200 {
                for kind in kinds {
                    // Far from the window of 66 000 bytes, so that the result is certain.
                    let far = random.random_range(1_000_000..0xffff_0000_i64);
                    let options: &[&str] = match random.random_range(0..4) {
                        0 => &[],
                        1 => &["mp_prio backup", "nop"],
                        2 => &["dss ack64 map64"],
                        _ => &["nop", "nop", "timestamps"],
                    };
                    let mut packet = Packet::new(Peer::Client, kind).with(options).sequence(far);
                    if random.random() {
                        packet = packet.acknowledgement(far);
                    }
                    let mut aside = hosts.clone();
                    place.send(&mut aside, &packet);
                    forged += 1;
                }
            }
            let after = record(&place, &hosts, 0).expect("the record is still there");
            assert_eq!(believed(&after), believed(&before), "{hook:?}");
            let core = place.core();
            let refused = core["unacceptable"] + core["syn_on_established"];
            assert!(refused >= forged, "{forged} forged, {refused} refused");
            // The hosts continue, and the record follows.
            place.send(&mut hosts, &data(Peer::Client));
            place.send(&mut hosts, &data(Peer::Server));
            let flow = record(&place, &hosts, 0).unwrap();
            let client = if hook == Hook::TcEgress { LOCAL } else { REMOTE };
            assert_eq!(flow.sender[client].end, hosts.subflows[0].next[0]);
            assert_eq!(flow.sender[client].acknowledgement, before.sender[1 - client].end);
            assert_eq!(flow.sender[client].retransmissions, 0);
        }
    });
}

#[test]
fn one_syn_without_an_option_one_fin_and_one_reset_leave_an_established_record_as_it_was() {
    test(|| {
        let mut random = StdRng::seed_from_u64(8);
        let (place, hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        let before = record(&place, &hosts, 0).unwrap();
        for packet in [
            Packet::new(Peer::Client, Kind::Syn)
                .with(&["mss 1460"])
                .sequence(123_456_789),
            Packet::new(Peer::Client, Kind::Fin)
                .sequence(123_456_789)
                .acknowledgement(77_777_777),
            Packet::new(Peer::Client, Kind::Ack)
                .sequence(123_456_789)
                .acknowledgement(77_777_777),
            Packet::new(Peer::Client, Kind::Rst).sequence(123_456_789),
        ] {
            place.send(&mut hosts.clone(), &packet);
            let after = record(&place, &hosts, 0).expect("the record is still there");
            assert_eq!(believed(&after), believed(&before), "{packet:?}");
        }
    });
}

#[test]
fn a_plain_tcp_connection_that_uses_the_ports_again_ends_the_record() {
    test(|| {
        let mut random = StdRng::seed_from_u64(9);
        let (place, mut hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        hosts.subflows[0].next = [55_555, 77_777];
        hosts.subflows[0].isn = [55_555, 77_777];
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Syn).with(&["mss 1460"]));
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::SynAck).with(&["mss 1460"]));
        let old = record(&place, &hosts, 0).expect("it stays until the handshake is complete");
        assert_eq!(u32::from(old.state), flow_state::ESTABLISHED);
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::ThirdAck).with(&[]));
        assert_eq!(record(&place, &hosts, 0), None);
    });
}

#[test]
fn a_fin_counts_when_the_other_side_acknowledges_it_and_not_when_its_sender_goes_on() {
    test(|| {
        let mut random = StdRng::seed_from_u64(10);
        let (place, mut hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        let state = |hosts: &Hosts| record(&place, hosts, 0).map(|flow| u32::from(flow.state));
        // In the window, but forged: the host continues with data.
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Fin).sequence(10));
        assert_eq!(state(&hosts), Some(flow_state::ESTABLISHED));
        place.send(&mut hosts, &data(Peer::Client));
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Ack));
        assert_eq!(state(&hosts), Some(flow_state::ESTABLISHED));
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Fin));
        assert_eq!(state(&hosts), Some(flow_state::ESTABLISHED));
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Ack));
        assert_eq!(state(&hosts), Some(flow_state::CLOSING));
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Fin));
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Ack));
        assert_eq!(state(&hosts), None);
    });
}

#[test]
fn a_reset_in_the_window_is_suspected_and_the_next_segment_clears_it() {
    test(|| {
        let mut random = StdRng::seed_from_u64(11);
        let (place, mut hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Rst).sequence(1000));
        let flow = record(&place, &hosts, 0).expect("not believed");
        assert_ne!(u32::from(flow.flags) & flow_flag::RESET_SUSPECTED_REMOTE, 0);
        place.send(&mut hosts, &data(Peer::Client));
        let flow = record(&place, &hosts, 0).unwrap();
        assert_eq!(u32::from(flow.flags) & flow_flag::RESET_SUSPECTED_REMOTE, 0);
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Rst));
        assert_eq!(
            record(&place, &hosts, 0),
            None,
            "a reset with the exact number is accepted"
        );
    });
}

#[test]
fn thinking_time_is_in_no_round_trip() {
    test(|| {
        for timestamps in [true, false] {
            let place = place(Hook::TcIngress, "");
            let mut hosts = Hosts::new(4, Version::V1);
            open(&place, &mut hosts, 0);
            let words = |kind| {
                let mut words = vec![if kind == Kind::Data {
                    "dss ack64 map64"
                } else {
                    "dss ack64"
                }];
                words.extend(timestamps.then_some("timestamps"));
                words
            };
            let send = |hosts: &mut Hosts, from, kind| {
                place.send(hosts, &Packet::new(from, kind).with(&words(kind)));
            };
            for _ in 0..4 {
                send(&mut hosts, Peer::Client, Kind::Data);
                send(&mut hosts, Peer::Server, Kind::Data);
                send(&mut hosts, Peer::Client, Kind::Ack);
                sleep(Duration::from_millis(400));
            }
            let flow = record(&place, &hosts, 0).unwrap();
            for sender in flow.sender {
                assert!(sender.rtt_samples >= 4, "{} samples", sender.rtt_samples);
                assert!(sender.rtt_us < 200_000, "timestamps {timestamps}: {} us", sender.rtt_us);
            }
        }
    });
}

#[test]
fn filling_a_gap_is_no_retransmission_and_a_repetition_is_one() {
    test(|| {
        let mut random = StdRng::seed_from_u64(12);
        let (place, mut hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        let sender = |hosts: &Hosts| record(&place, hosts, 0).unwrap().sender[REMOTE];
        let at = |offset| data(Peer::Client).sequence(offset);
        // The second of four segments comes last, the fourth twice.
        place.send(&mut hosts.clone(), &at(200));
        place.send(&mut hosts.clone(), &at(300));
        assert_eq!((sender(&hosts).retransmissions, sender(&hosts).range_count), (0, 1));
        place.send(&mut hosts.clone(), &at(300));
        assert_eq!(sender(&hosts).retransmissions, 1);
        place.send(&mut hosts.clone(), &at(100));
        place.send(&mut hosts, &data(Peer::Client));
        let flow = sender(&hosts);
        assert_eq!((flow.retransmissions, flow.range_count, flow.uncertain), (1, 0, 0));
        assert_eq!(flow.contiguous, flow.end);
        // Six islands do not fit into four ranges.
        for island in 0..6 {
            place.send(&mut hosts.clone(), &at(1000 + 400 * island));
        }
        let flow = sender(&hosts);
        assert_eq!((flow.retransmissions, flow.range_count, flow.uncertain), (1, 4, 2));
    });
}

#[test]
fn a_record_that_lost_the_thread_finds_it_when_the_other_side_acknowledges_eight_segments() {
    test(|| {
        let mut random = StdRng::seed_from_u64(13);
        let (place, mut hosts) = running(Hook::TcIngress, &mut random, 4, Version::V1);
        // A gigabyte takes another path.
        hosts.subflows[0].next[0] = hosts.subflows[0].next[0].wrapping_add(1 << 30);
        for _ in 0..8 {
            place.send(&mut hosts, &data(Peer::Client));
        }
        let lost = record(&place, &hosts, 0).unwrap().sender[REMOTE];
        assert_ne!(lost.end, hosts.subflows[0].next[0]);
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Ack));
        let found = record(&place, &hosts, 0).unwrap().sender;
        assert_eq!(
            (found[REMOTE].reanchored, found[REMOTE].end),
            (1, hosts.subflows[0].next[0])
        );
        assert_eq!(found[LOCAL].acknowledgement, hosts.subflows[0].next[0]);
    });
}

#[test]
fn a_window_in_a_syn_is_not_scaled() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        let [syn, mut syn_ack, _] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        syn_ack.window = Some(65_160);
        place.send(&mut hosts, &syn_ack);
        let flow = record(&place, &hosts, 0).unwrap();
        assert_eq!(flow.sender[LOCAL].window, 65_160);
    });
}

#[test]
fn two_ipv4_pairs_that_differ_in_two_bits_do_not_share_a_set_more_often_than_by_chance() {
    let mut random = StdRng::seed_from_u64(14);
    let mut shared = BTreeMap::new();
    let rounds = 40_000;
    for _ in 0..rounds {
        let secret = random.random();
        let key = FlowKey {
            local: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1],
            remote: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1],
            local_port: random.random(),
            remote_port: random.random(),
        };
        for (name, byte, port) in [("top bits", 15, 1), ("other bits", 14, 0)] {
            let mut other = key;
            other.remote[byte] ^= 0x80;
            other.remote_port[port] ^= 0x80;
            let (a, b) = (key.hash(&secret), other.hash(&secret));
            if (a.set(0x7ff), a.home()) == (b.set(0x7ff), b.home()) {
                *shared.entry(name).or_insert(0) += 1;
            }
        }
    }
    // One in 2048 * 8 by chance: 2.4 expected.
    for (name, count) in shared {
        assert!(count < 15, "{name}: {count} of {rounds}");
    }
}
