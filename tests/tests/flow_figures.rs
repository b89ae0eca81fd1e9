//! The figures of a subflow and of its connection: roles, windows, round trips, sequence numbers, counts.

use emptcp_abi::flow_flag;
use emptcp_packet::{require, testing::is_root, testrun::Input};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone},
    table::{data, open, place, random_hosts, record},
};
use mptcp_wire::Version;
use rand::{SeedableRng, rngs::StdRng};
use std::{collections::BTreeSet, thread::sleep, time::Duration};

const LOCAL: usize = 0;
const REMOTE: usize = 1;

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

#[test]
fn backup_is_a_matter_of_each_side() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        hosts.subflows[1].backup = [false, true];
        open(&place, &mut hosts, 0);
        open(&place, &mut hosts, 1);
        let backup = |hosts: &Hosts, subflow| {
            let flags = u32::from(record(&place, hosts, subflow).unwrap().flags);
            (
                flags & flow_flag::BACKUP_LOCAL != 0,
                flags & flow_flag::BACKUP_REMOTE != 0,
            )
        };
        assert_eq!(backup(&hosts, 0), (false, false));
        assert_eq!(backup(&hosts, 1), (true, false), "the B bit of the server's SYN-ACK");
        let ack = |from| Packet::new(from, Kind::Ack);
        place.send(&mut hosts, &ack(Peer::Client).with(&["mp_prio backup"]));
        assert_eq!(backup(&hosts, 0), (false, true));
        place.send(&mut hosts, &ack(Peer::Server).with(&["mp_prio backup"]));
        assert_eq!(backup(&hosts, 0), (true, true));
        place.send(&mut hosts, &ack(Peer::Client).with(&["mp_prio regular"]));
        assert_eq!(backup(&hosts, 0), (true, false));
        assert_eq!(backup(&hosts, 1), (true, false), "the other subflow does not change");
        let roles = |subflow| {
            u32::from(record(&place, &hosts, subflow).unwrap().flags) & (flow_flag::INITIAL | flow_flag::JOINED)
        };
        assert_eq!((roles(0), roles(1)), (flow_flag::INITIAL, flow_flag::JOINED));
        let flow = record(&place, &hosts, 1).unwrap();
        assert_eq!(
            (flow.sender[LOCAL].address_id.0, flow.sender[REMOTE].address_id.0),
            (7, 3)
        );
    });
}

#[test]
fn window_scales_are_those_of_syn_and_syn_ack_and_never_above_14() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        for (number, (client, server, scales)) in [
            ("window_scale 7", "window_scale 9", (7, 9)),
            ("nop", "window_scale 0", (0, 0)),
            ("window_scale 15", "window_scale 255", (14, 14)),
            // Without the option in both SYNs neither side scales (RFC 7323 section 1.3).
            ("window_scale 14", "nop", (0, 0)),
        ]
        .into_iter()
        .enumerate()
        {
            let mut hosts = Hosts::new(4, Version::V1);
            hosts.subflows[0].ends[0].set_port(1000 + number as u16);
            let [syn, syn_ack, third] = hosts.handshake(0);
            place.send(&mut hosts, &syn.with(&[client, "handshake"]));
            place.send(&mut hosts, &syn_ack.with(&[server, "handshake"]));
            place.send(&mut hosts, &third);
            let flow = record(&place, &hosts, 0).unwrap();
            assert_eq!(
                (flow.sender[REMOTE].window_scale, flow.sender[LOCAL].window_scale),
                scales
            );
        }
    });
}

