//! What the core knows about subflows and connections, and what it does not let itself be told.

use emptcp::{
    abi::{Flow, SCALE_UNKNOWN, flow_flag, flow_state},
    manifest::Hook,
    require,
    testing::is_root,
    testrun::{Input, Verdict},
};
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Who},
    sandbox::{Place, alone},
};
use mptcp_wire::{Key, Version};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use std::{collections::BTreeSet, net::SocketAddr, thread::sleep, time::Duration};

const LOCAL: usize = 0;
const REMOTE: usize = 1;

macro_rules! place {
    ($hook:expr, $when:expr) => {{
        // The client is the remote side at ingress, and the local one at egress.
        Place::with_policy($hook, Who::Client, $when, &["count"])
    }};
}

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

/// The record of a subflow; the client is the remote side.
fn record(place: &Place, hosts: &Hosts, subflow: usize) -> Option<Flow> {
    let [client, server] = hosts.subflows[subflow].ends;
    let ends = |local: SocketAddr, remote: SocketAddr| {
        let records = place.sandbox.records().expect("the flow table");
        records
            .into_iter()
            .find(|(key, _)| key.local() == local && key.remote() == remote)
            .map(|(_, flow)| flow)
    };
    if place.hook == Hook::TcEgress {
        ends(client, server)
    } else {
        ends(server, client)
    }
}

fn established(place: &Place, hosts: &Hosts, subflow: usize) -> bool {
    record(place, hosts, subflow).is_some_and(|flow| u32::from(flow.state) == flow_state::ESTABLISHED)
}

fn open(place: &Place, hosts: &mut Hosts, subflow: usize) {
    for packet in hosts.handshake(subflow) {
        place.send(hosts, &packet);
    }
}

fn data(from: Who) -> Packet {
    Packet::new(from, Kind::Data).with(&["nop", "nop", "timestamps", "dss ack64 map64"])
}

fn random_hosts(random: &mut StdRng, ip: u8, version: Version) -> Hosts {
    let mut hosts = Hosts::with_keys(ip, version, [Key(random.random()), Key(random.random())]);
    let ports: [u16; 2] = [random.random_range(1024..30_000), random.random_range(30_000..=65_535)];
    for (subflow, port) in hosts.subflows.iter_mut().zip(ports) {
        subflow.ends[0].set_port(port);
        subflow.isn = random.random();
        subflow.next = subflow.isn;
    }
    hosts
}

#[test]
fn tokens_initial_sequence_numbers_and_connection_ids_are_those_of_the_rfcs_for_random_keys() {
    test(|| {
        let mut random = StdRng::seed_from_u64(1);
        for hook in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp] {
            let place = place!(hook, "");
            for run in 0..150 {
                let version = if run % 2 == 0 { Version::V1 } else { Version::V0 };
                let mut hosts = random_hosts(&mut random, if run % 4 < 2 { 4 } else { 6 }, version);
                open(&place, &mut hosts, 0);
                open(&place, &mut hosts, 1);
                let (client, server) = if hook == Hook::TcEgress {
                    (LOCAL, REMOTE)
                } else {
                    (REMOTE, LOCAL)
                };
                let mut tokens = [0; 2];
                tokens[client] = hosts.token(Who::Client).0;
                tokens[server] = hosts.token(Who::Server).0;
                for subflow in 0..2 {
                    let flow = record(&place, &hosts, subflow).expect("a record");
                    assert_eq!(
                        [flow.local_token.0, flow.remote_token.0],
                        tokens,
                        "{version:?}, subflow {subflow}"
                    );
                    assert_eq!(
                        flow.connection.0,
                        u64::from(tokens[LOCAL]) << 32 | u64::from(tokens[REMOTE])
                    );
                    assert_eq!(flow.sender[client].idsn, hosts.derived(Who::Client).idsn.0);
                    assert_eq!(flow.sender[server].idsn, hosts.derived(Who::Server).idsn.0);
                    assert_eq!(flow.version, version.number());
                    assert_eq!(u32::from(flow.state), flow_state::ESTABLISHED);
                }
            }
            assert_eq!(place.core()["connection_new"], 150);
            assert_eq!(place.core()["connection_unknown"], 0);
        }
    });
}

