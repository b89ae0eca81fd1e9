//! Elements that cannot work: the message names the line and says what helps. Every row of the table of traps is tested
//! with a program that this kernel really refuses.

mod common;

use common::{element, manifest, message};
use emptcp_packet::{Error, element as elements, require, testing::is_root};

/// An actor with this body, and with these declarations before it.
fn refuse(name: &str, declarations: &str, body: &str) -> emptcp_packet::refusal::Refusal {
    let folder = tempfile::tempdir().unwrap();
    let source = format!(
        "#include <emptcp/element.h>\n{declarations}\nACTOR({name})\n{{\n{body}\n\treturn EMPTCP_CONTINUE;\n}}\n"
    );
    let toml = format!("name = \"{name}\"\nkind = \"actor\"\nsummary = \"Wrong.\"\nhooks = [\"tc_ingress\"]\n");
    match elements::build(&element(folder.path(), name, &toml, &source)) {
        Err(Error::Refused(refusal)) => *refusal,
        Ok(_) => panic!("{name}: the kernel accepts it"),
        Err(error) => panic!("{name}: {error}"),
    }
}

fn assert_hint(name: &str, declarations: &str, body: &str, hint: &str) {
    let refusal = refuse(name, declarations, body);
    let shown = refusal.to_string();
    assert!(
        refusal.verifier.hint.is_some_and(|text| text.contains(hint)),
        "{name}\n{shown}\n{}",
        tail(&refusal.verifier.log)
    );
    assert!(
        shown.contains(name) && shown.contains("tc ingress") && shown.contains("verifier:"),
        "{shown}"
    );
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

#[test]
fn a_missing_bounds_check_is_explained_with_its_source_line() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\t__u8 *data = (void *)(long)ctx->data;\n\tif (data[20] == 7)\n\t\treturn EMPTCP_DROP;";
    assert_hint("unchecked", "", body, "data_end");
    let refusal = refuse("unchecked", "", body);
    assert!(refusal.verifier.source.unwrap().text.contains("data[20]"));
}

#[test]
fn a_pointer_kept_over_a_helper_that_changes_the_packet_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\t__u8 *byte = emptcp_at(ctx, 20, 4);\n\tif (!byte)\n\t\treturn EMPTCP_CONTINUE;\n\
                \tbpf_skb_pull_data(ctx, 60);\n\tif (byte[1] == 7)\n\t\treturn EMPTCP_DROP;";
    assert_hint("stale", "", body, "after a helper that changes the packet");
}

#[test]
fn a_variable_offset_without_a_bound_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\t__u8 *data = (void *)(long)ctx->data;\n\tdata += packet->sequence * 3ULL;\n\
                \tif ((void *)data + 1 > (void *)(long)ctx->data_end)\n\t\treturn EMPTCP_CONTINUE;\n\
                \tif (*data == 7)\n\t\treturn EMPTCP_DROP;";
    assert_hint("unbounded", "", body, "bound");
}

#[test]
fn an_or_of_two_pointers_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    // What the compiler makes of `if (!a || !b)`, written out so that the test does not depend on its choice.
    let body = "\t__u8 *a = emptcp_at(ctx, 20, 4), *b = emptcp_at(ctx, 30, 4);\n\tlong both = (long)a;\n\
                \tasm volatile(\"%0 |= %1\" : \"+r\"(both) : \"r\"(b));\n\
                \tif (!both)\n\t\treturn EMPTCP_DROP;";
    assert_hint("either", "", body, "two ifs");
}

#[test]
fn a_pointer_treated_as_a_32_bit_number_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    // What clang may make of `__u32 rest = ctx->data_end - 4 - ctx->data`, written out.
    let body = "\t__u32 end = ctx->data_end;\n\tasm volatile(\"%0 += 4\" : \"+w\"(end));\n\
                \tif (end > 700)\n\t\treturn EMPTCP_DROP;";
    assert_hint("narrow", "", body, "widen");
}

#[test]
fn an_unbounded_loop_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\tvolatile __u32 sum = 0;\n\twhile (packet->payload_length + sum != 7)\n\t\tsum += packet->segments;\n\
                \tif (sum == 3)\n\t\treturn EMPTCP_DROP;";
    assert_hint("endless", "", body, "loop");
}

#[test]
fn a_look_up_that_is_not_tested_for_null_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\t__u64 zero = 0, *state = emptcp_state(&state_x, 1, &zero);\n\t*state += 1;";
    assert_hint("hopeful", "STATE(state_x, __u64);", body, "NULL");
}

#[test]
fn a_header_that_is_not_tested_for_null_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    for (name, body) in [
        (
            "header",
            "\tstruct tcphdr *tcp = emptcp_tcp(ctx, packet);\n\tif (tcp->urg)\n\t\treturn EMPTCP_DROP;",
        ),
        (
            "bytes",
            "\t__u8 *bytes = emptcp_at(ctx, packet->tcp_offset, 20);\n\tif (bytes[13] & 32)\n\t\treturn EMPTCP_DROP;",
        ),
        (
            "store",
            "\tstruct tcphdr *tcp = emptcp_tcp(ctx, packet);\n\ttcp->window = 7;",
        ),
        (
            "later",
            "\tstruct tcphdr *tcp = emptcp_tcp(ctx, packet);\n\tstruct emptcp_option dss = emptcp_find(ctx, EMPTCP_SUBTYPE_DSS);\n\
             \tif (dss.offset && tcp->psh)\n\t\treturn EMPTCP_DROP;",
        ),
    ] {
        assert_hint(name, "#include <emptcp/options.h>", body, "can be NULL");
    }
}

