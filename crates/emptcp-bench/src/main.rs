//! `cargo xtask bench`: what a packet costs, and what a transfer loses.
//!
//! * `cases`: the measured policy sets and the packets for them;
//! * `packets`: nanoseconds per packet by `BPF_PROG_TEST_RUN`, as ratios to an empty program of the same run;
//! * `table`: how the cost grows with the flow table;
//! * `reading`: how long it takes to read a large table;
//! * `throughput`: MPTCP over veth with a policy on every packet and without, in turn, within one transfer;
//! * `statistics`: medians and their intervals;
//! * `trace`: analysis of captures.

mod cases;
mod packets;
mod reading;
mod statistics;
mod table;
mod throughput;
mod trace;

use clap::{Parser, ValueEnum};

/// Measures emptcp. Needs root.
#[derive(Debug, Parser)]
struct Options {
    /// One JSON array of {hook, case, ns_min, ns_median, ratio}, and nothing else, on standard output
    #[arg(long)]
    json: bool,
    /// Runs of each case; the least and the median are shown
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Packets in a run
    #[arg(long, default_value_t = 1_000_000)]
    repeat: u32,
    /// Only this part
    #[arg(long)]
    only: Option<Part>,
    /// Of the packets, only cases whose name contains this, and no other part
    #[arg(long)]
    case: Option<String>,
    /// Analyse this many packets and print the peak of memory, in KiB; `trace` runs this in a process of its own
    #[arg(long, hide = true)]
    trace_memory: Option<u64>,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Nanoseconds per packet
    Packets,
    /// How they grow with the flow table
    Table,
    /// How long it takes to read a large table, by one reader and by ten
    Reading,
    /// A transfer with and without policies
    Throughput,
    /// Captures analysed; needs no root
    Trace,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(packets) = options.trace_memory {
        println!("{}", trace::peak_memory(packets)?);
        return Ok(());
    }
    // JSON has the packets, unless the captures are requested: one array of one shape.
    let only = match options.only {
        Some(Part::Trace) => options.only,
        _ if options.json || options.case.is_some() => Some(Part::Packets),
        other => other,
    };
    let wanted = |part| only.is_none_or(|only| only == part);
    let (runs, repeat) = (options.runs.max(1), options.repeat.max(1));
    if wanted(Part::Packets) {
        let results = packets::measure(runs, repeat, options.case.as_deref(), options.json)?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&results)?);
        }
    }
    if wanted(Part::Table) {
        table::measure(runs, repeat)?;
    }
    if wanted(Part::Reading) {
        reading::measure(runs)?;
    }
    if wanted(Part::Throughput) {
        throughput::measure()?;
    }
    if wanted(Part::Trace) {
        let results = trace::measure(runs, options.json)?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&results)?);
        }
    }
    Ok(())
}
