//! What commands report about their work and about errors.

use crate::common::{EMPTCP, Netns, emptcp, emptcp_with, inode, require_root, run, wait_until};
use serde_json::json;
use std::{fs, process::Command};

const POLICY: &str = "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'ingress'\ndo = ['count']\n";
const SHAPED: &str =
    "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = ['rate_limit rate=4mbit mode=shape']\n";

#[test]
fn an_apply_reports_in_text_too_what_it_attached() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    assert!(!netns.apply(POLICY, &[]).exits(0).out.contains("attached to"));
    netns.ip(&["link", "del", "v0"]);
    netns.ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    let again = netns.apply(POLICY, &[]).exits(0).out;
    for direction in ["ingress", "egress"] {
        assert!(again.contains(&format!("attached to v0 {direction} (")), "{again}");
    }
}

#[test]
fn a_limit_of_open_files_is_named_when_it_is_the_cause() {
    require_root!();
    let netns = Netns::new();
    // Different files fail to open.
    for limit in ["8", "12", "16"] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $1; shift; exec \"$@\"", "sh", limit, EMPTCP]);
        let bad = run(command.args(["--netns", &netns.name, "apply", "-"]), POLICY).exits(1);
        assert!(
            bad.err.contains("Too many open files") && bad.err.contains("ulimit -n"),
            "{bad:?}"
        );
        assert!(
            !bad.err.contains("build the element again") && !bad.err.contains("install"),
            "{bad:?}"
        );
    }
}

#[test]
fn the_root_qdisc_that_shaping_makes_is_reported() {
    require_root!();
    let netns = Netns::new();
    let qdisc = || netns.tc(&["qdisc", "show", "dev", "v0", "root"]).unwrap();
    let first = netns.apply(SHAPED, &[]).exits(0).out;
    assert!(first.contains("v0: root qdisc htb e7c0: made for classes"), "{first}");
    assert!(qdisc().contains("htb e7c0:"), "{}", qdisc());
    let again = netns.apply(SHAPED, &["--json"]).exits(0).json();
    assert_eq!(
        again["shaped"],
        json!([{ "device": "v0", "qdisc": "htb e7c0:", "made": false, "replaces": null }]),
        "{again}"
    );
    assert!(
        netns
            .emptcp(&["list"])
            .exits(0)
            .out
            .contains("v0 (root qdisc htb e7c0:)")
    );
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    let states = list[0]["device_states"].as_array().unwrap();
    let qdiscs: Vec<_> = states.iter().map(|state| &state["qdisc"]).collect();
    assert_eq!(qdiscs, [&json!("htb e7c0:"), &json!(null)], "{list}");
    assert!(
        netns
            .emptcp(&["show"])
            .exits(0)
            .out
            .contains("root qdisc htb e7c0: made for classes")
    );
    netns.emptcp(&["remove"]).exits(0);
    assert!(!qdisc().contains("htb"), "{}", qdisc());
}

