//! Set-up for tests of single rules of docs/flow-records.md.

use crate::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone},
    table::{data, open, place, record},
};
use emptcp_abi::Flow;
use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use mptcp_wire::Version;

/// A place at tc ingress; the client is remote.
pub fn test(body: impl FnOnce(&Place) + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| body(&place(Hook::TcIngress, "connection.packets > 0")));
}

/// Hosts with ports of their own.
pub fn hosts(port: u16, version: Version) -> Hosts {
    let mut hosts = Hosts::new(4, version);
    for subflow in &mut hosts.subflows {
        subflow.ends[0].set_port(port);
    }
    hosts
}

/// Hosts with an established subflow, on which each side has sent data twice.
pub fn running(place: &Place, port: u16) -> Hosts {
    let mut hosts = hosts(port, Version::V1);
    open(place, &mut hosts, 0);
    for from in [Peer::Client, Peer::Server, Peer::Client, Peer::Server] {
        place.send(&mut hosts, &data(from));
    }
    hosts
}

/// The record of the initial subflow.
///
/// # Panics
/// When there is none.
pub fn found(place: &Place, hosts: &Hosts) -> Flow {
    record(place, hosts, 0).expect("a record")
}

/// An ACK without payload.
pub fn ack(from: Peer) -> Packet {
    Packet::new(from, Kind::Ack)
}