#[test]
fn a_flood_of_joins_pushes_out_no_established_subflow_and_is_visible() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(2);
        let mut all: Vec<_> = (0..50).map(|_| random_hosts(&mut random, 4, Version::V1)).collect();
        for hosts in &mut all {
            open(&place, hosts, 0);
        }
        const FLOOD: u64 = 100_000;
        let mut hosts = Hosts::new(4, Version::V1);
        let mut frame = Packet::new(Who::Client, Kind::Syn).on(1).build(&mut hosts);
        for _ in 0..FLOOD {
            // Source address, source port, sequence number, and the token and nonce of MP_JOIN: the last 8 bytes.
            let length = frame.len();
            random.fill_bytes(&mut frame[26..30]);
            random.fill_bytes(&mut frame[34..36]);
            random.fill_bytes(&mut frame[38..42]);
            random.fill_bytes(&mut frame[length - 8..]);
            assert_eq!(place.frame(Who::Client, &frame).verdict, Verdict::Pass);
        }
        for hosts in &mut all {
            assert!(established(&place, hosts, 0), "an established subflow was pushed out");
            let tracked = place.core()["tracked"];
            place.send(hosts, &data(Who::Client));
            assert_eq!(place.core()["tracked"], tracked + 1);
        }
        let core = place.core();
        assert!(core["flow_new"] >= FLOOD, "{core:?}");
        assert!(core["connection_unknown"] >= FLOOD - 10, "{core:?}");
        assert_eq!(core["flow_failed"], 0, "{core:?}");
        assert_eq!(core["flow_established"], 50, "{core:?}");
        let half_open = place.sandbox.records().unwrap().len() - 50;
        assert!(half_open <= 2048, "the half-open table is bounded: {half_open}");
    });
}

#[test]
fn a_new_subflow_can_still_open_while_the_half_open_table_is_full() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..5000 {
            let mut hosts = random_hosts(&mut random, 6, Version::V0);
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Syn));
        }
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        open(&place, &mut hosts, 0);
        open(&place, &mut hosts, 1);
        assert!(established(&place, &hosts, 0) && established(&place, &hosts, 1));
    });
}

#[test]
fn a_handshake_with_wrong_numbers_establishes_nothing() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(4);
        let wrong: [fn(&mut [Packet; 3]); 6] = [
            |packets| packets[1].acknowledgement = 1,
            |packets| packets[1].acknowledgement = -1,
            |packets| packets[2].acknowledgement = 1,
            |packets| packets[2].acknowledgement = -1,
            |packets| packets[2].sequence = 1,
            |packets| packets[2].sequence = -1,
        ];
        for (number, change) in wrong.iter().enumerate() {
            for subflow in 0..2 {
                let mut hosts = random_hosts(&mut random, 4, Version::V1);
                if subflow == 1 {
                    open(&place, &mut hosts, 0);
                }
                let mut packets = hosts.handshake(subflow);
                change(&mut packets);
                for packet in &packets {
                    place.send(&mut hosts, packet);
                }
                assert!(
                    !established(&place, &hosts, subflow),
                    "case {number}, subflow {subflow}"
                );
            }
        }
        // The same without a mistake, so that this test can fail.
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        open(&place, &mut hosts, 0);
        assert!(established(&place, &hosts, 0));
    });
}

#[test]
fn a_third_ack_of_the_wrong_host_or_without_a_syn_ack_establishes_nothing() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(5);
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        let [syn, _, third] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        place.send(&mut hosts, &third);
        assert!(!established(&place, &hosts, 0));

        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        let [syn, syn_ack, _] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        place.send(&mut hosts, &syn_ack);
        place.send(&mut hosts, &Packet::new(Who::Server, Kind::ThirdAck));
        assert!(!established(&place, &hosts, 0));
    });
}

