//! The program `emptcp-trace`, which `emptcp trace` runs: what happened in the MPTCP connections of a capture. It needs
//! no BPF and, except for `live`, no privileges.
//!
//! One file for each subcommand. What they share: `options.rs`, how to analyse; `reading.rs`, progress and Ctrl-C while
//! captures are read; `one.rs`, the commands about one connection; `failure.rs`, error messages.

mod analyze;
mod compare;
mod explain;
mod failure;
mod live;
mod one;
mod options;
mod plot;
mod reading;
mod report;
mod split;

use clap::Subcommand;

pub use failure::{report, words};

/// The subcommands of `emptcp trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Analyse captures: a summary, JSON, CSV or Parquet tables
    ///
    /// Reads pcap and pcapng, also compressed by gzip or zstd. Several files are read as one stream in the order of
    /// time. Without options, prints a summary.
    Analyze(analyze::AnalyzeArguments),
    /// Describe what happened in one connection, in sentences
    Explain(explain::ExplainArguments),
    /// Draw one connection: data sequence numbers, throughput, round-trip times, window
    Plot(plot::PlotArguments),
    /// Make a page with tables and figures about the connections of captures
    Report(report::ReportArguments),
    /// Compare two captures of the same traffic: what was lost, delayed, reordered and changed between them
    Compare(compare::CompareArguments),
    /// Write one connection to a separate capture
    Split(split::SplitArguments),
    /// Watch the MPTCP connections that pass a network device; needs CAP_NET_RAW
    Live(live::LiveArguments),
}

/// Runs it. `netns`: the network namespace of a live capture.
///
/// # Errors
/// Whatever the subcommand reports; [`words`] turns it into a sentence.
pub fn run(command: TraceCommand, netns: Option<&str>) -> anyhow::Result<()> {
    match command {
        TraceCommand::Analyze(arguments) => analyze::run(&arguments),
        TraceCommand::Explain(arguments) => explain::run(&arguments),
        TraceCommand::Plot(arguments) => plot::run(&arguments),
        TraceCommand::Report(arguments) => report::run(&arguments),
        TraceCommand::Compare(arguments) => compare::run(arguments),
        TraceCommand::Split(arguments) => split::run(&arguments),
        TraceCommand::Live(arguments) => live::run(arguments, netns),
    }
}
