//! Another build of emptcp takes over what one has in force: records and counters continue, no packet is without
//! policies.

mod common;

use common::{
    Namespace, SetWhenDropped, catalog_with_tally,
    other_build::{Seen, other_build},
    pair::{Pair, has_mptcp},
    plan,
};
use emptcp_host::qdisc;
use emptcp_load::link;
use emptcp_packet::{
    Applied, ApplyOptions, Catalog, Error, Instance, Result, apply,
    instance::{AttachmentInfo, DEFAULT},
    preview, remove, require,
    testing::{as_another_build, is_root, with_faults},
};
use emptcp_plan::plan::DeviceDirection;
use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

fn policy(device: &str, weight: u32, rest: &str) -> String {
    format!(
        "[[policy]]\nname = \"p\"\ndevice = \"{device}\"\nhook = [\"ingress\", \"egress\"]\n{rest}do = [\"tally weight={weight}\"]\n"
    )
}

fn put(catalog: &Catalog, text: &str, clsact: bool) -> Result<Applied> {
    let options = ApplyOptions { adopt: true, clsact };
    apply(DEFAULT, &plan(catalog, text), text, catalog, &options)
}

fn live(wanted: u32, clsact: bool) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let other = other_build(folder.path());
    let text = policy("a0", 0, "");
    let pair = Pair::new();
    pair.server.within(|| {
        put(&catalog, &text, clsact).unwrap();
        let mut connection = pair.connect();
        connection.exchange(1000);
        let instance = Instance::open(DEFAULT).unwrap();
        let stats = || instance.stats(&catalog).unwrap();
        let (before, flow) = (stats(), instance.flows().unwrap()[0].clone());
        let connections = instance.connections().unwrap();
        assert_eq!(Seen::read(&instance), Seen::default());
        let tracked = || stats().core["tracked"] - before.core["tracked"];
        let begin = Instant::now();
        let enough = AtomicBool::new(false);
        let changes = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    connection.exchange(200_000);
                }
            });
            let _end = SetWhenDropped(&enough);
            let mut changes = 0;
            while changes < wanted || tracked() <= 1000 {
                assert!(
                    begin.elapsed() < Duration::from_secs(60),
                    "{changes} changes, {}",
                    tracked()
                );
                changes += 1;
                let applied = match changes % 2 {
                    1 => as_another_build(other, || put(&catalog, &text, clsact)),
                    _ => put(&catalog, &text, clsact),
                }
                .unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(applied.kept.len(), 2, "{applied:?}");
                assert!(
                    applied.attached.is_empty() && applied.detached.is_empty(),
                    "{applied:?}"
                );
                assert!(applied.warnings.is_empty(), "{applied:?}");
            }
            changes
        });
        let (after, flows) = (stats(), instance.flows().unwrap());
        let seen = |name: &str| after.core[name] - before.core[name];
        assert_eq!(seen("chain_broken"), 0);
        assert_eq!(
            seen("tracked"),
            seen("selected"),
            "every packet of the flow went through a chain"
        );
        let other = Seen::read(&instance);
        assert!(other.entered > 0 && other.taken > 0, "{other:?}");
        assert_eq!(
            other.handed_over, other.taken,
            "the slow path is always that of the entry program's build"
        );
        // The records and counters continue.
        assert_eq!((flows.len(), flows[0].id), (1, flow.id));
        assert!(flows[0].received.bytes > flow.received.bytes && flows[0].sent.bytes > flow.sent.bytes);
        assert_eq!(instance.connections().unwrap()[0].id, connections[0].id);
        for (policy, former) in after.policies.iter().zip(&before.policies) {
            assert!(policy.id == former.id && policy.matched.packets > former.matched.packets);
        }
        // The policies count segments, the records too: both must have seen what the kernel sent.
        let matched: u64 = after.policies.iter().map(|policy| policy.matched.bytes).sum();
        assert_eq!(matched, flows[0].received.bytes + flows[0].sent.bytes);
        println!("{} packets, {changes} changes of build, {other:?}", seen("tracked"));
        nothing_is_left_of_former_cores();
    });
}

/// One chain for each hook and the entry programs of one core.
fn nothing_is_left_of_former_cores() {
    let folder = Instance::open(DEFAULT).unwrap().show().unwrap().folder;
    let names = std::fs::read_dir(folder).unwrap();
    let names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let of = |prefix: &str| -> Vec<_> { names.iter().filter(|name| name.starts_with(prefix)).collect() };
    assert_eq!(of("map_emptcp_chain").len(), 3, "{names:?}");
    let number = |name: &str| name.split_once('@').map(|(_, number)| number.to_owned());
    let numbers: std::collections::BTreeSet<_> = of("entry_")
        .into_iter()
        .chain(of("map_emptcp_chain"))
        .map(|name| number(name))
        .collect();
    assert_eq!(numbers.len(), 1, "{names:?}");
}

#[test]
fn another_build_takes_over_at_tc_while_a_transfer_runs_and_no_packet_escapes() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    live(4, false);
}

#[test]
fn another_build_takes_over_filters_of_clsact_while_a_transfer_runs() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    live(2, true);
}

