//! The course of events: hosts, transfer, policies, table, verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, bail};
use emptcp_lab::{End, Lab, Path, Rate, RunningBulk, Sample as Reading, TimeSeries, TransferDirection};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::chart;
use crate::policies::{BOTH_REGULAR, CAP_PATH_2, PATH_1_BACKUP, PATH_2_BACKUP, Steering};
use crate::samples::{Sample, Samples};
use crate::script::{PATH_RATE, Phase, ROUND_TRIPS};
use crate::table;
use crate::verdict::{Outcome, judge};

/// How often both paths are read.
const READING: Duration = Duration::from_millis(100);

/// Seconds from one reading to the next in the table, the picture and the verdict.
const STEP: f64 = 0.5;

/// How often the peer is asked to use both paths again.
const WAYS_BACK: usize = 3;

/// Runs the demo and returns whether the traffic obeyed.
pub(crate) fn demo() -> anyhow::Result<bool> {
    // It also returns through here when it is interrupted, so that namespaces and policies are removed.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    let [one, two] = ROUND_TRIPS.map(|time| Path::with(Rate::mbit(PATH_RATE), Duration::from_millis(time)));
    let lab = Lab::builder()
        .path(one)
        .path(two)
        .build()
        .context("cannot make the two hosts and their paths")?;
    let before = [lab.client().mib()?, lab.server().mib()?];

    println!("Two hosts in network namespaces, joined by two emulated paths of {PATH_RATE} Mbit/s each;");
    println!(
        "round trips of {} and {} ms. The client downloads over MPTCP.",
        ROUND_TRIPS[0], ROUND_TRIPS[1]
    );
    println!("The policies are applied on the client.\n");
    println!("{}", table::head());
    let length = Duration::from_secs_f64(Phase::FreeAgain.end());
    let transfer = lab
        .bulk()
        .direction(TransferDirection::Download)
        .duration(length)
        .sample_every(READING)
        .start()?;
    let steering = &mut Steering::new(lab.client().netns().name())?;
    Course {
        lab: &lab,
        transfer: &transfer,
        steering,
        interrupted: &interrupted,
        line: 1.0,
    }
    .follow()?;
    let report = transfer.finish().context("the transfer did not end well")?;
    steering.remove()?;

    let samples = by_path(&lab, &report.client);
    let after = [lab.client().mib()?, lab.server().mib()?];
    let fallbacks = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after.since(before).fallbacks())
        .sum();
    let download = report.download.context("the transfer has no download")?;
    let outcome = Outcome {
        sent: download.sent,
        verified: download.received,
        fallbacks,
    };
    write(&samples)?;
    Ok(report_verdict(&samples, &outcome))
}

/// A running transfer and its policies.
struct Course<'a> {
    lab: &'a Lab,
    transfer: &'a RunningBulk,
    steering: &'a mut Steering,
    interrupted: &'a AtomicBool,
    /// The second of the table's next line.
    line: f64,
}

impl Course<'_> {
    /// Watches the transfer to its end: a line a second, and the policies of each phase as it begins.
    fn follow(&mut self) -> anyhow::Result<()> {
        for phase in Phase::ALL {
            self.wait_until(phase.start())?;
            println!("{}", table::event(phase));
            match phase {
                Phase::Free => {}
                Phase::Capped => self.apply(&[CAP_PATH_2])?,
                Phase::Backup => self.apply(&[CAP_PATH_2, PATH_1_BACKUP])?,
                Phase::FreeAgain => self.way_back()?,
            }
        }
        self.wait_until(Phase::FreeAgain.end() + 0.2)
    }

    fn apply(&mut self, policies: &[&str]) -> anyhow::Result<()> {
        let took = self.steering.apply(policies)?;
        println!("{}", table::applied(policies, took));
        Ok(())
    }

    /// Reverts MP_PRIO and removes the policies. The policy files say why it takes two steps. Each is a request that
    /// may be lost on its way, so what counts is that both paths carry data.
    fn way_back(&mut self) -> anyhow::Result<()> {
        for _ in 0..WAYS_BACK {
            self.apply(&[PATH_2_BACKUP])?;
            let silent = self.bytes()[0];
            let patience = self.now() + 2.0;
            while self.bytes()[0] == silent && self.now() < patience {
                self.wait_until(self.now() + 0.1)?;
            }
            self.apply(&[BOTH_REGULAR])?;
            self.wait_until(self.now() + 0.7)?;
            let before = self.bytes();
            self.wait_until(self.now() + 0.5)?;
            if self.bytes().iter().zip(before).all(|(now, before)| *now > before) {
                break;
            }
        }
        self.steering.remove()?;
        println!("{}", table::removed());
        Ok(())
    }

    /// Seconds since the transfer began.
    fn now(&self) -> f64 {
        self.transfer.elapsed().as_secs_f64()
    }

    /// Payload bytes that have arrived over each path so far.
    fn bytes(&self) -> [u64; 2] {
        let series = self.transfer.series(End::Client);
        series.last().map_or([0; 2], |reading| bytes_by_path(self.lab, reading))
    }

    /// Sleeps until `seconds` after the transfer began, in short steps: there are lines to print meanwhile, and the
    /// user may interrupt it.
    fn wait_until(&mut self, seconds: f64) -> anyhow::Result<()> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            // A little late, so that the reading of this second has been made.
            if self.now() >= self.line + 0.15 {
                let samples = by_path(self.lab, &self.transfer.series(End::Client));
                if let Some(rates) = samples.mean(self.line - 1.1, self.line + 0.1) {
                    println!("{}", table::line(self.line, rates));
                }
                self.line += 1.0;
            }
            let left = seconds - self.now();
            if left <= 0.0 {
                return Ok(());
            }
            thread::sleep(Duration::from_secs_f64(left.min(0.05)));
        }
    }
}

/// What the client's kernel reports about its subflows, by path, every [`STEP`].
fn by_path(lab: &Lab, series: &TimeSeries) -> Samples {
    let mut samples = Samples::default();
    let mut next = 0.0;
    for reading in series.samples() {
        let at = reading.at.as_secs_f64();
        // After the end the connection is closing.
        if at >= next && at <= Phase::FreeAgain.end() + 0.05 {
            samples.push(Sample {
                at,
                bytes: bytes_by_path(lab, reading),
            });
            next += STEP;
        }
    }
    samples
}

fn bytes_by_path(lab: &Lab, reading: &Reading) -> [u64; 2] {
    let mut bytes = [0; 2];
    for subflow in &reading.info.subflows {
        if let Some(path) = lab.path_of(&subflow.addresses) {
            bytes[path] += subflow.tcp.bytes_received;
        }
    }
    bytes
}

/// Writes the readings and the picture below `target/demo` and says where.
fn write(samples: &Samples) -> anyhow::Result<()> {
    let folder = PathBuf::from("target/demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, content) in [("demo.csv", samples.csv()), ("demo.svg", chart::svg(samples)?)] {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("written: {}", path.display());
    }
    Ok(())
}

/// Reports which conditions held, with the numbers.
fn report_verdict(samples: &Samples, outcome: &Outcome) -> bool {
    println!();
    let findings = judge(samples, outcome);
    for finding in &findings {
        println!("  {}  {}", if finding.holds { "yes" } else { "NO " }, finding.text);
    }
    let obeyed = findings.iter().all(|finding| finding.holds);
    println!(
        "\n{}",
        if obeyed {
            "The traffic did what the policies say."
        } else {
            "The traffic did NOT obey."
        }
    );
    obeyed
}
