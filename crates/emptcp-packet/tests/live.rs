//! Real MPTCP connections of this kernel, in network namespaces.

mod common;

use common::{
    SetWhenDropped, catalog_with_tally,
    pair::{Pair, has_mptcp},
    plan, run,
};
use emptcp_packet::{
    ApplyOptions, Catalog, Instance, apply, event_reader::Begin, events::EventBody, flows::FlowState,
    instance::DEFAULT, require, testing::is_root,
};
use mptcp_wire::Version;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const COUNT: &str =
    "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = \"ingress\"\nwhen = 'tcp.dstport == 7000'\ndo = [\"tally\"]\n";

#[test]
fn a_connection_that_already_runs_is_taken_over_with_its_token_and_scales() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let pair = Pair::new();
    let mut connection = pair.connect();
    connection.exchange(1000);
    pair.server.within(|| {
        let put_in_force = || {
            let (plan, options) = (plan(&catalog, COUNT), ApplyOptions::default());
            apply(DEFAULT, &plan, COUNT, &catalog, &options).unwrap()
        };
        let applied = put_in_force();
        assert_eq!(applied.adopted, 1);
        connection.exchange(5000);
        let instance = Instance::open(DEFAULT).unwrap();
        let flows = instance.flows().unwrap();
        assert_eq!(flows.len(), 1, "{flows:?}");
        let flow = &flows[0];
        assert!(flow.flags.contains(&"partial".to_owned()) && flow.flags.contains(&"remote_opened".to_owned()));
        assert!(flow.local_token.is_some() && flow.connection.is_some(), "{flow:?}");
        assert!(
            flow.received.window.is_some() && flow.received.bytes >= 5000,
            "{flow:?}"
        );
        assert_eq!(flow.policies, ["p"]);
        assert_eq!(instance.connections().unwrap().len(), 1);
        assert!(instance.stats(&catalog).unwrap().policies[0].matched.bytes >= 5000);
        let again = put_in_force();
        assert_eq!(again.adopted, 0, "it is known by now");
    });
}

#[test]
fn a_new_connection_is_followed_from_its_handshake_and_reported_by_events() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    let catalog = Catalog::built_in();
    require!(
        catalog.element("get_connect").is_ok(),
        "this build ships no element get_connect"
    );
    let text = "[[policy]]\nname = \"tell\"\ndevice = \"a0\"\nhook = \"ingress\"\ndo = [\"get_connect\"]\n";
    let pair = Pair::new();
    pair.server.within(|| {
        apply(DEFAULT, &plan(&catalog, text), text, &catalog, &ApplyOptions::default()).unwrap();
        let mut connection = pair.connect();
        connection.exchange(100_000);
        let instance = Instance::open(DEFAULT).unwrap();
        let patience = std::time::Instant::now();
        let mut reader = instance.event_reader(Begin::Kept).unwrap();
        let mut events = Vec::new();
        while events.is_empty() {
            reader
                .read(Duration::from_millis(100), |event| events.push(event))
                .unwrap();
            assert!(patience.elapsed() < Duration::from_secs(30), "no event came");
        }
        assert!(
            matches!(
                &events[0].body,
                EventBody::Connection {
                    local_token: Some(_),
                    remote_token: Some(_),
                    version: Some(Version::V1),
                    keys: None,
                    ..
                }
            ),
            "{events:?}"
        );
        assert_eq!(
            (events[0].policy.as_deref(), events[0].remote.ip()),
            (Some("tell"), "10.9.0.2".parse().unwrap())
        );
        let flows = instance.flows().unwrap();
        assert_eq!((flows.len(), flows[0].state), (1, FlowState::Established));
        assert!(flows[0].flags.contains(&"initial".to_owned()) && !flows[0].flags.contains(&"partial".to_owned()));
        assert!(
            flows[0].received.bytes >= 100_000 && flows[0].sent.bytes >= 100_000,
            "{:?}",
            flows[0]
        );
        assert_eq!(instance.stats(&catalog).unwrap().core["chain_broken"], 0);
    });
}

