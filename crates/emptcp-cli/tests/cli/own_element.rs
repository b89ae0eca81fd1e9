//! A custom element: from the SDK to a policy in force.

use crate::common::{EMPTCP, Netns};
use emptcp::require;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Runs `emptcp` with its own folder of installed elements.
fn emptcp(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(EMPTCP)
        .env("EMPTCP_ELEMENTS", folder.join("installed"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the command starts")
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_element_of_the_sdk_is_built_installed_used_and_removed() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    let netns = Netns::new();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| emptcp(folder.path(), arguments);
    good(&run(&["sdk", "mine"]));
    assert!(good(&run(&["element", "build", "mine/large_packet"])).contains("accepted by the verifier"));
    let built: serde_json::Value =
        serde_json::from_str(&good(&run(&["--json", "element", "install", "mine/large_packet"]))).unwrap();
    assert_eq!(built["checked"], serde_json::json!(["xdp", "tc_ingress", "tc_egress"]));
    assert!(good(&run(&["element", "list"])).contains("large_packet"));
    assert!(good(&run(&["elements"])).contains("large_packet"));

    let policy =
        "[[policy]]\nname = 'big'\ndevice = 'v0'\nhook = 'egress'\nwhen = 'large_packet(bytes=500)'\ndo = 'count'";
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let applied = run(&["--netns", &netns.name, "apply", "policy.toml"]);
    assert!(good(&applied).contains("+ big"));
    let stats = good(&run(&["--netns", &netns.name, "stats"]));
    assert!(
        stats.contains("large_packet(bytes=500)") && stats.contains("large "),
        "{stats}"
    );

    good(&run(&["element", "remove", "large_packet"]));
    assert_eq!(run(&["check", "policy.toml"]).status.code(), Some(2));
    assert_eq!(run(&["element", "remove", "large_packet"]).status.code(), Some(1));
    // What is in force keeps running.
    good(&run(&["--netns", &netns.name, "show"]));
}

#[test]
fn an_element_that_the_verifier_refuses_is_explained_by_its_source_line() {
    require!(emptcp::testing::is_root(), "needs root: the verifier is asked");
    let folder = tempfile::tempdir().unwrap();
    good(&emptcp(folder.path(), &["sdk", "mine"]));
    let source = folder.path().join("mine/large_packet/element.bpf.c");
    let text = fs::read_to_string(&source).unwrap();
    let bad = "	if (*(volatile __u8 *)((__u64)packet->payload_length) == 7)\n		return true;\n	emptcp_count";
    assert!(text.contains("	emptcp_count"), "the template has changed");
    fs::write(&source, text.replacen("	emptcp_count", bad, 1)).unwrap();
    let output = emptcp(folder.path(), &["--json", "element", "build", "mine/large_packet"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error"]["kind"], "refused", "{error}");
    assert_eq!(error["error"]["element"], "large_packet");
    assert!(
        error["error"]["source"]["text"].as_str().unwrap().contains("volatile"),
        "{error}"
    );
    let people = String::from_utf8_lossy(&output.stderr);
    assert!(people.contains("verifier:") && people.contains("source:"), "{people}");
}

#[test]
fn an_element_that_does_not_compile_is_reported_with_the_words_of_clang() {
    let folder = tempfile::tempdir().unwrap();
    good(&emptcp(folder.path(), &["sdk", "mine"]));
    let source = folder.path().join("mine/large_packet/element.bpf.c");
    fs::write(
        &source,
        fs::read_to_string(&source)
            .unwrap()
            .replacen("return true;", "return maybe;", 1),
    )
    .unwrap();
    let output = emptcp(folder.path(), &["--json", "element", "build", "mine/large_packet"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error"]["kind"], "compile");
    assert!(error["error"]["message"].as_str().unwrap().contains("maybe"), "{error}");
}

#[test]
fn an_installed_element_that_cannot_be_read_hinders_no_command_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| emptcp(folder.path(), arguments);
    let damages: [(&str, &[u8]); 2] = [("empty", b""), ("random", b"\xff\x00\x7fELF")];
    for (name, manifest) in damages {
        fs::create_dir_all(folder.path().join("installed").join(name)).unwrap();
        fs::write(
            folder.path().join("installed").join(name).join("element.toml"),
            manifest,
        )
        .unwrap();
    }
    let policy = "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = 'count'";
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    for arguments in [&["check", "policy.toml"][..], &["elements"], &["element", "list"]] {
        let output = run(arguments);
        good(&output);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for (name, _) in damages {
            assert!(said.contains(&format!("`emptcp element remove {name}`")), "{said}");
        }
    }
    for (name, _) in damages {
        good(&run(&["element", "remove", name]));
        assert_eq!(run(&["element", "remove", name]).status.code(), Some(1));
    }
    assert!(run(&["elements"]).stderr.is_empty());
}
