//! `cargo xtask kernels`: our tests on other kernels than the one that runs. Debian's kernels, booted in virtual
//! machines whose initramfs has everything; nothing is installed, and everything is kept in `target/kernels`.
//!
//! * [`archive`]: fetches and unpacks a kernel.
//! * [`image`]: makes the initramfs, in the format of [`cpio`].
//! * [`machine`]: boots, and reads the results of the jobs from the console.

mod archive;
mod cpio;
mod image;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{eprintln, println};
use anyhow::{Context, bail};

use crate::packages::{self, Purpose};
use crate::report::{self, BAD, BOLD, GOOD};
use crate::steps::programs::{self, Kind, Program};
use archive::Kernel;
use image::{Image, Job};
use machine::Outcome;

const fn kernel(version: &'static str, suite: &'static str, lacks: &'static [&'static str]) -> Kernel {
    Kernel { version, suite, lacks }
}

/// The kernels, oldest first: the one of each release of Debian, and what its newest one may have besides.
const KERNELS: &[Kernel] = &[
    // Debian built it without CONFIG_MPTCP: what a machine that only forwards would have.
    kernel("5.10", "bullseye", &["MPTCP"]),
    kernel("6.1", "bookworm", &[]),
    kernel("6.12", "trixie", &[]),
    kernel("6.18", "trixie-backports", &[]),
    kernel("7.2", "trixie-backports", &[]),
];

/// A test program that runs in the machines.
struct Test {
    package: &'static str,
    name: &'static str,
    /// Run only tests whose name contains this; empty: all.
    filter: &'static str,
    /// Seconds of the machine's time that it may take.
    limit: u64,
}

const fn test(package: &'static str, name: &'static str, filter: &'static str, limit: u64) -> Test {
    Test {
        package,
        name,
        filter,
        limit,
    }
}

/// What differs between kernels: the verifier, the hooks, MPTCP, queueing disciplines. Programs that start clang, or
/// need captures of other machines, are not run there.
const TESTS: &[Test] = &[
    test("emptcp-packet", "probe", "", 120),
    test("emptcp-tests", "packet_cases", "", 900),
    test("emptcp-tests", "flow_table", "", 600),
    test("emptcp-tests", "live_every_actor", "at_tc_with_offloads", 900),
    test("emptcp-tests", "live_set_backup", "", 300),
    test("emptcp-tests", "live_hold_add_addr", "", 300),
    test("emptcp-tests", "live_rate_limit", "departure_times", 600),
];

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only this kernel; may be given more than once
    #[arg(long, value_name = "VERSION", value_parser = clap::builder::PossibleValuesParser::new(versions()))]
    kernel: Vec<String>,
    /// Run only this job (doctor, or a test program); may be given more than once
    #[arg(long, value_name = "JOB", value_parser = clap::builder::PossibleValuesParser::new(job_names()))]
    only: Vec<String>,
    /// Name the kernels and the jobs, and stop
    #[arg(long)]
    list: bool,
    /// Stop a machine after this many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    limit: u64,
    /// Passed to the test programs, instead of the selection of tests for each
    #[arg(last = true)]
    rest: Vec<String>,
}

fn job_names() -> Vec<&'static str> {
    std::iter::once("doctor")
        .chain(TESTS.iter().map(|test| test.name))
        .collect()
}

fn versions() -> Vec<&'static str> {
    KERNELS.iter().map(|kernel| kernel.version).collect()
}

/// Runs the jobs on each kernel and reports the results; fails if any job failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        for Kernel { version, suite, .. } in KERNELS {
            println!("{BOLD}{version:<6}{BOLD:#} Debian, {suite}");
        }
        println!("jobs: {}", job_names().join(", "));
        return Ok(());
    }
    if !cfg!(target_arch = "x86_64") {
        bail!("only x86-64 kernels are fetched and booted: run this on such a machine");
    }
    report::section("setup", "packages that the virtual machines need", || {
        packages::install(Purpose::Kernels)
    })?;
    let jobs = report::section("build", "emptcp and its tests", || jobs(arguments))?;
    let chosen = |kernel: &&Kernel| arguments.kernel.is_empty() || arguments.kernel.iter().any(|v| v == kernel.version);
    let mut failed = Vec::new();
    let mut lines = Vec::new();
    for &kernel in KERNELS.iter().filter(chosen) {
        let about = format!("Debian's kernel of {}", kernel.suite);
        let outcomes = report::section(kernel.version, &about, || on(kernel, &jobs, arguments.limit));
        match &outcomes {
            Ok((release, outcomes)) => lines.extend(outcomes.iter().map(|outcome| line(release, kernel, outcome))),
            Err(error) => {
                report::error(error);
                lines.push(format!("{:<34} {BAD}failed{BAD:#}", kernel.version));
            }
        }
        if !outcomes.is_ok_and(|(_, outcomes)| outcomes.iter().all(|outcome| is_good(kernel, outcome))) {
            failed.push(kernel.version);
        }
    }
    report::heading("summary", "what ran on which kernel");
    for line in lines {
        eprintln!("   {line}");
    }
    if !failed.is_empty() {
        bail!(
            "failed on {}; the consoles are in target/kernels/VERSION/console",
            failed.join(", ")
        );
    }
    Ok(())
}