#[test]
fn round_trips_are_measured_by_timestamps_and_by_acknowledgements() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        for timestamps in [true, false] {
            let mut hosts = Hosts::new(4, Version::V1);
            hosts.subflows[0].ends[0].set_port(if timestamps { 1 } else { 2 });
            let usual = |packet: Packet| {
                let mut words = match packet.is {
                    Kind::Data => vec!["dss ack64 map64"],
                    Kind::Ack => vec!["dss ack64"],
                    _ => vec!["handshake"],
                };
                if timestamps {
                    words.push("timestamps");
                }
                packet.with(&words)
            };
            for packet in hosts.handshake(0) {
                place.send(&mut hosts, &usual(packet));
            }
            let far = Duration::from_millis(30);
            for _ in 0..40 {
                // The remote side answers after 30 ms, the local one at once.
                place.send(&mut hosts, &usual(Packet::new(Peer::Server, Kind::Data)));
                sleep(far / 10);
                place.send(&mut hosts, &usual(Packet::new(Peer::Client, Kind::Data)));
            }
            let flow = record(&place, &hosts, 0).unwrap();
            let [local, remote] = flow.sender;
            assert!(
                (2_900..20_000).contains(&local.rtt_us),
                "{timestamps}: {} us",
                local.rtt_us
            );
            assert!(
                local.rtt_min_us <= local.rtt_us + local.rtt_us / 2,
                "{} {}",
                local.rtt_min_us,
                local.rtt_us
            );
            assert!(
                remote.rtt_us > 0 && remote.rtt_us < local.rtt_us,
                "{timestamps}: {} us",
                remote.rtt_us
            );
        }
    });
}

#[test]
fn an_acknowledgement_after_a_retransmission_measures_nothing() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        for packet in hosts.handshake(0) {
            place.send(&mut hosts, &packet.with(&["handshake"]));
        }
        let without = |from, kind: Kind| {
            Packet::new(from, kind).with(&[if kind == Kind::Data {
                "dss ack64 map64"
            } else {
                "dss ack64"
            }])
        };
        place.send(&mut hosts, &without(Peer::Server, Kind::Data));
        sleep(Duration::from_millis(50));
        place.send(&mut hosts, &without(Peer::Server, Kind::Data).sequence(-100));
        place.send(&mut hosts, &without(Peer::Client, Kind::Ack));
        let local = record(&place, &hosts, 0).unwrap().sender[LOCAL];
        assert!(
            local.rtt_us < 40_000,
            "the sample includes the retransmission: {} us",
            local.rtt_us
        );
        assert_eq!(local.retransmissions, 1);
    });
}

#[test]
fn the_range_of_data_sequence_numbers_is_that_of_the_mappings_short_or_long() {
    test(|| {
        for version in [Version::V0, Version::V1] {
            for width in ["map", "map64"] {
                let place = place(Hook::TcIngress, "");
                let mut hosts = Hosts::new(4, version);
                open(&place, &mut hosts, 0);
                let first = hosts.data_next[0];
                let words = format!("dss ack {width}");
                for _ in 0..5 {
                    place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Data).with(&[&words]));
                }
                place.send(
                    &mut hosts,
                    &Packet::new(Peer::Client, Kind::Data).with(&[&words]).sequence(-300),
                );
                let sender = record(&place, &hosts, 0).unwrap().sender[REMOTE];
                assert_eq!(
                    (sender.dsn_first.0, sender.dsn_next.0),
                    (first, first + 500),
                    "{version:?} {width}"
                );
                assert_eq!((sender.packets, sender.bytes, sender.retransmissions), (8, 600, 1));
            }
        }
    });
}

#[test]
fn a_short_data_sequence_number_is_widened_across_its_wrap() {
    test(|| {
        let mut random = StdRng::seed_from_u64(7);
        let place = place(Hook::TcIngress, "");
        // A key whose first data sequence number lies within 2000 bytes of a wrap of its low half would take 2^21
        // tries; a jump in the stream has the same effect.
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        open(&place, &mut hosts, 0);
        place.send(&mut hosts, &data(Peer::Client));
        let target = (hosts.data_next[0] | 0xffff_ffff) - 149;
        while hosts.data_next[0] < target {
            hosts.data_next[0] = target.min(hosts.data_next[0] + (1 << 30));
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Data).with(&["dss map"]));
            if hosts.data_next[0] > target {
                break;
            }
        }
        let before = hosts.data_next[0];
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Data).with(&["dss map"]));
        let sender = record(&place, &hosts, 0).unwrap().sender[REMOTE];
        assert_eq!(sender.dsn_next.0, before + 100);
        assert_ne!(
            sender.dsn_next.0 >> 32,
            sender.dsn_first.0 >> 32,
            "the low half has wrapped round"
        );
    });
}

