//! Fields that elements declare: words of conditions that the compiler knows only from their manifests.

mod common;

use common::{catalog, file_with, shipped};
use emptcp_plan::manifest::Manifest;
use emptcp_plan::plan::Value;
use emptcp_plan::{Catalog, compile};

/// A custom element with a field of each form.
const OWN: &str = r#"
name = "own"
kind = "selector"
summary = "For tests."
hooks = ["xdp", "tc_ingress", "tc_egress"]

[[argument]]
name = "what"
type = "choice"
help = "h"
values = ["ttl", "scale", "gap", "id"]

[[argument]]
name = "compare"
type = "choice"
help = "h"
default = "eq"
values = ["lt", "le", "gt", "ge", "eq", "ne"]

[[argument]]
name = "value"
type = "integer"
help = "h"
default = "0"
max = 1000000000000

[[argument]]
name = "inside"
type = "boolean"
help = "h"
default = "yes"

[[field]]
name = "ip.ttl"
form = "number"
arguments = ["value"]
compare = "compare"
with = { what = "ttl" }
aliases = ["hops"]

[[field]]
name = "tcp.window_scale"
form = "set"
arguments = ["value"]
inside = "inside"
with = { what = "scale" }
names = { none = "0" }
segments = "syn|synack"

[[field]]
name = "gap"
form = "compare"
arguments = ["value"]
compare = "compare"
with = { what = "gap" }
type = "duration"
"#;

fn with_own() -> Catalog {
    let mut catalog = catalog().clone();
    catalog.insert(Manifest::parse("element.toml", OWN).unwrap_or_else(|found| panic!("{found}")));
    catalog
}

/// The calls of `own` in a condition: what, comparison, value, inside.
fn calls(condition: &str) -> Vec<[u64; 4]> {
    let plan = compile("p.toml", &file_with(condition, "count"), &with_own()).unwrap_or_else(|found| panic!("{found}"));
    let nodes = plan.policies[0].nodes.iter().filter(|node| node.element == "own");
    let number = |(_, value): &(String, Value)| match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?}"),
    };
    let calls = nodes.map(|node| node.arguments.iter().map(number).collect::<Vec<_>>());
    calls.map(|call| call.try_into().unwrap()).collect()
}

fn mistake(condition: &str) -> (String, Option<String>) {
    let found = compile("p.toml", &file_with(condition, "count"), &with_own()).unwrap_err();
    let first = found.iter().next().unwrap();
    (format!("{}; {}", first.message, first.help), first.corrected.clone())
}

#[test]
fn a_test_of_a_declared_field_calls_its_element_with_what_the_declaration_says() {
    assert_eq!(calls("ip.ttl < 32"), [[0, 0, 32, 1]]);
    assert_eq!(calls("ip.ttl in {1, 5-7}"), [[0, 4, 1, 1], [0, 3, 5, 1], [0, 1, 7, 1]]);
    assert_eq!(calls("tcp.window_scale == 7"), [[1, 4, 7, 1]]);
    assert_eq!(calls("tcp.window_scale not in {7, 8}"), [[1, 4, 7, 0], [1, 4, 8, 0]]);
    assert_eq!(calls("gap >= 2ms"), [[2, 3, 2_000_000, 1]]);
}

#[test]
fn mistakes_in_a_test_of_a_declared_field_are_explained_as_those_of_any_other() {
    let when = |text: &str| Some(format!("when = '{text}'"));
    for (condition, wanted, corrected) in [
        (
            "ip.tll < 3",
            "did you mean `ip.ttl`? expected `ip.dscp`",
            when("ip.ttl < 3"),
        ),
        ("hops < 3", "here it is written `ip.ttl`", when("ip.ttl < 3")),
        ("gap > 5", "the duration `5` has no unit", None),
        (
            "ip.ttl > 2000000000000",
            "expected a whole number, from 0 to 1000000000000",
            None,
        ),
        (
            "tcp.window_scale == none",
            "`none` is not a whole number",
            when("tcp.window_scale == 0"),
        ),
        ("ip.ttl == 3 and ip.ttl > 4", "never hold together", None),
        (
            "tcp.window_scale == 7 and packet is third_ack",
            "never hold together",
            None,
        ),
    ] {
        let (message, line) = mistake(condition);
        assert!(message.contains(wanted), "{condition}: {message}");
        assert_eq!(line, corrected, "{condition}");
    }
}