#[test]
fn a_third_ack_without_an_option_means_fallback_and_is_no_subflow() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        place.send(&mut hosts, &syn_ack);
        place.send(&mut hosts, &third.with(&["nop", "nop", "timestamps"]));
        assert!(!established(&place, &hosts, 0));
    });
}

#[test]
fn a_repeated_syn_and_syn_ack_change_nothing() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut hosts = Hosts::new(6, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        let first = place.send(&mut hosts, &syn);
        let id = record(&place, &hosts, 0).unwrap().id;
        place.frame(Who::Client, &first);
        let second = place.send(&mut hosts, &syn_ack);
        place.frame(Who::Server, &second);
        place.send(&mut hosts, &third);
        let flow = record(&place, &hosts, 0).unwrap();
        assert_eq!(flow.id, id, "the record is the one of the first SYN");
        assert_eq!(u32::from(flow.state), flow_state::ESTABLISHED);
        assert_eq!(place.core()["flow_new"], 1);
    });
}

#[test]
fn ports_that_are_used_again_become_a_new_subflow_only_when_the_new_handshake_completes() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut old = Hosts::new(4, Version::V1);
        open(&place, &mut old, 0);
        let before = record(&place, &old, 0).unwrap();

        let mut new = Hosts::with_keys(4, Version::V1, [Key([1; 8]), Key([2; 8])]);
        new.subflows[0].isn = [5_000, 6_000];
        new.subflows[0].next = [5_000, 6_000];
        let [syn, syn_ack, third] = new.handshake(0);
        place.send(&mut new, &syn);
        place.send(&mut old, &data(Who::Client));
        let held = place
            .sandbox
            .records()
            .unwrap()
            .into_iter()
            .filter(|(_, flow)| flow.id == before.id)
            .count();
        assert_eq!(
            held, 1,
            "a SYN alone, which anybody can forge, does not end the subflow"
        );
        place.send(&mut new, &syn_ack);
        place.send(&mut new, &third);
        let after = record(&place, &new, 0).unwrap();
        assert_ne!(after.id, before.id);
        assert_eq!(after.remote_token.0, new.token(Who::Client).0);
        assert_eq!(after.sender[REMOTE].isn, 5_000);
        place.send(&mut new, &data(Who::Client));
        assert_eq!(record(&place, &new, 0).unwrap().sender[REMOTE].bytes, 100);
    });
}

#[test]
fn a_subflow_met_in_mid_stream_is_adopted_only_when_both_directions_fit() {
    test(|| {
        for version in [Version::V0, Version::V1] {
            let place = place!(Hook::TcIngress, "");
            let mut hosts = Hosts::new(4, version);
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Ack));
            assert!(record(&place, &hosts, 0).is_none(), "an ACK makes no record");
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Rst));
            assert!(record(&place, &hosts, 0).is_none(), "a reset makes no record");
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Data).with(&["dss ack"]));
            assert!(
                record(&place, &hosts, 0).is_none(),
                "data without a mapping makes no record"
            );
            for _ in 0..3 {
                place.send(&mut hosts, &data(Who::Client));
                let flow = record(&place, &hosts, 0).expect("a half-open record");
                assert_eq!(
                    u32::from(flow.state),
                    flow_state::ADOPTING,
                    "one direction is not enough"
                );
            }
            let wrong = data(Who::Server).acknowledgement(2_000_000_000);
            place.send(&mut hosts, &wrong);
            assert!(
                !established(&place, &hosts, 0),
                "an acknowledgement of what was never sent is not enough"
            );
            place.send(&mut hosts, &data(Who::Server));
            let flow = record(&place, &hosts, 0).unwrap();
            assert_eq!(u32::from(flow.state), flow_state::ESTABLISHED);
            assert_ne!(u32::from(flow.flags) & flow_flag::PARTIAL, 0);
            assert_eq!(flow.sender[REMOTE].window_scale, SCALE_UNKNOWN);
            assert!(!flow.connection.is_known());
        }
    });
}

