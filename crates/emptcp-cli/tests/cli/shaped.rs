//! Root qdiscs of `mode=shape` whose instance was lost, completely or partly.

use crate::common::{Netns, require_root};
use serde_json::json;
use std::fs;

const SHAPED: &str =
    "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = ['rate_limit rate=4mbit mode=shape']\n";

/// The folder of the instance in the BPF file system.
fn folder(netns: &Netns) -> String {
    format!("/sys/fs/bpf/emptcp/{}/default", netns.inode())
}

/// The root qdisc of `v0`, as `tc` shows it.
fn root(netns: &Netns) -> String {
    netns.tc(&["qdisc", "show", "dev", "v0", "root"]).unwrap()
}

#[test]
fn a_qdisc_whose_instance_was_lost_belongs_to_the_next_one() {
    require_root!();
    let netns = Netns::new();
    netns.apply(SHAPED, &[]).exits(0);
    fs::remove_dir_all(folder(&netns)).unwrap();
    assert!(root(&netns).contains("htb e7c0:"), "what outlives the instance");
    let again = netns.apply(SHAPED, &["--json"]).exits(0).json();
    assert_eq!(again["shaped"][0]["made"], json!(false), "{again}");
    netns.emptcp(&["check", "--in-force"]).exits(0);
    let list = netns.emptcp(&["list"]).exits(0).out;
    assert!(list.contains("v0 (root qdisc htb e7c0:)"), "{list}");
    let removed = netns.emptcp(&["remove", "--json"]).exits(0).json();
    assert_eq!(removed["unshaped"], json!(["v0"]));
    assert!(!root(&netns).contains("htb"), "{}", root(&netns));
}

#[test]
fn a_removal_takes_away_the_qdisc_of_an_instance_that_was_lost() {
    require_root!();
    let netns = Netns::new();
    netns.apply(SHAPED, &[]).exits(0);
    fs::remove_dir_all(folder(&netns)).unwrap();
    let said = netns.emptcp(&["remove"]).exits(0).out;
    assert!(said.contains("v0: root qdisc for classes is removed"), "{said}");
    assert!(!root(&netns).contains("htb"), "{}", root(&netns));
    let said = netns.emptcp(&["remove"]).exits(0).out;
    assert!(said.contains("nothing to remove"), "{said}");
}

#[test]
fn an_instance_without_one_of_its_maps_is_named_and_all_of_it_is_removed() {
    require_root!();
    for map in ["emptcp_control", "emptcp_state", "emptcp_devices"] {
        let netns = Netns::new();
        netns.apply(SHAPED, &["--clsact"]).exits(0);
        fs::remove_file(format!("{}/map_{map}", folder(&netns))).unwrap();
        let bad = netns.emptcp(&["list"]).exits(1).err;
        assert!(bad.contains("the instance `default` cannot be used"), "{bad}");
        assert!(bad.contains(map) && bad.contains("emptcp remove"), "{bad}");
        netns.emptcp(&["remove"]).exits(0);
        assert!(!root(&netns).contains("htb"), "{map}: {}", root(&netns));
        // Filters are known only by their records.
        if map != "emptcp_devices" {
            let left = netns.tc(&["filter", "show", "dev", "v0", "egress"]).unwrap();
            assert_eq!(left, "", "{map}");
        }
    }
}

#[test]
fn the_qdisc_of_another_instance_stays_also_when_that_one_has_lost_its_records() {
    require_root!();
    let netns = Netns::new();
    netns.apply(SHAPED, &["--instance", "second"]).exits(0);
    netns.apply(&SHAPED.replace("v0", "v1"), &[]).exits(0);
    netns.emptcp(&["remove"]).exits(0);
    assert!(root(&netns).contains("htb e7c0:"));
    let records = folder(&netns).replace("default", "second/map_emptcp_devices");
    fs::remove_file(records).unwrap();
    netns.emptcp(&["remove"]).exits(0);
    assert!(root(&netns).contains("htb e7c0:"));
    netns.emptcp(&["--instance", "second", "remove"]).exits(0);
    assert!(!root(&netns).contains("htb"), "{}", root(&netns));
}

#[test]
fn a_qdisc_with_our_handle_that_holds_what_is_not_ours_stays() {
    require_root!();
    let netns = Netns::new();
    let tc = |arguments: &str| netns.tc(&arguments.split(' ').collect::<Vec<_>>()).unwrap();
    tc("qdisc add dev v0 root handle e7c0: htb default 1");
    tc("class add dev v0 parent e7c0: classid e7c0:1 htb rate 1mbit");
    tc("class add dev v0 parent e7c0:1 classid e7c0:2 htb rate 1mbit");
    let refused = netns.apply(SHAPED, &[]).exits(1).err;
    assert!(refused.contains("there is already a `htb` qdisc"), "{refused}");
    let said = netns.emptcp(&["remove"]).exits(0).out;
    assert!(said.contains("nothing to remove"), "{said}");
    assert!(root(&netns).contains("htb e7c0: root"));
    assert!(tc("class show dev v0").contains("rate 1Mbit"));
}
