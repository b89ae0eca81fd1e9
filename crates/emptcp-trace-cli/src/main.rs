//! The program `emptcp-trace`.

use clap::Parser;
use emptcp_trace_cli::{TraceCommand, report, run};
use std::process::ExitCode;

/// What happened in the Multipath TCP connections of a capture.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The network namespace (a name of `ip netns`, a path or a process id); `live` looks there, and captures are the
    /// same in all
    #[arg(long, value_name = "NAME", global = true)]
    netns: Option<String>,
    #[command(subcommand)]
    command: TraceCommand,
}

fn main() -> ExitCode {
    let Arguments { netns, command } = Arguments::parse();
    run(command, netns.as_deref()).map_or_else(|error| report(&error), |()| ExitCode::SUCCESS)
}
