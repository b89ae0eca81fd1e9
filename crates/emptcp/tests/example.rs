//! The example of the crate's documentation, run on a device of its own.

use emptcp::{ApplyOptions, Catalog, Instance, instance::DEFAULT};
use std::process::Command;

fn ip(arguments: &str) {
    assert!(
        Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .unwrap()
            .success(),
        "ip {arguments}"
    );
}

struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = emptcp::netns::within(&self.0, || emptcp::remove(DEFAULT).map(drop));
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
fn a_policy_is_compiled_applied_read_and_removed() {
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let namespace = Namespace(format!("emf-{}", std::process::id()));
    ip(&format!("netns add {}", namespace.0));
    ip(&format!("-n {} link add wwan0 type veth peer name other", namespace.0));
    let text = "[[policy]]\nname = \"cap\"\ndevice = \"wwan0\"\nhook = \"ingress\"\n\
                when = 'ip.src in 203.0.113.0/24'\ndo = [\"count\"]\n";
    let stats = emptcp::netns::within(&namespace.0, || {
        let catalog = Catalog::built_in();
        let plan = emptcp::compile("policies.toml", text, &catalog.manifests()).unwrap();
        let applied = emptcp::apply(DEFAULT, &plan, text, &catalog, &ApplyOptions::default()).unwrap();
        assert_eq!(applied.generation.0, 1);
        let stats = Instance::open(DEFAULT).unwrap().stats(&catalog).unwrap();
        emptcp::remove(DEFAULT).unwrap();
        stats
    })
    .unwrap();
    assert_eq!(stats.policies[0].name, "cap");
    assert_eq!(stats.policies[0].matched.packets, 0);
}
