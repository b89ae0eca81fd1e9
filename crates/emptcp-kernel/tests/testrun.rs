//! Chains are run on packets: the handshake of a connection, then data, through a sandbox at each hook.

mod common;

use common::{catalog_with_tally, plan};
use emptcp_kernel::{
    require,
    testing::is_root,
    testrun::{Input, Sandbox, Verdict},
};
use emptcp_plan::manifest::Hook;

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40000);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);
const SYN: u8 = 2;
const ACK: u8 = 16;

/// One TCP segment over IPv4 and Ethernet; checksums are left out, the core does not look at them.
fn segment(
    from: ([u8; 4], u16),
    to: ([u8; 4], u16),
    numbers: (u32, u32),
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let tcp = 20 + options.len();
    let mut packet = vec![0; 12];
    packet.extend([8, 0, 0x45, 0]);
    packet.extend(((20 + tcp + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(numbers.0.to_be_bytes());
    packet.extend(numbers.1.to_be_bytes());
    packet.extend([(tcp as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// MP_CAPABLE version 1 with these keys (RFC 8684 section 3.1).
fn capable(keys: &[[u8; 8]]) -> Vec<u8> {
    let mut option = vec![30, 4 + 8 * keys.len() as u8, 1, 1];
    option.extend(keys.concat());
    option
}

/// DSS with a 32-bit DATA_ACK only.
const DATA_ACK: [u8; 8] = [30, 8, 0x20, 1, 0, 0, 0, 1];

/// What the server receives of a handshake that it does not send: SYN and third ACK arrive, SYN-ACK leaves.
fn arriving() -> [Vec<u8>; 2] {
    let keys = [[1; 8], [2; 8]];
    [
        segment(CLIENT, SERVER, (1000, 0), SYN, &capable(&[]), &[]),
        segment(CLIENT, SERVER, (1001, 5001), ACK, &capable(&keys), &[]),
    ]
}

fn policy(hook: &str, condition: &str) -> String {
    let attach = if hook == "xdp" {
        "attach = \"xdp-generic\"\n"
    } else {
        ""
    };
    let direction = if hook == "egress" { "egress" } else { "ingress" };
    format!(
        "[[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"{direction}\"\n{attach}{condition}do = [\"tally weight=2\"]\n"
    )
}

#[test]
fn a_chain_counts_what_its_policy_wants_at_every_hook() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    for (name, hook) in [
        ("xdp", Hook::Xdp),
        ("ingress", Hook::TcIngress),
        ("egress", Hook::TcEgress),
    ] {
        let text = policy(name, "when = 'tcp.dstport == 80'\n");
        let sandbox = Sandbox::new(&plan(&catalog, &text), hook, &catalog, &[("lo", 1)]).unwrap();
        let packets = arriving();
        for packet in &packets {
            let output = sandbox.run(&Input::new(packet)).unwrap();
            assert_eq!((output.verdict, &output.packet), (Verdict::Pass, packet), "{name}");
        }
        let data = segment(CLIENT, SERVER, (1001, 5001), ACK, &DATA_ACK, &[7; 100]);
        let output = sandbox
            .run(&Input {
                repeat: 5,
                mark: 9,
                ..Input::new(&data)
            })
            .unwrap();
        assert_eq!(output.mark, (hook != Hook::Xdp).then_some(9), "{name}");
        let (core, policies) = sandbox.stats().unwrap();
        assert_eq!(core["chain_broken"], 0, "{name}: {core:?}");
        assert_eq!(sandbox.flows().unwrap().len(), 1, "{name}: {core:?}");
        let tally = &policies[0].elements[0].counters;
        assert_eq!(tally[0].counter.packets, policies[0].matched.packets, "{name}");
        assert!(tally[0].counter.packets >= 5, "{name}: {policies:?} {core:?}");
        assert_eq!(
            tally[1].counter.packets,
            tally[0].counter.packets - 2,
            "{name}: its state counts per flow"
        );
    }
}

#[test]
fn a_packet_that_no_policy_wants_is_not_counted() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let text = policy("ingress", "when = 'tcp.dstport == 81'\n");
    let sandbox = Sandbox::new(&plan(&catalog, &text), Hook::TcIngress, &catalog, &[("lo", 1)]).unwrap();
    for packet in arriving() {
        sandbox.run(&Input::new(&packet)).unwrap();
    }
    let (_, policies) = sandbox.stats().unwrap();
    assert_eq!(policies[0].matched.packets, 0);
}

#[test]
fn a_switch_keeps_flows_and_the_counters_of_policies_that_stay() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let one = policy("ingress", "");
    let two = format!("{one}{}", one.replace("\"p\"", "\"q\"").replace("weight=2", "weight=7"));
    let mut sandbox = Sandbox::new(&plan(&catalog, &one), Hook::TcIngress, &catalog, &[("lo", 1)]).unwrap();
    for packet in arriving() {
        sandbox.run(&Input::new(&packet)).unwrap();
    }
    let before = sandbox.stats().unwrap().1[0].matched.packets;
    assert!(before > 0);
    sandbox.switch(&plan(&catalog, &two)).unwrap();
    let data = segment(CLIENT, SERVER, (1001, 5001), ACK, &DATA_ACK, &[7; 10]);
    sandbox
        .run(&Input {
            repeat: 3,
            ..Input::new(&data)
        })
        .unwrap();
    let (core, policies) = sandbox.stats().unwrap();
    assert_eq!(
        (policies[0].matched.packets, policies[1].matched.packets),
        (before + 3, 3)
    );
    let tally = &policies[0].elements[0].counters;
    assert_eq!(
        tally[1].counter.packets,
        before + 3 - 2,
        "the state of p goes on counting where it was"
    );
    assert_eq!(core["chain_broken"], 0);
    assert_eq!(sandbox.flows().unwrap()[0].policies, ["p", "q"]);
}
