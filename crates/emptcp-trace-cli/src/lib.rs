//! The command `emptcp trace`: what happened in the MPTCP connections of a capture. It needs no BPF and, but for `live`, no rights,
//! so it is a library that `emptcp` uses and a program of its own, `emptcp-trace`.
//!
//! One file for each subcommand.

mod explain;
mod one;

use clap::Subcommand;

/// The subcommands of `emptcp trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Tell what happened in one connection, in plain sentences
    Explain(explain::ExplainArguments),
}

/// Runs it.
///
/// # Errors
/// What went wrong, to be printed as it is.
pub fn run(command: TraceCommand) -> anyhow::Result<()> {
    match command {
        TraceCommand::Explain(arguments) => explain::run(arguments),
    }
}
