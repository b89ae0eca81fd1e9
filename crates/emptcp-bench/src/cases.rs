//! The measured policy sets, and the packets for them.

use anyhow::{Context, Result};
use emptcp::{
    Catalog, Policies,
    manifest::{Hook, Kind},
};
use mptcp_wire::{
    Key, PacketBuilder, Version, WireDataSequenceNumber, mptcp,
    tcp::{Flags, TcpOption},
};
use std::{net::SocketAddr, sync::Arc};

/// The device in every policy: the loopback device stands in for it.
pub(crate) const DEVICE: &str = "lo";

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// As printed.
    pub(crate) name: String,
    /// The policy set.
    pub(crate) policies: Policies,
}

pub(crate) fn policy(hook: Hook, when: &str, actors: &[&str]) -> String {
    let direction = if hook == Hook::TcEgress { "egress" } else { "ingress" };
    let attach = match hook {
        Hook::Xdp => "attach = \"xdp-generic\"\n",
        Hook::TcIngress => "attach = \"tc\"\n",
        Hook::TcEgress => "",
    };
    let actors: Vec<_> = actors.iter().map(|actor| format!("'{actor}'")).collect();
    format!(
        "[[policy]]\nname = \"bench\"\ndevice = \"{DEVICE}\"\nhook = \"{direction}\"\n{attach}when = '{when}'\ndo = [{}]\n",
        actors.join(", ")
    )
}

pub(crate) fn compile(text: &str, catalog: &Arc<Catalog>) -> Result<Policies> {
    Ok(Policies::parse_with("bench.toml", text, Arc::clone(catalog))?)
}

/// How each element appears in a policy of its own: a condition that holds for the packet, or an actor.
fn element(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "src" => ("src(prefix=10.0.0.0/8)", "count"),
        "dst" => ("dst(prefix=10.0.0.0/8)", "count"),
        "ip_pair" => ("ip_pair(source=10.0.0.0/8, destination=10.0.0.0/8)", "count"),
        "subflow" => (
            "subflow(address_a=10.0.0.1, port_a=5001, address_b=10.0.0.2, port_b=40000)",
            "count",
        ),
        "ports" => ("ports(ports=5001)", "count"),
        "ip_version" => ("ip_version(version=4)", "count"),
        "device" => ("device(device=lo)", "count"),
        "direction" => ("not sample(n=4000000000)", "count"),
        "dscp" => ("ip.dscp == 0", "count"),
        "packet_type" => ("packet is pure_ack", "count"),
        "sequence" => ("not ssn in 5..6", "count"),
        "connection" => ("not connection == 0x12345678", "count"),
        "role" => ("subflow is initial", "count"),
        "address_id" => ("subflow.local_id == 0", "count"),
        "metric" => ("flow.bytes < 1GB", "count"),
        "sample" => ("sample 1 in 1", "count"),
        "rate_limit" => ("ip.version == 4", "rate_limit rate=100gbit mode=window"),
        "set_backup" => ("ip.version == 4", "set_backup"),
        "hold_add_addr" => ("ip.version == 4", "hold_add_addr"),
        "get_connect" => ("ip.version == 4", "get_connect"),
        "get_subflow" => ("ip.version == 4", "get_subflow"),
        "record" => ("ip.version == 4", "record every=1min"),
        "count" => ("ip.version == 4", "count"),
        "drop" => ("ip.version == 4", "drop"),
        "mark" => ("ip.version == 4", "mark fwmark=7"),
        _ => return None,
    })
}

