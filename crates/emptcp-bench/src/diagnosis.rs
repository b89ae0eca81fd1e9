//! `--only diagnosis`: generated captures whose causes are known, and what the diagnoses say of them. Needs no rights.

use anyhow::{Context, Result};
use clap::Args;
use emptcp_trace_truth::{Capture, Scored, Tally};
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Captures that one thread takes at a time.
const BATCH: u64 = 50;

/// Of the diagnoses.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Captures of `--only diagnosis`
    #[arg(long, default_value_t = 10_000)]
    captures: u64,
    /// The seed of the first of them; each next one has the next number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Wrong sentences and misses that are shown, of each list
    #[arg(long, default_value_t = 10)]
    examples: usize,
    /// Show the truth and the story of this one capture, and nothing else
    #[arg(long, value_name = "SEED")]
    capture: Option<u64>,
    /// Write that capture to this file (pcap)
    #[arg(long, value_name = "FILE", requires = "capture")]
    keep: Option<PathBuf>,
}

impl Options {
    pub(crate) fn wants_one(&self) -> bool {
        self.capture.is_some()
    }
}

/// One capture: what happened, and what the analysis says.
pub(crate) fn one(options: &Options) -> Result<()> {
    let seed = options.capture.context("no capture was named")?;
    let capture = Capture::new(seed);
    if let Some(path) = &options.keep {
        let name = || path.display().to_string();
        let file = File::create(path).with_context(name)?;
        capture.write(BufWriter::new(file)).with_context(name)?;
    }
    println!("{}", capture.text());
    println!("{}", Scored::of(&capture).text());
    Ok(())
}

/// All captures. Prints the table, or JSON.
pub(crate) fn measure(options: &Options, json: bool) -> Result<()> {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut tallies = Vec::new();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= options.captures {
                return tallies;
            }
            let mut tally = Tally::default();
            for number in first..options.captures.min(first + BATCH) {
                tally.add(&Scored::new(options.seed + number));
                done.fetch_add(1, Ordering::Relaxed);
            }
            tallies.push((first, tally));
        }
    };
    let mut tallies = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        // A line that grows in place would fill a log.
        while std::io::stderr().is_terminal() && !workers.iter().all(|worker| worker.is_finished()) {
            eprint!("\r{} of {} captures", done.load(Ordering::Relaxed), options.captures);
            std::thread::sleep(Duration::from_millis(200));
        }
        let mut tallies = Vec::new();
        for worker in workers {
            tallies.extend(worker.join().map_err(|_| anyhow::anyhow!("an analysis panicked"))?);
        }
        anyhow::Ok(tallies)
    })?;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    // The result does not depend on which thread was quicker.
    tallies.sort_by_key(|(first, _)| *first);
    let mut sum = Tally::default();
    tallies.into_iter().for_each(|(_, tally)| sum.merge(tally));
    if json {
        println!("{}", serde_json::to_string_pretty(&sum)?);
    } else {
        println!("{}", sum.text(options.examples));
        println!("{:.1} s on {threads} threads", start.elapsed().as_secs_f64());
    }
    Ok(())
}