#[test]
fn a_missing_test_for_null_is_named_whatever_the_compiler_makes_of_it() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    for (name, body) in [
        (
            "constant",
            "\t__u8 *bytes = emptcp_at(ctx, 20, 4);\n\tif (bytes[1] == 7)\n\t\treturn EMPTCP_DROP;",
        ),
        (
            "variable",
            "\t__u8 *bytes = emptcp_at(ctx, packet->tcp_offset + packet->tcp_length, 4);\n\treturn bytes[0] == 7 ? EMPTCP_DROP : EMPTCP_CONTINUE;",
        ),
        (
            "many",
            "\t__u8 *bytes = emptcp_at(ctx, 40, 20);\n\t__u32 sum = 0;\n\tfor (int i = 0; i < 20; i++)\n\t\tsum += bytes[i];\n\tif (sum == \
             7)\n\t\treturn EMPTCP_DROP;",
        ),
        (
            "field",
            "\tstruct iphdr *ip = emptcp_at(ctx, packet->ip_offset, 20);\n\tif (ip->ttl < 3)\n\t\treturn EMPTCP_DROP;",
        ),
    ] {
        let refusal = refuse(name, "#include <linux/ip.h>", body);
        println!("{name}: {}", refusal.verifier.words);
        let hint = refusal.verifier.hint.unwrap_or_default();
        assert!(
            hint.contains("emptcp_at()") && hint.contains("if (!pointer)"),
            "{refusal}"
        );
    }
}

#[test]
fn a_stack_that_is_too_large_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    // clang refuses more than 512 bytes in one function; the kernel adds up those of all callers.
    let declarations = "static __noinline int deep(__u32 n)\n{\n\tvolatile char room[300] = {};\n\
                        \troom[n & 255] = 1;\n\treturn room[(n + 1) & 255];\n}";
    let body = "\tvolatile char room[300] = {};\n\troom[packet->segments & 255] = 2;\n\
                \tif (deep(packet->segments) + room[3] == 9)\n\t\treturn EMPTCP_DROP;";
    assert_hint("hungry", declarations, body, "512 bytes");
}

#[test]
fn a_helper_that_is_not_for_this_hook_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let declarations = "static long (*xdp_only)(void *, int) = (void *)BPF_FUNC_xdp_adjust_head;";
    assert_hint(
        "foreign",
        declarations,
        "\txdp_only(ctx, 4);",
        "does not have the helper",
    );
}

#[test]
fn a_value_that_was_never_written_is_explained() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let body = "\t__u64 value;\n\tasm volatile(\"%0 = r9\" : \"=r\"(value) :: );\n\
                \tif (value == 7)\n\t\treturn EMPTCP_DROP;";
    assert_hint("unwritten", "", body, "before it was written");
}

#[test]
fn a_program_that_clang_refuses_shows_clangs_words_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <emptcp/element.h>\nSELECTOR(typo)\n{\n\treturn packet->no_such_field;\n}\n";
    let built = elements::build(&element(
        folder.path(),
        "typo",
        &manifest("typo", "selector", ""),
        source,
    ));
    assert!(matches!(built, Err(Error::Compile { .. })));
    let text = message(built);
    assert!(
        text.contains("element.bpf.c:4:") && text.contains("no_such_field"),
        "{text}"
    );
}

#[test]
fn arguments_that_differ_between_manifest_and_source_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <emptcp/element.h>\nstruct arguments { __u64 rate; };\nARGUMENTS;\n\
                  SELECTOR(fast)\n{\n\treturn packet->payload_length > arguments.rate;\n}\n";
    let argument = |name: &str, ty: &str| format!("[[argument]]\nname = \"{name}\"\ntype = \"{ty}\"\nhelp = \"h\"\n");
    let build = |name: &str, rest: &str| {
        message(elements::build(&element(
            &folder.path().join(name),
            "fast",
            &manifest("fast", "selector", rest),
            source,
        )))
    };
    let both = argument("rate", "rate") + &argument("burst", "size");
    let text = build("one", &both);
    assert!(
        text.contains("argument `burst` is in element.toml but not in `struct arguments`"),
        "{text}"
    );
    let text = build("two", "");
    assert!(
        text.contains("argument `rate` is in `struct arguments` but not in element.toml"),
        "{text}"
    );
    let text = build("three", &argument("rate", "prefix"));
    assert!(
        text.contains("`rate`") && text.contains("has 8 bytes") && text.contains("20"),
        "{text}"
    );
}

#[test]
fn an_element_with_the_name_of_a_shipped_one_cannot_be_installed() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <emptcp/element.h>\nACTOR(count)\n{\n\treturn EMPTCP_DROP;\n}\n";
    let toml = manifest("count", "actor", "");
    let text = message(elements::install_into(
        &element(folder.path(), "count", &toml, source),
        &folder.path().join("installed"),
    ));
    assert!(text.contains("shipped"), "{text}");
}
