//! Policies that something else has detached from a device: every command reports it, and the next apply repairs it.
//! What is attached is compared with the kernel, by `tc` and `ip`.

use crate::common::{Netns, foreign_programs, require_root};
use emptcp::require;
use serde_json::{Value, json};

const POLICY: &str = "\
[[policy]]
name   = 'in'
device = ['v0', 'v1']
hook   = 'ingress'
do     = ['count']
";

const SHAPED: &str = "\
[[policy]]
name   = 'shaped'
device = 'v0'
hook   = 'egress'
do     = ['rate_limit rate=4mbit mode=shape']
";

/// Every command says the same about `device`: `state` in JSON, `words` in text.
fn reported(netns: &Netns, device: &str, state: &str, words: &str) {
    let find = |states: &Value| -> String {
        let states = states.as_array().expect("a list").iter();
        let mut found = states
            .filter(|entry| entry["device"] == device)
            .map(|entry| entry["state"].as_str().unwrap());
        let first = found.next().expect("it is listed");
        let off = found.find(|state| *state != "attached").filter(|_| first == "attached");
        off.unwrap_or(first).to_owned()
    };
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    assert_eq!(find(&list[0]["device_states"]), state, "{list}");
    for command in ["stats", "show"] {
        let answer = netns.emptcp(&[command, "--json"]).exits(0).json();
        assert_eq!(find(&answer["devices"]), state, "{command}: {answer}");
    }
    if state == "attached" {
        let good = netns.emptcp(&["check", "--in-force", "--json"]).exits(0).json();
        assert_eq!(find(&good["devices"]), state);
        netns.emptcp(&["check", "--in-force"]).exits(0);
        return;
    }
    for command in ["list", "stats"] {
        let text = netns.emptcp(&[command]).exits(0).out;
        let forms = ["", "ingress: ", "egress: "].map(|direction| format!("{device} ({direction}{words})"));
        assert!(forms.iter().any(|form| text.contains(form)), "{command}: {text}");
    }
    let text = netns.emptcp(&["show"]).exits(0).out;
    let line = |line: &str| {
        let line = line.trim();
        let line = line
            .strip_suffix(", root qdisc htb e7c0: made for classes")
            .unwrap_or(line);
        line.starts_with(device) && line.ends_with(words)
    };
    assert!(text.lines().any(line), "{text}");
    let bad = netns.emptcp(&["check", "--in-force", "--json"]).exits(1);
    assert!(
        bad.err.contains("emptcp apply FILE") && bad.err.contains(words),
        "{bad:?}"
    );
    let error = &bad.json()["error"];
    assert_eq!(
        (&error["kind"], find(&error["devices"]).as_str()),
        (&json!("not_in_force"), state)
    );
}

fn entry_programs(netns: &Netns, device: &str) -> usize {
    let link = netns.ip(&["-d", "link", "show", device]);
    let filters = netns
        .tc(&["filter", "show", "dev", device, "ingress"])
        .unwrap_or_default();
    filters.matches("direct-action").count() + link.matches("xdp").count()
}

fn applied_again(netns: &Netns, text: &str, arguments: &[&str], device: &str) {
    netns.apply(text, arguments).exits(0);
    reported(netns, device, "attached", "");
}

#[test]
fn a_device_that_is_created_again_is_reported_and_the_next_apply_attaches_again() {
    require_root!();
    for arguments in [&[][..], &["--clsact"]] {
        let netns = Netns::new();
        netns.apply(POLICY, arguments).exits(0);
        reported(&netns, "v0", "attached", "");
        netns.ip(&["link", "del", "v0"]);
        reported(&netns, "v0", "gone", "gone");
        netns.ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
        reported(&netns, "v0", "created_again", "created again, not attached");
        reported(&netns, "v1", "created_again", "created again, not attached");
        applied_again(&netns, POLICY, arguments, "v0");
        reported(&netns, "v1", "attached", "");
    }
}

#[test]
fn a_device_that_is_created_again_with_its_old_index_is_reported() {
    require_root!();
    let netns = Netns::new();
    netns.ip(&["link", "add", "v7", "index", "77", "type", "veth", "peer", "name", "v8"]);
    let policy = POLICY.replace("['v0', 'v1']", "'v7'");
    for arguments in [&[][..], &["--clsact"]] {
        netns.apply(&policy, arguments).exits(0);
        netns.ip(&["link", "del", "v7"]);
        netns.ip(&["link", "add", "v7", "index", "77", "type", "veth", "peer", "name", "v8"]);
        reported(&netns, "v7", "not_attached", "not attached");
        applied_again(&netns, &policy, arguments, "v7");
        netns.emptcp(&["remove"]).exits(0);
    }
}

