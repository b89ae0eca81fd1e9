//! `emptcp trace explain`: describes one connection in sentences.

use crate::one::OneConnection;
use anyhow::Context;
use clap::Args;
use emptcp_trace_report::explain::{Collector, Detail, write_text};
use std::io::{self, Write};

/// Columns when the output is not a terminal.
const WIDTH: usize = 100;
/// Longer lines are hard to read, even on a wider terminal.
const WIDEST: usize = 120;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArguments {
    #[command(flatten)]
    one: OneConnection,
    /// Print under each sentence how sure it is, the packets that show it, the causes that remain, and those that the
    /// packets exclude
    #[arg(long)]
    why: bool,
    /// Print a JSON array of sentences, each with t (seconds since the first SYN), packets, subflow, direction, text,
    /// kind, evidence and reasons (what --why prints)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<()> {
    let mut collector = Collector::new(arguments.one.id());
    let connection = arguments.one.read(|event| {
        collector.observe(event);
        Ok(())
    })?;
    let story = collector.story(&connection);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if arguments.json {
        serde_json::to_writer_pretty(&mut out, &story)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0).min(WIDEST));
        let detail = if arguments.why { Detail::Why } else { Detail::Sentences };
        write_text(&mut out, &connection, &story, width, detail)
    };
    // `failure::report` ignores the error of a closed pipe.
    written.and_then(|()| out.flush()).context("standard output")
}
