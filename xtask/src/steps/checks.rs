//! The steps that read the code without running it.

use anyhow::{Context, bail};

use super::{Done, layers, sources};
use crate::process::Invocation;
use crate::report;
use crate::tally::Tally;
use crate::toolchain;
use crate::{api, packages};

pub(super) fn rustfmt(_: &mut Tally) -> anyhow::Result<Done> {
    toolchain::component("rustfmt", "fmt")?;
    Invocation::cargo(["fmt", "--all", "--check"])
        .run()
        .context("`cargo fmt --all` puts the layout right")?;
    Ok(Done::Complete)
}

/// The version of clang-format that is used: that of Debian 12. Others format some lines differently.
const CLANG_FORMAT: u32 = 14;

pub(super) fn clang_format(_: &mut Tally) -> anyhow::Result<Done> {
    let files = sources::c_files(&crate::root())?;
    let version = Invocation::new("clang-format")
        .arguments(["--version"])
        .output()
        .unwrap_or_default();
    let version = packages::major(&version, "clang-format version ").context("cannot run clang-format")?;
    let check = Invocation::new("clang-format")
        .arguments(["--dry-run", "--Werror"])
        .arguments(&files)
        .run();
    match check {
        Err(_) if version != CLANG_FORMAT => Ok(Done::Partly(format!(
            "clang-format {version} would lay out more; version {CLANG_FORMAT} decides"
        ))),
        outcome => outcome
            .context("`clang-format -i` on these files puts the layout right")
            .map(|()| Done::Complete),
    }
}

pub(super) fn sources(_: &mut Tally) -> anyhow::Result<Done> {
    let mut faults = sources::faults(&crate::root())?;
    faults.extend(layers::faults()?);
    faults.extend(api::faults(&crate::root())?);
    if !faults.is_empty() {
        bail!("\n  {}", faults.join("\n  "));
    }
    Ok(Done::Complete)
}

pub(super) fn clippy(_: &mut Tally) -> anyhow::Result<Done> {
    toolchain::component("clippy", "clippy")?;
    let lint = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    Invocation::cargo(lint).run()?;
    Ok(Done::Complete)
}

pub(super) fn doc(_: &mut Tally) -> anyhow::Result<Done> {
    // The command line has no items to link to, and its program has the library's name.
    Invocation::cargo(["doc", "--locked", "--workspace", "--no-deps", "--lib"])
        .variable("RUSTDOCFLAGS", "--deny warnings")
        .run()?;
    Ok(Done::Complete)
}

pub(super) fn deny(_: &mut Tally) -> anyhow::Result<Done> {
    let program = toolchain::cargo_deny()?;
    let deny = |words: &[&str]| Invocation::new(&program).arguments(["--locked"]).arguments(words);
    deny(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]).run()?;
    report::note("fetching the list of known weaknesses (RustSec)");
    // It is a git repository: a machine that reaches only the package registry cannot have it.
    if !Invocation::new("timeout")
        .arguments(["20"])
        .arguments([&program])
        .arguments(["fetch", "db"])
        .succeeds()
    {
        return Ok(Done::Partly(
            "the list of known weaknesses is out of reach from here, so it was not checked".into(),
        ));
    }
    deny(&["check", "--disable-fetch", "advisories"]).run()?;
    Ok(Done::Complete)
}
