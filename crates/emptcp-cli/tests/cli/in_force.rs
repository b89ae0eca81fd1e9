//! Policies in force, in private network namespaces. No traffic.

use crate::common::{EMPTCP, Netns, emptcp, emptcp_as_nobody, foreign_programs, inode, require_root, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use std::process::{Command, Stdio};

const POLICY: &str = "\
[[policy]]
name   = 'cap'
device = 'v0'
hook   = 'ingress'
when   = 'ip.src in 203.0.113.0/24 and packet is data'
do     = ['rate_limit rate=4mbit']

[[policy]]
name   = 'watch'
device = ['v0', 'v1']
hook   = 'egress'
do     = ['get_subflow', 'count']
";

#[test]
fn a_policy_file_comes_into_force_changes_and_goes() {
    require_root!();
    let netns = Netns::new();
    assert_eq!(netns.emptcp(&["list"]).exits(0).out, "no policy is in force here\n");
    assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).json(), json!([]));

    let first = netns.apply(POLICY, &[]).exits(0);
    assert!(first.out.starts_with("+ cap\n+ watch\n"), "{first:?}");
    assert!(first.out.contains("policy set 1 is in force"), "{first:?}");

    let again = netns.apply(POLICY, &["--json"]).exits(0).json();
    let unchanged = json!([{"change": "unchanged", "policy": "cap"}, {"change": "unchanged", "policy": "watch"}]);
    assert_eq!(again["changes"], unchanged);
    let devices: Vec<_> = again["policies"][1]["attached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|spot| spot["device"].as_str().unwrap())
        .collect();
    assert_eq!(devices, ["v0", "v1"]);

    let changed = POLICY
        .replace("4mbit", "8mbit")
        .replace("name   = 'watch'", "name   = 'look'");
    let dry = netns.apply(&changed, &["--dry-run"]).exits(0);
    assert!(
        dry.out.contains("~ cap: ") && dry.out.contains("+ look") && dry.out.contains("- watch"),
        "{dry:?}"
    );
    let dry = netns.apply(&changed, &["--dry-run", "--json"]).exits(0).json();
    assert_eq!(dry["policies"][0]["attached"][0]["device"], "v0");
    assert_eq!(dry["programs"], 4, "packet_type, rate_limit, get_subflow, count");
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["policy"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cap", "watch"], "a dry run changes nothing");

    let third = netns.apply(&changed, &[]).exits(0);
    assert!(
        third.out.contains("~ cap: ") && third.out.contains("- watch"),
        "{third:?}"
    );

    let removed = netns.emptcp(&["remove", "--json"]).exits(0).json();
    assert_eq!(removed["instance"], "default");
    assert_eq!(removed["detached"].as_array().unwrap().len(), 4, "{removed}");
    let again = netns.emptcp(&["remove", "--json"]).exits(0).json();
    assert_eq!(
        again,
        json!({"instance": "default", "removed": false, "detached": [], "unshaped": []})
    );
    let again = netns.emptcp(&["remove"]).exits(0);
    assert!(again.out.contains("nothing to remove"), "{again:?}");
}

#[test]
fn everything_that_is_in_force_can_be_read_by_people_and_programs() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);

    let list = netns.emptcp(&["list"]).exits(0);
    assert_eq!(list.out.lines().count(), 3, "{list:?}");
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    assert_eq!(list[0]["matched"], json!({"packets": 0, "bytes": 0}));

    let show = netns.emptcp(&["show"]).exits(0);
    for wanted in [
        "ip.src in 203.0.113.0/24",
        "rate=4mbit mode=auto",
        "types=data",
        "pinned at",
        "   1 [[policy]]",
    ] {
        assert!(show.out.contains(wanted), "{wanted} in {}", show.out);
    }
    assert_eq!(netns.emptcp(&["show", "--source"]).exits(0).out, POLICY);
    let show = netns.emptcp(&["show", "--json"]).exits(0).json();
    assert_eq!(show["source"], POLICY);
    assert_eq!(show["generation"], 1);
    let attachments = show["attachments"].as_array().unwrap();
    assert!(
        attachments.len() == 4 && attachments.iter().all(|spot| spot["alive"] == true),
        "{show}"
    );

    let stats = netns.emptcp(&["stats"]).exits(0);
    for wanted in [
        "policy cap: ingress of v0, matched 0 segments, 0 B",
        "dropped",
        "chain_broken",
        "half_open",
    ] {
        assert!(stats.out.contains(wanted), "{wanted} in {}", stats.out);
    }
    let stats = netns.emptcp(&["stats", "--json"]).exits(0).json();
    assert_eq!(stats["core"]["chain_broken"], 0);
    assert_eq!(
        stats["policies"][0]["elements"][1]["counters"][1]["name"], "dropped",
        "{stats}"
    );

    let flows = netns.emptcp(&["flows"]).exits(0);
    assert_eq!(flows.out, "no MPTCP subflow was seen yet\n");
    assert_eq!(netns.emptcp(&["flows", "--json"]).exits(0).json(), json!([]));
    assert_eq!(netns.emptcp(&["monitor", "--json", "--for", "0.2"]).exits(0).out, "");
}

