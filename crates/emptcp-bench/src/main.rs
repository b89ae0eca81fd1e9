//! `cargo xtask bench`: what a packet costs, and what a transfer loses.
//!
//! * `cases`: the policy sets that are measured and the packets that they meet;
//! * `packets`: nanoseconds per packet by `BPF_PROG_TEST_RUN`, as ratios to an empty program of the same run;
//! * `table`: how the cost grows with the flow table;
//! * `trace`: captures analysed;
//! * `throughput`: MPTCP over veth with a policy on every packet and without, in turn.

mod cases;
mod packets;
mod table;
mod throughput;
mod trace;

use clap::Parser;

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
    /// Leave out the throughput measurement
    #[arg(long)]
    no_throughput: bool,
    /// Only cases whose name contains this; `trace`: only the analysis of captures, which needs no root
    #[arg(long)]
    only: Option<String>,
    /// Analyse so many packets and print the peak of memory, in KiB: what `trace` runs by itself
    #[arg(long, hide = true)]
    trace_memory: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(packets) = options.trace_memory {
        println!("{}", trace::peak_memory(packets)?);
        return Ok(());
    }
    if options.only.as_deref() == Some("trace") {
        let results = trace::measure(options.runs, options.json)?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&results)?);
        }
        return Ok(());
    }
    let results = packets::measure(
        options.runs.max(1),
        options.repeat.max(1),
        options.only.as_deref(),
        options.json,
    )?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
        return Ok(());
    }
    if options.only.is_none() {
        table::measure(options.runs.max(1), options.repeat.max(1))?;
        if !options.no_throughput {
            throughput::measure()?;
        }
    }
    Ok(())
}
