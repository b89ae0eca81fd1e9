//! The command `emptcp trace`: what happened in the MPTCP connections of a capture. It needs no BPF and, but for `live`, no rights,
//! so it is a library that `emptcp` uses and a program of its own, `emptcp-trace`.
//!
//! One file for each subcommand.

mod compare;
mod live;

use clap::Subcommand;

/// The subcommands of `emptcp trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Compare two captures of the same traffic: what was lost, delayed, reordered and changed between them
    Compare(compare::CompareArguments),
    /// Watch the MPTCP connections that pass a network device; needs CAP_NET_RAW
    Live(live::LiveArguments),
}

/// Runs it.
///
/// # Errors
/// What went wrong, to be printed as it is.
pub fn run(command: TraceCommand) -> anyhow::Result<()> {
    match command {
        TraceCommand::Compare(arguments) => compare::run(arguments),
        TraceCommand::Live(arguments) => live::run(arguments),
    }
}
