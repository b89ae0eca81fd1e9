//! Single rules of docs/flow-records.md that were once broken, as a comparison with the model showed.

use emptcp_abi::{FlowKey, flow_flag, flow_state};
use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::Peer,
    rules::{ack, found, hosts, running, test},
    sandbox::{Place, alone, policy},
    table::{data, established, open, record},
};
use mptcp_wire::Version;
use std::{collections::BTreeMap, time::Duration};

const LOCAL: usize = 0;
const REMOTE: usize = 1;

#[test]
fn a_syn_and_a_syn_ack_that_are_sent_again_change_nothing_of_a_handshake() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        let (start, words) = (hosts.clone(), ["handshake"]);
        place.send(&mut hosts, &syn);
        // No window scale, so neither side scales.
        place.send(&mut hosts, &syn_ack.clone().with(&words));
        let before = found(place, &hosts);
        place.send(&mut start.clone(), &syn);
        let mut aside = hosts.clone();
        aside.subflows[0].next[1] = aside.subflows[0].isn[1];
        place.send(&mut aside, &syn_ack.with(&words));
        let after = found(place, &hosts);
        assert_eq!((after.state, after.flags), (before.state, before.flags));
        for (before, after) in before.sender.iter().zip(after.sender) {
            assert_eq!((after.window_scale, after.unacceptable), (before.window_scale, 0));
        }
        place.send(&mut hosts, &third);
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_third_ack_begins_behind_the_data_in_the_syn_when_that_was_acknowledged() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        for packet in [syn.with(&["handshake"]).payload(100), syn_ack, third] {
            place.send(&mut hosts, &packet);
        }
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_syn_ack_that_fits_begins_its_side_anew() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let [syn, syn_ack, third] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        place.send(&mut hosts.clone(), &data(Peer::Server).sequence(500_000_000));
        assert_eq!(found(place, &hosts).sender[LOCAL].packets, 1);
        place.send(&mut hosts, &syn_ack);
        let local = found(place, &hosts).sender[LOCAL];
        let first = hosts.subflows[0].isn[1].wrapping_add(1);
        assert_eq!((local.base, local.contiguous, local.end), (first, first, first));
        place.send(&mut hosts, &third);
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_handshake_of_mptcp_that_ends_in_plain_tcp_ends_the_record_that_had_the_ports() {
    test(|place| {
        let mut hosts = running(place, 1);
        hosts.subflows[0].isn = [55_555, 77_777];
        hosts.subflows[0].next = hosts.subflows[0].isn;
        let [syn, syn_ack, third] = hosts.handshake(0);
        for packet in [syn, syn_ack.with(&["mss 1460"])] {
            place.send(&mut hosts, &packet);
        }
        assert!(record(place, &hosts, 0).is_some());
        place.send(&mut hosts, &third.with(&[]));
        assert_eq!(record(place, &hosts, 0), None);
    });
}

#[test]
fn a_reset_with_a_syn_flag_is_a_reset_and_mid_stream_data_without_ack_makes_no_record() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let mut packet = Packet::new(Peer::Client, Kind::Syn);
        packet.patch = vec![(13, "06".into())];
        place.send(&mut hosts.clone(), &packet);
        assert_eq!(record(place, &hosts, 0), None);
        let mut packet = data(Peer::Client);
        packet.patch = vec![(13, "08".into())];
        place.send(&mut hosts, &packet);
        assert_eq!(record(place, &hosts, 0), None);
    });
}

#[test]
fn a_suspected_reset_changes_nothing_else_and_its_side_is_silent_from_then_on() {
    test(|place| {
        let mut hosts = running(place, 1);
        let age = |seconds| place.sandbox.age(Duration::from_secs(seconds)).expect("tables");
        // The client pauses for a minute.
        age(60);
        let before = found(place, &hosts);
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Rst).sequence(1000));
        let mut after = found(place, &hosts);
        assert_ne!(u32::from(after.flags) & flow_flag::RESET_SUSPECTED_REMOTE, 0);
        assert!(after.sender[REMOTE].last_ns > before.sender[REMOTE].last_ns);
        after.flags = before.flags;
        after.sender[REMOTE].last_ns = before.sender[REMOTE].last_ns;
        after.watch = before.watch;
        assert_eq!(after, before);
        place.send(&mut hosts, &data(Peer::Server));
        assert!(established(place, &hosts, 0), "ten seconds have not passed since");
        age(11);
        place.send(&mut hosts, &data(Peer::Server));
        assert_eq!(record(place, &hosts, 0), None);
    });
}

