//! Instances of network namespaces that are gone. Compared with the kernel: which maps exist, what is in bpffs.

use crate::{
    common::{Netns, Said, emptcp, emptcp_with, require_root, wait_until},
    ffi::map_ids,
};
use libbpf_rs::MapHandle;
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command},
};

const POLICY: &str = "\
[[policy]]
name   = 'look'
device = 'lo'
hook   = 'ingress'
do     = ['count']
";

fn inode(netns: &str) -> u64 {
    fs::metadata(format!("/run/netns/{netns}")).expect("it is there").ino()
}

fn folder(namespace: u64) -> PathBuf {
    PathBuf::from(format!("/sys/fs/bpf/emptcp/{namespace}/default"))
}

/// Ids of the maps that are pinned for a namespace.
fn maps(namespace: u64) -> BTreeSet<u32> {
    let pins = fs::read_dir(folder(namespace)).expect("it is there").flatten();
    pins.filter(|pin| pin.file_name().to_string_lossy().starts_with("map_"))
        .map(|pin| MapHandle::from_pinned_path(pin.path()).expect("it is a map"))
        .map(|map| {
            let info = libbpf_rs::MapCore::info(&map).expect("the kernel knows it");
            info.info.id
        })
        .collect()
}

/// The entry of a namespace in `list --all`.
fn entry(namespace: u64) -> Option<Value> {
    let all = emptcp(&["list", "--all", "--json"]).exits(0).json();
    let mut entries = all.as_array().expect("a list").iter();
    entries.find(|entry| entry["namespace"] == namespace).cloned()
}

/// Prevents other commands from freeing what is left of a namespace.
fn hold(namespace: u64) -> Flock<File> {
    let path = format!("/run/emptcp/{namespace}.lock");
    loop {
        let file = File::create(&path).expect("the folder is there");
        let held = Flock::lock(file, FlockArg::LockExclusive).expect("no process holds it for long");
        // A command that frees what was left under this number before removes the file.
        let same = fs::metadata(&path).is_ok_and(|now| now.ino() == held.metadata().expect("it is open").ino());
        if same {
            return held;
        }
    }
}

/// Makes an instance and deletes its namespace; the instance stays.
fn left_by_a_dead_namespace(arguments: &[&str]) -> (u64, Flock<File>) {
    let netns = Netns::new();
    netns.apply(POLICY, arguments).exits(0);
    let namespace = inode(&netns.name);
    let held = hold(namespace);
    Command::new("ip")
        .args(["netns", "del", &netns.name])
        .status()
        .expect("ip runs");
    std::mem::forget(netns);
    (namespace, held)
}

