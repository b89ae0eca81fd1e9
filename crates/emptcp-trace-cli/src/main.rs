//! `emptcp trace` as a program of its own.

use clap::Parser;
use emptcp_trace_cli::{TraceCommand, run};

/// What happened in the Multipath TCP connections of a capture.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: TraceCommand,
}

fn main() -> anyhow::Result<()> {
    run(Arguments::parse().command)
}