#[test]
fn what_is_not_in_force_cannot_be_read() {
    require_root!();
    let netns = Netns::new();
    for command in ["show", "stats", "flows", "monitor"] {
        let said = netns.emptcp(&[command, "--json", "--instance", "nope"]).exits(1);
        assert!(said.err.contains("there is no instance `nope`"), "{said:?}");
        assert_eq!(
            said.json()["error"],
            json!({
                "kind": "no_instance",
                "instance": "nope",
                "in_force": [],
                "message": said.json()["error"]["message"],
            })
        );
    }
    netns.emptcp(&["list", "--instance", "nope"]).exits(1);
}

#[test]
fn an_unknown_device_changes_nothing() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    let before = netns.emptcp(&["show", "--json"]).exits(0).out;
    let said = netns
        .apply(&POLICY.replace("'v0', 'v1'", "'v0', 'v7'"), &["--json"])
        .exits(1);
    assert!(
        said.err.contains("`v7`") && said.err.contains("v0") && said.err.contains("stays in force"),
        "{said:?}"
    );
    let error = &said.json()["error"];
    assert_eq!(
        (error["kind"].as_str(), error["device"].as_str()),
        (Some("unknown_device"), Some("v7"))
    );
    assert_eq!(netns.emptcp(&["show", "--json"]).exits(0).out, before);
}

#[test]
fn a_dry_run_finds_what_an_apply_would_refuse() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &["--dry-run"]).exits(0);
    netns.emptcp(&["show"]).exits(1);
    let unknown = netns
        .apply(&POLICY.replace("'v0', 'v1'", "'v7'"), &["--dry-run", "--json"])
        .exits(1);
    assert_eq!(unknown.json()["error"]["kind"], "unknown_device");
    netns.apply(POLICY, &[]).exits(0);
    let used = netns
        .apply(POLICY, &["--dry-run", "--json", "--instance", "second"])
        .exits(1);
    assert_eq!(used.json()["error"]["kind"], "device_in_use");
}

#[test]
fn where_instances_cannot_be_seen_they_are_not_said_to_be_absent() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    for command in ["list", "show", "remove"] {
        let output = Command::new("ip")
            .args(["netns", "exec", &netns.name, EMPTCP, command, "--json"])
            .output()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (output.status.code(), answer["error"]["kind"].as_str()),
            (Some(1), Some("no_bpffs")),
            "{output:?}"
        );
        assert!(
            answer["error"]["message"].as_str().unwrap().contains("--netns"),
            "{answer}"
        );
    }
}

#[test]
fn a_second_instance_has_devices_of_its_own() {
    require_root!();
    let netns = Netns::new();
    let on = |device: &str| format!("[[policy]]\nname = 'a'\ndevice = '{device}'\nhook = 'ingress'\ndo = 'count'\n");
    netns.apply(&on("v0"), &[]).exits(0);
    let said = netns.apply(&on("v0"), &["--json", "--instance", "second"]).exits(1);
    let error = &said.json()["error"];
    assert_eq!(
        (error["kind"].as_str(), error["instance"].as_str()),
        (Some("device_in_use"), Some("default"))
    );
    netns.emptcp(&["show", "--instance", "second"]).exits(1);

    netns.apply(&on("v1"), &["--instance", "second"]).exits(0);
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    let found: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["instance"], &entry["devices"]))
        .collect();
    assert_eq!(
        found,
        [(&json!("default"), &json!(["v0"])), (&json!("second"), &json!(["v1"]))]
    );
    let second = netns.emptcp(&["list", "--json", "--instance", "second"]);
    assert_eq!(second.exits(0).entries(), 1);
    netns.emptcp(&["remove"]).exits(0);
    assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).entries(), 1);
}

#[test]
fn filters_of_others_stay() {
    require_root!();
    let netns = Netns::new();
    let folder = tempfile::tempdir().unwrap();
    let [tc, _] = foreign_programs(folder.path());
    let object = tc.display().to_string();
    netns.tc(&["qdisc", "add", "dev", "v0", "clsact"]).unwrap();
    for direction in ["ingress", "egress"] {
        netns
            .tc(&[
                "filter", "add", "dev", "v0", direction, "pref", "7", "bpf", "da", "obj", &object, "sec", "tc",
            ])
            .unwrap();
    }
    let filters =
        || ["ingress", "egress"].map(|direction| netns.tc(&["filter", "show", "dev", "v0", direction]).unwrap());
    let before = filters();
    assert!(
        before
            .iter()
            .all(|filters| filters.contains("foreign") || filters.contains("tc.o")),
        "{before:?}"
    );

    let applied = netns.apply(POLICY, &["--clsact", "--json"]).exits(0).json();
    assert_eq!(
        applied["policies"][0]["attached"],
        json!([{"device": "v0", "kind": "clsact"}])
    );
    for (now, before) in filters().iter().zip(&before) {
        assert!(
            now.contains("emptcp_entry") && before.lines().all(|line| now.contains(line)),
            "{now}"
        );
    }
    netns.emptcp(&["remove"]).exits(0);
    assert_eq!(filters(), before);
}

