//! A command that is killed at any point leaves the old policy set or the new one, and the next command repairs the
//! rest.

mod common;

use common::{
    Namespace, catalog_with_tally,
    other_build::{compiled_in, other_build},
    plan,
};
use emptcp_host::namespace;
use emptcp_packet::{
    ApplyOptions, Catalog, Error, Instance, apply,
    instance::DEFAULT,
    remove, require,
    testing::{as_another_build, is_root},
};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const NAMESPACE: &str = "EMPTCP_TEST_NAMESPACE";
const ELEMENTS: &str = "EMPTCP_TEST_ELEMENTS";
const CLSACT: &str = "EMPTCP_TEST_CLSACT";
const OTHER: &str = "EMPTCP_TEST_OTHER";

/// Policy sets that differ in policies and devices.
fn sets() -> [String; 2] {
    let policy = |name: &str, device: &str, weight: u32| {
        format!(
            "[[policy]]\nname = \"{name}\"\ndevice = \"{device}\"\nhook = \"ingress\"\ndo = [\"tally weight={weight}\"]\n"
        )
    };
    [policy("a", "a0", 1), policy("b", "b0", 2) + &policy("c", "b0", 3)]
}

#[test]
#[ignore = "the other half of the test of kills, which starts it"]
fn apply_one_set_after_the_other_until_killed() {
    let (Ok(namespace), Ok(elements)) = (std::env::var(NAMESPACE), std::env::var(ELEMENTS)) else {
        panic!("only the test of kills can run this");
    };
    namespace::enter(&namespace).unwrap();
    let catalog = Catalog::load_from(Path::new(&elements)).unwrap();
    let options = ApplyOptions {
        adopt: false,
        clsact: std::env::var_os(CLSACT).is_some(),
    };
    let other = std::env::var(OTHER).ok().map(|folder| compiled_in(Path::new(&folder)));
    loop {
        for _ in 0..5 {
            for (text, builds) in sets().iter().zip([other, None]) {
                let put = || apply(DEFAULT, &plan(&catalog, text), text, &catalog, &options).unwrap();
                match builds {
                    Some(core) => as_another_build(core, put),
                    None => put(),
                };
            }
        }
        remove(DEFAULT).unwrap();
    }
}

/// Every core with an entry program has the program that it jumps to: the slow path, in the slot before the last of the
/// first bank. Returns how many cores there are.
fn every_device_has_a_core() -> usize {
    let folder = Instance::open(DEFAULT).unwrap().show().unwrap().folder;
    let names = std::fs::read_dir(&folder).unwrap();
    let mut cores = BTreeSet::new();
    for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let (name, number) = name.split_once('@').unwrap_or((&name, ""));
        let Some((hook, _)) = name.strip_prefix("entry_").and_then(|name| name.rsplit_once('_')) else {
            continue;
        };
        let number = if number.is_empty() {
            String::new()
        } else {
            format!("@{number}")
        };
        let chain = MapHandle::from_pinned_path(folder.join(format!("map_emptcp_chain_{hook}{number}"))).unwrap();
        let slot = emptcp_abi::SLOT_SLOW_PATH.to_ne_bytes();
        assert!(
            chain.lookup(&slot, MapFlags::ANY).unwrap().is_some(),
            "{hook}{number} is empty"
        );
        cores.insert(number);
    }
    cores.len()
}

fn kill_often(clsact: bool, builds: bool, times: u32) {
    let folder = tempfile::tempdir().unwrap();
    if builds {
        other_build(folder.path());
    }
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    let mut seen = [0; 3];
    for round in 0..times {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "apply_one_set_after_the_other_until_killed", "--ignored"])
            .env(NAMESPACE, &namespace.name)
            .env(ELEMENTS, folder.path().join("installed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if clsact {
            command.env(CLSACT, "1");
        }
        if builds {
            command.env(OTHER, folder.path());
        }
        let mut child = command.spawn().unwrap();
        // Spread over several transactions, each of which takes some ten milliseconds when the instance is there
        // already.
        let spread = if builds { 1600 } else { 400 };
        std::thread::sleep(Duration::from_millis(20 + u64::from(round) * 137 % spread));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());

        namespace.within(|| {
            match Instance::open(DEFAULT).and_then(|instance| instance.show()) {
                Ok(shown) => {
                    let which = sets().iter().position(|set| *set == shown.source);
                    let which = which.expect("the old set or the new one");
                    assert_eq!(shown.plan, plan(&catalog, &shown.source), "round {round}");
                    let attached: Vec<_> = shown
                        .attachments
                        .iter()
                        .filter(|a| a.alive)
                        .filter_map(|a| a.device.as_deref())
                        .collect();
                    assert!(attached.contains(&["a0", "b0"][which]), "round {round}: {attached:?}");
                    seen[which] += 1;
                    every_device_has_a_core();
                }
                // A removal takes the policies out of force before it detaches.
                Err(Error::NoInstance { .. } | Error::NothingInForce { .. }) => seen[2] += 1,
                Err(error) => panic!("round {round}: {error}"),
            }
            // The next command repairs.
            let text = &sets()[0];
            let options = ApplyOptions { adopt: false, clsact };
            apply(DEFAULT, &plan(&catalog, text), text, &catalog, &options)
                .unwrap_or_else(|e| panic!("round {round}: {e}"));
            let shown = Instance::open(DEFAULT).unwrap().show().unwrap();
            assert_eq!(shown.source, *text);
            let devices: Vec<_> = shown
                .attachments
                .iter()
                .map(|a| (a.alive, a.device.as_deref()))
                .collect();
            assert_eq!(devices, [(true, Some("a0")); 2], "round {round}: nothing is left on b0");
            assert_eq!(every_device_has_a_core(), 1, "round {round}: one core is left");
            if round % 10 == 0 {
                remove(DEFAULT).unwrap();
            }
        });
        let ours = |device: &str| {
            namespace
                .run(&format!("tc filter show dev {device} ingress"))
                .matches("handle 0x")
                .count()
        };
        assert_eq!(ours("b0"), 0, "round {round}");
        assert!(ours("a0") <= 1, "round {round}: a filter was left");
    }
    namespace.within(|| {
        let _ = remove(DEFAULT);
        assert!(Instance::list().unwrap().is_empty());
    });
    for device in ["a0", "b0"] {
        assert!(!namespace.run(&format!("tc qdisc show dev {device}")).contains("clsact"));
    }
    println!(
        "killed {times} times: found the first set {}, the second {}, none {}",
        seen[0], seen[1], seen[2]
    );
}

#[test]
fn an_apply_that_is_killed_leaves_one_set_or_the_other_and_the_next_one_repairs() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    kill_often(false, false, 40);
}

#[test]
fn an_apply_that_is_killed_on_clsact_leaves_no_filter_and_no_qdisc() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    kill_often(true, false, 25);
}

#[test]
fn a_takeover_by_another_build_that_is_killed_leaves_either_set_with_its_core() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    kill_often(false, true, 15);
}
