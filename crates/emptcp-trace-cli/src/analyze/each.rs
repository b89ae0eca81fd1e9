//! Each file as a separate trace: analysed in parallel, written in the order of the arguments.

use super::sinks::Sinks;
use super::{AnalyzeArguments, Outcome, analyse};
use crate::reading::{Bar, Interrupt, Reading, is_interruption};
use anyhow::{anyhow, bail};
use emptcp_trace::{Source, source};
use emptcp_trace_report::output::Tables;
use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use tempfile::SpooledTempFile;

/// Bytes of JSON of one trace that are kept in memory; the rest goes to disk.
const IN_MEMORY: usize = 1 << 20;
/// Traces for each worker that may be in analysis, or finished and waiting for an earlier one.
const AHEAD: usize = 2;

/// The results of one trace.
type Part = anyhow::Result<(Sinks<SpooledTempFile>, Outcome)>;

/// Runs it.
pub(super) fn run(arguments: &AnalyzeArguments, interrupt: &Interrupt) -> anyhow::Result<()> {
    let bar = arguments.bar(length(&arguments.files));
    let mut sinks = Sinks::new(
        arguments.wanted(),
        arguments.tables(Tables::create)?,
        BufWriter::new(io::stdout().lock()),
    );
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or_else(processors).get();
    let mut failures = Vec::new();
    let work = Work {
        arguments,
        interrupt,
        bar: &bar,
        next: AtomicUsize::new(0),
    };
    work.in_order(jobs, |part| {
        let (part, outcome) = match part {
            Ok(part) => part,
            Err(error) => return keep(&mut failures, error),
        };
        match outcome.error {
            Some(error) if is_interruption(&error) => return Err(error.into()),
            Some(error) if outcome.packets == 0 => return keep(&mut failures, error.into()),
            Some(error) => keep(&mut failures, error.into())?,
            None => {}
        }
        Ok(sinks.append(part)?)
    })?;
    bar.clear();
    if failures.len() < arguments.files.len() || failures.is_empty() {
        arguments.show(sinks)?;
    }
    let words: Vec<_> = failures.iter().map(crate::words).collect();
    match words.as_slice() {
        [] => Ok(()),
        [one] => Err(anyhow!("{one}")),
        several => bail!(
            "{} of {} captures are damaged or cannot be read:\n  {}",
            several.len(),
            arguments.files.len(),
            several.join("\n  ")
        ),
    }
}

/// A capture that cannot be read does not stop the others.
fn keep(failures: &mut Vec<anyhow::Error>, error: anyhow::Error) -> anyhow::Result<()> {
    failures.push(error);
    Ok(())
}

/// The length of all files; none when one of them is a pipe.
fn length(files: &[impl AsRef<Path>]) -> Option<u64> {
    files
        .iter()
        .map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            metadata.is_file().then_some(metadata.len())
        })
        .sum()
}

/// What the workers share.
struct Work<'a> {
    arguments: &'a AnalyzeArguments,
    interrupt: &'a Interrupt,
    bar: &'a Bar,
    next: AtomicUsize,
}

impl Work<'_> {
    /// Analyses all files with `jobs` threads and passes the results to `take` in the order of the files. Workers do
    /// not run far ahead, so neither memory nor the number of open files grows with the number of files.
    fn in_order(&self, jobs: usize, mut take: impl FnMut(Part) -> anyhow::Result<()>) -> anyhow::Result<()> {
        // A worker puts a permit into this queue before it takes a file. The permit is removed when the results of that
        // file are written. Files are taken in order, so the file that is written next always holds a permit.
        let (permit, permits) = mpsc::sync_channel(jobs.saturating_mul(AHEAD));
        let (done, results) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs.min(self.arguments.files.len()) {
                let (permit, done) = (permit.clone(), done.clone());
                scope.spawn(move || self.worker(&permit, &done));
            }
            drop((permit, done));
            let taken = put_in_order(results, permits, &mut take);
            if taken.is_err() {
                // Stop the workers: their results are not needed.
                self.interrupt.press();
            }
            taken
        })
    }

    fn worker(&self, permit: &SyncSender<()>, done: &mpsc::Sender<(usize, Part)>) {
        while permit.send(()).is_ok() {
            let position = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = self.arguments.files.get(position) else {
                return;
            };
            if done.send((position, self.part(file))).is_err() {
                return;
            }
        }
    }

    fn part(&self, file: &Path) -> Part {
        let files = source::open([file])?;
        let mut sinks = Sinks::new(
            self.arguments.wanted(),
            self.arguments.tables(Tables::temporary)?,
            tempfile::spooled_tempfile(IN_MEMORY),
        );
        let reading = Reading::new(files, self.bar, self.interrupt);
        let name = reading.name();
        let options = self.arguments.options.one_of_many();
        let outcome = analyse(options.analyzer(reading, self.arguments.settings()), name, &mut sinks)?;
        Ok((sinks, outcome))
    }
}

fn put_in_order(
    results: Receiver<(usize, Part)>,
    permits: Receiver<()>,
    take: &mut impl FnMut(Part) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut early = BTreeMap::new();
    let mut due = 0;
    for (position, part) in results {
        early.insert(position, part);
        while let Some(part) = early.remove(&due) {
            take(part)?;
            due += 1;
            // The permit of this file is in the queue: the worker put it there before it took the file.
            let _ = permits.recv();
        }
    }
    Ok(())
}