#[test]
fn a_declaration_that_cannot_work_is_refused_where_it_stands() {
    for (from, to, wanted) in [
        (
            "name = \"ip.ttl\"",
            "name = \"ip.src\"",
            "`ip.src` is a word of the policy language",
        ),
        (
            "name = \"ip.ttl\"",
            "name = \"not\"",
            "`not` is a word of the policy language",
        ),
        (
            "name = \"ip.ttl\"",
            "name = \"ip.\"",
            "`ip.` cannot be the name of a field",
        ),
        ("name = \"gap\"", "name = \"ip.ttl\"", "the field is declared twice"),
        (
            "form = \"number\"",
            "form = \"core\"",
            "`ip.ttl` is no word of the compiler's own",
        ),
        (
            "form = \"number\"",
            "form = \"flag\"",
            "is of another type than the form `flag` takes",
        ),
        ("form = \"number\"", "form = \"numbers\"", "unknown variant `numbers`"),
        (
            "arguments = [\"value\"]",
            "arguments = [\"valu\"]",
            "did you mean `value`?",
        ),
        (
            "arguments = [\"value\"]",
            "arguments = []",
            "another number of arguments than one",
        ),
        ("compare = \"compare\"", "", "nothing takes the comparison"),
        (
            "compare = \"compare\"",
            "compare = \"what\"",
            "`what` takes no comparison",
        ),
        (
            "inside = \"inside\"",
            "inside = \"value\"",
            "`value` is no boolean argument",
        ),
        (
            "{ what = \"ttl\" }",
            "{ what = \"tll\" }",
            "`tll` is not one of the choices",
        ),
        ("with = { what = \"gap\" }\n", "", "the argument `what` gets no value"),
        (
            "type = \"duration\"",
            "type = \"prefix\"",
            "the values cannot be written so",
        ),
        (
            "type = \"duration\"",
            "aliases = [\"hops\"]",
            "`hops` is an alias of another field too",
        ),
        ("\"hops\"", "\"hops\", \"hops\"", "`hops` is named twice"),
        ("\"hops\"", "\"ip.addr\"", "`ip.addr` means something else already"),
        ("\"syn|synack\"", "\"sin\"", "`sin` is not a packet type"),
        ("none = \"0\"", "none = \"zero\"", "`none` stands for no value"),
        ("kind = \"selector\"", "kind = \"actor\"", "an actor declares a field"),
    ] {
        assert!(OWN.contains(from), "{from}");
        let found = Manifest::parse("element.toml", &OWN.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(found.contains(wanted), "{to}: {found}");
    }
}

#[test]
fn two_elements_cannot_declare_one_word() {
    let catalog = with_own();
    let other = |from: &str, to: &str| {
        let text = OWN.replace("name = \"own\"", "name = \"other\"").replace(from, to);
        Manifest::parse("element.toml", &text).unwrap()
    };
    let conflict = |manifest| catalog.conflict(&manifest).unwrap_or_default();
    assert_eq!(
        conflict(other("", "")),
        "it declares the field `ip.ttl`, as the element `own` does"
    );
    let renamed = OWN
        .replace("ip.ttl", "ip.hops")
        .replace("tcp.window_scale", "tcp.scale");
    let renamed = renamed
        .replace("\"gap\"\nform", "\"pause\"\nform")
        .replace("name = \"own\"", "name = \"other\"");
    let renamed = |alias: &str| Manifest::parse("element.toml", &renamed.replace("\"hops\"", alias)).unwrap();
    assert_eq!(
        conflict(renamed("\"hops\"")),
        "the alias `hops` of its field `ip.hops` belongs to another element's field"
    );
    assert_eq!(catalog.conflict(&renamed("\"jumps\"")), None);
    let own = Manifest::parse("element.toml", OWN).unwrap();
    assert_eq!(catalog.conflict(&own), None, "an element may be installed again");
}

#[test]
fn no_two_elements_that_ship_declare_one_word_and_every_alias_leads_to_its_field() {
    let mut catalog = Catalog::default();
    for manifest in shipped() {
        assert_eq!(catalog.conflict(&manifest), None, "{}", manifest.name);
        catalog.insert(manifest);
    }
    let aliases = catalog.fields().iter().flat_map(|field| {
        let aliases = &field.declaration.aliases;
        aliases.iter().map(|alias| (alias.clone(), field.name().to_owned()))
    });
    for (alias, name) in aliases {
        let found = compile("p.toml", &file_with(&format!("{alias} banana"), "count"), &catalog).unwrap_err();
        let help = format!("here it is written `{name}`");
        assert!(found.iter().any(|one| one.help == help), "{alias}: {found}");
    }
}
