//! Eviction from full tables of connections.

use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    hosts::Peer,
    sandbox::{Place, alone, policy},
    table::{data, open, random_hosts, record},
};
use mptcp_wire::Version;
use rand::{SeedableRng, rngs::StdRng};
use std::time::Duration;

/// Capacity of the tables.
const ROOM: usize = 1024;

#[test]
fn a_connection_that_carries_data_is_known_after_many_times_as_many_as_there_is_room_for() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        // Once with a condition on the connection, for which every packet looks it up, and once without.
        for when in ["", "connection.subflows >= 1"] {
            let policies = format!(
                "[tables]\nflows = 16384\nconnections = {ROOM}\n{}",
                policy("p", "ingress", when, &["count"])
            );
            let place = Place::new(Hook::TcIngress, Peer::Client, &policies);
            let mut random = StdRng::seed_from_u64(11);
            let mut running: Vec<_> = (0..20).map(|_| random_hosts(&mut random, 4, Version::V1)).collect();
            for (port, hosts) in (100..).zip(&mut running) {
                // Below those of all other connections, which would take their place.
                hosts.subflows[0].ends[0].set_port(port);
                open(&place, hosts, 0);
            }
            for _ in 0..24 {
                for _ in 0..ROOM / 8 {
                    open(&place, &mut random_hosts(&mut random, 4, Version::V1), 0);
                }
                place.sandbox.age(Duration::from_secs(1)).expect("tables");
                for hosts in &mut running {
                    place.send(hosts, &data(Peer::Client));
                    place.send(hosts, &data(Peer::Server));
                }
            }
            let unknown = place.core()["connection_unknown"];
            for hosts in &mut running {
                let initial = record(&place, hosts, 0).expect("a record");
                open(&place, hosts, 1);
                let joined = record(&place, hosts, 1).expect("a record");
                assert_ne!(initial.connection, Default::default(), "{when:?}");
                assert_eq!(joined.connection, initial.connection, "{when:?}");
            }
            assert_eq!(place.core()["connection_unknown"], unknown, "{when:?}");
            for hosts in &running {
                let initial = record(&place, hosts, 0).expect("a record");
                let connection = place.sandbox.connection(initial.connection).expect("tables");
                assert_eq!(connection.map(|connection| connection.subflows), Some(2), "{when:?}");
            }
        }
    });
}
