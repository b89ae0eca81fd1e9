//! Any packets of a few connections: the analysis does not panic, does bounded work, and its sums agree.
#![no_main]

#[path = "../../crates/emptcp-trace/tests/source/adversary.rs"]
mod adversary;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<adversary::Choice>)| adversary::check(input.0, &input.1));
