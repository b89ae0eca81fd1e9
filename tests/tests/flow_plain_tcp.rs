//! Plain TCP of others, and a peer that violates the rules, must not affect records (docs/flow-records.md).

use emptcp_abi::{flow_flag, flow_state};
use emptcp_packet::{require, testing::is_root, testrun::Verdict};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    rules::{ack, found, hosts, running, test},
    sandbox::{Place, alone},
    table::data,
};
use mptcp_wire::Version;
use std::time::Duration;

const LOCAL: usize = 0;
const REMOTE: usize = 1;

/// A segment without an MPTCP option.
fn plain(from: Peer, is: Kind) -> Packet {
    Packet::new(from, is).with(&["nop", "nop"])
}

fn dropping(body: impl FnOnce(&Place) + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| body(&Place::with_policy(Hook::TcIngress, Peer::Client, "", &["drop"])));
}

fn passes(place: &Place, hosts: &mut Hosts, packet: &Packet) -> bool {
    let frame = packet.build(hosts);
    place.frame(packet.from, &frame).verdict == Verdict::Pass
}

#[test]
fn plain_tcp_over_whose_ports_somebody_forged_one_direction_is_untouched() {
    dropping(|place| {
        let mut forged = hosts(1, Version::V1);
        let mut truth = forged.clone();
        truth.subflows[0].next[0] = truth.subflows[0].next[0].wrapping_add(3000);
        for _ in 0..8 {
            passes(place, &mut forged, &data(Peer::Client));
        }
        place.sandbox.age(Duration::from_secs(1)).unwrap();
        passes(place, &mut forged, &data(Peer::Client));
        let flags = u32::from(found(place, &forged).flags);
        assert_ne!(flags & flow_flag::ONE_DIRECTION, 0);
        let before = found(place, &forged);
        for kind in [Kind::Data, Kind::Ack, Kind::Fin, Kind::Rst] {
            assert!(passes(place, &mut truth, &plain(Peer::Client, kind)), "{kind:?}");
        }
        let after = found(place, &forged);
        assert_eq!(
            (after.state, after.remote().packets, after.remote().bytes),
            (before.state, before.remote().packets, before.remote().bytes)
        );
        assert!(
            !passes(place, &mut forged, &data(Peer::Client)),
            "a segment with an option is not plain TCP"
        );
    });
}

#[test]
fn plain_tcp_over_whose_ports_somebody_forged_both_directions_is_untouched() {
    dropping(|place| {
        let mut forged = hosts(1, Version::V1);
        for from in [Peer::Client, Peer::Server, Peer::Client] {
            let frame = data(from).build(&mut forged);
            place.frame(from, &frame);
        }
        assert_eq!(u32::from(found(place, &forged).state), flow_state::ESTABLISHED);
        for _ in 0..3 {
            assert!(passes(place, &mut forged, &plain(Peer::Client, Kind::Data)));
        }
        assert!(!passes(place, &mut forged, &data(Peer::Client)));
    });
}

#[test]
fn plain_tcp_never_becomes_the_thread_of_a_subflow() {
    test(|place| {
        // A handshake in the names of both hosts, on ports that plain TCP uses.
        let mut forged = hosts(1, Version::V1);
        for packet in forged.handshake(0) {
            place.send(&mut forged, &packet);
        }
        let mut truth = forged.clone();
        truth.subflows[0].next[0] = truth.subflows[0].next[0].wrapping_add(1_000_000_000);
        truth.subflows[0].next[1] = truth.subflows[0].next[1].wrapping_add(1_000_000_000);
        for _ in 0..12 {
            place.send(&mut truth, &plain(Peer::Client, Kind::Data));
        }
        place.send(&mut truth, &plain(Peer::Server, Kind::Ack));
        place.send(&mut truth, &plain(Peer::Client, Kind::Data));
        assert_eq!(found(place, &forged).sender[REMOTE].reanchored, 0);
    });
}

#[test]
fn a_block_of_sack_above_all_that_was_sent_hides_no_data() {
    test(|place| {
        let mut hosts = running(place, 1);
        let bytes = found(place, &hosts).sender[REMOTE].bytes;
        let edge = hosts.subflows[0].next[1].wrapping_add(500_000_000);
        let block = format!("hex 050a{:08x}{:08x}", edge.wrapping_sub(100), edge);
        place.send(&mut hosts, &data(Peer::Client).with(&[&block, "dss ack map64"]));
        let sender = found(place, &hosts).sender[REMOTE];
        assert_eq!((sender.unacceptable, sender.bytes), (0, bytes + 100));
        assert_eq!(sender.sack_edge, sender.acknowledgement);
    });
}

#[test]
fn an_acknowledgement_is_as_old_as_hosts_take_it() {
    test(|place| {
        let mut hosts = running(place, 1);
        let window = found(place, &hosts).sender[REMOTE].window_max;
        // The server sends 56 kB; then comes data whose ACK is older by nearly a window.
        let mut server = hosts.clone();
        for _ in 0..40 {
            place.send(&mut server, &data(Peer::Server).payload(1400));
        }
        let mut late = hosts.clone();
        let old = -i64::from(window - 10_000);
        place.send(&mut late, &data(Peer::Client).acknowledgement(old));
        assert_eq!(found(place, &hosts).sender[REMOTE].unacceptable, 0);
        hosts.subflows[0].next[0] = late.subflows[0].next[0];
        place.send(
            &mut hosts.clone(),
            &data(Peer::Client).acknowledgement(-i64::from(window) - 10_000),
        );
        assert_eq!(found(place, &hosts).sender[REMOTE].unacceptable, 1);
        assert_eq!(found(place, &hosts).sender[LOCAL].unacceptable, 0);
    });
}

#[test]
fn keys_at_a_guessed_place_of_a_subflow_from_mid_stream_name_no_connection() {
    test(|place| {
        let mut hosts = hosts(1, Version::V1);
        for from in [Peer::Client, Peer::Server] {
            place.send(&mut hosts, &data(from));
        }
        let guess = ack(Peer::Client).with(&["mp_capable"]).sequence(100_000);
        place.send(&mut hosts.clone(), &guess);
        assert!(!found(place, &hosts).connection.is_known());
        place.send(&mut hosts, &ack(Peer::Client).with(&["mp_capable"]));
        assert!(found(place, &hosts).connection.is_known());
    });
}