#[test]
fn a_dry_run_names_what_it_would_attach_detach_and_shape() {
    require_root!();
    let netns = Netns::new();
    let dry = |policy: &str| netns.apply(policy, &["--dry-run"]).exits(0).out;
    let first = dry(POLICY);
    for wanted in [
        "would attach to v0 ingress (",
        "would attach to v0 egress (",
        "): to follow connections, which takes both directions",
    ] {
        assert!(first.contains(wanted), "{wanted} in {first}");
    }
    let shaped = dry(SHAPED);
    assert!(
        shaped.contains("v0: root qdisc htb e7c0: for classes would replace `"),
        "{shaped}"
    );
    netns.emptcp(&["show"]).exits(1);

    let planned = netns.apply(SHAPED, &["--dry-run", "--json"]).exits(0).json();
    let done = netns.apply(SHAPED, &["--json"]).exits(0).json();
    for what in ["attached", "detached", "shaped", "policies", "changes"] {
        assert_eq!(planned[what], done[what], "{what}");
    }
    assert!(done["shaped"][0]["replaces"].is_string(), "{done}");
    let again = netns.apply(SHAPED, &["--dry-run", "--json"]).exits(0).json();
    assert_eq!((&again["attached"], &again["detached"]), (&json!([]), &json!([])));

    let other = POLICY.replace("v0", "v1");
    let text = dry(&other);
    for wanted in [
        "would attach to v1 ingress (",
        "would detach from v0 egress (",
        "v0: the root qdisc made for classes would be removed",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    let planned = netns.apply(&other, &["--dry-run", "--json"]).exits(0).json();
    let done = netns.apply(&other, &["--json"]).exits(0).json();
    assert_eq!(planned["unshaped"], json!(["v0"]));
    let sorted = |answer: &serde_json::Value| {
        let mut spots: Vec<_> = answer["detached"]
            .as_array()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        spots.sort();
        spots
    };
    assert_eq!(sorted(&planned), sorted(&done));
    assert_eq!(sorted(&done).len(), 2, "{done}");
}

#[test]
fn an_error_about_a_missing_instance_names_the_existing_one() {
    require_root!();
    let netns = Netns::new();
    let none = netns.emptcp(&["stats"]).exits(1).err;
    assert!(none.contains("`emptcp apply` makes one"), "{none}");
    netns.apply(POLICY, &["--instance", "lab"]).exits(0);
    for command in ["show", "stats", "flows", "monitor"] {
        let said = netns.emptcp(&[command, "--json"]).exits(1);
        assert!(
            said.err.contains("`lab` is in force here: `--instance lab`"),
            "{said:?}"
        );
        assert_eq!(said.json()["error"]["in_force"], json!(["lab"]));
    }
    netns.emptcp(&["--instance", "lab", "remove"]).exits(0);
}

#[test]
fn an_instance_that_cannot_be_read_is_to_be_removed_and_can_be() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &["--instance", "torn"]).exits(0);
    let pins = format!("/sys/fs/bpf/emptcp/{}/torn", netns.inode());
    fs::remove_file(format!("{pins}/map_emptcp_chain_tc_ingress")).unwrap();
    for options in [&["--instance", "torn"][..], &["--instance", "torn", "--replace"]] {
        let said = netns.apply(POLICY, options).exits(1);
        assert!(said.err.contains("`emptcp remove` it and apply again"), "{said:?}");
        assert!(!said.err.contains("run `emptcp apply`"), "{said:?}");
    }
    netns.emptcp(&["--instance", "torn", "remove"]).exits(0);
    assert!(!std::path::Path::new(&pins).exists());
    netns.apply(POLICY, &["--instance", "torn"]).exits(0);
    netns.emptcp(&["--instance", "torn", "remove"]).exits(0);
}

#[test]
fn counters_that_are_zero_are_left_out_of_json_too() {
    require_root!();
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    let all = netns.emptcp(&["stats", "--json"]).exits(0).json();
    assert!(all["core"]["chain_broken"] == 0 && !all["tables"].as_array().unwrap().is_empty());
    let some = netns.emptcp(&["stats", "--nonzero", "--json"]).exits(0).json();
    assert!(some["core"]["chain_broken"].is_null(), "{some}");
    assert_eq!(
        (&some["tables"], &some["policies"][0]["elements"][0]["counters"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn a_rate_that_its_devices_do_not_share_is_reported_before_and_after_it_is_in_force() {
    let shared = SHAPED
        .replace("'v0'", "['v0', 'v1']")
        .replace("mode=shape", "mode=shape per=policy");
    let warns = |text: &str| text.contains("warning: policy `a`: ") && text.contains("use mode=police, or write one");
    let checked = emptcp_with(&["check", "-"], &shared).exits(0).out;
    assert!(warns(&checked), "{checked}");
    let one = shared.replace(", 'v1'", "");
    for silent in [
        SHAPED,
        &one,
        &shared.replace("=policy", "=subflow"),
        &shared.replace("shape", "auto"),
    ] {
        let checked = emptcp_with(&["check", "--json", "-"], silent).exits(0).json();
        assert_eq!(checked["warnings"], json!([]), "{silent}");
    }

    require_root!();
    let netns = Netns::new();
    for options in [&["--dry-run"][..], &[]] {
        let said = netns.apply(&shared, options).exits(0).out;
        assert!(warns(&said), "{said}");
        let said = netns.apply(&shared, &[options, &["--json"]].concat()).exits(0).json();
        assert_eq!(said["warnings"].as_array().map(Vec::len), Some(1), "{said}");
        let said = netns.apply(&one, &[options, &["--json"]].concat()).exits(0).json();
        assert_eq!(said["warnings"], json!([]), "{said}");
    }
}

#[test]
fn a_failed_apply_says_that_the_former_set_stays_only_when_there_is_one() {
    require_root!();
    let netns = Netns::new();
    let unknown = POLICY.replace("v0", "v7");
    assert!(!netns.apply(&unknown, &[]).exits(1).err.contains("in force"));
    netns.apply(POLICY, &[]).exits(0);
    assert!(netns.apply(&unknown, &[]).exits(1).err.contains("stays in force"));
}

#[test]
fn an_error_says_what_to_do_next_and_each_thing_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let said = emptcp(&["element", "build", &path]).exits(1);
    assert!(
        said.err.contains("no element is there") && said.err.contains("emptcp sdk"),
        "{said:?}"
    );
    fs::write(folder.path().join("element.toml"), "nam = 'a'\n").unwrap();
    let said = emptcp(&["element", "build", &path]).exits(1);
    assert_eq!(said.err.matches(&path).count(), 1, "{said:?}");
    assert!(said.err.contains("element.toml:1:"), "{said:?}");
    require_root!();
    let said = emptcp(&["--netns", "/etc/passwd", "list"]).exits(1);
    assert!(said.err.contains("/etc/passwd is no network namespace"), "{said:?}");
}

#[test]
fn doctor_says_what_apply_says_where_policies_cannot_be_pinned() {
    require_root!();
    let netns = Netns::new();
    let inside = |arguments: &[&str], input: &str| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &netns.name, EMPTCP]).args(arguments);
        run(&mut command, input)
    };
    let apply = inside(&["apply", "-"], POLICY).exits(1);
    let doctor = inside(&["doctor"], "");
    let line = doctor.out.lines().find(|line| line.starts_with("bpffs"));
    let words: Vec<_> = line.expect("it is reported").split_whitespace().collect();
    assert_eq!(words[1], "no", "{doctor:?}");
    for wanted in ["is hidden here", "--netns NAME"] {
        assert!(apply.err.contains(wanted), "{apply:?}");
    }
    assert!(
        doctor.out.contains("hidden here") && doctor.out.contains("--netns NAME"),
        "{doctor:?}"
    );
    assert!(!doctor.out.contains("emptcp works here"), "{doctor:?}");
}

