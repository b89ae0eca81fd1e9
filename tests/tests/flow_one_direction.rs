//! Subflows of which the device sees only one side's packets, and times of silence (docs/flow-records.md).

use emptcp_abi::{FlowKey, flow_flag, flow_state};
use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    rules::{ack, found, hosts, running, test},
    sandbox::{Place, alone, policy},
    table::{data, established, open, record},
};
use mptcp_wire::Version;
use std::time::Duration;

/// Only the client's packets pass here: eight segments, and a second.
fn one_sided(place: &Place, port: u16) -> Hosts {
    let mut hosts = hosts(port, Version::V1);
    for _ in 0..8 {
        place.send(&mut hosts, &data(Peer::Client));
    }
    place.sandbox.age(Duration::from_secs(1)).unwrap();
    place.send(&mut hosts, &data(Peer::Client));
    hosts
}

#[test]
fn a_subflow_of_which_one_direction_passes_is_established_and_says_so_until_the_other_side_is_seen() {
    test(|place| {
        let mut hosts = one_sided(place, 1);
        let flow = found(place, &hosts);
        let flags = flow_flag::ONE_DIRECTION | flow_flag::PARTIAL;
        assert_eq!(
            (u32::from(flow.state), u32::from(flow.flags) & flags),
            (flow_state::ESTABLISHED, flags)
        );
        assert_eq!(
            (flow.remote().packets, flow.remote().bytes, flow.local().packets),
            (9, 900, 0)
        );
        // Retransmissions are recognised as in any other record.
        place.send(&mut hosts, &data(Peer::Client).sequence(-100));
        assert_eq!(found(place, &hosts).remote().retransmissions, 1);
        place.send(&mut hosts, &data(Peer::Server));
        let flow = found(place, &hosts);
        assert_eq!(u32::from(flow.flags) & flags, flow_flag::PARTIAL);
        assert_eq!(flow.local().bytes, 100);
    });
}

#[test]
fn a_fin_and_a_minute_of_silence_end_a_subflow_of_which_one_direction_passes() {
    test(|place| {
        let mut hosts = one_sided(place, 1);
        place.send(&mut hosts, &Packet::new(Peer::Client, Kind::Fin));
        place.sandbox.age(Duration::from_secs(59)).unwrap();
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Fin).sequence(-1));
        assert!(established(place, &hosts, 0), "the FIN was sent again");
        let closed = place.core()["flow_closed"];
        place.sandbox.age(Duration::from_secs(61)).unwrap();
        place.send(&mut hosts, &ack(Peer::Client));
        assert!(record(place, &hosts, 0).is_none());
        assert_eq!(place.core()["flow_closed"], closed + 1);
    });
}

#[test]
fn a_record_that_ends_by_silence_leaves_a_segment_of_plain_tcp_alone() {
    test(|place| {
        let hosts = one_sided(place, 1);
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Rst).sequence(1000));
        // The next subflow on the same ports.
        let mut next = self::hosts(1, Version::V1);
        let [syn, ..] = next.handshake(0);
        place.send(&mut next, &syn);
        place.sandbox.age(Duration::from_secs(61)).unwrap();
        let [client, server] = next.subflows[0].ends;
        let key = FlowKey::new(server, client);
        let half_open = place.sandbox.half_open(&key).unwrap();
        assert!(half_open.is_some() && place.sandbox.record(&key).unwrap().is_some());
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Rst));
        assert_eq!(place.sandbox.record(&key).unwrap(), None);
        assert_eq!(place.sandbox.half_open(&key).unwrap(), half_open);
    });
}

#[test]
fn a_cpu_whose_clock_is_behind_measures_no_silence() {
    test(|place| {
        let behind = || place.sandbox.turn_back(Duration::from_secs(5)).unwrap();
        let mut alone = one_sided(place, 1);
        place.send(&mut alone, &Packet::new(Peer::Client, Kind::Fin));
        behind();
        place.send(&mut alone, &ack(Peer::Client));
        assert!(established(place, &alone, 0));
        let mut hosts = running(place, 2);
        place.send(&mut hosts.clone(), &Packet::new(Peer::Client, Kind::Rst).sequence(1000));
        behind();
        place.send(&mut hosts, &data(Peer::Server));
        assert!(established(place, &hosts, 0));
    });
}

#[test]
fn a_cpu_whose_clock_is_behind_finds_no_subflow_old_or_idle() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let condition = "flow.idle >= 1s or flow.age >= 1s";
    alone(|| {
        let place = Place::with_policy(Hook::Xdp, Peer::Client, condition, &["count"]);
        let mut hosts = running(&place, 1);
        place.sandbox.turn_back(Duration::from_secs(5)).unwrap();
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(place.policies()[0].matched.packets, 0);
        place.sandbox.age(Duration::from_secs(7)).unwrap();
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(place.policies()[0].matched.packets, 1);
    });
}

#[test]
fn a_subflow_on_the_same_ports_takes_over_where_one_direction_passes() {
    test(|place| {
        let old = one_sided(place, 1);
        let id = found(place, &old).id;
        let mut hosts = hosts(1, Version::V1);
        hosts.subflows[0].isn[0] = old.subflows[0].next[0].wrapping_add(2_000_000_000);
        hosts.subflows[0].next = hosts.subflows[0].isn;
        let [syn, ..] = hosts.handshake(0);
        place.send(&mut hosts, &syn);
        place.send(&mut hosts, &data(Peer::Client));
        assert_eq!(found(place, &hosts).id, id, "not before three seconds have passed");
        place.sandbox.age(Duration::from_secs(3)).unwrap();
        for _ in 0..8 {
            place.send(&mut hosts, &data(Peer::Client));
        }
        let flow = found(place, &hosts);
        assert_ne!(flow.id, id);
        assert_eq!(flow.remote().bytes, 800);
        let wanted = flow_flag::INITIAL | flow_flag::ONE_DIRECTION;
        assert_eq!(u32::from(flow.flags) & wanted, wanted);
    });
}

#[test]
fn subflows_of_which_one_direction_passes_push_out_none_whose_handshake_was_seen() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let policies = format!("[tables]\nflows = 64\n{}", policy("p", "ingress", "", &["count"]));
        let place = Place::new(Hook::TcIngress, Peer::Client, &policies);
        for port in 1..=64 {
            open(&place, &mut hosts(port, Version::V1), 0);
        }
        let before = held(&place);
        assert!(before.len() > 40, "{}", before.len());
        let forged: Vec<_> = (1001..1065).map(|port| hosts(port, Version::V1)).collect();
        let mut late = Vec::new();
        for mut hosts in forged {
            for _ in 0..8 {
                place.send(&mut hosts, &data(Peer::Client));
            }
            late.push(hosts);
        }
        place.sandbox.age(Duration::from_secs(1)).unwrap();
        for hosts in &mut late {
            place.send(hosts, &data(Peer::Client));
        }
        let after = held(&place);
        assert_eq!(before.iter().filter(|key| !after.contains(key)).count(), 0);
        assert!(place.core()["flow_failed"] > 0);
        // A handshake replaces such a record.
        let weak = after.len() - before.len();
        for port in 65..=300 {
            open(&place, &mut hosts(port, Version::V1), 0);
        }
        assert_eq!(
            held(&place).iter().filter(|key| key.remote().port() > 1000).count(),
            0,
            "of {weak}"
        );
    });
}

/// The keys in the main table.
fn held(place: &Place) -> Vec<FlowKey> {
    let records = place.sandbox.records().unwrap();
    let keys = records.iter().map(|(key, _)| *key);
    keys.filter(|key| place.sandbox.record(key).unwrap().is_some())
        .collect()
}
