//! A first apply and a removal that are interrupted: all commands say the same about what is left, and what to do. A
//! failing `tc` interrupts them.

use crate::common::{EMPTCP, Netns, Said, require_root, run};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

const SHAPED: &str =
    "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = ['rate_limit rate=4mbit mode=shape']\n";

/// Runs the command with a `tc` that can only do `can`.
fn with_tc(netns: &Netns, can: &str, arguments: &[&str], input: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let (tc, path) = (folder.path().join("tc"), std::env::var("PATH").unwrap());
    let script = format!("#!/bin/sh\ncase \"$1 $2\" in {can}) PATH='{path}' exec tc \"$@\";; esac\nexit 1\n");
    fs::write(&tc, script).unwrap();
    fs::set_permissions(&tc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(EMPTCP);
    command.args(["--netns", &netns.name]).args(arguments);
    run(
        command.env("PATH", format!("{}:{path}", folder.path().display())),
        input,
    )
}

/// Every command says that nothing is in force, and how to remove the rest.
fn all_agree(netns: &Netns) {
    for command in ["stats", "show", "flows", "monitor"] {
        let bad = netns.emptcp(&[command]).exits(1).err;
        assert!(
            bad.contains("no policy of the instance `default` is in force"),
            "{command}: {bad}"
        );
        assert!(
            bad.contains("`emptcp remove`") && bad.contains("`emptcp apply`"),
            "{command}: {bad}"
        );
        let bad = netns.emptcp(&[command, "--json"]).exits(1).json();
        assert_eq!(bad["error"]["kind"], json!("nothing_in_force"), "{command}");
    }
    let list = netns.emptcp(&["list"]).exits(0);
    assert_eq!(list.out, "no policy is in force here\n");
    let check = netns.emptcp(&["check", "--in-force"]).exits(1);
    for said in [list, check] {
        assert!(said.err.contains("no policy of the instance `default`"), "{said:?}");
    }
    assert_eq!(netns.emptcp(&["list", "--json"]).exits(0).json(), json!([]));
    let check = netns.emptcp(&["check", "--in-force", "--json"]).exits(1).json();
    assert_eq!(check["error"]["devices"], json!([]));
}

/// The next apply and the next removal repair it.
fn repaired(netns: &Netns) {
    netns.apply(SHAPED, &[]).exits(0);
    netns.emptcp(&["check", "--in-force"]).exits(0);
    netns.emptcp(&["remove"]).exits(0);
    let root = netns.tc(&["qdisc", "show", "dev", "v0", "root"]).unwrap();
    assert!(!root.contains("htb"), "{root}");
    netns.emptcp(&["stats"]).exits(1);
}

#[test]
fn all_commands_agree_on_a_removal_that_ended_in_the_middle() {
    require_root!();
    let netns = Netns::new();
    netns.apply(SHAPED, &[]).exits(0);
    with_tc(&netns, "no", &["remove"], "").exits(1);
    all_agree(&netns);
    repaired(&netns);
}

#[test]
fn all_commands_agree_on_a_first_apply_that_ended_in_the_middle() {
    require_root!();
    let netns = Netns::new();
    // It can neither make a class nor remove the qdisc.
    let bad = with_tc(&netns, "'qdisc add'|'class show'", &["apply", "-"], SHAPED).exits(1);
    assert!(bad.err.contains("run `emptcp remove`"), "{bad:?}");
    all_agree(&netns);
    repaired(&netns);
}
