//! `--only trace`: how fast captures are analysed, in how much memory. Needs no rights.
//!
//! * `traffic`: the capture that is analysed, made of `connection`s with `random` lengths and losses;
//! * `compared`: other programs on the same capture, where they are installed.

mod compared;
mod connection;
mod random;
mod traffic;

use crate::trace::connection::Truth;
use crate::trace::traffic::Traffic;
use anyhow::{Context, Result, ensure};
use emptcp_trace::{Analyzer, Event, Settings, source};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Packets in the capture.
const PACKETS: u64 = 2_000_000;
/// Packets per second on one core that must be reached.
const MUST: f64 = 3e6;
/// How much faster one capture must be with a second thread.
const TWICE: f64 = 1.7;
/// How much memory may grow when the capture is ten times as long.
const MOST_GROWTH: f64 = 1.1;

/// One line of the result.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    case: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
}

/// Measures. Prints as it goes unless `quiet`.
pub(crate) fn measure(runs: usize, quiet: bool) -> Result<Vec<Measured>> {
    let mut results = Results {
        lines: Vec::new(),
        quiet,
    };
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let paths = [folder.path().join("a.pcap"), folder.path().join("b.pcap")];
    let [truth, _] = [written(&paths[0], 1)?, written(&paths[1], 2)?];
    results.note(&format!(
        "{PACKETS} packets of MPTCP version 1, {} connections, {} more subflows, 128 bytes of each packet",
        truth.connections, truth.joins
    ));
    speed(&paths[0], &truth, runs.max(5), &mut results)?;
    cores(&paths, runs.max(3), &mut results)?;
    ahead(&paths[0], runs.max(5), &mut results)?;
    memory(&mut results)?;
    compared::measure(&paths[0], PACKETS, &mut results)?;
    Ok(results.lines)
}

/// Analyses `packets` packets that are made on the way; the most memory that this process had, KiB. For a process of
/// its own.
pub(crate) fn peak_memory(packets: u64) -> Result<u64> {
    analyse(source::from_reader("generated", Traffic::new(1, packets))?)?;
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.context("no VmHWM in /proc/self/status")?.parse().context("VmHWM")
}

struct Results {
    lines: Vec<Measured>,
    quiet: bool,
}

impl Results {
    fn note(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }

    fn add(&mut self, case: &str, value: f64, unit: &'static str, target: Option<(bool, &str)>) {
        if !self.quiet {
            let verdict = match target {
                Some((true, target)) => format!("{target}   kept"),
                Some((false, target)) => format!("{target}   MISSED"),
                None => String::new(),
            };
            println!("{case:<28}{value:>14.2} {unit:<14}{verdict}");
        }
        self.lines.push(Measured {
            case: format!("trace:{case}"),
            value,
            unit,
            kept: target.map(|(kept, _)| kept),
        });
    }
}

fn written(path: &Path, seed: u64) -> Result<Truth> {
    let name = || path.display().to_string();
    let file = File::create(path).with_context(name)?;
    Traffic::new(seed, PACKETS)
        .write(BufWriter::new(file))
        .with_context(name)
}

/// How much of the generated traffic the analysis found.
fn analyse(files: source::Files) -> Result<Truth> {
    let mut found = Truth::default();
    for event in Analyzer::new(files) {
        match event? {
            Event::Connection(connection) => {
                found.retransmitted += connection.retx.total();
                found.reinjected += connection.reinj.total();
            }
            Event::End(totals) => (found.connections, found.joins) = (totals.connections, totals.joins),
            _ => {}
        }
    }
    Ok(found)
}

fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .context("clock_gettime")?
        .into())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// By CPU time, which is what one core takes on a machine that has other work too.
fn speed(path: &Path, truth: &Truth, runs: usize, results: &mut Results) -> Result<()> {
    let (mut reading, mut analysing) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let before = cpu_time()?;
        read(path)?;
        let between = cpu_time()?;
        let found = analyse(source::open([path])?)?;
        let after = cpu_time()?;
        ensure!(
            found == *truth,
            "the analysis found {found:?}, but the capture has {truth:?}"
        );
        reading.push((between - before).as_secs_f64());
        analysing.push((after - between).as_secs_f64());
    }
    let packets = PACKETS as f64;
    results.add("read", median(&mut reading) / packets * 1e9, "ns/packet", None);
    let seconds = median(&mut analysing);
    let rate = packets / seconds;
    results.add("analyze", seconds / packets * 1e9, "ns/packet", None);
    results.add(
        "analyze",
        rate / 1e6,
        "Mpackets/s",
        Some((rate >= MUST, ">= 3 on one core")),
    );
    Ok(())
}

fn read(path: &Path) -> Result<()> {
    use emptcp_trace::{Next, Source};
    let mut files = source::open([path])?;
    let mut packets = 0;
    while let Next::Frame(_) = files.next()? {
        packets += 1;
    }
    ensure!(packets == PACKETS, "{packets} packets were read of {PACKETS}");
    Ok(())
}

/// Two captures one after the other, and at once.
fn cores(paths: &[std::path::PathBuf; 2], runs: usize, results: &mut Results) -> Result<()> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let analyse_file = |path: &Path| analyse(source::open([path])?);
    for _ in 0..runs {
        let start = Instant::now();
        for path in paths {
            analyse_file(path)?;
        }
        one.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        std::thread::scope(|scope| {
            let threads = paths.each_ref().map(|path| scope.spawn(move || analyse_file(path)));
            for thread in threads {
                thread.join().map_err(|_| anyhow::anyhow!("an analysis panicked"))??;
            }
            anyhow::Ok(())
        })?;
        two.push(start.elapsed().as_secs_f64());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    results.note(&format!(
        "two captures on two threads; {cores} cores, other work on them counts"
    ));
    results.add("two files", median(&mut one) / median(&mut two), "times as fast", None);
    Ok(())
}

/// One capture with one thread, and with a second one that reads and decodes ahead.
fn ahead(path: &Path, runs: usize, results: &mut Results) -> Result<()> {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        for (ahead, times) in [(false, &mut one), (true, &mut two)] {
            let start = Instant::now();
            let files = source::open([path])?;
            let settings = Settings::default();
            let analyzer = if ahead {
                Analyzer::ahead(files, settings)
            } else {
                Analyzer::with_settings(files, settings)
            };
            for event in analyzer {
                event?;
            }
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let times = median(&mut one) / median(&mut two);
    results.add(
        "one file, two threads",
        times,
        "times as fast",
        Some((times >= TWICE, ">= 1.7 with 2 idle cores")),
    );
    Ok(())
}

fn memory(results: &mut Results) -> Result<()> {
    let peak = |packets: u64| -> Result<f64> {
        let program = std::env::current_exe().context("the path of this program")?;
        let output = Command::new(program)
            .arg(format!("--trace-memory={packets}"))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(text.trim().parse::<f64>().context("the memory of a run")? / 1024.0)
    };
    let (once, ten_times) = (peak(PACKETS)?, peak(10 * PACKETS)?);
    results.add("peak memory", once, "MiB", None);
    results.add("peak memory, 10 times", ten_times, "MiB", None);
    let growth = ten_times / once;
    results.add(
        "peak memory, growth",
        growth,
        "",
        Some((growth <= MOST_GROWTH, "<= 1.1")),
    );
    Ok(())
}
