//! The flow table for tests: records of subflows whose packets went through a [`Place`].

use crate::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::Place,
};
use emptcp_abi::{Flow, flow_state};
use emptcp_plan::manifest::Hook;
use mptcp_wire::{Key, Version};
use rand::{RngExt, rngs::StdRng};
use std::net::SocketAddr;

/// A place where a condition (empty: everything) counts; the client is the remote side at ingress, the local one at
/// egress.
#[must_use]
pub fn place(hook: Hook, when: &str) -> Place {
    Place::with_policy(hook, Peer::Client, when, &["count"])
}

/// The record of a subflow.
///
/// # Panics
/// When the table cannot be read.
#[must_use]
pub fn record(place: &Place, hosts: &Hosts, subflow: usize) -> Option<Flow> {
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

/// Whether a subflow is known and established.
#[must_use]
pub fn established(place: &Place, hosts: &Hosts, subflow: usize) -> bool {
    record(place, hosts, subflow).is_some_and(|flow| u32::from(flow.state) == flow_state::ESTABLISHED)
}

/// Sends the handshake of a subflow.
pub fn open(place: &Place, hosts: &mut Hosts, subflow: usize) {
    for packet in hosts.handshake(subflow) {
        place.send(hosts, &packet);
    }
}

/// A data segment with a 64-bit mapping and DATA_ACK.
#[must_use]
pub fn data(from: Peer) -> Packet {
    Packet::new(from, Kind::Data).with(&["nop", "nop", "timestamps", "dss ack64 map64"])
}

/// Hosts with random keys, ports and initial sequence numbers.
#[must_use]
pub fn random_hosts(random: &mut StdRng, ip: u8, version: Version) -> Hosts {
    let mut hosts = Hosts::with_keys(ip, version, [Key(random.random()), Key(random.random())]);
    let ports: [u16; 2] = [random.random_range(1024..30_000), random.random_range(30_000..=65_535)];
    for (subflow, port) in hosts.subflows.iter_mut().zip(ports) {
        subflow.ends[0].set_port(port);
        subflow.isn = random.random();
        subflow.next = subflow.isn;
    }
    hosts
}