#[test]
fn an_acceptable_segment_ends_a_run_of_unacceptable_ones() {
    test(|place| {
        let mut hosts = running(place, 1);
        let far = 500_000_000;
        for number in 0..7 {
            place.send(&mut hosts.clone(), &data(Peer::Client).sequence(far + 100 * number));
        }
        let mut aside = hosts.clone();
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(found(place, &hosts).sender[REMOTE].run_count, 0);
        place.send(&mut aside.clone(), &data(Peer::Client).sequence(far + 700));
        aside.subflows[0].next[0] = aside.subflows[0].next[0].wrapping_add(far as u32 + 800);
        place.send(&mut aside, &ack(Peer::Server));
        assert_eq!(found(place, &hosts).sender[REMOTE].reanchored, 0);
    });
}

#[test]
fn a_record_that_lost_the_thread_of_both_sides_finds_both() {
    test(|place| {
        let mut hosts = running(place, 1);
        for next in &mut hosts.subflows[0].next {
            *next = next.wrapping_add(700_000_000);
        }
        for _ in 0..10 {
            place.send(&mut hosts, &data(Peer::Client));
            place.send(&mut hosts, &data(Peer::Server));
        }
        let sender = found(place, &hosts).sender;
        assert_eq!([sender[REMOTE].end, sender[LOCAL].end], hosts.subflows[0].next);
    });
}

#[test]
fn an_old_block_of_dsack_makes_no_segment_unacceptable() {
    test(|place| {
        let mut hosts = running(place, 1);
        let old = hosts.subflows[0].next[1].wrapping_sub(3_000_000);
        let block = format!("hex 050a{:08x}{:08x}", old.wrapping_sub(100), old);
        place.send(&mut hosts, &ack(Peer::Client).with(&[&block]));
        // 12 bytes are no SACK option.
        let odd = format!("hex 050c{:08x}{:08x}0101", old, old.wrapping_add(500_000_000));
        place.send(&mut hosts, &ack(Peer::Client).with(&[&odd]));
        assert_eq!(found(place, &hosts).sender[REMOTE].unacceptable, 0);
    });
}

#[test]
fn the_window_of_the_third_ack_counts() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let [syn, syn_ack, mut third] = hosts.handshake(0);
        third.window = Some(2000);
        for packet in [syn, syn_ack, third] {
            place.send(&mut hosts, &packet);
        }
        assert_eq!(found(place, &hosts).sender[REMOTE].window_max, 2000 << 7);
    });
}

#[test]
fn a_round_trip_is_void_by_timestamps_only_when_the_segment_had_one() {
    test(|place| {
        let mut hosts = running(place, 1);
        place.send(&mut hosts, &ack(Peer::Client));
        let before = found(place, &hosts).sender[LOCAL].rtt_samples;
        place.send(
            &mut hosts,
            &Packet::new(Peer::Server, Kind::Data).with(&["dss ack64 map64"]),
        );
        hosts.subflows[0].stamps[1] = hosts.subflows[0].stamps[1].wrapping_add(1_000_000);
        place.send(&mut hosts, &ack(Peer::Client));
        assert_eq!(found(place, &hosts).sender[LOCAL].rtt_samples, before + 1);
    });
}

#[test]
fn a_round_trip_of_an_hour_counts_as_the_longest_that_can_be_told() {
    test(|place| {
        let mut hosts = running(place, 1);
        place.send(&mut hosts, &ack(Peer::Client));
        place.send(&mut hosts, &data(Peer::Server));
        place.sandbox.age(Duration::from_secs(7200)).expect("tables");
        let before = found(place, &hosts).sender[LOCAL].rtt_us;
        place.send(&mut hosts, &ack(Peer::Client));
        let after = found(place, &hosts).sender[LOCAL].rtt_us;
        assert_eq!(after, before + ((i32::MAX as u32 - before) >> 3));
    });
}

