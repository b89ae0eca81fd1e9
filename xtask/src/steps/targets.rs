//! The fuzz targets in `fuzz/`, built by the normal toolchain and run for a short time.
//!
//! cargo-fuzz adds flags to a build that stable Rust takes as well. Only the address sanitizer needs nightly; the
//! crates that are tested here hold no unsafe code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, bail};

use super::Done;
use crate::process::Invocation;
use crate::report;
use crate::tally::Tally;

/// Time for each target.
const SECONDS: u32 = 30;

/// The program counts which branches an input takes; the fuzzer keeps inputs that take new ones.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Captures that the target `capture` begins with.
const CAPTURES: &str = "crates/mptcp-wire/tests/fixtures/tcpdump";

pub(super) fn run(_: &mut Tally) -> anyhow::Result<Done> {
    let root = crate::root();
    let names = names(&root)?;
    let host = host()?;
    let folder = root.join("target/fuzz");
    // With a target named, flags are for the programs alone and not for build scripts.
    Invocation::cargo(["build", "--locked", "--bins", "--target", &host])
        .folder(root.join("fuzz"))
        .variable("CARGO_TARGET_DIR", &folder)
        .variable("RUSTFLAGS", FLAGS)
        .run()?;
    let programs = folder.join(&host).join("debug");
    let waiting = Mutex::new(names.iter());
    let failed = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from).min(names.len());
    report::note(&format!(
        "{} targets, {SECONDS} s each, {workers} at a time",
        names.len()
    ));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(name) = waiting.lock().expect("no worker panics").next() else {
                        break;
                    };
                    match fuzz(&root, &programs, name) {
                        Ok(line) => report::note(&format!("{name}: {line}")),
                        Err(error) => failed
                            .lock()
                            .expect("no worker panics")
                            .push(format!("{name}: {error:#}")),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no worker panics");
    if !failed.is_empty() {
        bail!("\n{}", failed.join("\n"));
    }
    Ok(Done::Complete)
}

/// The targets are the files of their folder.
fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn host() -> anyhow::Result<String> {
    let version = Invocation::new("rustc").arguments(["-vV"]).run_for_output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say for which machine it builds")?
        .to_owned())
}

/// Runs one target; returns its last output. Its inputs and findings are in `target/fuzz`.
fn fuzz(root: &Path, programs: &Path, name: &str) -> anyhow::Result<String> {
    let inputs = root.join("target/fuzz/inputs").join(name);
    let found = root.join("target/fuzz/found");
    for folder in [&inputs, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let program = programs.join(name);
    let mut command = Command::new(&program);
    command.arg(&inputs);
    if name == "capture" {
        command.arg(root.join(CAPTURES));
    }
    let prefix = PathBuf::from(format!("{}/{name}-", found.display()));
    command
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        .args([
            "-rss_limit_mb=1024",
            "-timeout=10",
            "-print_final_stats=1",
            "-verbosity=0",
        ])
        .current_dir(root)
        .stdin(Stdio::null());
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let end: Vec<_> = text.lines().rev().take(30).collect();
        let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
        bail!("{}\n{end}\nsee it again: {} FILE", output.status, program.display());
    }
    let runs = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .with_context(|| format!("its output has no number of inputs:\n{text}"))?;
    let runs: u64 = runs.trim().parse().context("the number of inputs that it ran")?;
    if runs == 0 {
        bail!("it ran no input:\n{text}");
    }
    Ok(format!("{runs} inputs, nothing found"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_fuzz_target_is_a_program_of_its_crate() {
        let root = crate::root();
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).expect("a manifest");
        let names = super::names(&root).expect("the folder");
        assert!(names.contains(&"policy".to_owned()), "{names:?}");
        for name in names {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }
}
