//! An apply that fails at any point before the switch leaves everything as it was; after the switch nothing fails.

mod common;

use common::{Namespace, catalog_with_tally, plan, run};
use emptcp_packet::{
    Applied, ApplyOptions, Catalog, Instance, Result, apply,
    instance::DEFAULT,
    remove, require,
    testing::{is_root, with_faults},
};
use libbpf_rs::MapCore;
use std::{collections::BTreeMap, os::unix::fs::MetadataExt};

fn policy(name: &str, device: &str, hook: &str, action: &str) -> String {
    format!("[[policy]]\nname = \"{name}\"\ndevice = \"{device}\"\nhook = \"{hook}\"\ndo = [\"{action}\"]\n")
}

/// On `a0`, with a class of 4 Mbit/s there.
fn old() -> String {
    policy("p", "a0", "ingress", "tally weight=3") + &policy("s", "a0", "egress", "rate_limit rate=4mbit mode=shape")
}

/// On `b0` too, with another class on `a0`.
fn wider() -> String {
    policy("p", "a0", "ingress", "tally weight=3")
        + &policy("s", "a0", "egress", "rate_limit rate=8mbit mode=shape")
        + &policy("q", "b0", "egress", "rate_limit rate=2mbit mode=shape")
}

/// Not on `a0` any more, and without the element that has state.
fn elsewhere() -> String {
    policy("q", "b0", "egress", "rate_limit rate=2mbit mode=shape")
}

fn options(clsact: bool) -> ApplyOptions {
    ApplyOptions { adopt: true, clsact }
}

/// What the kernel reports: filters, qdiscs and classes of both devices by `tc`, links by their ids, and pins.
#[derive(Debug, PartialEq)]
struct Kernel {
    tc: String,
    links: Vec<(u32, Option<u32>, bool)>,
    pins: BTreeMap<String, u32>,
}

/// To be called within the namespace.
fn kernel() -> Kernel {
    let mut tc = String::new();
    for device in ["a0", "b0"] {
        for what in [
            "qdisc show dev D",
            "class show dev D",
            "filter show dev D ingress",
            "filter show dev D egress",
        ] {
            tc += &without_packets(&run(&format!("tc {}", what.replace('D', device))));
        }
    }
    let inode = std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    let folder = format!("/sys/fs/bpf/emptcp/{inode}/{DEFAULT}");
    let mut pins = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let map = libbpf_rs::MapHandle::from_pinned_path(entry.path());
        let id = map.ok().filter(|_| name.starts_with("map_"));
        pins.insert(name, id.map_or(0, |map| map.info().unwrap().info.id));
    }
    let attached = Instance::open(DEFAULT).and_then(|instance| instance.attached());
    let links = attached.unwrap_or_default();
    Kernel {
        tc,
        links: links.iter().map(|a| (a.ifindex, a.link, a.alive)).collect(),
        pins,
    }
}

/// A new device sends packets by itself; HTB counts them.
fn without_packets(tc: &str) -> String {
    let mut words = Vec::new();
    let mut counted = false;
    for word in tc.split(' ') {
        words.push(if counted { "N" } else { word });
        counted = word == "direct_packets_stat";
    }
    words.join(" ")
}

fn source() -> Option<String> {
    Instance::open(DEFAULT)
        .and_then(|instance| instance.show())
        .ok()
        .map(|shown| shown.source)
}

fn faulty(catalog: &Catalog, text: &str, clsact: bool, at: &[usize]) -> (Result<Applied>, Vec<String>) {
    let compiled = plan(catalog, text);
    with_faults(at, || apply(DEFAULT, &compiled, text, catalog, &options(clsact)))
}