#[test]
fn another_build_reads_shows_and_removes_what_one_has_in_force() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let other = other_build(folder.path());
    let text = policy("a0", 1, "");
    Namespace::new().within(|| {
        put(&catalog, &text, false).unwrap();
        as_another_build(other, || {
            assert_eq!(Instance::list().unwrap(), [DEFAULT]);
            let instance = Instance::open(DEFAULT).unwrap();
            assert_eq!(instance.show().unwrap().source, text);
            assert!(instance.flows().unwrap().is_empty() && instance.connections().unwrap().is_empty());
            assert_eq!(instance.stats(&catalog).unwrap().policies.len(), 2);
            preview(DEFAULT, &plan(&catalog, &text), &catalog, &ApplyOptions::default()).unwrap();
            assert_eq!(remove(DEFAULT).unwrap().detached.len(), 2);
            assert!(Instance::list().unwrap().is_empty());
        });
    });
}

/// Ids of the programs that run at all devices, as the kernel reports.
fn programs() -> Vec<u32> {
    let attached = Instance::open(DEFAULT).unwrap().attached().unwrap();
    let of = |info: &AttachmentInfo| match info.link {
        Some(id) => link::info(link::by_id(id).unwrap().as_fd()).unwrap().program,
        None => {
            let parent = if info.direction == DeviceDirection::Ingress {
                qdisc::CLSACT_INGRESS
            } else {
                qdisc::CLSACT_EGRESS
            };
            qdisc::filters(info.ifindex, parent).unwrap()[0].program.unwrap()
        }
    };
    attached.iter().map(of).collect()
}

/// Points of a takeover after which it is incomplete.
const POINTS: [&str; 5] = [
    "after taking over from another build",
    "after exchanging an entry program",
    "after attaching",
    "after the switch",
    "before removing the former core",
];

#[test]
fn a_takeover_that_fails_leaves_the_former_build_in_force_and_the_next_one_takes_over() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let other = other_build(folder.path());
    let old = policy("a0", 1, "");
    let new = policy("a0", 2, "") + &policy("b0", 3, "").replace("\"p\"", "\"q\"");
    Namespace::new().within(|| {
        for clsact in [false, true] {
            put(&catalog, &old, clsact).unwrap();
            let apply_new = |at: &[usize]| with_faults(at, || as_another_build(other, || put(&catalog, &new, clsact)));
            let (_, points) = apply_new(&[]);
            put(&catalog, &old, clsact).unwrap();
            let mut former = programs();
            // Filters differ from links only in how they are exchanged.
            let wanted = points
                .iter()
                .enumerate()
                .filter(|(_, name)| POINTS.contains(&name.as_str()));
            for (point, name) in wanted {
                let (result, _) = apply_new(&[point]);
                let in_force = Instance::open(DEFAULT).unwrap().show().unwrap().source;
                match result {
                    Err(error) => {
                        assert_eq!(in_force, old, "{name}: {error}");
                        assert_eq!(programs(), former, "{name}: all devices run the former build again");
                    }
                    Ok(applied) => {
                        assert!(!applied.warnings.is_empty(), "{name}: {applied:?}");
                        assert_eq!(in_force, new, "{name}");
                        let back = put(&catalog, &old, clsact).unwrap();
                        assert!(back.warnings.is_empty(), "{name}: {back:?}");
                        former = programs();
                    }
                }
                nothing_is_left_of_former_cores();
            }
            // Undoing fails as well: the next command finishes it.
            let last = points
                .iter()
                .rposition(|name| name == "after exchanging an entry program")
                .unwrap();
            let error = apply_new(&[last, last + 1]).0.unwrap_err();
            assert!(matches!(error, Error::NotUndone { fresh: false, .. }), "{error}");
            assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().source, old);
            put(&catalog, &old, clsact).unwrap();
            assert_eq!(programs(), former);
            nothing_is_left_of_former_cores();
            remove(DEFAULT).unwrap();
        }
    });
}

#[test]
fn a_device_may_change_its_hook_while_another_build_takes_over() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let other = other_build(folder.path());
    let ingress = |attach: &str| policy("a0", 1, &format!("attach = \"{attach}\"\n")).replace(", \"egress\"", "");
    Namespace::new().within(|| {
        put(&catalog, &ingress("xdp-generic"), false).unwrap();
        for (attach, build) in [("tc", true), ("xdp-generic", false)] {
            let text = ingress(attach);
            let put = || put(&catalog, &text, false).unwrap();
            let applied = if build { as_another_build(other, put) } else { put() };
            assert_eq!((applied.attached.len(), applied.detached.len()), (1, 1), "{applied:?}");
            assert!(applied.warnings.is_empty(), "{applied:?}");
            assert_eq!(programs().len(), 2);
            nothing_is_left_of_former_cores();
        }
        remove(DEFAULT).unwrap();
    });
}

#[test]
fn a_takeover_of_tables_of_another_shape_says_which() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let text = policy("a0", 1, "");
    Namespace::new().within(|| {
        put(&catalog, &text, false).unwrap();
        let folder = Instance::open(DEFAULT).unwrap().show().unwrap().folder;
        std::fs::remove_file(folder.join("map_emptcp_connections")).unwrap();
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        let kind = libbpf_rs::MapType::LruHash;
        let mut map = libbpf_rs::MapHandle::create(kind, Some("emptcp_connect"), 8, 16, 64, &options).unwrap();
        map.pin(folder.join("map_emptcp_connections")).unwrap();
        let error = put(&catalog, &text, false).unwrap_err();
        assert!(matches!(error, Error::Layout { .. }), "{error}");
        for words in ["`emptcp_connections`", "16 bytes"] {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        remove(DEFAULT).unwrap();
    });
}