#[test]
fn a_connection_counts_the_payload_of_all_its_subflows_once() {
    test(|| {
        for version in [Version::V0, Version::V1] {
            let place = place(Hook::TcIngress, "connection.bytes >= 0");
            let mut hosts = Hosts::new(6, version);
            open(&place, &mut hosts, 0);
            open(&place, &mut hosts, 1);
            for number in 0..10 {
                place.send(&mut hosts, &data(Peer::Client).on(number % 2).payload(100 + number));
                place.send(&mut hosts, &data(Peer::Server).on(number % 2).payload(1000));
            }
            place.send(&mut hosts, &data(Peer::Client).on(1).sequence(-100));
            let connections = place.sandbox.connections().unwrap();
            assert_eq!(connections.len(), 1);
            let connection = &connections[0];
            assert_eq!(connection.bytes, 10 * 100 + 45 + 10 * 1000 + 100);
            assert_eq!(
                (connection.subflows, connection.retransmissions, connection.version),
                (2, 1, Some(version))
            );
            let flows: u64 = (0..2)
                .map(|subflow| record(&place, &hosts, subflow).unwrap().sender)
                .map(|[a, b]| a.bytes + b.bytes)
                .sum();
            assert_eq!(flows, connection.bytes);
        }
    });
}

#[test]
fn two_connections_do_not_mix() {
    test(|| {
        let place = place(Hook::TcIngress, "connection.bytes >= 0");
        let mut random = StdRng::seed_from_u64(8);
        let mut all: Vec<_> = (0..20)
            .map(|number| random_hosts(&mut random, 4, if number % 2 == 0 { Version::V0 } else { Version::V1 }))
            .collect();
        for hosts in &mut all {
            open(&place, hosts, 0);
        }
        for hosts in all.iter_mut().rev() {
            open(&place, hosts, 1);
        }
        for (number, hosts) in all.iter_mut().enumerate() {
            place.send(hosts, &data(Peer::Client).on(1).payload(1 + number));
        }
        let bytes: BTreeSet<_> = place
            .sandbox
            .connections()
            .unwrap()
            .iter()
            .map(|connection| connection.bytes)
            .collect();
        assert_eq!(bytes, (1..=20).collect());
    });
}

#[test]
fn sample_takes_about_one_in_n() {
    test(|| {
        let place = Place::with_policy(Hook::TcIngress, Peer::Client, "sample 1 in 10", &["count"]);
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        let frame = Packet::new(Peer::Client, Kind::Ack).build(&mut hosts);
        place.input(
            Peer::Client,
            &Input {
                repeat: 50_000,
                ..Input::new(&frame)
            },
        );
        // Six standard deviations about 5000: 6 * sqrt(50 000 * 0.1 * 0.9) = 402.
        let taken = place.policies()[0].matched.packets;
        assert!((4598..=5402).contains(&taken), "{taken}");
    });
}

#[test]
fn policies_are_resolved_once_for_each_subflow_and_generation() {
    test(|| {
        let mut place = place(Hook::TcIngress, "ip.version == 4");
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        let resolved = place.core()["resolved"];
        for _ in 0..20 {
            place.send(&mut hosts, &data(Peer::Client));
        }
        assert_eq!(place.core()["resolved"], resolved);
        place.switch(&emptcp_tests::sandbox::policy(
            "q",
            "ingress",
            "ip.version == 6",
            &["count"],
        ));
        let selected = place.core()["selected"];
        for _ in 0..20 {
            place.send(&mut hosts, &data(Peer::Client));
        }
        assert_eq!(place.core()["resolved"], resolved + 1);
        assert_eq!(place.core()["selected"], selected, "no policy selects it any more");
    });
}
