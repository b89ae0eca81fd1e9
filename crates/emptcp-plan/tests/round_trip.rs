//! Conditions that are written and read again are equal, and no text makes the compiler panic.

mod common;

use common::strategies::{calls, expressions, primaries};
use common::{catalog, compiled, file_with};
use emptcp_plan::expression::{DEEPEST, parse};
use emptcp_plan::manifest::Manifest;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_written_and_read_again_is_the_same(
        condition in expressions(prop_oneof![4 => primaries(), 1 => calls()], 30),
    ) {
        let text = condition.to_string();
        let again = parse(&text, catalog().fields());
        prop_assert_eq!(again.as_ref(), Ok(&condition), "{}", text);
        prop_assert_eq!(again.expect("read").to_string(), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        spans_lie_inside(&text);
    }

    #[test]
    fn no_sequence_of_words_makes_the_parser_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..30),
        gap in proptest::sample::select(&["", " "][..]),
    ) {
        spans_lie_inside(&words.join(gap));
    }

    #[test]
    fn no_condition_or_action_makes_the_compiler_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..20),
        action in proptest::collection::vec(proptest::sample::select(ACTION_WORDS), 0..6),
    ) {
        let _ = compiled(&file_with(&words.join(" "), &action.join(" "))).map_err(|found| found.to_string());
    }

    #[test]
    fn no_file_makes_the_compiler_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
        noise: String,
        at: prop::sample::Index,
    ) {
        let mut text = pieces.concat();
        let _ = compiled(&text).map_err(|found| found.to_string());
        let at = (0..=at.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &noise);
        for text in [&text, &noise] {
            if let Err(found) = compiled(text) {
                for diagnostic in &found {
                    prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1 && diagnostic.width >= 1);
                    prop_assert!(!diagnostic.help.is_empty());
                }
                prop_assert!(!found.to_string().is_empty());
            }
            let _ = Manifest::parse("element.toml", text).map_err(|found| found.to_string());
        }
    }
}

fn spans_lie_inside(text: &str) {
    if let Err(problems) = parse(text, catalog().fields()) {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        }
    }
}

const WORDS: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    ",",
    "|",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "<->",
    "\"",
    "\"x\"",
    "and",
    "or",
    "not",
    "in",
    "is",
    "has",
    "ip.src",
    "ip.dst",
    "ip.pair",
    "ip.version",
    "ip.dscp",
    "tcp.port",
    "tcp.srcport",
    "subflow",
    "subflow.local_id",
    "device",
    "direction",
    "packet",
    "dsn",
    "ssn",
    "connection",
    "flow.bytes",
    "flow.rtt",
    "connection.subflows",
    "sample",
    "1",
    "100",
    "10.0.0.0/8",
    "2001:db8::/32",
    "[::1]:80",
    "10.0.0.1:80",
    "1-2",
    "0x12",
    "+0..+9",
    "1..",
    "..",
    "eth0",
    "syn",
    "mp_join",
    "ingress",
    "initial",
    "220kB",
    "100ms",
    "src",
    "prefix",
    "ä",
    "&",
    "\t",
    "\n",
    "none",
];

const ACTION_WORDS: &[&str] = &[
    "count",
    "rate_limit",
    "rate",
    "=",
    "4mbit",
    "rate=4mbit",
    "mode=shape",
    "|",
    ",",
    "(",
    ")",
    "\"4mbit\"",
    "sample",
    "x",
];

const PIECES: &[&str] = &[
    "[[policy]]\n",
    "[policy]\n",
    "[tables]\n",
    "flows = 100\n",
    "events = 4096\n",
    "events = 5\n",
    "name = 'a'\n",
    "name = \"b\"\n",
    "name = 3\n",
    "device = 'eth0'\n",
    "device = ['eth0', 'eth1']\n",
    "device = []\n",
    "device = [1]\n",
    "hook = 'ingress'\n",
    "hook = ['ingress', 'egress']\n",
    "hook = 'igress'\n",
    "attach = 'tc'\n",
    "attach = 'xdp-native'\n",
    "when = 'packet is syn'\n",
    "when = '''\npacket is\nsyn'''\n",
    "when = \"packet \\u0069s syn and ä\"\n",
    "when = 'ip.src in 10.0.0.0/8 or sample 1 in 3'\n",
    "when = ''\n",
    "do = ['count']\n",
    "do = 'drop'\n",
    "do = []\n",
    "do = ['rate_limit']\n",
    "do = ['xdp_actor']\n",
    "policy = 3\n",
    "x = 1\n",
    "'",
    "\"",
    "[",
    "\n",
    "\u{feff}",
    "\r\n",
    "# ä\n",
    "a.b.c = 1\n",
];

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    for deep in ["(", "not ", "not (", "sample 1 in 2 and ("] {
        let text = deep.repeat(200_000);
        let problems = parse(&text, catalog().fields()).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|problem| problem.message.contains("nested more than")),
            "{deep}"
        );
    }
    let text = format!("{}packet is syn{}", "(".repeat(DEEPEST - 1), ")".repeat(DEEPEST - 1));
    assert!(parse(&text, catalog().fields()).is_ok());
}

#[test]
fn long_flat_conditions_are_no_problem_for_the_parser() {
    let text = vec!["packet is syn"; 50_000].join(" or ");
    assert!(parse(&text, catalog().fields()).is_ok());
}