#[test]
fn one_byte_sent_again_is_a_window_probe_only_when_the_other_side_has_closed_its_window() {
    test(|place| {
        let hosts = hosts(1, Version::V1);
        // Only this side is seen: in mid-stream, one byte, and again.
        for _ in 0..2 {
            place.send(&mut hosts.clone(), &data(Peer::Client).payload(1));
        }
        assert_eq!(found(place, &hosts).sender[REMOTE].retransmissions, 1);
    });
}

#[test]
fn mp_prio_of_another_length_and_of_an_unknown_address_id_says_nothing() {
    test(|place| {
        let mut hosts = running(place, 1);
        place.send(&mut hosts, &ack(Peer::Client).with(&["hex 1e0551010000"]));
        assert_eq!(u32::from(found(place, &hosts).flags) & flow_flag::BACKUP_REMOTE, 0);
        let mut adopted = self::hosts(2, Version::V0);
        for from in [Peer::Client, Peer::Server] {
            place.send(&mut adopted, &data(from));
        }
        assert!(established(place, &adopted, 0));
        place.send(&mut adopted, &ack(Peer::Client).with(&["mp_prio backup 0"]));
        assert_eq!(u32::from(found(place, &adopted).flags) & flow_flag::BACKUP_REMOTE, 0);
    });
}

#[test]
fn mp_capable_names_no_connection_on_a_joined_subflow_and_in_an_unknown_version() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        // Its token is not known here.
        for packet in hosts.handshake(1) {
            place.send(&mut hosts, &packet);
        }
        place.send(&mut hosts, &ack(Peer::Client).on(1).with(&["mp_capable"]));
        let joined = record(place, &hosts, 1).expect("a record");
        assert_eq!(u32::from(joined.state), flow_state::ESTABLISHED);
        assert!(!joined.connection.is_known());
        let mut adopted = self::hosts(2, Version::V1);
        for from in [Peer::Client, Peer::Server] {
            place.send(&mut adopted, &data(from));
        }
        let keys = "1122334455667788fedcba9876543210";
        for option in [format!("hex 1e140b81{keys}"), format!("hex 1e160081{keys}0001")] {
            place.send(&mut adopted, &ack(Peer::Client).with(&[&option]));
            assert!(!found(place, &adopted).connection.is_known(), "{option}");
        }
    });
}

#[test]
fn a_slot_that_is_free_again_gives_no_record_for_the_key_that_it_had() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let policies = policy("p", "ingress", "", &["count"]);
        let place = Place::new(
            Hook::TcIngress,
            Peer::Client,
            &format!("[tables]\nflows = 64\n{policies}"),
        );
        // Of two neighbours in a set, with tag 1, which a free slot is nearest to: the upper one has gone.
        let mut seen = BTreeMap::new();
        let (lower, upper) = (1..u16::MAX)
            .find_map(|port| {
                let hosts = hosts(port, Version::V1);
                let [client, server] = hosts.subflows[0].ends;
                let (set, way, tag) = place.sandbox.place_of(&FlowKey::new(server, client)).expect("a table");
                if tag != 1 {
                    return None;
                }
                seen.insert((set, way), port);
                let below = seen.get(&(set, way.wrapping_sub(1))).map(|lower| (*lower, port));
                below.or_else(|| seen.get(&(set, way + 1)).map(|upper| (port, *upper)))
            })
            .expect("two such ports");
        let mut gone = running(&place, upper);
        place.send(&mut gone, &Packet::new(Peer::Client, Kind::Rst));
        let hosts = running(&place, lower);
        assert!(established(&place, &hosts, 0));
        let before = place.core();
        place.send(&mut gone, &ack(Peer::Client).with(&[]));
        let after = place.core();
        assert_eq!(after["untracked"], before["untracked"] + 1);
    });
}