/// Applies `new` over `old` with a fault at each point, and with a second one at each point of the undoing. `clsact`:
/// which of the two sets is attached by it.
fn every_point(old: Option<&str>, new: &str, clsact: [bool; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    let seen = || {
        let mut seen = kernel();
        if clsact[0] != clsact[1] {
            // A link that a filter replaced is restored as a new link.
            seen.links.iter_mut().for_each(|(_, id, _)| *id = id.map(|_| 0));
        }
        seen
    };
    // The failed apply was undone, as is asserted each time: so there is nothing to do before the next point.
    let begin = || {
        match old {
            _ if source().as_deref() == old => {}
            Some(old) => drop(faulty(&catalog, old, clsact[0], &[]).0.unwrap()),
            None => drop(remove(DEFAULT)),
        }
        seen()
    };
    namespace.within(|| {
        begin();
        let (result, points) = faulty(&catalog, new, clsact[1], &[]);
        result.unwrap();
        let switch = points.iter().position(|point| point == "before the switch").unwrap();
        let clean = kernel().tc;
        assert!(points.len() > 20, "{points:?}");
        for (place, point) in points.iter().enumerate() {
            let before = begin();
            let (result, _) = faulty(&catalog, new, clsact[1], &[place]);
            if place <= switch {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(point.as_str()), "{point}: {error}");
                assert_eq!(source().as_deref(), old, "{point}");
                assert_eq!(seen(), before, "{point}");
            } else {
                let warnings = result.unwrap_or_else(|error| panic!("{point}: {error}")).warnings;
                let is_about = |warning: &String| warning.contains(point.as_str()) && warning.ends_with("apply again");
                assert!(warnings.iter().any(is_about), "{point}: {warnings:?}");
                assert_eq!(source().as_deref(), Some(new), "{point}");
                let again = faulty(&catalog, new, clsact[1], &[]).0.unwrap();
                assert_eq!(again.warnings, Vec::<String>::new(), "{point}");
                assert_eq!(
                    shape_of(&kernel().tc),
                    shape_of(&clean),
                    "{point}: the next apply cleans up"
                );
            }
        }
        // Undoing fails as well: the rest is still undone, and the next command cleans up.
        begin();
        let (_, back) = faulty(&catalog, new, clsact[1], &[switch]);
        for (place, point) in back.iter().enumerate().skip(switch + 1) {
            let before = begin();
            let (result, passed) = faulty(&catalog, new, clsact[1], &[switch, place]);
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains(point.as_str()) && error.contains("not everything could be undone"),
                "{point}: {error}"
            );
            assert_eq!(source().as_deref(), old, "{point}");
            let hooks = |points: &[String]| points.iter().filter(|p| *p == "before putting back a hook").count();
            assert_eq!(hooks(&passed), hooks(&back), "{point}: every hook is tried");
            match old {
                Some(old) => drop(faulty(&catalog, old, clsact[0], &[]).0.unwrap()),
                None => drop(remove(DEFAULT)),
            }
            assert_eq!(shape_of(&kernel().tc), shape_of(&before.tc), "{point}");
        }
        let _ = remove(DEFAULT);
    });
}

/// Output of `tc` without numbers that differ from one apply to the next.
fn shape_of(tc: &str) -> Vec<String> {
    let mut lines: Vec<String> = tc
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_first_apply_that_fails_leaves_nothing() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    every_point(None, &wider(), [false; 2]);
}

#[test]
fn a_wider_set_that_fails_leaves_the_old_one_and_one_that_is_in_force_stays() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    every_point(Some(&old()), &wider(), [false; 2]);
}

#[test]
fn a_set_elsewhere_that_fails_leaves_the_old_one_and_one_that_is_in_force_stays() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    every_point(Some(&old()), &elsewhere(), [false; 2]);
}

#[test]
fn filters_of_clsact_are_put_back_as_links_are() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    every_point(Some(&old()), &wider(), [true; 2]);
}

#[test]
fn a_link_that_was_given_up_for_a_filter_comes_back() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    every_point(Some(&old()), &wider(), [false, true]);
}

#[test]
fn a_device_that_fails_to_change_between_xdp_and_tc_keeps_its_hook() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let tc = policy("p", "a0", "ingress", "tally weight=3");
    let xdp = tc.replace("do =", "attach = \"xdp-generic\"\ndo =");
    every_point(Some(&xdp), &tc, [false; 2]);
}
