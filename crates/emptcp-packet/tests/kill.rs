//! A command that dies at any point leaves the old policy set or the new one, and the next command repairs the rest.

mod common;

use common::{Namespace, catalog_with_tally, plan};
use emptcp_host::namespace;
use emptcp_packet::{
    ApplyOptions, Catalog, Error, Instance, apply, instance::DEFAULT, remove, require, testing::is_root,
};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const NAMESPACE: &str = "EMPTCP_TEST_NAMESPACE";
const ELEMENTS: &str = "EMPTCP_TEST_ELEMENTS";
const CLSACT: &str = "EMPTCP_TEST_CLSACT";

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
    loop {
        for _ in 0..5 {
            for text in sets() {
                apply(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options).unwrap();
            }
        }
        remove(DEFAULT).unwrap();
    }
}

fn kill_often(clsact: bool, times: u32) {
    let folder = tempfile::tempdir().unwrap();
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
        let mut child = command.spawn().unwrap();
        // Spread over several transactions, each of which takes some ten milliseconds when the instance is there
        // already.
        std::thread::sleep(Duration::from_millis(20 + u64::from(round) * 37 % 400));
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
    kill_often(false, 40);
}

#[test]
fn an_apply_that_is_killed_on_clsact_leaves_no_filter_and_no_qdisc() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    kill_often(true, 25);
}