#[test]
fn a_fin_below_what_its_side_has_sent_ends_nothing() {
    test(|place| {
        // First seen in mid-stream: the window is the largest, so guesses are acceptable.
        let mut hosts = hosts(1, Version::V1);
        for from in [Peer::Client, Peer::Server, Peer::Client, Peer::Server] {
            place.send(&mut hosts, &data(from));
        }
        let old = Packet::new(Peer::Client, Kind::Fin).sequence(-500_000_000);
        place.send(&mut hosts.clone(), &old);
        let refused = found(place, &hosts).sender[REMOTE].unacceptable;
        place.send(&mut hosts, &data(Peer::Server));
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(refused, 0);
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_data_sequence_number_far_ahead_is_believed_once_a_data_ack_covers_it() {
    test(|place| {
        let mut hosts = running(place, 1);
        let long = |from| data(from).with(&["dss ack64 map64"]);
        let known = found(place, &hosts).sender[REMOTE].dsn_next.0;
        // Other paths carry 16 GB.
        hosts.data_next[0] += 1 << 34;
        let jump = hosts.data_next[0] + 100;
        place.send(&mut hosts, &long(Peer::Client));
        let flow = found(place, &hosts);
        assert_eq!((flow.sender[REMOTE].dsn_next.0, flow.dsn_jump.0), (known, jump));
        assert_ne!(u32::from(flow.flags) & flow_flag::DSN_JUMP_REMOTE, 0);
        // Further mappings do not move `dsn_jump`, because acknowledgements lag.
        place.send(&mut hosts, &long(Peer::Client));
        assert_eq!(found(place, &hosts).dsn_jump.0, jump);
        // One of 32 bits may mean any of several numbers; one that is below covers nothing.
        place.send(&mut hosts, &ack(Peer::Server).with(&["dss ack"]));
        let mut behind = hosts.clone();
        behind.data_next[0] = jump - 1;
        place.send(&mut behind, &ack(Peer::Server).with(&["dss ack64"]));
        assert_eq!(found(place, &hosts).sender[REMOTE].dsn_next.0, known);
        place.send(&mut hosts, &ack(Peer::Server).with(&["dss ack64"]));
        let flow = found(place, &hosts);
        assert_eq!(flow.sender[REMOTE].dsn_next.0, jump);
        assert_eq!(u32::from(flow.flags) & flow_flag::DSN_JUMP_REMOTE, 0);
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(found(place, &hosts).sender[REMOTE].dsn_next.0, hosts.data_next[0]);
    });
}

#[test]
fn a_data_sequence_number_far_ahead_is_forgotten_when_its_sender_goes_on_with_known_ones() {
    test(|place| {
        let mut hosts = running(place, 1);
        let mut forged = hosts.clone();
        forged.data_next[0] += 1 << 40;
        place.send(&mut forged, &data(Peer::Client).with(&["dss ack map64"]).sequence(-100));
        assert_ne!(u32::from(found(place, &hosts).flags) & flow_flag::DSN_JUMP_REMOTE, 0);
        place.send(&mut hosts, &data(Peer::Client));
        let flow = found(place, &hosts);
        assert_eq!(u32::from(flow.flags) & flow_flag::DSN_JUMP_REMOTE, 0);
        assert_eq!((flow.sender[REMOTE].dsn_next.0, flow.watch), (hosts.data_next[0], 0));
    });
}

#[test]
fn a_forged_data_sequence_number_that_came_first_gives_way_once_a_data_ack_covers_the_true_one() {
    test(|place| {
        let mut hosts = running(place, 1);
        place.sandbox.forget().unwrap();
        let mut forged = hosts.clone();
        forged.data_next[0] += 1 << 40;
        place.send(&mut forged, &data(Peer::Client).with(&["dss ack map64"]));
        place.send(&mut hosts, &ack(Peer::Server));
        assert_eq!(found(place, &hosts).sender[REMOTE].dsn_next.0, forged.data_next[0]);
        let first = hosts.data_next[0] + 100;
        place.send(&mut hosts, &data(Peer::Client).with(&["dss ack64 map64"]));
        assert_eq!(found(place, &hosts).sender[REMOTE].dsn_next.0, forged.data_next[0]);
        place.send(&mut hosts, &ack(Peer::Server).with(&["dss ack64"]));
        place.send(&mut hosts, &data(Peer::Client));
        let flow = found(place, &hosts);
        assert_eq!(
            (flow.sender[REMOTE].dsn_first.0, flow.sender[REMOTE].dsn_next.0),
            (first, first + 100)
        );
        assert_eq!(u32::from(flow.flags) & flow_flag::DSN_JUMP_REMOTE, 0);
    });
}

#[test]
fn a_record_that_finds_its_thread_again_takes_data_sequence_numbers_from_its_connection() {
    test(|place| {
        let mut hosts = running(place, 1);
        open(place, &mut hosts, 1);
        // A gap larger than any window, on the initial subflow; the other one shows the progress of the connection.
        hosts.subflows[0].next[0] = hosts.subflows[0].next[0].wrapping_add(500_000_000);
        hosts.data_next[0] += 500_000_000;
        place.send(&mut hosts, &data(Peer::Client).on(1));
        for _ in 0..8 {
            place.send(&mut hosts, &data(Peer::Client));
        }
        place.send(&mut hosts, &ack(Peer::Server));
        let sender = found(place, &hosts).sender[REMOTE];
        assert_eq!((sender.reanchored, sender.dsn_first.0, sender.dsn_next.0), (1, 0, 0));
        let first = hosts.data_next[0];
        place.send(&mut hosts, &data(Peer::Client));
        let sender = found(place, &hosts).sender[REMOTE];
        assert_eq!((sender.dsn_first.0, sender.dsn_next.0), (first, first + 100));
    });
}

#[test]
fn the_syn_of_a_stranger_gives_no_role_to_the_segments_of_a_running_subflow_which_is_met_all_the_same() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let place = Place::with_policy(
            Hook::TcIngress,
            Peer::Client,
            "subflow is joined and packet is data",
            &["count"],
        );
        let mut hosts = hosts(1, Version::V1);
        // The SYN of a join on the ports of the initial subflow, far from its numbers.
        let join = Packet::new(Peer::Client, Kind::Syn)
            .with(&["mp_join"])
            .sequence(2_000_000_000);
        place.send(&mut hosts.clone(), &join);
        for _ in 0..20 {
            place.send(&mut hosts, &data(Peer::Client));
            place.send(&mut hosts, &data(Peer::Server));
        }
        assert_eq!(place.policies()[0].matched.packets, 0);
        let flow = found(&place, &hosts);
        assert_eq!(u32::from(flow.state), flow_state::ESTABLISHED);
        assert_eq!(u32::from(flow.flags), flow_flag::PARTIAL);
        assert_eq!(place.core()["flow_partial"], 1);
    });
}

