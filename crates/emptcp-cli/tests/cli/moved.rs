//! Devices under policy that are renamed, or moved to another network namespace: their programs are moved with them.
//! Compared with `ip`, which shows XDP programs, and with bpffs: only its pin holds a link.

use crate::common::{Netns, Said, require_root};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const POLICY: &str = "\
[[policy]]
name   = 'in'
device = ['v0', 'v1']
hook   = 'ingress'
do     = ['count']
";

/// `state`, `renamed_to` and `moved` of a device, the same in every command.
fn states(netns: &Netns, device: &str) -> Vec<Value> {
    let of = |states: &Value| -> Vec<Value> {
        let states = states.as_array().expect("a list").iter();
        let own = states.filter(|entry| entry["device"] == device);
        own.map(|entry| json!([entry["state"], entry["renamed_to"], entry["moved"]]))
            .collect()
    };
    let list = of(&netns.emptcp(&["list", "--json"]).exits(0).json()[0]["device_states"]);
    for command in ["stats", "show"] {
        assert_eq!(of(&netns.emptcp(&[command, "--json"]).exits(0).json()["devices"]), list);
    }
    assert_eq!(list.len(), 2, "both directions");
    list
}

/// The text about a device.
fn reported(netns: &Netns, device: &str, words: &str) {
    for command in ["list", "stats"] {
        let text = netns.emptcp(&[command]).exits(0).out;
        assert!(text.contains(&format!("{device} ({words})")), "{command}: {text}");
    }
    let text = netns.emptcp(&["show"]).exits(0).out;
    let line = |line: &str| line.trim_start().starts_with(device) && line.trim_end().ends_with(words);
    assert!(text.lines().any(line), "{text}");
}

fn rename(netns: &Netns, device: &str, name: &str) {
    netns.ip(&["link", "set", device, "down"]);
    netns.ip(&["link", "set", device, "name", name]);
    netns.ip(&["link", "set", name, "up"]);
}

fn links(netns: &Netns) -> Value {
    let show = netns.emptcp(&["show", "--json"]).exits(0).json();
    let attachments = show["attachments"].as_array().unwrap().iter();
    attachments
        .map(|spot| json!([spot["ifindex"], spot["link"], spot["alive"]]))
        .collect()
}

fn not_in_force(netns: &Netns) -> Said {
    let said = netns.emptcp(&["check", "--in-force", "--json"]).exits(1);
    assert_eq!(said.json()["error"]["kind"], "not_in_force", "{said:?}");
    said
}

#[test]
fn a_renamed_device_is_in_force_under_its_new_name() {
    require_root!();
    for arguments in [&[][..], &["--clsact"]] {
        let netns = Netns::new();
        netns.apply(POLICY, arguments).exits(0);
        let before = links(&netns);
        rename(&netns, "v0", "up2");
        let state = json!(["renamed", "up2", false]);
        assert_eq!(states(&netns, "v0"), [state.clone(), state]);
        reported(&netns, "v0", "renamed to up2");
        assert_eq!(links(&netns), before);
        let good = netns.emptcp(&["check", "--in-force"]).exits(0);
        assert!(good.out.contains("renamed to up2"), "{good:?}");

        // The next apply finds its programs at the renamed device.
        let applied = netns
            .apply(&POLICY.replace("v0", "up2"), &[&["--json"], arguments].concat())
            .exits(0)
            .json();
        assert_eq!(
            (&applied["attached"], &applied["detached"]),
            (&json!([]), &json!([])),
            "{applied}"
        );
        assert_eq!(links(&netns), before);
        let state = json!(["attached", null, false]);
        assert_eq!(states(&netns, "up2"), [state.clone(), state]);

        // Two devices exchange names: the policies no longer act on the devices in the file.
        rename(&netns, "up2", "between");
        rename(&netns, "v1", "up2");
        rename(&netns, "between", "v1");
        let state = json!(["created_again", "v1", false]);
        assert_eq!(states(&netns, "up2"), [state.clone(), state]);
        not_in_force(&netns);
    }
}

/// Programs that `ip` shows, and links that are pinned.
fn programs(other: &Netns, device: &str, folder: &PathBuf) -> (usize, usize) {
    let link = other.ip(&["-d", "link", "show", device]);
    let pins = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_link = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("link_");
    (
        link.matches("prog/xdp").count(),
        pins.filter(|pin| is_link(&pin.file_name())).count(),
    )
}

