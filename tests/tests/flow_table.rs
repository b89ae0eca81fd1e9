//! The core's records of subflows and connections, and forged packets that must not change them.

use emptcp_abi::{SCALE_UNKNOWN, flow_flag, flow_state};
use emptcp_packet::{require, testing::is_root, testrun::Verdict};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::alone,
    table::{data, established, open, place, random_hosts, record},
};
use mptcp_wire::{Key, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};

const LOCAL: usize = 0;
const REMOTE: usize = 1;

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

#[test]
fn tokens_initial_sequence_numbers_and_connection_ids_are_those_of_the_rfcs_for_random_keys() {
    test(|| {
        let mut random = StdRng::seed_from_u64(1);
        for hook in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp] {
            let place = place(hook, "");
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
                tokens[client] = hosts.token(Peer::Client).0;
                tokens[server] = hosts.token(Peer::Server).0;
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
                    assert_eq!(flow.sender[client].idsn, hosts.derived(Peer::Client).idsn);
                    assert_eq!(flow.sender[server].idsn, hosts.derived(Peer::Server).idsn);
                    assert_eq!(flow.version(), Some(version));
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
        let place = place(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(2);
        let mut all: Vec<_> = (0..50).map(|_| random_hosts(&mut random, 4, Version::V1)).collect();
        for hosts in &mut all {
            open(&place, hosts, 0);
        }
        const FLOOD: u64 = 100_000;
        let mut hosts = Hosts::new(4, Version::V1);
        let mut frame = Packet::new(Peer::Client, Kind::Syn).on(1).build(&mut hosts);
        for _ in 0..FLOOD {
            // Source address, source port, sequence number, and the token and nonce of MP_JOIN: the last 8 bytes.
            let length = frame.len();
            random.fill_bytes(&mut frame[26..30]);
            random.fill_bytes(&mut frame[34..36]);
            random.fill_bytes(&mut frame[38..42]);
            random.fill_bytes(&mut frame[length - 8..]);
            assert_eq!(place.frame(Peer::Client, &frame).verdict, Verdict::Pass);
        }
        for hosts in &mut all {
            assert!(established(&place, hosts, 0), "an established subflow was evicted");
            let tracked = place.core()["tracked"];
            place.send(hosts, &data(Peer::Client));
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
        let place = place(Hook::TcIngress, "");
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..5000 {
            let mut hosts = random_hosts(&mut random, 6, Version::V0);
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Syn));
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
        let place = place(Hook::TcIngress, "");
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
        // The same without the fault, so that this test can fail.
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        open(&place, &mut hosts, 0);
        assert!(established(&place, &hosts, 0));
    });
}

#[test]
fn a_third_ack_of_the_wrong_host_or_without_a_syn_ack_establishes_nothing() {
    test(|| {
        let place = place(Hook::TcIngress, "");
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
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::ThirdAck));
        assert!(!established(&place, &hosts, 0));
    });
}

#[test]
fn a_third_ack_without_an_option_means_fallback_and_is_no_subflow() {
    test(|| {
        let place = place(Hook::TcIngress, "");
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
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(6, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        let first = place.send(&mut hosts, &syn);
        let id = record(&place, &hosts, 0).unwrap().id;
        place.frame(Peer::Client, &first);
        let second = place.send(&mut hosts, &syn_ack);
        place.frame(Peer::Server, &second);
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
        let place = place(Hook::TcIngress, "");
        let mut old = Hosts::new(4, Version::V1);
        open(&place, &mut old, 0);
        let before = record(&place, &old, 0).unwrap();

        let mut new = Hosts::with_keys(4, Version::V1, [Key([1; 8]), Key([2; 8])]);
        new.subflows[0].isn = [5_000, 6_000];
        new.subflows[0].next = [5_000, 6_000];
        let [syn, syn_ack, third] = new.handshake(0);
        place.send(&mut new, &syn);
        place.send(&mut old, &data(Peer::Client));
        let held = place
            .sandbox
            .records()
            .unwrap()
            .into_iter()
            .filter(|(_, flow)| flow.id == before.id)
            .count();
        assert_eq!(held, 1, "a SYN alone, which is easy to forge, does not end the subflow");
        place.send(&mut new, &syn_ack);
        place.send(&mut new, &third);
        let after = record(&place, &new, 0).unwrap();
        assert_ne!(after.id, before.id);
        assert_eq!(after.remote_token.0, new.token(Peer::Client).0);
        assert_eq!(after.sender[REMOTE].isn, 5_000);
        place.send(&mut new, &data(Peer::Client));
        assert_eq!(record(&place, &new, 0).unwrap().sender[REMOTE].bytes, 100);
    });
}

#[test]
fn a_subflow_met_in_mid_stream_is_adopted_only_when_both_directions_fit() {
    test(|| {
        for version in [Version::V0, Version::V1] {
            let place = place(Hook::TcIngress, "");
            let mut hosts = Hosts::new(4, version);
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Ack));
            assert!(record(&place, &hosts, 0).is_none(), "an ACK makes no record");
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Rst));
            assert!(record(&place, &hosts, 0).is_none(), "a reset makes no record");
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Data).with(&["dss ack"]));
            assert!(
                record(&place, &hosts, 0).is_none(),
                "data without a mapping makes no record"
            );
            for _ in 0..3 {
                place.send(&mut hosts, &data(Peer::Client));
                let flow = record(&place, &hosts, 0).expect("a half-open record");
                assert_eq!(
                    u32::from(flow.state),
                    flow_state::ADOPTING,
                    "one direction is not enough"
                );
            }
            let wrong = data(Peer::Server).acknowledgement(2_000_000_000);
            place.send(&mut hosts, &wrong);
            assert!(
                !established(&place, &hosts, 0),
                "an acknowledgement of what was never sent is not enough"
            );
            place.send(&mut hosts, &data(Peer::Server));
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
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        for from in [Peer::Client, Peer::Server, Peer::Client] {
            place.send(&mut hosts, &Packet::new(from, Kind::Data).with(&["mp_prio backup"]));
        }
        assert!(record(&place, &hosts, 0).is_none());
    });
}

#[test]
fn a_reset_counts_only_with_a_sequence_number_in_the_window() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(4, Version::V1);
        open(&place, &mut hosts, 0);
        for offset in [-1_i64, -1000, 1 << 30, 1 << 31, (1 << 31) + 5] {
            place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Rst).sequence(offset));
            assert!(established(&place, &hosts, 0), "offset {offset}");
        }
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Rst));
        assert!(record(&place, &hosts, 0).is_none());
        assert_eq!(place.core()["flow_closed"], 1);
    });
}

#[test]
fn a_subflow_ends_when_both_sides_have_sent_fin_and_the_last_is_acknowledged() {
    test(|| {
        let place = place(Hook::TcIngress, "");
        let mut hosts = Hosts::new(6, Version::V0);
        open(&place, &mut hosts, 0);
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Fin));
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Ack));
        place.send(&mut hosts, &data(Peer::Server));
        assert_eq!(u32::from(record(&place, &hosts, 0).unwrap().state), flow_state::CLOSING);
        place.send(&mut hosts, &Packet::new(Peer::Server, Kind::Fin));
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Ack).acknowledgement(-1));
        assert!(
            record(&place, &hosts, 0).is_some(),
            "the last FIN is not acknowledged yet"
        );
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Ack));
        assert!(record(&place, &hosts, 0).is_none());
    });
}
