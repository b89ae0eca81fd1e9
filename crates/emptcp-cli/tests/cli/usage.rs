//! The command line itself, and what works without a network.

use crate::common::{EMPTCP, emptcp, emptcp_as_nobody};
use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
};

const COMMANDS: [&str; 12] = [
    "apply", "check", "list", "show", "stats", "flows", "monitor", "remove", "elements", "element", "sdk", "doctor",
];

#[test]
fn a_bad_command_line_is_refused_with_two() {
    for arguments in [
        &["nope"][..],
        &[],
        &["apply"],
        &["check"],
        &["list", "--nope"],
        &["stats", "--watch", "never"],
        &["stats", "--watch", "0"],
        &["monitor", "--count", "0"],
        &["element", "build"],
        &["show", "--instance"],
        &["remove", "--instance", "No Name"],
    ] {
        let said = emptcp(arguments).exits(2);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_bad_command_line_is_reported_in_json_too() {
    let error = emptcp(&["--json", "stats", "--watch", "never"]).exits(2).json();
    assert_eq!(error["error"]["kind"], "usage");
    assert!(error["error"]["message"].as_str().unwrap().contains("never"), "{error}");
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in COMMANDS {
        let help = emptcp(&[command, "--help"]).exits(0);
        assert!(
            help.out.contains("Usage: emptcp") && help.out.contains("Example"),
            "{command}: {help:?}"
        );
        assert!(help.out.contains(&format!("emptcp {command}")), "{command}: {help:?}");
    }
    let help = emptcp(&["--help"]).exits(0);
    assert!(
        COMMANDS.iter().all(|command| help.out.contains(command)) && help.out.contains("Exit status"),
        "{help:?}"
    );
    assert!(emptcp(&["--version"]).exits(0).out.starts_with("emptcp "));
}

#[test]
fn the_elements_are_listed_and_explained() {
    let list = emptcp(&["elements"]).exits(0);
    assert!(
        list.out
            .lines()
            .any(|line| line.starts_with("rate_limit") && line.contains("actor")),
        "{list:?}"
    );
    let all = emptcp(&["elements", "--json"]).exits(0).json();
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|element| element["name"].as_str().unwrap())
        .collect();
    for wanted in ["count", "mark", "rate_limit", "set_backup", "sequence", "metric"] {
        assert!(names.contains(&wanted), "{wanted} in {names:?}");
    }
    let one = emptcp(&["elements", "rate_limit"]).exits(0);
    assert!(
        one.out.contains("rate") && one.out.contains("needed") && one.out.contains("`4mbit`"),
        "{one:?}"
    );
    let error = emptcp(&["elements", "nope", "--json"]).exits(1).json();
    assert_eq!(error["error"]["kind"], "unknown_element");
    let slip = emptcp(&["elements", "rate-limit"]).exits(1);
    assert!(slip.err.contains("did you mean `rate_limit`?"), "{slip:?}");
}

#[test]
fn the_usage_of_check_shows_that_it_takes_a_file_or_asks_what_is_in_force() {
    let refused = emptcp(&["check", "--in-force", "policy.toml"]).exits(2);
    for usage in ["emptcp check [OPTIONS] <FILE>", "emptcp check [OPTIONS] --in-force"] {
        assert!(refused.err.contains(usage), "{refused:?}");
    }
}

#[test]
fn the_sdk_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = folder.path().join("mine");
    let answer = emptcp(&["--json", "sdk", &sdk.display().to_string()]).exits(0).json();
    assert!(
        answer["files"]
            .as_array()
            .unwrap()
            .iter()
            .all(|file| fs::exists(file.as_str().unwrap()).unwrap())
    );
    let nowhere = emptcp(&["sdk", "/proc/mine"]).exits(1);
    assert!(
        nowhere.err.contains("/proc: no folder can be made in it"),
        "{nowhere:?}"
    );
    assert!(sdk.join("include/emptcp/element.h").is_file() && sdk.join("large_packet/element.toml").is_file());
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let mut child = Command::new(EMPTCP)
        .args(["elements", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn what_needs_rights_says_so() {
    let policy = "[[policy]]\nname = 'a'\ndevice = 'lo'\nhook = 'ingress'\ndo = 'count'";
    let people = emptcp_as_nobody(&["--instance", "nobody", "apply", "-"], policy).exits(1);
    assert!(people.err.contains("root"), "{people:?}");
    let programs = emptcp_as_nobody(&["--instance", "nobody", "--json", "apply", "-"], policy)
        .exits(1)
        .json();
    assert_eq!(programs["error"]["kind"], "not_permitted", "{programs}");
}

#[test]
fn doctor_answers_without_rights() {
    let people = emptcp_as_nobody(&["doctor"], "").exits(0);
    assert!(
        people.out.contains("root") && people.out.contains("why it matters"),
        "{people:?}"
    );
    let report = emptcp_as_nobody(&["doctor", "--json"], "").exits(0).json();
    assert!(report["features"].as_array().unwrap().len() > 10, "{report}");
}

#[test]
fn a_network_namespace_that_is_not_there_is_named() {
    for command in ["list", "show", "stats", "flows", "monitor", "remove", "doctor"] {
        let said = emptcp(&["--netns", "emptcp-nowhere", "--json", command]).exits(1);
        assert!(said.err.contains("emptcp-nowhere"), "{said:?}");
        assert_eq!(said.json()["error"]["kind"], "netns");
    }
}

#[test]
fn colours_can_be_forced_and_are_never_used_against_the_will_of_the_user() {
    let list = |variables: &[(&str, &str)]| {
        let output = Command::new(EMPTCP)
            .arg("elements")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(list(&[("CLICOLOR_FORCE", "1")]).contains('\x1b'));
    assert!(!list(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn no_colours_go_into_a_pipe() {
    for arguments in [&["elements"][..], &["elements", "count"], &["nope"], &["doctor"]] {
        let said = emptcp(arguments);
        assert!(!said.out.contains('\x1b') && !said.err.contains('\x1b'), "{said:?}");
    }
}
