//! `emptcp check`: good files and bad ones, without rights.

use crate::common::{PolicyFile, emptcp, emptcp_as_nobody, emptcp_with};

/// The first four lines of every policy here.
const HEAD: &str = "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'ingress'\n";

/// What is added to the head; the expected line, column and part of the message.
const MISTAKES: &[(&str, usize, usize, &str)] = &[
    ("", 1, 1, "has no `do`"),
    ("wehn = 'packet is ack'\ndo = 'count'", 5, 1, "unknown key `wehn`"),
    ("attach = 'xdp'\ndo = 'count'", 5, 10, "`xdp` is no attach mode"),
    (
        "attach = 'xdp-native'\ndo = 'mark fwmark=1'",
        6,
        7,
        "`mark` cannot run at XDP",
    ),
    ("do = []", 5, 6, "empty list"),
    ("do = 3", 5, 6, "of type integer"),
    ("do = 'cuont'", 5, 7, "there is no actor `cuont`"),
    ("do = 'count color=red'", 5, 13, "has no argument `color`"),
    ("do = 'rate_limit'", 5, 7, "needs the argument `rate`"),
    (
        "do = ['count', 'rate_limit rate=4parsec']",
        5,
        33,
        "`parsec` is not a unit",
    ),
    ("when = 'ip.src at 10.0.0.0/8'\ndo = 'count'", 5, 16, "unexpected `at`"),
    ("when = 'ip.src in 10.0.0.0/33'\ndo = 'count'", 5, 19, "prefix length"),
    ("when = 'tcp.port == 70000'\ndo = 'count'", 5, 21, "out of range"),
    ("when = 'packet is fast'\ndo = 'count'", 5, 19, "unknown word `fast`"),
    ("when = '(packet is ack'\ndo = 'count'", 5, 9, "never closed"),
    ("when = 'packet is ack and'\ndo = 'count'", 5, 26, "the text ends"),
    (
        "when = '''\n  packet is ack\n  and flow.bites > 3kB\n'''\ndo = 'count'",
        7,
        7,
        "unknown word `flow.bites`",
    ),
    ("when = 'über(1)'\ndo = 'count'", 5, 9, "unexpected"),
    (
        "do = 'count'\n[[policy]]\nname = 'a'\ndevice = 'v1'\nhook = 'egress'\ndo = 'count'",
        7,
        8,
        "named `a`",
    ),
    ("do = 'count'\n[tables]\nflows = 0", 7, 9, "out of range"),
    ("do = 'count'\n[tabels]\nflows = 1", 6, 2, "unknown key `tabels`"),
    ("do = 'count\n", 5, 12, ""),
];

#[test]
fn every_mistake_is_found_at_its_line_and_column() {
    for (rest, line, column, message) in MISTAKES {
        let file = PolicyFile::new(&format!("{HEAD}{rest}"));
        let people = emptcp(&["check", &file.path()]).exits(2);
        let place = format!("{}:{line}:{column}: ", file.path());
        let found = people.err.lines().find(|found| found.starts_with(&place));
        assert!(
            found.is_some_and(|found| found.contains(message)),
            "{line}:{column} {message}: {}",
            people.err
        );
        assert!(people.out.is_empty(), "{people:?}");

        let programs = emptcp(&["--json", "check", &file.path()]).exits(2).json();
        let error = &programs["error"];
        assert_eq!(error["kind"], "policy_file");
        let diagnostics = error["diagnostics"].as_array().unwrap();
        let found = diagnostics
            .iter()
            .find(|found| found["line"] == *line && found["column"] == *column);
        let found = found.unwrap_or_else(|| panic!("{line}:{column}: {programs}"));
        assert!(found["message"].as_str().unwrap().contains(message), "{found}");
        assert!(!found["help"].as_str().unwrap().is_empty(), "{found}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text = "[[policy]]\nname = 'A'\ndevice = 'v0'\nhook = 'in'\nwhen = 'packet is x'\ndo = 'y'";
    let error = emptcp_with(&["--json", "check", "-"], text).exits(2).json();
    let lines: Vec<_> = error["error"]["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 4, 5, 6]);
}

#[test]
fn an_empty_file_is_a_mistake() {
    let said = emptcp_with(&["check", "-"], "").exits(2);
    assert!(
        said.err.starts_with("standard input:1:1: the file has no policy"),
        "{said:?}"
    );
}

#[test]
fn a_good_file_needs_no_rights_and_no_devices() {
    let text =
        format!("{HEAD}when = 'ip.src in 10.0.0.0/8 and packet is data'\ndo = ['rate_limit rate=4mbit', 'count']");
    let people = emptcp_as_nobody(&["check", "-"], &text).exits(0);
    assert!(
        people.out.contains("1 policy and 4 rules of the classifier;"),
        "{people:?}"
    );
    let programs = emptcp_as_nobody(&["--json", "check", "-"], &text).exits(0).json();
    let policy = &programs["policies"][0];
    assert_eq!(policy["name"], "a");
    assert_eq!(policy["direction"], "ingress");
    assert_eq!(policy["devices"], serde_json::json!(["v0"]));
    assert_eq!(policy["hooks"], serde_json::json!(["xdp", "tc_ingress"]));
    assert_eq!(policy["elements"], 3);
}

#[test]
fn the_compiled_plan_is_shown_on_request() {
    let text = format!("{HEAD}when = 'tcp.port == 443 and not packet is fin'\ndo = 'mark dscp=46'");
    let people = emptcp_with(&["check", "--plan", "-"], &text).exits(0);
    for wanted in ["accept", "types=fin", "dscp=46", "direction is ingress", "device == v0"] {
        assert!(people.out.contains(wanted), "{wanted} in {}", people.out);
    }
    let programs = emptcp_with(&["check", "--plan", "--json", "-"], &text).exits(0).json();
    assert_eq!(programs["plan"]["policies"][0]["nodes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let said = emptcp(&["--json", "check", "/nonexistent/policy.toml"]).exits(2);
    assert!(said.err.contains("/nonexistent/policy.toml: No such file"), "{said:?}");
    assert_eq!(said.json()["error"]["kind"], "unreadable");
}
