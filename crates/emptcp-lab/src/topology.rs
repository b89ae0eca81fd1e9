//! The layout of devices, addresses and routes, as lines for `ip -batch`. This module does not access the system.
//!
//! Path `i` (from 0) is `10.1.i.0/24` and `fd00:1:i::/64`; the client's end is `.1`, the other end `.2`. A packet's
//! path is chosen by the *client's* address: the client routes by source address, the server reaches each client
//! address on its path. So a subflow from the client's address on path 1 stays on path 1 whatever address of the server
//! it goes to.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::host::Interface;
use crate::path::Path;
use mptcp_wire::IpVersion;

/// Routing table of path `i` on the client is this plus `i`.
const TABLE: usize = 100;

/// The two ends of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    /// The server, or the gateway in front of it.
    Server,
}

impl End {
    const fn number(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Name of the hosts' device on path `index`.
pub(crate) fn device(index: usize) -> String {
    format!("path{}", index + 1)
}

/// Name of the emulator's device on path `index` that leads to `end`.
pub(crate) fn emulator_device(index: usize, end: End) -> String {
    match end {
        End::Client => format!("client{}", index + 1),
        End::Server => format!("server{}", index + 1),
    }
}

fn v4(index: usize, end: End) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, index as u8, end.number())
}

fn v6(index: usize, end: End) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 1, index as u16, 0, 0, 0, 0, end.number().into())
}

/// Fixed MAC addresses allow permanent neighbour entries, so no ARP is delayed by a lossy path.
fn mac(index: usize, end: End) -> String {
    let bytes = mac_bytes(index, end);
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

const fn mac_bytes(index: usize, end: End) -> [u8; 6] {
    [2, 0, 0, 0, index as u8, end.number()]
}

/// Destination and source of an Ethernet frame for `end` of path `index` from the other end.
pub(crate) fn hardware_addresses(index: usize, end: End) -> [u8; 12] {
    let mut both = [0; 12];
    both[..6].copy_from_slice(&mac_bytes(index, end));
    both[6..].copy_from_slice(&mac_bytes(index, end.other()));
    both
}

/// The interface of `end` on path `index`.
pub(crate) fn interface(index: usize, end: End, path: &Path) -> Interface {
    Interface {
        device: device(index),
        v4: path.ip.v4().then(|| v4(index, end)),
        v6: path.ip.v6().then(|| v6(index, end)),
    }
}

/// Lines that make the veth pairs of path `index`.
pub(crate) fn links(index: usize, path: &Path, client: &str, server: &str, emulator: &str) -> Vec<String> {
    let (device, mtu) = (device(index), path.mtu);
    let (client_mac, server_mac) = (mac(index, End::Client), mac(index, End::Server));
    if path.is_emulated() {
        [(End::Client, client, client_mac), (End::Server, server, server_mac)]
            .into_iter()
            .map(|(end, host, mac)| {
                let peer = emulator_device(index, end);
                format!(
                    "link add name {device} address {mac} mtu {mtu} netns {host} type veth \
                     peer name {peer} mtu {mtu} netns {emulator}"
                )
            })
            .collect()
    } else {
        vec![format!(
            "link add name {device} address {client_mac} mtu {mtu} netns {client} type veth \
             peer name {device} address {server_mac} mtu {mtu} netns {server}"
        )]
    }
}

/// Lines that bring the emulator's devices of path `index` up.
pub(crate) fn emulator_up(index: usize) -> Vec<String> {
    [End::Client, End::Server]
        .map(|end| {
            format!(
                "link set dev {} arp off multicast off promisc on up",
                emulator_device(index, end)
            )
        })
        .into()
}

/// Lines that give the device of `end` on path `index` its addresses and neighbour.
pub(crate) fn addresses(index: usize, end: End, path: &Path) -> Vec<String> {
    let device = device(index);
    let neighbour = mac(index, end.other());
    let mut lines = vec![format!("link set dev {device} up")];
    if path.ip.v4() {
        lines.push(format!("address add {}/24 dev {device}", v4(index, end)));
        lines.push(format!(
            "neighbour add {} lladdr {neighbour} nud permanent dev {device}",
            v4(index, end.other())
        ));
    }
    if path.ip.v6() {
        // Without duplicate address detection the address is ready at once.
        lines.push(format!("address add {}/64 dev {device} nodad", v6(index, end)));
        lines.push(format!(
            "neighbour add {} lladdr {neighbour} nud permanent dev {device}",
            v6(index, end.other())
        ));
    }
    lines
}

/// Lines for `ip -4` or `ip -6`: the client sends packets with its address of path `index` over that path.
pub(crate) fn source_routes(index: usize, path: &Path, version: IpVersion) -> Vec<String> {
    let (source, gateway) = match version {
        IpVersion::V4 if path.ip.v4() => (v4(index, End::Client).to_string(), v4(index, End::Server).to_string()),
        IpVersion::V6 if path.ip.v6() => (v6(index, End::Client).to_string(), v6(index, End::Server).to_string()),
        _ => return Vec::new(),
    };
    let (device, table) = (device(index), TABLE + index);
    vec![
        format!("rule add from {source} lookup {table}"),
        format!("route add default via {gateway} dev {device} table {table}"),
        // For sockets without a source address: prefers the first path.
        format!("route add default via {gateway} dev {device} metric {table}"),
    ]
}

/// Number of the network between the gateway and the server.
const BEHIND_GATEWAY: usize = 200;
/// Device of the gateway that leads to the server.
pub(crate) const GATEWAY_TO_SERVER: &str = "server";
/// Device of the server that leads to the gateway.
pub(crate) const SERVER_TO_GATEWAY: &str = "gateway";

/// The interfaces of the gateway (towards the server) and of the server.
pub(crate) fn gateway_interfaces() -> [Interface; 2] {
    [(GATEWAY_TO_SERVER, End::Client), (SERVER_TO_GATEWAY, End::Server)].map(|(device, end)| Interface {
        device: device.to_owned(),
        v4: Some(v4(BEHIND_GATEWAY, end)),
        v6: Some(v6(BEHIND_GATEWAY, end)),
    })
}

/// The line that makes the veth pair between gateway and server.
pub(crate) fn gateway_link(gateway: &str, server: &str) -> String {
    format!("link add name {GATEWAY_TO_SERVER} netns {gateway} type veth peer name {SERVER_TO_GATEWAY} netns {server}")
}

/// Lines for the gateway (`End::Client`) or the server (`End::Server`) on the link between them.
pub(crate) fn gateway_addresses(end: End) -> Vec<String> {
    let device = if end == End::Client {
        GATEWAY_TO_SERVER
    } else {
        SERVER_TO_GATEWAY
    };
    let mut lines = vec![
        format!("link set dev {device} up"),
        format!("address add {}/24 dev {device}", v4(BEHIND_GATEWAY, end)),
        format!("address add {}/64 dev {device} nodad", v6(BEHIND_GATEWAY, end)),
    ];
    if end == End::Server {
        lines.push(format!("route add default via {}", v4(BEHIND_GATEWAY, End::Client)));
        lines.push(format!("route add default via {}", v6(BEHIND_GATEWAY, End::Client)));
    }
    lines
}
