//! A part of the truth run, short enough for CI: `cargo xtask truth` runs all of it.

use emptcp_packet::{require, testing::is_root};
use emptcp_tests::truth::{Options, run};
use std::time::Duration;

#[test]
fn actors_do_what_they_say_as_kernels_and_wire_show() {
    require!(is_root(), "this test makes network namespaces");
    let seed = std::env::var("EMPTCP_TRUTH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let options = Options {
        seed: seed.unwrap_or(1),
        connections: 2,
        all: false,
        bare: false,
        within: Some(Duration::from_secs(35)),
        only: None,
    };
    let report = run(&options, |number, of, line| eprintln!("[{number}/{of}] {line}"));
    let Some(report) = report else { return };
    let faults: Vec<String> = report.faults().iter().map(ToString::to_string).collect();
    assert!(
        faults.is_empty(),
        "seed {}; one case again: `cargo xtask truth --connections 2 --case NAME`:\n{}",
        options.seed,
        faults.join("\n")
    );
    assert!(report.lines.len() >= 3, "only {} cases in time", report.lines.len());
}
