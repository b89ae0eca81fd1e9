//! With exactly the capabilities that loading and attaching need: errors name what else is missing, and `doctor` agrees
//! with `apply`.

use crate::common::{FOR_ALL, Netns, PolicyFile, Said, run};
use emptcp::require;
use serde_json::Value;
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

/// Runs `emptcp` in the namespace with these capabilities alone, as root or as nobody. bpffs stays where it is.
fn with_capabilities(netns: &Netns, nobody: bool, capabilities: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", netns.name)).arg("setpriv");
    if nobody {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["--ambient-caps", capabilities]);
    }
    command.args(["--inh-caps", capabilities, "--bounding-set", capabilities]);
    run(command.arg(FOR_ALL.as_path()).args(arguments).current_dir("/"), "")
}

fn open_to_all(file: &PolicyFile) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = file.path();
    let folder = std::path::Path::new(&path).parent().unwrap().to_owned();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn an_error_for_a_user_with_capabilities_names_the_folders() {
    require_setpriv!();
    let (netns, file) = (Netns::new(), PolicyFile::new(POLICY));
    let path = open_to_all(&file);
    let refused = with_capabilities(&netns, true, THREE, &["apply", &path, "--json"]).exits(1);
    for wanted in [
        "user 65534 may not write in",
        "what is missing is the right to write in /run/emptcp and /sys/fs/bpf/emptcp",
    ] {
        assert!(refused.err.contains(wanted), "{wanted} in {refused:?}");
    }
    assert!(!refused.err.contains("or with CAP_BPF"), "{refused:?}");
    assert_eq!(refused.json()["error"]["kind"], "not_permitted");
    let report = with_capabilities(&netns, true, THREE, &["doctor", "--json"])
        .exits(0)
        .json();
    assert_eq!(report["usable"], false);
    for name in ["bpffs", "locks"] {
        let feature = feature(&report, name);
        assert_eq!(feature["available"], false, "{feature}");
        let detail = feature["detail"].as_str().unwrap();
        assert!(detail.contains("user 65534 may not write in"), "{feature}");
    }
}

fn feature<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut features = report["features"].as_array().unwrap().iter();
    features.find(|feature| feature["name"] == name).unwrap()
}

/// Whether `doctor` says that emptcp works, and its line about capabilities. `apply` must agree.
fn doctor_and_apply(netns: &Netns, path: &str, capabilities: &str) -> (bool, String, Said) {
    let with = |arguments: &[&str]| with_capabilities(netns, false, capabilities, arguments);
    let report = with(&["doctor", "--json"]).exits(0).json();
    let usable = report["usable"].as_bool().unwrap();
    let applied = with(&["apply", path, "--json"]);
    assert_eq!(applied.code == 0, usable, "{capabilities}: {applied:?}, {report}");
    let row = feature(&report, "capabilities");
    assert_eq!(row["available"], usable, "{row}");
    // What was not tested is not reported as missing: `apply` may be able to use it.
    for name in ["tcx", "xdp-generic", "xdp-native", "htb", "fq"] {
        let row = feature(&report, name);
        let untried = row["detail"].as_str().unwrap().starts_with("not tried: CAP_");
        assert_eq!(row["available"].is_null(), untried, "{row}");
        assert_eq!(untried, name != "tcx" || !capabilities.contains("net_admin"), "{row}");
    }
    (usable, row["detail"].as_str().unwrap().to_owned(), applied)
}

#[test]
fn doctor_agrees_with_apply_where_root_has_the_three_capabilities_or_two_of_them_alone() {
    require_setpriv!();
    let (netns, file) = (Netns::new(), PolicyFile::new(POLICY));
    let path = file.path();
    for (capabilities, missing) in [
        ("-all,+perfmon,+net_admin", "CAP_BPF is missing"),
        ("-all,+bpf,+net_admin", "CAP_PERFMON is missing"),
        ("-all,+bpf,+perfmon", "CAP_NET_ADMIN is missing"),
        ("-all", "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are missing"),
    ] {
        let (usable, detail, refused) = doctor_and_apply(&netns, &path, capabilities);
        assert!(!usable, "{capabilities}");
        assert_eq!(detail, missing);
        let remedy =
            "; run as root with all capabilities, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (the kernel: ";
        let wanted = format!("not permitted; {missing}{remedy}");
        assert!(refused.err.contains(&wanted), "{wanted} in {refused:?}");
        assert_eq!(refused.json()["error"]["kind"], "not_permitted");
        netns.emptcp(&["show"]).exits(1);
    }
    let (usable, detail, _) = doctor_and_apply(&netns, &path, THREE);
    assert!(usable);
    assert_eq!(detail, "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are there");
    let with_three = |arguments: &[&str]| with_capabilities(&netns, false, THREE, arguments);
    assert!(with_three(&["doctor"]).exits(0).out.contains("emptcp works here"));
    with_three(&["check", "--in-force"]).exits(0);
    with_three(&["remove"]).exits(0);
    let other = Netns::new();
    let refused = with_three(&["--netns", &other.name, "list"]).exits(1);
    let wanted = "not permitted; CAP_SYS_ADMIN is missing";
    assert!(refused.err.contains(wanted), "{refused:?}");
}

#[test]
fn an_error_for_a_user_without_capabilities_names_folders_and_capabilities() {
    require_setpriv!();
    let (netns, file) = (Netns::new(), PolicyFile::new(POLICY));
    let path = open_to_all(&file);
    let with_none = |arguments: &[&str]| with_capabilities(&netns, true, "-all", arguments);
    let report = with_none(&["doctor", "--json"]).exits(0).json();
    assert_eq!(report["usable"], false);
    let all = "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are missing";
    assert_eq!(feature(&report, "capabilities")["detail"], all);
    for arguments in [
        &["apply", &path][..],
        &["apply", &path, "--dry-run"],
        &["list"],
        &["remove"],
    ] {
        let refused = with_none(arguments).exits(1);
        for wanted in ["user 65534 may not write in", all, "run as root"] {
            assert!(refused.err.contains(wanted), "{wanted} in {refused:?}");
        }
    }
}

#[test]
fn without_proof_that_a_namespace_is_gone_nothing_of_it_is_freed() {
    require_setpriv!();
    let (netns, other, file) = (Netns::new(), Netns::new(), PolicyFile::new(POLICY));
    netns.apply(POLICY, &[]).exits(0);
    let before = netns.emptcp(&["show", "--json"]).exits(0).out;
    with_capabilities(&other, false, THREE, &["apply", &file.path()]).exits(0);
    let done = with_capabilities(&other, false, THREE, &["remove", "--stale", "--json"])
        .exits(0)
        .json();
    let namespace = netns.inode();
    let freed = done["freed"].as_array().unwrap();
    assert!(freed.iter().all(|entry| entry["namespace"] != namespace), "{done}");
    let all = with_capabilities(&other, false, THREE, &["list", "--all", "--json"])
        .exits(0)
        .json();
    let mut all = all.as_array().unwrap().iter();
    let entry = all.find(|entry| entry["namespace"] == namespace).expect("it stays");
    assert_ne!(entry["state"], "dead");
    assert_eq!(netns.emptcp(&["show", "--json"]).exits(0).out, before);
}
