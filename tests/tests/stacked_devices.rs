//! One packet on a bridge and on its port: counted once, and every policy acts on it once.

use emptcp_abi::{Flow, FlowId, Passage, Resolution, flow_state};
use emptcp_packet::{
    Catalog, require,
    testing::is_root,
    testrun::{Input, Sandbox},
};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    hosts::{Hosts, Peer},
    sandbox::alone,
    table::{data, random_hosts},
};
use mptcp_wire::Version;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::process::Command;

/// Indices of the devices of the test: the VLAN device is on top of the bridge, the bridge on top of its port.
const PORT: u32 = 10;
const BRIDGE: u32 = 11;
const VLAN: u32 = 12;
const NAMES: [(&str, u32); 3] = [("port", PORT), ("bridge", BRIDGE), ("vlan", VLAN)];
const STACK: [(u32, u32); 3] = [(BRIDGE, PORT), (VLAN, BRIDGE), (VLAN, PORT)];

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        // Test runs want devices that exist.
        for (name, index) in NAMES {
            let index = index.to_string();
            let add = ["link", "add", name, "index", &index, "type", "veth"];
            assert!(Command::new("ip").args(add).status().unwrap().success());
        }
        body();
    });
}

/// Policies for client packets: on all devices, on each of the three, on the upper two.
fn host(hook: Hook, stacked: bool) -> Sandbox {
    let direction = if hook == Hook::TcEgress { "egress" } else { "ingress" };
    let mut text = String::from("[tables]\nflows = 64\n");
    for (name, devices) in [
        ("all", r#"["port", "bridge", "vlan"]"#),
        ("port", r#""port""#),
        ("bridge", r#""bridge""#),
        ("vlan", r#""vlan""#),
        ("upper", r#"["bridge", "vlan"]"#),
    ] {
        text += &format!(
            "[[policy]]\nname = \"{name}\"\ndevice = {devices}\nhook = \"{direction}\"\nwhen = 'connection.bytes >= 0'\ndo = ['count']\n"
        );
    }
    let catalog = Catalog::built_in();
    let plan =
        emptcp_plan::compile("stack.toml", &text, &catalog.manifests()).unwrap_or_else(|error| panic!("{error}"));
    let mut sandbox = Sandbox::new(&plan, hook, &catalog, &NAMES).unwrap_or_else(|error| panic!("{error}"));
    if stacked {
        sandbox.stack(&STACK).unwrap();
        sandbox.switch(&plan).unwrap();
    }
    sandbox
}

fn pass(sandbox: &Sandbox, from: Peer, frame: &[u8], device: u32) {
    let mut input = Input::new(frame);
    input.ifindex = device;
    let output = match from {
        Peer::Client => sandbox.run(&input),
        Peer::Server => sandbox.run_opposite(&input),
    };
    assert_eq!(output.unwrap_or_else(|error| panic!("{error}")).packet, frame);
}

/// The devices in the order in which a packet of `from` passes them.
fn way(hook: Hook, from: Peer) -> [u32; 3] {
    if (from == Peer::Client) == (hook == Hook::TcEgress) {
        [VLAN, BRIDGE, PORT]
    } else {
        [PORT, BRIDGE, VLAN]
    }
}

/// A record without the fields that differ between two runs of the same packets.
fn comparable(flow: &Flow) -> Flow {
    let mut flow = Flow {
        id: FlowId::default(),
        first_ns: 0,
        last_ns: 0,
        ifindex: 0,
        resolution: [Resolution::default(); 2],
        passage: [Passage::default(); 2],
        ..*flow
    };
    for sender in &mut flow.sender {
        sender.last_ns = 0;
        sender.rtt_sent_ns = u64::from(sender.rtt_sent_ns != 0);
        sender.rtt_us = 0;
        sender.rtt_min_us = 0;
    }
    flow
}

fn records(sandbox: &Sandbox) -> Vec<Flow> {
    let mut records: Vec<_> = sandbox.records().unwrap();
    records.retain(|(_, flow)| u32::from(flow.state) != flow_state::CLOSED);
    records.sort_by_key(|(key, _)| key.to_string());
    records.iter().map(|(_, flow)| comparable(flow)).collect()
}

fn counted(sandbox: &Sandbox) -> Vec<(String, u64)> {
    let (_, policies) = sandbox.stats().unwrap();
    policies
        .iter()
        .map(|policy| (policy.name.clone(), policy.matched.packets))
        .collect()
}

/// A packet of two hosts, or a forged one.
fn some_packet(random: &mut StdRng) -> (Packet, bool) {
    let from = if random.random() { Peer::Client } else { Peer::Server };
    match random.random_range(0..10) {
        0 => (data(from).sequence(-100), false), // a retransmission
        1 => (Packet::new(from, Kind::Ack), false),
        2 => (data(from).payload(random.random_range(1..1400)), false),
        3 => (data(from).sequence(random.random_range(2_000_000..4_000_000)), true),
        4 => (
            Packet::new(from, Kind::Rst).sequence(random.random_range(2_000_000..4_000_000)),
            true,
        ),
        5 => (
            Packet::new(from, Kind::Syn).sequence(random.random_range(2_000_000..4_000_000)),
            true,
        ),
        _ => (data(from), false),
    }
}

#[test]
fn a_packet_on_three_devices_leaves_the_same_records_as_on_one_and_meets_every_policy_once() {
    test(|| {
        let mut random = StdRng::seed_from_u64(31);
        for hook in [Hook::TcIngress, Hook::TcEgress] {
            let (one, three) = (host(hook, false), host(hook, true));
            let mut from_client = 0;
            for connection in 0..4 {
                let mut hosts: Hosts = random_hosts(&mut random, 4 + 2 * (connection % 2), Version::V1);
                let mut packets: Vec<_> = hosts.handshake(0).map(|packet| (packet, false)).into();
                packets.extend((0..60).map(|_| some_packet(&mut random)));
                packets.extend(match connection {
                    0 | 1 => [
                        Packet::new(Peer::Client, Kind::Fin),
                        Packet::new(Peer::Server, Kind::Fin),
                    ]
                    .into_iter()
                    .chain([Packet::new(Peer::Client, Kind::Ack)])
                    .map(|packet| (packet, false))
                    .collect(),
                    2 => vec![(Packet::new(Peer::Client, Kind::Rst), false)],
                    _ => Vec::new(),
                });
                for (step, (packet, forged)) in packets.iter().enumerate() {
                    let frame = if *forged {
                        packet.build(&mut hosts.clone())
                    } else {
                        packet.build(&mut hosts)
                    };
                    let way = way(hook, packet.from);
                    pass(&one, packet.from, &frame, way[0]);
                    for device in way {
                        pass(&three, packet.from, &frame, device);
                    }
                    from_client += u64::from(packet.from == Peer::Client);
                    assert_eq!(
                        records(&three),
                        records(&one),
                        "{hook:?}, connection {connection}, packet {step}: {packet:?}"
                    );
                }
            }
            let (core_one, core_three) = (one.stats().unwrap().0, three.stats().unwrap().0);
            for name in [
                "flow_new",
                "flow_established",
                "flow_closed",
                "connection_new",
                "unacceptable",
                "tracked",
            ] {
                assert_eq!(core_three[name], core_one[name], "{hook:?}: {name}");
            }
            assert_eq!(
                core_three["syn_on_established"], core_one["syn_on_established"],
                "{hook:?}"
            );
            let counted = counted(&three);
            let all = counted[0].1;
            // A forged SYN makes a half-open record without a connection, which no policy here selects.
            assert!(
                all > from_client / 2 && all <= from_client,
                "{hook:?}: {all} of {from_client}"
            );
            for (name, packets) in &counted {
                assert_eq!(*packets, all, "{hook:?}: policy {name}: {counted:?}");
            }
        }
    });
}

#[test]
fn when_the_lower_device_sees_a_subflow_no_more_the_upper_one_takes_over() {
    test(|| {
        let mut random = StdRng::seed_from_u64(32);
        let sandbox = host(Hook::TcIngress, true);
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        for packet in hosts.handshake(0) {
            let frame = packet.build(&mut hosts);
            for device in way(Hook::TcIngress, packet.from) {
                pass(&sandbox, packet.from, &frame, device);
            }
        }
        for _ in 0..10 {
            let frame = data(Peer::Client).build(&mut hosts);
            pass(&sandbox, Peer::Client, &frame, BRIDGE);
            pass(&sandbox, Peer::Client, &frame, VLAN);
        }
        let flow = records(&sandbox)[0];
        assert_eq!((flow.remote().bytes, flow.remote().retransmissions), (1000, 0));
        // And back again.
        for _ in 0..10 {
            let frame = data(Peer::Client).build(&mut hosts);
            for device in [PORT, BRIDGE, VLAN] {
                pass(&sandbox, Peer::Client, &frame, device);
            }
        }
        let flow = records(&sandbox)[0];
        assert_eq!((flow.remote().bytes, flow.remote().retransmissions), (2000, 0));
    });
}

#[test]
fn two_devices_side_by_side_are_two_ways_and_each_counts_what_passes_there() {
    test(|| {
        let mut random = StdRng::seed_from_u64(33);
        let mut sandbox = host(Hook::TcIngress, false);
        sandbox.stack(&[(VLAN, BRIDGE)]).unwrap();
        let mut hosts = random_hosts(&mut random, 4, Version::V1);
        for packet in hosts.handshake(0) {
            let frame = packet.build(&mut hosts);
            pass(&sandbox, packet.from, &frame, PORT);
        }
        for round in 0..20 {
            let frame = data(Peer::Client).build(&mut hosts);
            pass(
                &sandbox,
                Peer::Client,
                &frame,
                if round % 2 == 0 { PORT } else { BRIDGE },
            );
            if round % 5 == 0 {
                // The same segment on the other path: a retransmission.
                pass(
                    &sandbox,
                    Peer::Client,
                    &frame,
                    if round % 2 == 0 { BRIDGE } else { PORT },
                );
            }
        }
        let flow = records(&sandbox)[0];
        assert_eq!((flow.remote().bytes, flow.remote().retransmissions), (2400, 4));
    });
}
