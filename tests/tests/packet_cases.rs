//! Packet in, packet out: every element by its `cases.toml`, at every hook that it supports.

use emptcp_packet::{Catalog, require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{runner, sandbox::alone};

fn run(hook: Hook) {
    require!(is_root(), "packet cases load BPF programs, which needs root");
    let runs = alone(|| runner::run_all(hook));
    println!("{runs} runs at {hook:?}");
    assert!(runs > 200, "only {runs} runs: cases are missing");
}

#[test]
fn every_element_does_at_tc_ingress_what_its_cases_say() {
    run(Hook::TcIngress);
}

#[test]
fn every_element_does_at_tc_egress_what_its_cases_say() {
    run(Hook::TcEgress);
}

#[test]
fn every_element_does_at_xdp_what_its_cases_say() {
    run(Hook::Xdp);
}

#[test]
fn every_element_has_cases_that_ask_something_and_a_readme_with_a_policy_that_compiles() {
    let mut complaints = Vec::new();
    let catalog = Catalog::built_in();
    for element in catalog.iter() {
        let name = &element.manifest.name;
        complaints.extend(runner::complaints(name, &runner::read(name)));
        let readme = std::fs::read_to_string(runner::elements().join(name).join("README.md")).unwrap_or_default();
        for word in element
            .manifest
            .arguments
            .iter()
            .map(|argument| argument.name.as_str())
            .chain(element.manifest.counter_names())
        {
            if !readme.contains(&format!("`{word}`")) {
                complaints.push(format!("{name}: README.md does not name `{word}`"));
            }
        }
        match readme
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
        {
            Some(policy) => {
                if let Err(error) = emptcp_plan::compile("README.md", policy, &catalog.manifests()) {
                    complaints.push(format!("{name}: the policy of README.md: {error}"));
                }
            }
            None => complaints.push(format!("{name}: README.md has no policy")),
        }
        if !readme.starts_with(&format!("# {name}\n")) {
            complaints.push(format!("{name}: README.md does not begin with its name"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