/// Namespaces are created and removed, each with policies: afterwards nothing of them is in memory.
fn come_and_go(count: u32) {
    let (mut namespaces, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..count {
        let name = format!("emptcp-gone-{}-{number}", std::process::id());
        let ip = |verb: &str| {
            let done = Command::new("ip").args(["netns", verb, &name]).status();
            assert!(done.expect("ip runs").success());
        };
        ip("add");
        emptcp_with(&["--netns", &name, "apply", "-"], POLICY).exits(0);
        let namespace = inode(&name);
        ids.extend(maps(namespace));
        namespaces.insert(namespace);
        ip("del");
    }
    // The kernel removes namespaces after `ip netns del` has returned. Any apply frees what they have left.
    let netns = Netns::new();
    wait_until("the folders are gone", || {
        netns.apply(POLICY, &[]).exits(0);
        namespaces
            .iter()
            .all(|namespace| !folder(*namespace).exists() || *namespace == inode(&netns.name))
    });
    let kept = maps(inode(&netns.name));
    wait_until("the maps are gone", || {
        map_ids().intersection(&ids).all(|id| kept.contains(id))
    });
}

#[test]
fn nothing_stays_of_namespaces_that_came_and_went() {
    require_root!();
    come_and_go(30);
}

#[test]
#[ignore = "takes minutes: the long form of the test above"]
fn nothing_stays_of_a_thousand_namespaces_that_came_and_went() {
    require_root!();
    come_and_go(1000);
}

fn dead_is_reported_and_freed(arguments: &[&str]) {
    // Another test's apply may free it first: then the test tries again.
    for _ in 0..10 {
        let (namespace, held) = left_by_a_dead_namespace(arguments);
        wait_until("it is reported as dead", || {
            entry(namespace).is_some_and(|entry| entry["state"] == "dead")
        });
        let shown = entry(namespace).expect("we hold its lock");
        assert_eq!(
            (&shown["instance"], &shown["policies"]),
            (&json!("default"), &json!(["look"]))
        );
        assert!(shown["bytes"].as_u64().unwrap() > 1_000_000, "{shown}");
        let text = emptcp(&["list", "--all"]).exits(0).out;
        let line = text.lines().find(|line| line.starts_with(&namespace.to_string()));
        assert!(line.is_some_and(|line| line.contains("dead")), "{text}");
        assert!(folder(namespace).exists());
        let ids = maps(namespace);
        drop(held);
        let done = emptcp(&["remove", "--stale", "--json"]).exits(0).json();
        wait_until("its folder is gone", || {
            emptcp(&["remove", "--stale"]).exits(0);
            !folder(namespace).exists()
        });
        wait_until("its maps are gone", || map_ids().is_disjoint(&ids));
        let freed = done["freed"].as_array().unwrap();
        if let Some(freed) = freed.iter().find(|entry| entry["namespace"] == namespace) {
            assert_eq!(freed["bytes"], shown["bytes"]);
            return;
        }
    }
    panic!("others were always first");
}

#[test]
fn an_instance_of_a_dead_namespace_is_reported_and_freed() {
    require_root!();
    dead_is_reported_and_freed(&[]);
}

#[test]
fn an_instance_without_links_of_a_dead_namespace_is_reported_and_freed() {
    require_root!();
    dead_is_reported_and_freed(&["--clsact"]);
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_instance_of_a_live_namespace_stays_also_when_only_a_process_holds_it() {
    require_root!();
    for arguments in [&[][..], &["--clsact"]] {
        let (named, unnamed, other) = (Netns::new(), Netns::new(), Netns::new());
        named.apply(POLICY, arguments).exits(0);
        unnamed.apply(POLICY, arguments).exits(0);
        let namespace = inode(&unnamed.name);
        let sleeper = Command::new("ip")
            .args(["netns", "exec", &unnamed.name, "sleep", "1000"])
            .spawn()
            .expect("ip starts");
        let sleeper = Sleeper(sleeper);
        let process = sleeper.0.id().to_string();
        wait_until("the process is there", || {
            fs::metadata(format!("/proc/{process}/ns/net")).is_ok_and(|data| data.ino() == namespace)
        });
        Command::new("ip")
            .args(["netns", "del", &unnamed.name])
            .status()
            .expect("ip runs");

        let show = |netns: &str| -> Said { emptcp(&["--netns", netns, "show", "--json"]).exits(0) };
        let before = [show(&named.name).out, show(&process).out];
        let done = other.emptcp(&["remove", "--stale", "--json"]).exits(0).json();
        for namespace in [namespace, inode(&named.name)] {
            let mentioned = |list: &Value| list.as_array().unwrap().iter().any(|e| e["namespace"] == namespace);
            assert!(!mentioned(&done["freed"]) && !mentioned(&done["unknown"]), "{done}");
            assert_eq!(entry(namespace).expect("it stays")["state"], "live");
        }
        assert_eq!([show(&named.name).out, show(&process).out], before);
        assert!(!before[1].contains("\"alive\": false"), "{before:?}");
        emptcp(&["--netns", &process, "remove"]).exits(0);
    }
}

#[test]
fn a_namespace_whose_number_was_used_before_does_not_see_the_instance_of_the_other() {
    require_root!();
    let (gone, _held) = left_by_a_dead_namespace(&[]);
    let netns = Netns::new();
    let here = inode(&netns.name);
    // As if the number were the same.
    fs::create_dir_all(folder(here).parent().unwrap()).unwrap();
    fs::rename(folder(gone), folder(here)).unwrap();
    assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).json(), json!([]));
    netns.emptcp(&["show"]).exits(1);
    let applied = netns.apply(POLICY, &["--json"]).exits(0).json();
    assert_eq!(
        applied["generation"], 1,
        "a new instance, not another set of the old one"
    );
    let _ = fs::remove_dir(folder(gone).parent().unwrap());
}
