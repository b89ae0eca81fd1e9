//! The command `emptcp trace`: what happened in the MPTCP connections of a capture. It needs no BPF and, but for `live`, no rights,
//! so it is a library that `emptcp` uses and a program of its own, `emptcp-trace`.
//!
//! One file for each subcommand. What they share: `options.rs`, how to analyse; `reading.rs`, progress and Ctrl-C while captures
//! are read; `failure.rs`, errors in words.

mod analyze;
mod failure;
mod options;
mod reading;

use clap::Subcommand;

pub use failure::{report, words};

/// The subcommands of `emptcp trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Say what happened: a summary, JSON, CSV or Parquet tables
    ///
    /// Reads pcap and pcapng, also packed by gzip or zstd. Several files are one stream in the order of time. Without options,
    /// prints a summary.
    Analyze(analyze::AnalyzeArguments),
}

/// Runs it.
///
/// # Errors
/// What went wrong; [`words`] says it.
pub fn run(command: TraceCommand) -> anyhow::Result<()> {
    match command {
        TraceCommand::Analyze(arguments) => analyze::run(&arguments),
    }
}