#[test]
fn the_list_of_all_names_the_requested_instance_and_the_holders_of_a_nameless_namespace() {
    require_root!();
    let netns = Netns::new();
    let said = emptcp(&["list", "--all", "--instance", "none-such"]).exits(0);
    assert!(
        said.out.contains("no instance `none-such` in any network namespace"),
        "{said:?}"
    );

    netns.apply(POLICY, &[]).exits(0);
    let mut holder = Command::new("ip")
        .args(["netns", "exec", &netns.name, "sleep", "600"])
        .spawn()
        .unwrap();
    let (own, pid) = (netns.inode(), holder.id());
    let entered = format!("/proc/{pid}/ns/net");
    wait_until("the process is in its namespace", || inode(&entered) == Some(own));
    let entry = || {
        let all = emptcp(&["list", "--all", "--json"]).exits(0).json();
        let own = all.as_array().unwrap().iter().find(|placed| placed["namespace"] == own);
        own.expect("it is listed").clone()
    };
    assert_eq!(entry()["held_by"], json!([]), "it has a name");
    let deleted = Command::new("ip").args(["netns", "del", &netns.name]).status().unwrap();
    assert!(deleted.success());
    let held = entry();
    let text = emptcp(&["list", "--all"]).exits(0).out;
    // Entered through the process that holds it, before that ends.
    emptcp(&["--netns", &pid.to_string(), "remove"]).exits(0);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(held["state"], "live", "{held}");
    let pids: Vec<_> = held["held_by"]
        .as_array()
        .unwrap()
        .iter()
        .map(|holder| &holder["pid"])
        .collect();
    assert_eq!(pids, [&json!(pid)], "{held}");
    assert!(text.replace('\n', " ").contains("held"), "{text}");
}

#[test]
fn a_result_that_cannot_be_written_does_not_make_the_work_a_failure() {
    require_root!();
    let netns = Netns::new();
    let file = crate::common::PolicyFile::new(POLICY);
    let path = file.path();
    let full = |arguments: &[&str]| {
        let output = Command::new(crate::common::EMPTCP)
            .args(["--netns", &netns.name])
            .args(arguments)
            .stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [vec!["apply", &path], vec!["--json", "apply", &path]] {
        let (code, said) = full(&arguments);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.contains("the policies are in force as instance `default`"),
            "{said}"
        );
        netns.emptcp(&["show"]).exits(0);
    }
    let (code, said) = full(&["remove"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("instance `default` is removed"), "{said}");
    netns.emptcp(&["show"]).exits(1);
}

#[test]
fn a_device_whose_name_is_no_text_disturbs_no_command() {
    require_root!();
    let netns = Netns::new();
    let odd = std::os::unix::ffi::OsStringExt::from_vec(b"odd\x9b1".to_vec());
    let odd: std::ffi::OsString = odd;
    let made = Command::new("ip")
        .args(["-n", &netns.name, "link", "add", "v7", "type", "veth", "peer", "name"])
        .arg(&odd)
        .status();
    assert!(made.unwrap().success());
    netns.apply(POLICY, &[]).exits(0);
    for command in ["list", "stats", "flows", "remove"] {
        netns.emptcp(&[command]).exits(0);
    }
}