/// All cases of a hook.
pub(crate) fn all(hook: Hook, catalog: &Arc<Catalog>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut add = |name: String, when: &str, actors: &[&str]| -> Result<()> {
        let policies = compile(&policy(hook, when, actors), catalog).with_context(|| format!("case {name}"))?;
        cases.push(Case { name, policies });
        Ok(())
    };
    add("miss".into(), "ip.src in 203.0.113.0/24", &["count"])?;
    add("hit1".into(), "ip.src in 10.0.0.0/8", &["count"])?;
    let chain = "packet is pure_ack and packet has dss and ip.dscp == 0 and not connection == 0x12345678";
    add("chain8".into(), chain, &["count", "count", "count", "count"])?;
    for item in catalog.iter() {
        let name = &item.manifest.name;
        // An actor that ends the flow, or a custom one, cannot be repeated on one packet.
        let Some((when, actor)) = element(name) else { continue };
        if !item.manifest.hooks.contains(&hook) {
            continue;
        }
        let when = if item.manifest.kind == Kind::Selector && name == "direction" {
            if hook == Hook::TcEgress {
                "direction(direction=egress)"
            } else {
                "direction(direction=ingress)"
            }
        } else {
            when
        };
        add(format!("element:{name}"), when, &[actor])?;
    }
    Ok(cases)
}

/// The client's port of the flow that is measured.
pub(crate) const PORT: u16 = 40_000;
const CLIENT_ISN: u32 = 1_000_000;
const SERVER_ISN: u32 = 2_000_000;

/// The client, whose packets pass the measured hook, and the server.
fn ends(port: u16, client: u32) -> (SocketAddr, SocketAddr) {
    let host = 0x0a00_0002 + client; // 10.0.0.2 and up
    (
        SocketAddr::from((host.to_be_bytes(), port)),
        SocketAddr::from(([10, 0, 0, 1], 5001)),
    )
}

fn built(builder: PacketBuilder<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 256];
    let length = builder.build(&mut buffer).expect("a packet that fits its buffer");
    buffer.truncate(length);
    buffer
}

fn capable(keys: mptcp::CapableKeys) -> mptcp::MpCapable {
    mptcp::MpCapable {
        version: Version::V1,
        flags: mptcp::CapableFlags::HMAC,
        keys,
    }
}

/// SYN, SYN-ACK (which passes the opposite hook) and third ACK of a connection.
pub(crate) fn handshake(port: u16, client: u32) -> [Vec<u8>; 3] {
    let (sender, receiver) = ends(port, client);
    let mut key = [7; 8];
    key[..4].copy_from_slice(&client.to_ne_bytes());
    key[4..6].copy_from_slice(&port.to_ne_bytes());
    let (own, peer) = (Key(key), Key([9; 8]));
    [
        built(
            PacketBuilder::new(sender, receiver)
                .flags(Flags::SYN)
                .sequence(CLIENT_ISN)
                .option(TcpOption::WindowScale(7))
                .mptcp(capable(mptcp::CapableKeys::None)),
        ),
        built(
            PacketBuilder::new(receiver, sender)
                .flags(Flags::SYN | Flags::ACK)
                .sequence(SERVER_ISN)
                .acknowledgement(CLIENT_ISN + 1)
                .option(TcpOption::WindowScale(7))
                .mptcp(capable(mptcp::CapableKeys::Sender(peer))),
        ),
        built(
            PacketBuilder::new(sender, receiver)
                .flags(Flags::ACK)
                .sequence(CLIENT_ISN + 1)
                .acknowledgement(SERVER_ISN + 1)
                .mptcp(capable(mptcp::CapableKeys::Both {
                    sender: own,
                    receiver: peer,
                })),
        ),
    ]
}

/// The 78-byte acknowledgement that is measured: timestamps and a 64-bit DATA_ACK.
pub(crate) fn pure_ack(port: u16, client: u32) -> Vec<u8> {
    let (sender, receiver) = ends(port, client);
    built(
        PacketBuilder::new(sender, receiver)
            .flags(Flags::ACK)
            .sequence(CLIENT_ISN + 1)
            .acknowledgement(SERVER_ISN + 1)
            .window(500)
            .no_operation()
            .no_operation()
            .option(TcpOption::Timestamps {
                value: 1000,
                echo_reply: 900,
            })
            .mptcp(mptcp::Dss {
                data_ack: Some(WireDataSequenceNumber::Long(78)),
                mapping: None,
                data_fin: false,
            }),
    )
}