#[test]
fn a_syn_that_nobody_answers_for_a_minute_gives_way_to_a_running_subflow() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        let syn = Packet::new(Peer::Client, Kind::Syn).sequence(2_000_000_000);
        place.send(&mut hosts.clone(), &syn);
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(u32::from(found(place, &hosts).state), flow_state::SYN);
        place.sandbox.age(Duration::from_secs(61)).unwrap();
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(u32::from(found(place, &hosts).state), flow_state::ADOPTING);
        place.send(&mut hosts, &data(Peer::Server));
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_mapping_without_data_says_nothing() {
    test(|place| {
        let mut hosts = running(place, 1);
        let known = found(place, &hosts).sender[REMOTE];
        for far in [1 << 30, 1 << 40] {
            let mut forged = hosts.clone();
            forged.data_next[0] += far;
            place.send(&mut forged, &ack(Peer::Client).with(&["dss ack map64 length=1000"]));
        }
        let flow = found(place, &hosts);
        assert_eq!(flow.sender[REMOTE].dsn_next.0, known.dsn_next.0);
        assert_eq!((flow.watch, u32::from(flow.flags) & flow_flag::DSN_JUMP_REMOTE), (0, 0));
        place.send(&mut hosts, &ack(Peer::Client).with(&["dss ack map64 fin length=0"]));
        assert_eq!(found(place, &hosts).sender[REMOTE].dsn_next.0, known.dsn_next.0 + 1);
    });
}

#[test]
fn where_no_window_is_known_a_fin_or_mp_prio_ahead_of_what_was_seen_says_nothing() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        for from in [Peer::Client, Peer::Server, Peer::Client, Peer::Server] {
            place.send(&mut hosts, &data(from));
        }
        assert_eq!(u32::from(found(place, &hosts).flags), flow_flag::PARTIAL);
        place.send(
            &mut hosts.clone(),
            &Packet::new(Peer::Client, Kind::Fin).sequence(100_000),
        );
        place.send(
            &mut hosts.clone(),
            &ack(Peer::Client).with(&["mp_prio backup"]).sequence(50_000),
        );
        let flow = found(place, &hosts);
        assert_eq!((u32::from(flow.flags), flow.watch), (flow_flag::PARTIAL, 0));
        place.send(&mut hosts.clone(), &ack(Peer::Client).with(&["mp_prio backup"]));
        assert_ne!(u32::from(found(place, &hosts).flags) & flow_flag::BACKUP_REMOTE, 0);
    });
}
