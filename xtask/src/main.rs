//! `cargo xtask`: all tasks of this repository in one command.
//!
//! It builds and starts on a machine that has only a Rust toolchain, because it installs the rest. So it depends on no
//! crate of the workspace: programs that need clang and libelf are built and started as separate processes.
//!
//! * [`packages`] and [`toolchain`]: what must be on the machine, and how it is installed.
//! * [`steps`]: the steps of `cargo xtask test`, in order; one file per kind of step.
//! * [`api`]: the public items of the library crates, in files that show when they change.
//! * [`fuzz`]: flow records against their model, on random packets.
//! * [`kernels`]: the tests on other kernels, in virtual machines.
//! * [`truth`]: actors on live traffic, checked by other programs.
//! * [`tally`]: how many tests ran, read from what the runners print.
//! * [`process`] and [`report`]: start commands, and print what happens.
//! * [`rust_files`]: the sources of a crate.

mod api;
mod fuzz;
mod kernels;
mod packages;
mod process;
mod python;
mod report;
mod rust_files;
mod steps;
mod tally;
mod toolchain;
mod truth;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use packages::Purpose;
use process::Invocation;

/// Build, test, show and measure emptcp.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Two emulated hosts, two paths, one real MPTCP transfer, steered by policies while you watch
    Demo,
    /// Everything that CI runs
    Test {
        /// Run only this step; may be given more than once
        #[arg(long, value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(steps::names()))]
        only: Vec<String>,
        /// Run the steps without a live network: layout, lints, unit tests, packet cases
        #[arg(long, conflicts_with = "only")]
        quick: bool,
        /// Name the steps and stop
        #[arg(long)]
        list: bool,
    },
    /// Nanoseconds per packet, throughput with a policy on every packet, captures analysed, diagnoses that are true
    Bench {
        /// Print the results as JSON on standard output
        #[arg(long)]
        json: bool,
        /// Run only this part
        #[arg(long, value_name = "PART", value_parser = ["packets", "table", "reading", "throughput", "trace", "diagnosis"])]
        only: Option<String>,
        /// Passed on to the bench
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Every actor at every hook on live MPTCP, checked against kernels and captures; or an attack by a third host
    Truth(truth::Arguments),
    /// Flow records against their model, on random packets, at every hook
    Fuzz(fuzz::Arguments),
    /// The tests on other kernels, each in a virtual machine
    Kernels(kernels::Arguments),
    /// The public items of the library crates against the files that list them
    Api(api::Arguments),
    /// Install the packages that are missing, and nothing else
    Setup,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo => demo(),
        Command::Test { list: true, .. } => {
            steps::list();
            Ok(())
        }
        Command::Test { only, quick, .. } => {
            let passed = if quick { steps::run_quick() } else { steps::run(&only) };
            return if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Command::Bench { json, only, rest } => bench(json, only.as_deref(), &rest),
        Command::Truth(arguments) => truth::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Kernels(arguments) => kernels::run(&arguments),
        Command::Api(arguments) => api::run(&arguments),
        Command::Setup => packages::install(Purpose::Test).and_then(|()| python::install()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn demo() -> anyhow::Result<()> {
    report::section("setup", "packages that the build and the demo need", || {
        packages::install(Purpose::Build)
    })?;
    report::section("build", "the demo and everything under it", || {
        Invocation::cargo(["build", "--locked", "--package", "emptcp-demo"]).run()
    })?;
    report::section("demo", "one MPTCP transfer over two paths", || {
        Invocation::cargo(["run", "--quiet", "--locked", "--package", "emptcp-demo"]).run()
    })
}

/// The part of the bench that is a program of its own: it needs nothing that BPF needs.
const DIAGNOSIS: &str = "diagnosis";

fn bench(json: bool, only: Option<&str>, rest: &[String]) -> anyhow::Result<()> {
    if only != Some(DIAGNOSIS) {
        report::section("setup", "packages that the build and the bench need", || {
            packages::install(Purpose::Build)
        })?;
        let mut arguments: Vec<String> = only.map(|part| format!("--only={part}")).into_iter().collect();
        arguments.extend_from_slice(rest);
        measure(
            "emptcp-bench",
            "nanoseconds per packet, and throughput",
            json,
            &arguments,
        )?;
    }
    match only {
        Some(DIAGNOSIS) => measure("emptcp-trace-truth", "diagnoses that are true", json, rest),
        // JSON is of one shape, and further arguments are those of the bench.
        None if !json && rest.is_empty() => measure("emptcp-trace-truth", "diagnoses that are true", false, &[]),
        _ => Ok(()),
    }
}

/// Builds a program as it is handed out, and runs it.
fn measure(package: &str, what: &str, json: bool, arguments: &[String]) -> anyhow::Result<()> {
    report::section("build", "the bench, optimised", || {
        Invocation::cargo(["build", "--locked", "--profile", "dist", "--package", package]).run()
    })?;
    report::section("bench", what, || {
        Invocation::cargo([
            "run",
            "--quiet",
            "--locked",
            "--profile",
            "dist",
            "--package",
            package,
            "--",
        ])
        .arguments(json.then_some("--json"))
        .arguments(arguments)
        .run()
    })
}

/// Whether we run as root: the owner of a process's folder is its effective user.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// The root of the repository: the parent of this package's folder.
fn root() -> PathBuf {
    // Cargo sets the variable when it runs us; what was compiled in serves when the binary is started by hand.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(package)
        .join("..")
        .canonicalize()
        .expect("the folder of xtask has a parent")
}
