//! With exactly the capabilities that loading and attaching take: what is missing then is named, and `doctor` says what
//! `apply` can do.

use crate::common::{FOR_ALL, Netns, PolicyFile, Said, run};
use emptcp::require;
use std::process::Command;

const POLICY: &str = "\
[[policy]]
name   = 'look'
device = 'v0'
hook   = 'ingress'
do     = ['count']
";

const THREE: &str = "-all,+bpf,+perfmon,+net_admin";

macro_rules! require_setpriv {
    () => {
        require!(
            emptcp::testing::is_root(),
            "needs root: it makes network namespaces and loads programs"
        );
        require!(
            Command::new("setpriv").arg("--version").output().is_ok(),
            "needs setpriv of util-linux, to run with some capabilities alone"
        );
    };
}

/// Runs `emptcp` in the namespace with the three capabilities alone, as root or as nobody. bpffs stays where it is.
fn with_three(netns: &Netns, nobody: bool, arguments: &[&str]) -> Said {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", netns.name)).arg("setpriv");
    if nobody {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["--ambient-caps", THREE]);
    }
    command.args(["--inh-caps", THREE, "--bounding-set", THREE]);
    run(
        command
            .arg(FOR_ALL.path().join("emptcp"))
            .args(arguments)
            .current_dir("/"),
        "",
    )
}

fn open_to_all(file: &PolicyFile) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = file.path();
    let folder = std::path::Path::new(&path).parent().unwrap().to_owned();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_user_with_the_capabilities_is_told_that_folders_are_missing() {
    require_setpriv!();
    let (netns, file) = (Netns::new(), PolicyFile::new(POLICY));
    let path = open_to_all(&file);
    let refused = with_three(&netns, true, &["apply", &path, "--json"]).exits(1);
    for wanted in [
        "user 65534 may not write in",
        "what is missing is the right to write in /run/emptcp and /sys/fs/bpf/emptcp",
    ] {
        assert!(refused.err.contains(wanted), "{wanted} in {refused:?}");
    }
    assert!(!refused.err.contains("or with CAP_BPF"), "{refused:?}");
    assert_eq!(refused.json()["error"]["kind"], "not_permitted");
    let report = with_three(&netns, true, &["doctor", "--json"]).exits(0).json();
    assert_eq!(report["usable"], false);
    for name in ["bpffs", "locks"] {
        let mut features = report["features"].as_array().unwrap().iter();
        let feature = features.find(|feature| feature["name"] == name).unwrap();
        assert_eq!(feature["available"], false, "{feature}");
        let detail = feature["detail"].as_str().unwrap();
        assert!(detail.contains("user 65534 may not write in"), "{feature}");
    }
}

#[test]
fn doctor_agrees_with_apply_where_root_has_the_three_capabilities_alone() {
    require_setpriv!();
    let (netns, file) = (Netns::new(), PolicyFile::new(POLICY));
    let path = file.path();
    std::fs::metadata(&path).unwrap();
    let report = with_three(&netns, false, &["doctor", "--json"]).exits(0).json();
    assert_eq!(report["usable"], true, "{report}");
    assert!(
        with_three(&netns, false, &["doctor"])
            .exits(0)
            .out
            .contains("emptcp works here")
    );
    with_three(&netns, false, &["apply", &path]).exits(0);
    with_three(&netns, false, &["check", "--in-force"]).exits(0);
    with_three(&netns, false, &["remove"]).exits(0);
}

#[test]
fn whoever_cannot_prove_that_a_namespace_is_gone_frees_nothing_of_it() {
    require_setpriv!();
    let (netns, other, file) = (Netns::new(), Netns::new(), PolicyFile::new(POLICY));
    netns.apply(POLICY, &[]).exits(0);
    let before = netns.emptcp(&["show", "--json"]).exits(0).out;
    with_three(&other, false, &["apply", &file.path()]).exits(0);
    let done = with_three(&other, false, &["remove", "--stale", "--json"])
        .exits(0)
        .json();
    let namespace =
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(format!("/run/netns/{}", netns.name)).unwrap());
    let freed = done["freed"].as_array().unwrap();
    assert!(freed.iter().all(|entry| entry["namespace"] != namespace), "{done}");
    let all = with_three(&other, false, &["list", "--all", "--json"]).exits(0).json();
    let mut all = all.as_array().unwrap().iter();
    let entry = all.find(|entry| entry["namespace"] == namespace).expect("it stays");
    assert_ne!(entry["state"], "dead");
    assert_eq!(netns.emptcp(&["show", "--json"]).exits(0).out, before);
}
