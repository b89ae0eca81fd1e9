//! The steps of `cargo xtask test`, which are all that CI runs.
//!
//! * [`checks`]: layout, licence lines, lints, documentation, dependencies.
//! * [`layers`]: dependencies between crates and between modules run one way.
//! * [`sources`]: the rules for source files that no other tool checks.
//! * [`suites`]: everything that runs tests, from unit tests to whole machines in network namespaces.
//! * [`targets`]: the fuzz targets, for half a minute each.
//! * [`programs`]: the test programs that cargo builds for the suites.

mod checks;
mod layers;
pub(crate) mod programs;
mod sources;
mod suites;
mod targets;

use std::time::{Duration, Instant};

use anstream::{eprintln, println};

use crate::packages::{self, Purpose};
use crate::python;
use crate::report::{self, BAD, BOLD, GOOD};
use crate::tally::Tally;

/// One step: a name for `--only`, a line about it, and what it does.
struct Step {
    name: &'static str,
    about: &'static str,
    work: fn(&mut Tally) -> anyhow::Result<Done>,
}

/// The result of a step that did not fail.
enum Done {
    /// It did its work.
    Complete,
    /// It could not do all of its work; why.
    Partly(String),
}

const STEPS: &[Step] = &[
    Step {
        name: "setup",
        about: "packages of the system and of Python",
        work: setup,
    },
    Step {
        name: "fmt",
        about: "layout of the Rust code",
        work: checks::rustfmt,
    },
    Step {
        name: "clang-format",
        about: "layout of the C code",
        work: checks::clang_format,
    },
    Step {
        name: "sources",
        about: "licence lines, file lengths, dependencies that run one way, public items",
        work: checks::sources,
    },
    Step {
        name: "deny",
        about: "licences and origin of the dependencies",
        work: checks::deny,
    },
    Step {
        name: "clippy",
        about: "lints, whole workspace, warnings are errors",
        work: checks::clippy,
    },
    Step {
        name: "doc",
        about: "documentation builds, no broken link",
        work: checks::doc,
    },
    Step {
        name: "unit",
        about: "pure Rust: unit and property tests",
        work: suites::unit,
    },
    Step {
        name: "doc-tests",
        about: "the examples in the documentation",
        work: suites::documentation,
    },
    Step {
        name: "cases",
        about: "packet in, packet out: every element and the core, in the kernel",
        work: suites::cases,
    },
    Step {
        name: "lab",
        about: "root and network namespaces: loading, attaching, test beds",
        work: suites::lab,
    },
    Step {
        name: "end-to-end",
        about: "live MPTCP through every actor",
        work: suites::end_to_end,
    },
    Step {
        name: "fuzz",
        about: "any bytes as options, segments, captures and policy files",
        work: targets::run,
    },
];

/// The names of the steps, in order.
pub(crate) fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// Prints the steps.
pub(crate) fn list() {
    for step in STEPS {
        println!("{BOLD}{:<13}{BOLD:#} {}", step.name, step.about);
    }
}

/// The steps for daily work: those that need no live network, and neither install nor build tools.
const QUICK: &[&str] = &["fmt", "clang-format", "sources", "clippy", "unit", "cases"];

/// Runs the quick steps.
pub(crate) fn run_quick() -> bool {
    run(&QUICK.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

/// Runs the steps named in `only`, or all when it is empty, prints a summary and returns whether all went well. After a
/// failed step the others still run, except after the first one: nothing works without the packages.
pub(crate) fn run(only: &[String]) -> bool {
    let started = Instant::now();
    let mut total = Tally::default();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for step in STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| name == step.name))
    {
        let step_started = Instant::now();
        let mut tally = Tally::default();
        let result = report::section(step.name, step.about, || (step.work)(&mut tally));
        total += tally.clone();
        let state = match &result {
            Ok(Done::Complete) => format!("{GOOD}ok{GOOD:#}"),
            Ok(Done::Partly(why)) => format!("{GOOD}ok{GOOD:#}, but {why}"),
            Err(error) => {
                report::error(error);
                report::note(&format!(
                    "run just this step again: cargo xtask test --only {}",
                    step.name
                ));
                failed.push(step.name);
                format!("{BAD}failed{BAD:#}")
            }
        };
        lines.push(summary(step.name, step_started.elapsed(), &tally, &state));
        if step.name == "setup" && result.is_err() {
            break;
        }
    }
    let ran = lines.len();
    report::heading("summary", &format!("{} in all", report::seconds(started.elapsed())));
    for line in lines {
        eprintln!("   {line}");
    }
    if !total.slowest.is_empty() {
        eprintln!("\n   the slowest tests:");
    }
    for timed in &total.slowest {
        eprintln!("   {:>12}  {}", report::seconds(timed.time), timed.name);
    }
    let which = if failed.is_empty() {
        String::new()
    } else {
        format!(" ({})", failed.join(", "))
    };
    // What CI reads: nothing may follow the number of tests.
    println!("test steps: {ran} run, {} failed{which}", failed.len());
    println!("{total}");
    failed.is_empty()
}

fn summary(name: &str, elapsed: Duration, tally: &Tally, state: &str) -> String {
    let tests = if tally.total() == 0 {
        String::new()
    } else {
        tally.to_string()
    };
    format!("{name:<13} {:>12}  {tests:<22} {state}", report::seconds(elapsed))
}

fn setup(_: &mut Tally) -> anyhow::Result<Done> {
    packages::install(Purpose::Test)?;
    // Without them nearly everything can be tested; only `--only setup` reports it as a failure.
    Ok(match python::install() {
        Ok(()) => Done::Complete,
        Err(error) => Done::Partly(format!("tests with Python packages will be skipped: {error:#}")),
    })
}