#[test]
fn plain_tcp_with_a_stray_option_is_not_adopted() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        for from in [Who::Client, Who::Server, Who::Client] {
            place.send(&mut hosts, &Packet::new(from, Kind::Data).with(&["mp_prio backup"]));
        }
        assert!(record(&place, &hosts, 0).is_none());
    });
}

#[test]
fn a_reset_counts_only_with_a_sequence_number_in_the_window() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        for offset in [-1_i64, -1000, 1 << 30, 1 << 31, (1 << 31) + 5] {
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Rst).sequence(offset));
            assert!(established(&place, &hosts, 0), "offset {offset}");
        }
        place.send(&mut hosts, &Packet::new(Who::Client, Kind::Rst));
        assert!(record(&place, &hosts, 0).is_none());
        assert_eq!(place.core()["flow_closed"], 1);
    });
}

#[test]
fn a_subflow_ends_when_both_sides_have_sent_fin_and_the_last_is_acknowledged() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        let mut hosts = Hosts::new(6, Version::V0);
        open(&place, &mut hosts, 0);
        place.send(&mut hosts, &Packet::new(Who::Client, Kind::Fin));
        place.send(&mut hosts, &Packet::new(Who::Server, Kind::Ack));
        place.send(&mut hosts, &data(Who::Server));
        assert_eq!(u32::from(record(&place, &hosts, 0).unwrap().state), flow_state::CLOSING);
        place.send(&mut hosts, &Packet::new(Who::Server, Kind::Fin));
        place.send(&mut hosts, &Packet::new(Who::Client, Kind::Ack).acknowledgement(-1));
        assert!(
            record(&place, &hosts, 0).is_some(),
            "the last FIN is not acknowledged yet"
        );
        place.send(&mut hosts, &Packet::new(Who::Client, Kind::Ack));
        assert!(record(&place, &hosts, 0).is_none());
    });
}

#[test]
fn backup_is_a_matter_of_each_side() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
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
        place.send(&mut hosts, &ack(Who::Client).with(&["mp_prio backup"]));
        assert_eq!(backup(&hosts, 0), (false, true));
        place.send(&mut hosts, &ack(Who::Server).with(&["mp_prio backup"]));
        assert_eq!(backup(&hosts, 0), (true, true));
        place.send(&mut hosts, &ack(Who::Client).with(&["mp_prio regular"]));
        assert_eq!(backup(&hosts, 0), (true, false));
        assert_eq!(backup(&hosts, 1), (true, false), "the other subflow is not meant");
        let roles = |subflow| {
            u32::from(record(&place, &hosts, subflow).unwrap().flags) & (flow_flag::INITIAL | flow_flag::JOINED)
        };
        assert_eq!((roles(0), roles(1)), (flow_flag::INITIAL, flow_flag::JOINED));
        let flow = record(&place, &hosts, 1).unwrap();
        assert_eq!((flow.sender[LOCAL].address_id, flow.sender[REMOTE].address_id), (7, 3));
    });
}

