//! `cargo xtask bench --only diagnosis`: generated captures whose causes are known, and what the diagnoses say of them.
//! Needs no rights, and nothing of BPF to be built.

use anyhow::{Context, Result};
use clap::Parser;
use emptcp_trace_truth::{Capture, Scored, Tally};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The line of progress is written after so many captures.
const STEP: u64 = 25;

/// Measures how many diagnoses of generated captures are true
#[derive(Debug, Parser)]
struct Arguments {
    /// Print the result as JSON, with every wrong sentence and every miss
    #[arg(long)]
    json: bool,
    /// How many captures
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    captures: u32,
    /// The seed of the first of them; each next one has the next number
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Wrong sentences and misses that are shown, of each list
    #[arg(long, default_value_t = 10)]
    examples: usize,
    /// Show the truth and the story of this one capture, and nothing else
    #[arg(long, value_name = "SEED")]
    capture: Option<u32>,
    /// Write that capture to this file (pcap)
    #[arg(long, value_name = "FILE", requires = "capture")]
    keep: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.capture {
        Some(seed) => one(seed, arguments.keep.as_deref()),
        None => measure(&arguments),
    }
}

/// One capture: what happened, and what the analysis says.
fn one(seed: u32, keep: Option<&Path>) -> Result<()> {
    let capture = Capture::new(seed.into());
    if let Some(path) = keep {
        let name = || format!("cannot write {}", path.display());
        let file = File::create(path).with_context(name)?;
        capture.write(BufWriter::new(file)).with_context(name)?;
    }
    print(&format!("{}\n{}", capture.text(), Scored::of(&capture).text()))
}

/// All captures. Prints the table, or JSON.
fn measure(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // A line that is written over would fill a log.
    let shows = std::io::stderr().is_terminal();
    let progress = |done: u64| {
        if shows && done.is_multiple_of(STEP) {
            eprint!("\r{done} of {} captures", arguments.captures);
        }
    };
    let first = u64::from(arguments.seed);
    let seeds = first..first + u64::from(arguments.captures);
    let sum = Tally::of(seeds, threads, progress);
    if shows {
        eprint!("\r\x1b[K");
    }
    if arguments.json {
        return print(&serde_json::to_string_pretty(&sum)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    print(&format!(
        "{}\n{seconds:.1} s on {threads} threads",
        sum.text(arguments.examples)
    ))
}

/// Prints it and ends the line. A reader that has gone, as `head`, is no failure.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
