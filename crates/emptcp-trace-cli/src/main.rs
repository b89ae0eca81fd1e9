//! The program `emptcp-trace`.

use clap::Parser;
use emptcp_trace_cli::{TraceCommand, report, run};
use std::process::ExitCode;

/// What happened in the Multipath TCP connections of a capture.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: TraceCommand,
}

fn main() -> ExitCode {
    run(Arguments::parse().command).map_or_else(|error| report(&error), |()| ExitCode::SUCCESS)
}