#[test]
fn a_device_that_was_moved_is_reported_and_apply_and_remove_detach_it() {
    require_root!();
    for (attach, xdp) in [("tc", 0), ("xdp-generic", 1)] {
        let (netns, other) = (Netns::new(), Netns::new());
        let policy = POLICY.replace("do ", &format!("attach = '{attach}'\ndo "));
        netns.apply(&policy, &[]).exits(0);
        let show = netns.emptcp(&["show", "--json"]).exits(0).json();
        let folder = PathBuf::from(show["folder"].as_str().unwrap());
        if show["attachments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|spot| spot["kind"] == "clsact")
        {
            // Before tcx a filter goes with its qdisc when the device is moved.
            continue;
        }
        other.ip(&["link", "del", "v0"]);
        netns.ip(&["link", "set", "v0", "netns", &other.name]);
        let state = json!(["moved", null, true]);
        assert_eq!(states(&netns, "v0"), [state.clone(), state]);
        reported(
            &netns,
            "v0",
            "moved to another network namespace, where its policies still act",
        );
        let said = not_in_force(&netns);
        assert!(
            said.err.contains("emptcp remove") && said.err.contains("moved"),
            "{said:?}"
        );
        assert_eq!(programs(&other, "v0", &folder), (xdp, 4));

        // It is also reported in its new namespace.
        let here = other.emptcp(&["list"]).exits(0).out;
        let words = format!(
            "v0 ingress obeys the policies of instance `default` of network namespace `{}`",
            netns.name
        );
        assert!(here.contains(&words), "{here}");
        let here = other.emptcp(&["list", "--json"]).exits(0).json();
        let found: Vec<_> = here
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["device_states"][0])
            .collect();
        assert!(
            found.len() == 2
                && found
                    .iter()
                    .all(|state| state["device"] == "v0" && state["state"] == "moved_here"),
            "{here}"
        );
        assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).entries(), 1);

        // It comes back unchanged.
        other.ip(&["link", "set", "v0", "netns", &netns.name]);
        netns.emptcp(&["check", "--in-force"]).exits(0);
        netns.ip(&["link", "set", "v0", "netns", &other.name]);

        // An apply that fails changes nothing there.
        netns.apply(&policy, &[]).exits(1);
        assert_eq!(programs(&other, "v0", &folder), (xdp, 4));
        let without = policy.replace("'v0', ", "");
        let applied = netns.apply(&without, &["--json"]).exits(0).json();
        let detached = applied["detached"].as_array().unwrap();
        assert!(
            detached.len() == 2 && detached.iter().all(|spot| spot["device"] == "v0"),
            "{applied}"
        );
        assert_eq!(programs(&other, "v0", &folder), (0, 2));
        netns.emptcp(&["check", "--in-force"]).exits(0);

        // The same with remove.
        netns.ip(&["link", "set", "v1", "netns", &other.name]);
        let removed = netns.emptcp(&["remove", "--json"]).exits(0).json();
        let detached = removed["detached"].as_array().unwrap();
        assert!(
            detached.len() == 2 && detached.iter().all(|spot| spot["device"] == "v1"),
            "{removed}"
        );
        assert_eq!(programs(&other, "v1", &folder), (0, 0));
    }
}

#[test]
fn a_device_that_got_another_index_elsewhere_is_reported_also_when_it_comes_back() {
    require_root!();
    let (netns, other) = (Netns::new(), Netns::new());
    netns.ip(&["link", "add", "v7", "index", "77", "type", "veth", "peer", "name", "v8"]);
    // A device here has the same index: the links must not be taken for its links.
    other.ip(&["link", "add", "v7", "index", "77", "type", "veth", "peer", "name", "v8"]);
    let policy = POLICY
        .replace("'v0', 'v1'", "'v7'")
        .replace("do ", "attach = 'xdp-generic'\ndo ");
    netns.apply(&policy, &[]).exits(0);
    netns.ip(&["link", "set", "v7", "netns", &other.name, "name", "v9"]);
    let kinds: Vec<Value> = states(&netns, "v7").iter().map(|state| state[0].clone()).collect();
    let show = netns.emptcp(&["show", "--json"]).exits(0).json();
    let is_clsact = show["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .any(|spot| spot["kind"] == "clsact");
    assert_eq!(kinds, ["moved_idle", if is_clsact { "gone" } else { "moved_idle" }]);
    not_in_force(&netns);
    other.ip(&["link", "set", "v9", "netns", &netns.name, "name", "v7"]);
    assert_eq!(states(&netns, "v7")[0][0], "created_again");
    let (check, show) = (not_in_force(&netns), netns.emptcp(&["show"]).exits(0).out);
    let words = "came back with another index";
    assert!(
        check.err.contains(words) && show.contains(&format!("v7 {words}")),
        "{check:?}\n{show}"
    );
    netns.apply(&policy, &[]).exits(0);
    netns.emptcp(&["check", "--in-force"]).exits(0);
}
