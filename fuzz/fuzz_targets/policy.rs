//! Any text as a policy file: the compiler does not panic, points into the text, and its corrections are right.
#![no_main]

use emptcp_plan::{Catalog, Diagnostics, compile, diff, manifest::Manifest};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

macro_rules! shipped {
    ($($name:literal)*) => {
        [$(include_str!(concat!("../../elements/", $name, "/element.toml"))),*]
    };
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let texts = shipped!["add_addr_address" "add_addr_id" "add_addr_port" "address_id" "connection" "count" "device"
        "direction" "drop" "dscp" "dst" "ip_pair" "ip_version" "join_backup" "join_id" "mark" "metric" "packet_type"
        "ports" "rate_limit" "reset" "role" "sample" "sequence" "set_backup" "src" "subflow"];
    texts
        .into_iter()
        .map(|text| Manifest::parse("element.toml", text).expect("a shipped manifest"))
        .collect()
});

/// The text with one line replaced.
fn with_line(text: &str, line: usize, by: &str) -> String {
    let lines = text.split('\n').enumerate();
    let lines: Vec<_> = lines.map(|(at, old)| if at + 1 == line { by } else { old }).collect();
    lines.join("\n")
}

fn check(text: &str, diagnostics: &Diagnostics) {
    let lines = text.split('\n').count();
    for diagnostic in diagnostics.iter() {
        assert!((1..=lines).contains(&diagnostic.line), "{diagnostic}");
        assert!(diagnostic.column >= 1 && diagnostic.width >= 1, "{diagnostic}");
        assert!(!diagnostic.message.is_empty() && !diagnostic.help.is_empty(), "{diagnostic}");
        let Some(corrected) = &diagnostic.corrected else { continue };
        let again = compile("policy.toml", &with_line(text, diagnostic.line, corrected), &CATALOG);
        let left = again.err().is_some_and(|left| left.iter().any(|left| left.line == diagnostic.line));
        assert!(!left, "not corrected: {diagnostic}");
    }
}

fuzz_target!(|text: &str| {
    match compile("policy.toml", text, &CATALOG) {
        Ok(plan) => assert!(diff(Some(&plan), &plan).iter().all(emptcp_plan::Change::is_unchanged)),
        Err(diagnostics) => check(text, &diagnostics),
    }
});