#[test]
fn removed_or_replaced_filters_are_reported() {
    require_root!();
    let folder = tempfile::tempdir().unwrap();
    let [foreign, _] = foreign_programs(folder.path());
    let netns = Netns::new();
    netns.apply(POLICY, &["--clsact"]).exits(0);
    assert_eq!(entry_programs(&netns, "v0"), 1);
    netns.tc(&["filter", "del", "dev", "v0", "ingress"]).unwrap();
    assert_eq!(entry_programs(&netns, "v0"), 0);
    reported(&netns, "v0", "not_attached", "not attached");
    applied_again(&netns, POLICY, &["--clsact"], "v0");
    assert_eq!(entry_programs(&netns, "v0"), 1);

    let shown = netns.tc(&["filter", "show", "dev", "v0", "ingress"]).unwrap();
    let after = |word: &str| {
        let mut words = shown.split_whitespace().skip_while(|found| *found != word).skip(1);
        words.next().expect("tc shows it").to_owned()
    };
    let object = foreign.display().to_string();
    netns
        .tc(&[
            "filter",
            "replace",
            "dev",
            "v0",
            "ingress",
            "protocol",
            "all",
            "pref",
            &after("pref"),
            "handle",
            &after("handle"),
            "bpf",
            "da",
            "obj",
            &object,
            "sec",
            "tc",
        ])
        .unwrap();
    reported(&netns, "v0", "not_attached", "not attached");

    netns.tc(&["qdisc", "del", "dev", "v1", "clsact"]).unwrap();
    reported(&netns, "v1", "not_attached", "not attached");
}

#[test]
fn a_detached_link_is_reported() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    let show = netns.emptcp(&["show", "--json"]).exits(0).json();
    let spots = show["attachments"].as_array().unwrap();
    let spot = spots.iter().find(|spot| spot["device"] == "v0").unwrap();
    require!(kernel: spot["kind"] == "tcx", "this kernel has no tcx (Linux 6.6)");
    // Without its pin the link is detached.
    let pin = format!("{}/link_{}_ingress", show["folder"].as_str().unwrap(), spot["ifindex"]);
    std::fs::remove_file(pin).unwrap();
    reported(&netns, "v0", "not_attached", "not attached");
    applied_again(&netns, POLICY, &[], "v0");
}

#[test]
fn the_direction_without_a_policy_is_reported_too() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &["--clsact"]).exits(0);
    netns.tc(&["filter", "del", "dev", "v0", "egress"]).unwrap();
    reported(&netns, "v0", "not_attached", "not attached");
    let list = netns.emptcp(&["list"]).exits(0).out;
    assert!(list.contains("v0 (egress: not attached), v1"), "{list}");
    applied_again(&netns, POLICY, &["--clsact"], "v0");
}

#[test]
fn a_replaced_root_qdisc_is_reported_where_a_policy_shapes() {
    require_root!();
    let netns = Netns::new();
    // Classes of ours.
    netns.apply(SHAPED, &[]).exits(0);
    reported(&netns, "v0", "attached", "");
    netns
        .tc(&["qdisc", "replace", "dev", "v0", "root", "handle", "5:", "pfifo"])
        .unwrap();
    reported(&netns, "v0", "qdisc_replaced", "qdisc replaced, not shaped");
    let refused = netns.apply(SHAPED, &[]).exits(1);
    assert!(refused.err.contains("tc qdisc del dev v0 root"), "{refused:?}");
    netns.tc(&["qdisc", "del", "dev", "v0", "root"]).unwrap();
    reported(&netns, "v0", "qdisc_replaced", "qdisc replaced, not shaped");
    applied_again(&netns, SHAPED, &[], "v0");
    assert!(netns.tc(&["qdisc", "show", "dev", "v0"]).unwrap().contains("htb e7c0:"));
}

#[test]
fn a_replaced_root_fq_is_reported_where_a_policy_shapes() {
    require_root!();
    let netns = Netns::new();
    let fq = netns.tc(&["qdisc", "replace", "dev", "v0", "root", "fq"]);
    require!(kernel: fq.is_ok(), "this kernel has no queueing discipline fq (CONFIG_NET_SCH_FQ)");
    netns.apply(SHAPED, &[]).exits(0);
    reported(&netns, "v0", "attached", "");
    netns
        .tc(&["qdisc", "replace", "dev", "v0", "root", "handle", "5:", "pfifo"])
        .unwrap();
    reported(&netns, "v0", "qdisc_replaced", "qdisc replaced, not shaped");
}

#[test]
fn a_class_that_is_removed_or_gets_another_rate_is_reported() {
    require_root!();
    let netns = Netns::new();
    let tc = |arguments: &str| netns.tc(&arguments.split(' ').collect::<Vec<_>>()).unwrap();
    let words = "class removed or changed, not shaped as the policy says";
    // The last one needs more than 32 bits, in bytes per second.
    for rate in ["4mbit", "1234567bit", "40gbit"] {
        let policy = SHAPED.replace("4mbit", rate);
        netns.apply(&policy, &[]).exits(0);
        reported(&netns, "v0", "attached", "");
        let class = tc("class show dev v0").split(' ').nth(2).unwrap().to_owned();
        for change in ["rate 800mbit", "rate 1mbit ceil 800mbit"] {
            tc(&format!(
                "class change dev v0 parent e7c0: classid {class} htb {change}"
            ));
            reported(&netns, "v0", "class_changed", words);
            applied_again(&netns, &policy, &[], "v0");
        }
        tc(&format!("class del dev v0 classid {class}"));
        reported(&netns, "v0", "class_changed", words);
        applied_again(&netns, &policy, &[], "v0");
    }
}

#[test]
fn where_nothing_is_in_force_the_check_fails() {
    require_root!();
    let netns = Netns::new();
    let bad = netns.emptcp(&["check", "--in-force", "--json"]).exits(1);
    assert!(bad.err.contains("no policy is in force here"), "{bad:?}");
    assert_eq!(bad.json()["error"]["devices"], json!([]));
    netns.emptcp(&["check"]).exits(2);
    netns.emptcp(&["check", "--in-force", "policy.toml"]).exits(2);
}
