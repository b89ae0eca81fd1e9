//! What `emptcp apply` prints about changes.

mod common;

use common::{compiled, policy};
use emptcp_plan::{Change, diff};

fn shown(old: Option<&str>, new: &str) -> Vec<String> {
    let old = old.map(|text| compiled(text).unwrap());
    diff(old.as_ref(), &compiled(new).unwrap())
        .iter()
        .map(Change::to_string)
        .collect()
}

#[test]
fn without_an_old_plan_everything_is_added() {
    assert_eq!(shown(None, &policy("a", "packet is syn", "count")), ["+ a"]);
}

#[test]
fn policies_are_compared_by_name() {
    let old = policy("a", "packet is syn", "count")
        + &policy("b", "packet is syn", "count")
        + &policy("c", "packet is fin", "drop");
    let new = policy("z", "packet is syn", "count")
        + &policy("a", "packet is syn", "count")
        + &policy("b", "packet is rst", "drop");
    let wanted = [
        "+ z",
        "= a",
        "~ b: when `packet is syn` -> `packet is rst`; do count -> drop",
        "- c",
    ];
    assert_eq!(shown(Some(&old), &new), wanted);
}

#[test]
fn a_change_of_order_is_a_change() {
    let (a, b) = (
        policy("a", "packet is syn", "count"),
        policy("b", "packet is syn", "count"),
    );
    assert_eq!(
        shown(Some(&(a.clone() + &b)), &(b + &a)),
        ["~ b: order 2 -> 1", "~ a: order 1 -> 2"]
    );
}

#[test]
fn devices_hooks_and_tables_are_compared() {
    let old = policy("a", "packet is syn", "count");
    let new = old
        .replace("['eth0', 'eth1']", "'eth0'")
        .replace("'ingress'", "'egress'")
        + "[tables]\nflows = 5\n";
    assert_eq!(
        shown(Some(&old), &new),
        [
            "~ tables: flows 16384 -> 5 in the file; an instance keeps the sizes with which it was made",
            "~ a: hook ingress -> egress; device eth0, eth1 -> eth0"
        ]
    );
}

#[test]
fn a_changed_default_of_an_element_is_a_change() {
    let text = policy("a", "packet is syn", "record");
    let old = compiled(&text).unwrap();
    let mut catalog = common::catalog().clone();
    let mut record = catalog.get("record").unwrap().clone();
    record.arguments[0].default = Some("2s".to_owned());
    catalog.insert(record);
    let new = emptcp_plan::compile("policy.toml", &text, &catalog).unwrap();
    assert_eq!(diff(Some(&old), &new)[0].to_string(), "~ a: elements or their defaults");
    assert!(diff(Some(&new), &new)[0].is_unchanged());
}

#[test]
fn changes_are_also_data() {
    let plan = compiled(&policy("a", "packet is syn", "count")).unwrap();
    let json = serde_json::to_string(&diff(None, &plan)).unwrap();
    assert_eq!(json, r#"[{"change":"added","policy":"a"}]"#);
}
