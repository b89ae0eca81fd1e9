//! The steps that run tests.
//!
//! Every test program of the workspace belongs to exactly one suite, by its package and its name. Pure tests run side
//! by side; those that emulate paths and measure rates run one after the other, because they share the processor.

use anyhow::bail;

use super::Done;
use super::programs::{Kind, Program};
use crate::process::Invocation;
use crate::python;
use crate::report;
use crate::tally::Tally;
use crate::toolchain;

/// Packages whose tests make no system call that needs rights.
const PURE: &[&str] = &[
    "mptcp-wire",
    "emptcp-abi",
    "emptcp-model",
    "emptcp-plan",
    "emptcp-flow-reference",
    "emptcp-trace",
    "emptcp-trace-cli",
    "emptcp-trace-report",
    "emptcp-trace-truth",
    "xtask",
];

/// The package in `tests/`.
const BLACK_BOX: &str = "emptcp-tests";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Suite {
    /// Tests beside the code, and all tests of pure packages.
    Unit,
    /// Test programs of the package in `tests/`: packets through BPF_PROG_TEST_RUN, no network.
    Cases,
    /// Test programs of the other packages: namespaces, devices, loading and attaching.
    Lab,
    /// Test programs of the package in `tests/` whose name begins with `live`: the whole of it on live MPTCP.
    EndToEnd,
}

impl Suite {
    fn of(program: &Program) -> Self {
        if PURE.contains(&program.package.as_str()) || program.kind != Kind::Test {
            Self::Unit
        } else if program.package != BLACK_BOX {
            Self::Lab
        } else if program.name.starts_with("live") {
            Self::EndToEnd
        } else {
            Self::Cases
        }
    }

    /// Whether its tests may run side by side. Otherwise `.config/nextest.toml` lists the few that may.
    fn is_parallel(self) -> bool {
        matches!(self, Self::Unit | Self::Cases)
    }
}

pub(super) fn unit(tally: &mut Tally) -> anyhow::Result<Done> {
    run(Suite::Unit, tally)
}

pub(super) fn cases(tally: &mut Tally) -> anyhow::Result<Done> {
    run_as_root(Suite::Cases, tally)
}

pub(super) fn lab(tally: &mut Tally) -> anyhow::Result<Done> {
    run_as_root(Suite::Lab, tally)
}

pub(super) fn end_to_end(tally: &mut Tally) -> anyhow::Result<Done> {
    run_as_root(Suite::EndToEnd, tally)
}

pub(super) fn documentation(tally: &mut Tally) -> anyhow::Result<Done> {
    strict(Invocation::cargo(["test", "--locked", "--workspace", "--doc"])).run_tests(tally)?;
    Ok(Done::Complete)
}

fn run_as_root(suite: Suite, tally: &mut Tally) -> anyhow::Result<Done> {
    if !crate::is_root() {
        bail!("these tests load BPF programs and make network namespaces: run them as root");
    }
    run(suite, tally)
}

fn run(suite: Suite, tally: &mut Tally) -> anyhow::Result<Done> {
    let mut programs = super::programs::build(&["--workspace"])?;
    programs.retain(|program| Suite::of(program) == suite);
    if programs.is_empty() {
        bail!("the workspace has no test program for this step");
    }
    if toolchain::has_nextest() {
        with_nextest(&programs, tally)?;
    } else {
        with_the_standard_runner(suite, &programs, tally)?;
    }
    if tally.total() == 0 {
        bail!("no test ran");
    }
    Ok(Done::Complete)
}

fn with_nextest(programs: &[Program], tally: &mut Tally) -> anyhow::Result<()> {
    let filter = programs
        .iter()
        .map(|program| format!("binary_id(={})", program.nextest_id()))
        .collect::<Vec<_>>();
    let invocation = Invocation::cargo(["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]);
    strict(invocation.arguments(["--filterset", &filter.join(" + ")])).run_tests(tally)
}

fn with_the_standard_runner(suite: Suite, programs: &[Program], tally: &mut Tally) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for program in programs {
        let mut invocation = Invocation::new(&program.executable)
            .variable("CARGO_MANIFEST_DIR", &program.folder)
            .folder(&program.folder);
        if !suite.is_parallel() {
            invocation = invocation.arguments(["--test-threads", "1"]);
        }
        let before = tally.failed;
        if let Err(error) = strict(invocation).run_tests(tally) {
            report::note(&format!("{error:#}"));
            failed.push(program.nextest_id());
            if tally.failed == before {
                // It ended before it could count.
                tally.failed += 1;
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Forbids tests to skip what is available here. Captures with reference values may be beside the repository; if they
/// are, no test may skip them.
fn strict(mut invocation: Invocation) -> Invocation {
    if crate::is_root() {
        invocation = invocation.variable("EMPTCP_REQUIRE_ROOT", "1");
    }
    if crate::root().join("../shared/traces").is_dir() {
        invocation = invocation.variable("EMPTCP_REQUIRE_SHARED", "1");
    }
    if let Some(python) = python::installed() {
        invocation = invocation.variable("EMPTCP_PYTHON", python);
    }
    invocation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(package: &str, kind: Kind, name: &str) -> Suite {
        Suite::of(&Program {
            package: package.into(),
            kind,
            name: name.into(),
            folder: "/".into(),
            executable: "/".into(),
        })
    }

    #[test]
    fn every_test_program_belongs_to_the_suite_of_its_package_and_name() {
        assert_eq!(suite("mptcp-wire", Kind::Test, "vectors"), Suite::Unit);
        assert_eq!(suite("emptcp-packet", Kind::Library, "emptcp_packet"), Suite::Unit);
        assert_eq!(suite("emptcp-packet", Kind::Test, "apply"), Suite::Lab);
        assert_eq!(suite("emptcp-tests", Kind::Test, "packet_cases"), Suite::Cases);
        assert_eq!(suite("emptcp-tests", Kind::Test, "live_rate_limit"), Suite::EndToEnd);
    }

    #[test]
    fn tests_that_measure_rates_run_one_after_the_other() {
        assert!(!Suite::EndToEnd.is_parallel() && !Suite::Lab.is_parallel());
        assert!(Suite::Unit.is_parallel() && Suite::Cases.is_parallel());
    }
}