#[test]
fn window_scales_are_those_of_syn_and_syn_ack_and_never_above_14() {
    test(|| {
        let place = place!(Hook::TcIngress, "");
        for (number, (client, server, scales)) in [
            ("window_scale 7", "window_scale 9", (7, 9)),
            ("nop", "window_scale 0", (0, 0)),
            ("window_scale 15", "window_scale 255", (14, 14)),
            ("window_scale 14", "nop", (14, 0)),
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
        let place = place!(Hook::TcIngress, "");
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
                place.send(&mut hosts, &usual(Packet::new(Who::Server, Kind::Data)));
                sleep(far / 10);
                place.send(&mut hosts, &usual(Packet::new(Who::Client, Kind::Data)));
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
        let place = place!(Hook::TcIngress, "");
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
        place.send(&mut hosts, &without(Who::Server, Kind::Data));
        sleep(Duration::from_millis(50));
        place.send(&mut hosts, &without(Who::Server, Kind::Data).sequence(-100));
        place.send(&mut hosts, &without(Who::Client, Kind::Ack));
        let local = record(&place, &hosts, 0).unwrap().sender[LOCAL];
        assert!(
            local.rtt_us < 40_000,
            "the time of the first sending was taken: {} us",
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
                let place = place!(Hook::TcIngress, "");
                let mut hosts = Hosts::new(4, version);
                open(&place, &mut hosts, 0);
                let first = hosts.data_next[0];
                let words = format!("dss ack {width}");
                for _ in 0..5 {
                    place.send(&mut hosts, &Packet::new(Who::Client, Kind::Data).with(&[&words]));
                }
                place.send(
                    &mut hosts,
                    &Packet::new(Who::Client, Kind::Data).with(&[&words]).sequence(-300),
                );
                let sender = record(&place, &hosts, 0).unwrap().sender[REMOTE];
                assert_eq!(
                    (sender.dsn_first, sender.dsn_next),
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
        let place = place!(Hook::TcIngress, "");
        // A key whose first data sequence number lies within 2000 bytes of a wrap of its low half would take 2^21
        // tries; a jump in the stream comes to the same.
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        open(&place, &mut hosts, 0);
        place.send(&mut hosts, &data(Who::Client));
        let target = (hosts.data_next[0] | 0xffff_ffff) - 149;
        while hosts.data_next[0] < target {
            hosts.data_next[0] = target.min(hosts.data_next[0] + (1 << 30));
            place.send(&mut hosts, &Packet::new(Who::Client, Kind::Data).with(&["dss map"]));
            if hosts.data_next[0] > target {
                break;
            }
        }
        let before = hosts.data_next[0];
        place.send(&mut hosts, &Packet::new(Who::Client, Kind::Data).with(&["dss map"]));
        let sender = record(&place, &hosts, 0).unwrap().sender[REMOTE];
        assert_eq!(sender.dsn_next, before + 100);
        assert_ne!(
            sender.dsn_next >> 32,
            sender.dsn_first >> 32,
            "the low half has wrapped round"
        );
    });
}

#[test]
fn a_connection_counts_the_payload_of_all_its_subflows_once() {
    test(|| {
        for version in [Version::V0, Version::V1] {
            let place = place!(Hook::TcIngress, "connection.bytes >= 0");
            let mut hosts = Hosts::new(6, version);
            open(&place, &mut hosts, 0);
            open(&place, &mut hosts, 1);
            for number in 0..10 {
                place.send(&mut hosts, &data(Who::Client).on(number % 2).payload(100 + number));
                place.send(&mut hosts, &data(Who::Server).on(number % 2).payload(1000));
            }
            place.send(&mut hosts, &data(Who::Client).on(1).sequence(-100));
            let connections = place.sandbox.connections().unwrap();
            assert_eq!(connections.len(), 1);
            let connection = &connections[0];
            assert_eq!(connection.bytes, 10 * 100 + 45 + 10 * 1000 + 100);
            assert_eq!(
                (connection.subflows, connection.retransmissions, connection.version),
                (2, 1, Some(version.number()))
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
        let place = place!(Hook::TcIngress, "connection.bytes >= 0");
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
            place.send(hosts, &data(Who::Client).on(1).payload(1 + number));
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
        let place = Place::with_policy(Hook::TcIngress, Who::Client, "sample 1 in 10", &["count"]);
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        let frame = Packet::new(Who::Client, Kind::Ack).build(&mut hosts);
        place.input(
            Who::Client,
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
        let mut place = place!(Hook::TcIngress, "ip.version == 4");
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        let resolved = place.core()["resolved"];
        for _ in 0..20 {
            place.send(&mut hosts, &data(Who::Client));
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
            place.send(&mut hosts, &data(Who::Client));
        }
        assert_eq!(place.core()["resolved"], resolved + 1);
        assert_eq!(place.core()["selected"], selected, "no policy wants it any more");
    });
}
