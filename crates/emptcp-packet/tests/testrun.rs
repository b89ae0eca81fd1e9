//! Chains are run on packets: the handshake of a connection, then data, through a sandbox at each hook.

mod common;

use common::{
    catalog_with_tally,
    packets::{ACK, CLIENT, DATA_ACK, SERVER, arriving, segment},
    plan,
};
use emptcp_packet::{
    require,
    testing::is_root,
    testrun::{Input, Sandbox, Verdict},
};
use emptcp_plan::manifest::Hook;

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

#[test]
fn a_set_of_many_rules_decides_by_its_last_one_also_after_a_set_of_few() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let few = plan(&catalog, &policy("ingress", "when = 'tcp.dstport == 81'\n"));
    let mut sandbox = Sandbox::new(&few, Hook::TcIngress, &catalog, &[("lo", 1)]).unwrap();
    for packet in arriving() {
        sandbox.run(&Input::new(&packet)).unwrap();
    }
    assert_eq!(sandbox.stats().unwrap().1[0].matched.packets, 0);

    // Ports that make no range, and the one that counts at the end.
    let others: String = (0..150)
        .map(|n| format!("tcp.dstport == {} or ", 2000 + 2 * n))
        .collect();
    let many = plan(
        &catalog,
        &policy("ingress", &format!("when = '{others}tcp.dstport == 80'\n")),
    );
    assert!(many.rules.len() > 150, "{} rules", many.rules.len());
    sandbox.switch(&many).unwrap();
    let data = segment(CLIENT, SERVER, (1001, 5001), ACK, &DATA_ACK, &[7; 10]);
    sandbox.run(&Input::new(&data)).unwrap();
    let (core, policies) = sandbox.stats().unwrap();
    assert_eq!((policies[0].matched.packets, core["chain_broken"]), (1, 0));

    sandbox.switch(&few).unwrap();
    sandbox.run(&Input::new(&data)).unwrap();
    let (core, policies) = sandbox.stats().unwrap();
    assert_eq!((policies[0].matched.packets, core["chain_broken"]), (0, 0));
}