fn on(kernel: Kernel, jobs: &[Job], minutes: u64) -> anyhow::Result<(String, Vec<Outcome>)> {
    let folder = folder();
    let home = folder.join(kernel.version);
    fs::create_dir_all(&home)?;
    let unpacked = archive::unpacked(kernel, &folder)?;
    let initramfs = home.join("initramfs");
    let elements = crate::root().join("elements");
    Image::new(&folder, jobs, &[elements])?.write(&unpacked, &initramfs)?;
    let limit = Duration::from_secs(minutes * 60);
    let outcomes = machine::run(&unpacked.image, &initramfs, &home.join("console"), limit)?;
    if let Some(missing) = missing(jobs, &outcomes) {
        bail!(
            "the console says nothing of {missing}: see {}",
            home.join("console").display()
        );
    }
    Ok((unpacked.release, outcomes))
}

/// The first job without a result, which must not count as a success.
fn missing<'a>(jobs: &'a [Job], outcomes: &[Outcome]) -> Option<&'a str> {
    jobs.iter()
        .map(|job| job.name.as_str())
        .find(|name| !outcomes.iter().any(|outcome| outcome.name == *name))
}

fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    target.join("kernels")
}

/// Builds what runs in the machines.
fn jobs(arguments: &Arguments) -> anyhow::Result<Vec<Job>> {
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let programs = programs::build(&what_to_build(wanted))?;
    let mut jobs = Vec::new();
    if wanted("doctor") {
        jobs.push(Job {
            name: "doctor".to_owned(),
            program: emptcp(&programs)?,
            arguments: vec!["doctor".to_owned()],
            folder: crate::root(),
            limit: 120,
        });
    }
    for test in TESTS.iter().filter(|test| wanted(test.name)) {
        let program = programs
            .iter()
            .find(|program| program.kind == Kind::Test && program.package == test.package && program.name == test.name)
            .with_context(|| {
                format!(
                    "{} has no test program `{}` any more: see TESTS in xtask/src/kernels.rs",
                    test.package, test.name
                )
            })?;
        let mut words = vec!["--test-threads=1".to_owned(), "--nocapture".to_owned()];
        if arguments.rest.is_empty() {
            words.extend((!test.filter.is_empty()).then(|| test.filter.to_owned()));
        } else {
            words.extend(arguments.rest.iter().cloned());
        }
        jobs.push(Job {
            name: test.name.to_owned(),
            program: program.executable.clone(),
            arguments: words,
            folder: program.folder.clone(),
            limit: test.limit,
        });
    }
    Ok(jobs)
}

/// Arguments for cargo: only what the selected jobs need.
fn what_to_build(wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    // Optimised: the emulation of the processor costs enough.
    let mut words = vec!["--release"];
    if wanted("doctor") {
        // With the tests of the command comes the command itself.
        words.extend(["--package", "emptcp-cli", "--test", "cli"]);
    }
    for test in TESTS.iter().filter(|test| wanted(test.name)) {
        words.extend(["--package", test.package, "--test", test.name]);
    }
    words
}

/// The command `emptcp`, which cargo has built for the tests of its package: beside the folder of the test programs.
fn emptcp(programs: &[Program]) -> anyhow::Result<PathBuf> {
    programs
        .iter()
        .filter_map(|program| program.executable.parent().and_then(Path::parent))
        .map(|folder| folder.join("emptcp"))
        .find(|path| path.is_file())
        .context("cargo built no `emptcp`: does the package emptcp-cli still have a test that starts it?")
}

/// Whether all tests ran, except those of what the kernel does not have, and passed.
fn is_good(kernel: Kernel, outcome: &Outcome) -> bool {
    let excused = |reason: &String| kernel.lacks.iter().any(|lacking| reason.contains(lacking));
    outcome.status == Some(0) && outcome.skipped.iter().all(excused)
}

fn line(release: &str, kernel: Kernel, outcome: &Outcome) -> String {
    let state = match outcome.status {
        Some(0) if is_good(kernel, outcome) => format!("{GOOD}ok{GOOD:#}"),
        Some(0) => format!("{BAD}failed: not all tests ran{BAD:#}"),
        Some(status) => format!("{BAD}failed ({status}){BAD:#}"),
        None => format!("{BAD}did not end{BAD:#}"),
    };
    let tests = if outcome.tally.total() == 0 {
        String::new()
    } else {
        outcome.tally.to_string()
    };
    let skipped: String = outcome
        .skipped
        .iter()
        .map(|reason| format!("; skipped: {reason}"))
        .collect();
    format!("{release:<34} {:<20} {tests:<22} {state}{skipped}", outcome.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn a_job_that_the_console_does_not_name_is_missing() {
        let jobs = ["doctor", "cases"].map(|name| Job {
            name: name.to_owned(),
            program: PathBuf::new(),
            arguments: Vec::new(),
            folder: PathBuf::new(),
            limit: 1,
        });
        let doctor = Outcome {
            name: "doctor".to_owned(),
            status: Some(0),
            tally: Tally::default(),
            skipped: Vec::new(),
        };
        assert_eq!(missing(&jobs, &[]), Some("doctor"));
        assert_eq!(missing(&jobs, std::slice::from_ref(&doctor)), Some("cases"));
        assert_eq!(missing(&jobs[..1], &[doctor]), None);
    }
}