#[test]
fn no_packet_escapes_while_the_chain_is_replaced_again_and_again() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let text = |weight: u32| {
        format!(
            "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = [\"ingress\", \"egress\"]\ndo = [\"tally weight={weight}\"]\n"
        )
    };
    let put = |weight: u32| {
        let text = text(weight);
        apply(
            DEFAULT,
            &plan(&catalog, &text),
            &text,
            &catalog,
            &ApplyOptions::default(),
        )
        .unwrap()
    };
    let pair = Pair::new();
    pair.server.within(|| {
        put(0);
        let mut connection = pair.connect();
        connection.exchange(1000);
        let instance = Instance::open(DEFAULT).unwrap();
        let before = instance.stats(&catalog).unwrap().core;
        // On a busy machine one replacement takes seconds: what counts is that there were enough of both.
        let tracked = || instance.stats(&catalog).unwrap().core["tracked"] - before["tracked"];
        let begin = std::time::Instant::now();
        let enough = AtomicBool::new(false);
        let replaced = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    connection.exchange(200_000);
                }
            });
            let _end = SetWhenDropped(&enough);
            let mut replaced = 0;
            while begin.elapsed() < Duration::from_secs(2) || replaced < 3 || tracked() <= 1000 {
                assert!(
                    begin.elapsed() < Duration::from_secs(60),
                    "{replaced} replacements in 60 s, {} packets",
                    tracked()
                );
                replaced += 1;
                put(replaced);
            }
            replaced
        });
        let after = instance.stats(&catalog).unwrap().core;
        let seen = |name: &str| after[name] - before[name];
        assert_eq!(
            seen("tracked"),
            seen("selected"),
            "every packet of the flow went through a chain: {after:?}"
        );
        assert_eq!(seen("chain_broken"), 0);
        println!("{} packets, {replaced} chains", seen("tracked"));
    });
}

#[test]
fn a_device_that_changes_between_xdp_and_tc_sends_no_packet_into_an_empty_chain_and_counts_none_twice() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let put = |attach: &str| {
        let text = format!(
            "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = \"ingress\"\nattach = \"{attach}\"\n\
             do = [\"tally weight=1\"]\n"
        );
        let plan = plan(&catalog, &text);
        apply(DEFAULT, &plan, &text, &catalog, &ApplyOptions::default()).unwrap()
    };
    let pair = Pair::new();
    pair.server.within(|| {
        put("xdp-generic");
        let mut connection = pair.connect();
        connection.exchange(1000);
        let instance = Instance::open(DEFAULT).unwrap();
        let core = || instance.stats(&catalog).unwrap().core;
        let on_the_device = || {
            let counted = run("ip -j -s link show dev a0");
            let counted: serde_json::Value = serde_json::from_str(&counted).unwrap();
            ["rx", "tx"].map(|way| counted[0]["stats64"][way]["packets"].as_u64().unwrap())
        };
        let (before, device) = (core(), on_the_device());
        let seen = |name: &str| core()[name] - before[name];
        let enough = AtomicBool::new(false);
        let begin = std::time::Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    connection.exchange(200_000);
                }
            });
            let _end = SetWhenDropped(&enough);
            let mut changes = 0;
            while changes < 3 || seen("tracked") <= 1000 {
                assert!(begin.elapsed() < Duration::from_secs(60), "{changes} changes");
                changes += 1;
                let applied = put(["xdp-generic", "tc"][changes % 2]);
                assert_eq!((applied.attached.len(), applied.detached.len()), (1, 1));
            }
        });
        let passed: u64 = on_the_device().iter().sum::<u64>() - device.iter().sum::<u64>();
        assert_eq!(seen("chain_broken"), 0);
        assert!(
            seen("tracked") <= passed,
            "{} packets tracked of {passed}",
            seen("tracked")
        );
    });
}
