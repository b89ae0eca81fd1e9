//! Elements whose source, manifest and folder contradict each other are refused when they are built, and the error
//! names both sides; mistakes that the builder cannot see are bounded in the program.

mod common;

use common::{element, manifest, message, packets::arriving, plan};
use emptcp_packet::{
    Catalog, element as elements, require,
    testing::is_root,
    testrun::{Input, Sandbox},
};
use emptcp_plan::manifest::Hook;

/// The error of the builder about an element in the folder `name`. Needs no rights.
fn refused(name: &str, toml: &str, source: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("#include <emptcp/element.h>\n{source}\n");
    message(elements::build(&element(folder.path(), name, toml, &source)))
}

/// An actor that does nothing.
fn actor(name: &str) -> String {
    format!("ACTOR({name})\n{{\n\t(void)packet;\n\treturn EMPTCP_CONTINUE;\n}}")
}

fn all(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}

#[test]
fn counters_that_differ_between_source_and_manifest_are_refused_with_both_lists() {
    let two = |counters: &str| manifest("tell", "actor", counters);
    for (declaration, toml, words) in [
        (
            "COUNTERS(a, b, c);",
            two("counters = [\"a\", \"b\"]"),
            [
                "`COUNTERS(a, b, c)`",
                "[\"a\", \"b\"]",
                "the same counters in the same order",
            ],
        ),
        (
            "COUNTERS(a);",
            two("counters = [\"a\", \"b\"]"),
            ["`COUNTERS(a)`", "[\"a\", \"b\"]", "the same counters"],
        ),
        (
            "COUNTERS(b, a);",
            two("counters = [\"a\", \"b\"]"),
            ["`COUNTERS(b, a)`", "[\"a\", \"b\"]", "order"],
        ),
        ("COUNTERS(a);", two(""), ["`COUNTERS(a)`", "counters = []", "the same"]),
        (
            "",
            two("counters = [\"a\"]"),
            ["no `COUNTERS(...)`", "[\"a\"]", "the same counters"],
        ),
        (
            "COUNTERS(a = 900);",
            two("counters = [\"a\"]"),
            ["`COUNTERS(a)`", "names only", "without numbers"],
        ),
    ] {
        all(
            &refused("tell", &toml, &format!("{declaration}\n{}", actor("tell"))),
            &words,
        );
    }
}

#[test]
fn a_macro_of_the_other_kind_is_refused() {
    let selector = "SELECTOR(both)\n{\n\treturn packet->segments > 1;\n}";
    let text = refused("both", &manifest("both", "selector", ""), &actor("both"));
    all(&text, &["kind = \"selector\"", "`ACTOR(both)`", "change one of them"]);
    let text = refused("both", &manifest("both", "actor", ""), selector);
    all(&text, &["kind = \"actor\"", "`SELECTOR(both)`", "change one of them"]);
}

#[test]
fn names_of_macro_manifest_and_folder_must_be_the_same() {
    let source = actor("one");
    let text = refused("two", &manifest("two", "actor", ""), &source);
    all(&text, &["name = \"two\"", "`ACTOR(one)`"]);
    let text = refused("other", &manifest("one", "actor", ""), &source);
    all(&text, &["the folder is named `other`", "name = \"one\""]);
}

#[test]
fn a_program_that_no_macro_made_and_a_second_program_are_refused() {
    let bare = "SEC(\"tc\") int bare(struct __sk_buff *skb)\n{\n\treturn 0;\n}\nchar emptcp_license[] SEC(\"license\") = \"GPL\";";
    let toml = "name = \"bare\"\nkind = \"actor\"\nsummary = \"s\"\nhooks = [\"tc_ingress\"]\n";
    all(&refused("bare", toml, bare), &["ABI version", "`ACTOR(...)`"]);
    let two = format!(
        "SEC(\"tc\") int more(struct __sk_buff *skb)\n{{\n\treturn 0;\n}}\n{}",
        actor("bare")
    );
    all(&refused("bare", toml, &two), &["holds 2 programs"]);
}

#[test]
fn an_element_of_another_abi_version_is_refused_with_what_to_do() {
    let old = format!(
        "#undef EMPTCP_ABI_VERSION\n#define EMPTCP_ABI_VERSION 2\n{}",
        actor("old")
    );
    let text = refused("old", &manifest("old", "actor", ""), &old);
    all(&text, &["ABI version 2", "this emptcp has", "build it again"]);
}

#[test]
fn members_that_cannot_hold_their_argument_are_refused() {
    let narrow = |member: &str, rest: &str| {
        let source = format!(
            "struct arguments {{ {member}; }};\nARGUMENTS;\nSELECTOR(narrow)\n{{\n\treturn packet->segments && arguments.x{};\n}}",
            if member.contains('[') { "[0]" } else { "" }
        );
        let toml = manifest(
            "narrow",
            "selector",
            &format!("[[argument]]\nname = \"x\"\nhelp = \"h\"\n{rest}\n"),
        );
        refused("narrow", &toml, &source)
    };
    for (member, rest, words) in [
        ("__u16 x", "type = \"token\"", ["a number that has 2 bytes", "`__u32`"]),
        (
            "__u8 x[2]",
            "type = \"ports\"",
            ["an array that has 2 bytes", "`__u16 [2]`"],
        ),
        (
            "__u32 x",
            "type = \"ports\"",
            ["a number that has 4 bytes", "`__u16 [2]`"],
        ),
        (
            "__u16 x[2]",
            "type = \"integer\"",
            ["an array that has 4 bytes", "`__u64`"],
        ),
        ("__u8 x", "type = \"integer\"\nmax = 256", ["`max = 256`", "1 bytes"]),
        (
            "__u8 x",
            "type = \"integer\"\nmin = 256",
            ["`min = 256`", "at most 255"],
        ),
        (
            "__u16 x",
            "type = \"size\"\ndefault = \"64KiB\"",
            ["the default of `x`", "`64KiB` is out of range"],
        ),
    ] {
        all(&narrow(member, rest), &words);
    }
}