#[test]
fn an_xdp_program_of_others_stays() {
    require_root!();
    let netns = Netns::new();
    let folder = tempfile::tempdir().unwrap();
    let [_, xdp] = foreign_programs(folder.path());
    netns.ip(&[
        "link",
        "set",
        "dev",
        "v0",
        "xdpgeneric",
        "obj",
        &xdp.display().to_string(),
        "sec",
        "xdp",
    ]);
    let program = || {
        let links: serde_json::Value = serde_json::from_str(&netns.ip(&["-j", "link", "show", "v0"])).unwrap();
        links[0]["xdp"]["prog"]["id"].as_u64().expect("a program is attached")
    };
    let before = program();

    let xdp = POLICY.replacen("hook   = 'ingress'", "hook   = 'ingress'\nattach = 'xdp-generic'", 1);
    let said = netns.apply(&xdp, &["--json"]).exits(1);
    assert!(said.err.contains("v0") && said.err.contains("XDP"), "{said:?}");
    assert_eq!(said.json()["error"]["kind"], "attach");
    assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).json(), json!([]));
    assert_eq!(program(), before);

    netns.apply(POLICY, &[]).exits(0);
    netns.emptcp(&["remove"]).exits(0);
    assert_eq!(program(), before);
}

#[test]
fn a_policy_can_ask_for_generic_xdp() {
    require_root!();
    let netns = Netns::new();
    let xdp = POLICY.replacen("hook   = 'ingress'", "hook   = 'ingress'\nattach = 'xdp-generic'", 1);
    let applied = netns.apply(&xdp, &["--json"]).exits(0).json();
    assert_eq!(
        applied["policies"][0]["attached"],
        json!([{"device": "v0", "kind": "xdp_generic"}])
    );
    assert!(netns.ip(&["link", "show", "v0"]).contains("xdpgeneric"));
    netns.emptcp(&["remove"]).exits(0);
    assert!(!netns.ip(&["link", "show", "v0"]).contains("xdp"));
}

#[test]
fn a_namespace_can_be_named_by_path_and_by_process() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    let path = format!("/run/netns/{}", netns.name);
    assert_eq!(emptcp(&["--netns", &path, "list", "--json"]).exits(0).entries(), 2);
    let mut sleeper = Command::new("ip")
        .args(["netns", "exec", &netns.name, "sleep", "60"])
        .spawn()
        .expect("ip starts");
    // `ip` enters the namespace before it becomes `sleep`.
    let own = format!("/proc/{}/ns/net", sleeper.id());
    wait_until("ip is in the namespace", || inode(&own) == inode(&path));
    let list = emptcp(&["--netns", &sleeper.id().to_string(), "list", "--json"]);
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    assert_eq!(list.exits(0).entries(), 2);
}

#[test]
fn without_rights_no_other_namespace_can_be_entered() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    for command in ["list", "show", "remove"] {
        let said = emptcp_as_nobody(&["--netns", &netns.name, "--json", command], "").exits(1);
        assert!(said.err.contains("root"), "{said:?}");
        assert_eq!(said.json()["error"]["kind"], "not_permitted");
    }
    netns.emptcp(&["show"]).exits(0);
}

/// Whether a process has a handler for this signal.
fn catches(process: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal as u32 - 1)) != 0)
}

#[test]
fn watching_ends_well_with_a_signal() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    for (arguments, signal) in [
        (&["stats", "--watch", "0.1", "--json"][..], Signal::SIGINT),
        (&["flows", "--watch", "0.1"], Signal::SIGTERM),
        (&["monitor"], Signal::SIGINT),
    ] {
        let out = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(EMPTCP)
            .args(["--netns", &netns.name])
            .args(arguments)
            .stdout(out.reopen().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = || std::fs::read_to_string(out.path()).unwrap();
        wait_until("the command would notice the signal", || catches(child.id(), signal));
        if arguments.contains(&"--json") {
            wait_until("it has written twice", || text().matches('\n').count() >= 2);
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        let text = text();
        if arguments.contains(&"--json") {
            assert!(text.lines().count() >= 2, "{text}");
            for line in text.lines() {
                let stats: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(stats["instance"], "default");
            }
        }
    }
}
