//! Rust's own tools: which are installed, and how the others are.

use std::path::PathBuf;

use anyhow::Context;

use crate::process::Invocation;

/// A component of the Rust toolchain that the minimal profile of rustup leaves out.
pub(crate) fn component(name: &str, subcommand: &str) -> anyhow::Result<()> {
    if Invocation::cargo([subcommand, "--version"]).succeeds() {
        return Ok(());
    }
    Invocation::new("rustup")
        .arguments(["component", "add", name])
        .run()
        .with_context(|| {
            format!("`cargo {subcommand}` is missing and could not be installed: install the package {name} or rustup")
        })
}

/// cargo-nextest, if the machine has it. It runs each test in a separate process and knows which must not run side by
/// side; without it Rust's own runner is used, which is slower.
pub(crate) fn has_nextest() -> bool {
    Invocation::cargo(["nextest", "--version"]).succeeds()
}

/// The program cargo-deny: the machine's own, or one built into `target/tools`.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    if Invocation::new("cargo-deny").arguments(["--version"]).succeeds() {
        return Ok("cargo-deny".into());
    }
    let tools = crate::root().join("target/tools");
    let program = tools.join("bin/cargo-deny");
    if !program.is_file() {
        // Without optimisation it builds in a minute on two cores, and still takes only moments to run.
        Invocation::cargo(["install", "--quiet", "--locked", "--debug", "cargo-deny", "--root"])
            .arguments([&tools])
            // It is never debugged.
            .variable("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()
            .context("cargo-deny is missing and could not be installed")?;
    }
    Ok(program)
}