#[test]
fn a_map_with_a_name_of_the_core_is_refused() {
    let source = |name: &str| {
        format!(
            "struct {{ __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); }} \
             {name} SEC(\".maps\");\nACTOR(mine)\n{{\n\t__u32 zero = 0;\n\t(void)bpf_map_lookup_elem(&{name}, \
             &zero);\n\t(void)packet;\n\treturn EMPTCP_CONTINUE;\n}}"
        )
    };
    for name in ["emptcp_control", "emptcp_table", "emptcp_new"] {
        let text = refused("mine", &manifest("mine", "actor", ""), &source(name));
        all(&text, &[&format!("the map `{name}`"), "give the map another name"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let text = format!("#include <emptcp/element.h>\n{}\n", source("mine_only"));
    let mine = element(folder.path(), "mine", &manifest("mine", "actor", ""), &text);
    elements::build(&mine).unwrap();
}

const LOUD: &str = r"
#include <emptcp/element.h>
struct arguments { __u32 which; };
ARGUMENTS;
COUNTERS(own);
ACTOR(loud)
{
	emptcp_count(packet, arguments.which);
	emptcp_count_event(packet, arguments.which + packet->segments);
	return EMPTCP_CONTINUE;
}
";

#[test]
fn no_program_counts_beyond_its_own_counters() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let toml = manifest(
        "loud",
        "actor",
        "counters = [\"own\"]\n[[argument]]\nname = \"which\"\ntype = \"integer\"\nhelp = \"h\"\n",
    );
    let source = element(&folder.path().join("source"), "loud", &toml, LOUD);
    let installed = folder.path().join("installed");
    elements::install_into(&source, &installed).unwrap_or_else(|error| panic!("{error}"));
    let catalog = Catalog::load_from(&installed).unwrap();
    // Each owns eight counters: the numbers lie among those of the policy itself, of the next element and of the next
    // policy.
    let actions: String = [0, 1, 7, 8, 15, 16, 24, 4_294_967_288_u32]
        .iter()
        .map(|which| format!("'loud which={which}', "))
        .collect();
    let text = format!(
        "[[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"ingress\"\ndo = [{actions}]\n\
         [[policy]]\nname = \"q\"\ndevice = \"lo\"\nhook = \"ingress\"\ndo = ['drop']\nwhen = 'tcp.dstport == 9'\n"
    );
    let sandbox = Sandbox::new(&plan(&catalog, &text), Hook::TcIngress, &catalog, &[("lo", 1)]).unwrap();
    for packet in arriving() {
        sandbox.run(&Input::new(&packet)).unwrap();
    }
    let (core, policies) = sandbox.stats().unwrap();
    let counted: Vec<u64> = policies
        .iter()
        .flat_map(|policy| {
            let own = policy.elements.iter().flat_map(|element| &element.counters);
            std::iter::once(policy.matched.packets).chain(own.map(|counter| counter.counter.packets))
        })
        .collect();
    let matched = counted[0];
    assert!(matched > 0, "{core:?}");
    // p's `matched`, the counter of its first element; nothing anywhere else.
    let mut expected = vec![0; counted.len()];
    expected[..2].fill(matched);
    assert_eq!(counted, expected);
}

#[test]
fn a_number_that_the_member_cannot_hold_is_refused_by_check_also_without_max() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <emptcp/element.h>\nstruct arguments { __u8 low; __u16 middle; __u32 wide[2]; };\nARGUMENTS;\n\
                  SELECTOR(short_numbers)\n{\n\treturn packet->segments > arguments.low + arguments.middle + arguments.wide[1];\n}\n";
    let argument = |name: &str, ty: &str, rest: &str| {
        format!("[[argument]]\nname = \"{name}\"\ntype = \"{ty}\"\nhelp = \"h\"\n{rest}")
    };
    let arguments = argument("low", "integer", "default = \"1\"\n")
        + &argument("middle", "size", "default = \"1\"\nmax = 300\n")
        + &argument("wide", "range", "default = \"0..\"\n");
    let toml = manifest("short_numbers", "selector", &arguments);
    let installed = folder.path().join("installed");
    let source = element(&folder.path().join("source"), "short_numbers", &toml, source);
    let built = elements::install_into(&source, &installed).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        built.checked.len() == 3 || !is_root(),
        "an open range can be loaded: {built:?}"
    );
    let catalog = Catalog::load_from(&installed).unwrap();
    let check = |arguments: &str| {
        let policy = format!(
            "[[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"ingress\"\ndo = 'count'\nwhen = 'short_numbers({arguments})'\n"
        );
        emptcp_plan::compile("test.toml", &policy, &catalog.manifests()).map_err(|mistakes| mistakes.to_string())
    };
    check("low=255, middle=300, wide=1..4294967295").unwrap();
    check("wide=5..").unwrap();
    for (arguments, words) in [
        ("low=256", "`256` is out of range"),
        ("middle=301", "`301` is out of range"),
        ("wide=1..4294967297", "`1..4294967297` is out of range"),
    ] {
        let text = check(arguments).unwrap_err();
        assert!(text.contains(words), "{text}");
    }
    assert!(check("low=256").unwrap_err().contains("from 0 to 255"));
}
