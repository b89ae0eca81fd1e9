//! `cargo xtask truth`: starts the truth run, which is a program of the package in `tests/`.

use crate::packages::{self, Purpose};
use crate::process::Invocation;
use crate::report;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to run
    #[arg(long, value_name = "PART", value_parser = ["actors", "attack"], default_value = "actors")]
    only: String,
    /// Seed for the choice of cases and of forged packets; printed, so that a run can be repeated
    #[arg(long)]
    seed: Option<u64>,
    /// Connections of each case [default: 20], or under attack [default: 50]
    #[arg(long)]
    connections: Option<u32>,
    /// All combinations, not a choice that has every pair of values
    #[arg(long)]
    all: bool,
    /// Without the policies: shows what the traffic does by itself, if a case fails
    #[arg(long)]
    bare: bool,
    /// Start no case after MINUTES minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// The case of this name, or those of the choice whose name contains it
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// Name the cases and stop
    #[arg(long)]
    list: bool,
    /// Print the results as JSON on standard output
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// For the program that does the work.
    fn words(&self) -> Vec<String> {
        let flags = [
            (self.only == "attack", "--attack"),
            (self.all, "--all"),
            (self.bare, "--bare"),
            (self.list, "--list"),
            (self.json, "--json"),
        ];
        let values = [
            self.seed.map(|seed| format!("--seed={seed}")),
            self.connections.map(|count| format!("--connections={count}")),
            self.minutes.map(|minutes| format!("--minutes={minutes}")),
            self.case.as_ref().map(|name| format!("--case={name}")),
        ];
        let flags = flags.into_iter().filter(|(wanted, _)| *wanted);
        let flags = flags.map(|(_, flag)| flag.to_owned());
        flags.chain(values.into_iter().flatten()).collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cargo = |verb: &str| {
        let words = [
            "--quiet",
            "--locked",
            "--package",
            "emptcp-tests",
            "--bin",
            "emptcp-truth",
        ];
        Invocation::cargo([verb]).arguments(words)
    };
    report::section(
        "setup",
        "packages that the build and the reference programs need",
        || packages::install(Purpose::Test),
    )?;
    report::section("build", "the truth run and everything under it", || {
        cargo("build").run()
    })?;
    report::section("truth", "live MPTCP, checked against kernels and captures", || {
        cargo("run").arguments(["--"]).arguments(arguments.words()).run()
    })
}
