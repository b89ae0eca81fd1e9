//! `apply` takes over subflows from sockets of the host while packets of the same subflows pass.

use emptcp_abi::{Adoption, ConnectionId, FlowKey, SCALE_UNKNOWN, flow_flag, flow_state};
use emptcp_packet::{
    require,
    testing::is_root,
    testrun::{Adopter, Input},
};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone, policy},
    table::{data, open, random_hosts, record},
};
use mptcp_wire::{AddressId, Version};
use rand::{SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, sync::Barrier, thread};

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

/// The data of the server's socket about the first subflow: opened by the client, scales 7 and 9.
fn socket(hosts: &Hosts) -> Adoption {
    let [client, server] = hosts.subflows[0].ends;
    let token = [hosts.token(Peer::Server), hosts.token(Peer::Client)];
    Adoption {
        key: FlowKey::new(server, client),
        token,
        flags: (flow_flag::PARTIAL | flow_flag::INITIAL | flow_flag::REMOTE_OPENED) as u16,
        version: 1,
        made: 0,
        connection: ConnectionId(u64::from(token[0].0) << 32 | u64::from(token[1].0)),
        address_id: [AddressId(0); 2],
        window_scale: [7, 9],
        reserved: [0; 4],
    }
}

/// A place with a table so small that subflows share sets.
fn small_place() -> Place {
    let policies = format!("[tables]\nflows = 64\n{}", policy("p", "ingress", "", &["count"]));
    Place::new(Hook::TcIngress, Peer::Client, &policies)
}

/// Data of both hosts in mid-stream, as after a missed handshake.
fn mid_stream(hosts: &mut Hosts) -> Vec<(Peer, Vec<u8>)> {
    [
        data(Peer::Client),
        data(Peer::Server),
        Packet::new(Peer::Client, Kind::Ack),
    ]
    .iter()
    .map(|packet| (packet.from, packet.build(hosts)))
    .collect()
}

fn adopt(adopter: &Adopter, adoptions: &[Adoption]) -> usize {
    adopter.adopt(adoptions).expect("the program runs")
}

#[test]
fn a_subflow_that_the_data_path_met_first_gets_role_tokens_scales_and_connection_from_the_socket() {
    test(|| {
        let place = small_place();
        let adopter = place.sandbox.adopter().unwrap();
        let mut hosts = Hosts::new(4, Version::V1);
        for (from, frame) in mid_stream(&mut hosts) {
            place.frame(from, &frame);
        }
        let before = record(&place, &hosts, 0).expect("a record");
        assert_eq!(before.flags, flow_flag::PARTIAL as u16);
        assert_eq!(before.local().window_scale, SCALE_UNKNOWN);

        assert_eq!(adopt(&adopter, &[socket(&hosts)]), 1);
        let after = record(&place, &hosts, 0).expect("a record");
        assert_eq!(after.id, before.id, "the record stays");
        assert_eq!(after.flags, socket(&hosts).flags | flow_flag::COUNTED as u16);
        assert_eq!([after.local_token, after.remote_token], socket(&hosts).token);
        assert_eq!([after.local().window_scale, after.remote().window_scale], [7, 9]);
        assert_eq!(after.remote().bytes, before.remote().bytes);
        assert_eq!(place.sandbox.connections().unwrap()[0].subflows, 1);

        // The next packets are checked with the scales, and a second run changes nothing.
        place.send(&mut hosts, &data(Peer::Client));
        place.send(&mut hosts, &data(Peer::Server));
        let later = record(&place, &hosts, 0).expect("a record");
        assert_eq!(later.remote().window, 500 << 9);
        assert_eq!(later.local().unacceptable + later.remote().unacceptable, 0);
        assert_eq!(adopt(&adopter, &[socket(&hosts)]), 0);
    });
}

#[test]
fn a_subflow_whose_handshake_was_seen_keeps_what_it_knows() {
    test(|| {
        let place = small_place();
        let adopter = place.sandbox.adopter().unwrap();
        let mut hosts = Hosts::new(6, Version::V1);
        open(&place, &mut hosts, 0);
        let before = record(&place, &hosts, 0).expect("a record");
        let wrong = Adoption {
            flags: (flow_flag::JOINED | flow_flag::LOCAL_OPENED) as u16,
            ..socket(&hosts)
        };
        assert_eq!(adopt(&adopter, &[wrong]), 0);
        assert_eq!(record(&place, &hosts, 0), Some(before));
        assert_eq!(place.sandbox.connections().unwrap()[0].subflows, 1);
    });
}

/// Every record: how often its key is in the table, and the record.
fn census(place: &Place) -> BTreeMap<String, (usize, emptcp_abi::Flow)> {
    let mut census = BTreeMap::new();
    for (key, flow) in place.sandbox.records().unwrap() {
        census.entry(key.to_string()).or_insert((0, flow)).0 += 1;
    }
    census
}

#[test]
fn adoption_beside_the_data_path_loses_no_record_and_makes_none_twice() {
    test(|| {
        const ROUNDS: usize = 150;
        let place = small_place();
        let adopter = place.sandbox.adopter().unwrap();
        let mut random = StdRng::seed_from_u64(5);
        // The first third has only sockets, the last only packets; the middle is adopted while its packets pass.
        let mut all: Vec<_> = (0..15).map(|_| random_hosts(&mut random, 4, Version::V1)).collect();
        let sockets: Vec<_> = all.iter().map(socket).collect();
        let frames: Vec<_> = all.iter_mut().map(mid_stream).collect();
        let opened: Vec<Vec<_>> = all
            .iter_mut()
            .map(|hosts| {
                let mut hosts = hosts.clone();
                let handshake = hosts.handshake(0);
                handshake
                    .iter()
                    .map(|packet| (packet.from, packet.build(&mut hosts)))
                    .collect()
            })
            .collect();
        let mut compared = 0;
        for round in 0..ROUNDS {
            place.sandbox.forget().unwrap();
            let evicted = place.core()["flow_evicted"];
            let begin = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    begin.wait();
                    adopt(&adopter, &sockets[..10]);
                });
                begin.wait();
                for (from, frame) in frames[5..10].iter().chain(&opened[10..]).flatten() {
                    let input = Input::new(frame);
                    place.input(*from, &input);
                }
            });
            if place.core()["flow_evicted"] != evicted {
                continue; // more than eight fell into one set
            }
            compared += 1;
            let census = census(&place);
            assert_eq!(census.len(), sockets.len(), "round {round}: records are missing");
            for (position, adoption) in sockets.iter().enumerate() {
                let (times, flow) = &census[&adoption.key.to_string()];
                assert_eq!(*times, 1, "round {round}: {} is there twice", adoption.key);
                assert_eq!(u32::from(flow.state), flow_state::ESTABLISHED, "round {round}");
                assert_ne!(
                    flow.flags & (flow_flag::INITIAL as u16),
                    0,
                    "round {round}, {position}: {flow:?}"
                );
                assert_eq!(flow.connection, adoption.connection, "round {round}, {position}");
            }
            for connection in place.sandbox.connections().unwrap() {
                assert_eq!(connection.subflows, 1, "round {round}: {connection:?}");
            }
        }
        assert!(compared > ROUNDS / 2, "only {compared} rounds");
    });
}
