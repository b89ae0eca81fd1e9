//! The course of events: hosts, transfer, policies, table, verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, bail};
use emptcp_lab::{Direction, End, Lab, Path, Rate, RunningBulk, TimeSeries};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::chart;
use crate::policies::{Change, Steering, changes};
use crate::samples::{Sample, Samples};
use crate::script::{PATH_RATE, Phase, ROUND_TRIPS};
use crate::table;
use crate::verdict::{Outcome, judge};

/// How often both paths are read.
const READING: Duration = Duration::from_millis(500);

/// Runs the demo and returns whether the traffic obeyed.
pub(crate) fn demo() -> anyhow::Result<bool> {
    // Interrupted, it returns through here, so that namespaces and policies go with it.
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
    let mut steering = Steering::new(lab.client().netns().name())?;
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
        .direction(Direction::Download)
        .duration(length)
        .sample_every(READING)
        .start()?;
    Course {
        lab: &lab,
        transfer: &transfer,
        steering: &mut steering,
        interrupted: &interrupted,
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
    Ok(tell(&samples, &outcome))
}

/// A transfer under way and who steers it.
struct Course<'a> {
    lab: &'a Lab,
    transfer: &'a RunningBulk,
    steering: &'a mut Steering,
    interrupted: &'a AtomicBool,
}

impl Course<'_> {
    /// Watches the transfer to its end: a line a second, and the policies of each phase as it begins.
    fn follow(&mut self) -> anyhow::Result<()> {
        for phase in Phase::ALL {
            println!("{}", table::event(phase));
            self.enter(phase)?;
            let mut second = phase.start() + 1.0;
            while second <= phase.end() {
                // A little late, so that the reading of this second has been made.
                self.wait_until(second + 0.1)?;
                let samples = by_path(self.lab, &self.transfer.series(End::Client));
                if let Some(rates) = samples.mean(second - 1.1, second + 0.1) {
                    println!("{}", table::line(second, rates));
                }
                second += 1.0;
            }
        }
        Ok(())
    }

    /// Makes the changes with which a phase begins.
    fn enter(&mut self, phase: Phase) -> anyhow::Result<()> {
        self.wait_until(phase.start())?;
        for change in changes(phase) {
            match change {
                Change::Apply(policies) => {
                    let took = self.steering.apply(policies)?;
                    println!("{}", table::applied(policies, took));
                }
                Change::Wait(time) => {
                    self.wait_until((self.transfer.elapsed() + *time).as_secs_f64())?;
                    self.steering.debug();
                }
                Change::Remove => {
                    self.steering.remove()?;
                    println!("{}", table::removed());
                }
            }
        }
        Ok(())
    }

    /// Sleeps until `seconds` after the transfer began, in short steps because someone may interrupt it.
    fn wait_until(&self, seconds: f64) -> anyhow::Result<()> {
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            let left = seconds - self.transfer.elapsed().as_secs_f64();
            if left <= 0.0 {
                return Ok(());
            }
            thread::sleep(Duration::from_secs_f64(left.min(0.1)));
        }
    }
}

/// Adds up what the client's kernel says of its subflows, by path.
fn by_path(lab: &Lab, series: &TimeSeries) -> Samples {
    let mut samples = Samples::default();
    for reading in series.samples() {
        let at = reading.at.as_secs_f64();
        if at > Phase::FreeAgain.end() + 0.1 {
            // The connection is closing.
            break;
        }
        let mut bytes = [0; 2];
        for subflow in &reading.info.subflows {
            if let Some(path) = lab.path_of(&subflow.key) {
                bytes[path] += subflow.bytes_received;
            }
        }
        samples.push(Sample { at, bytes });
    }
    samples
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

/// Says what held and what did not, with the numbers.
fn tell(samples: &Samples, outcome: &Outcome) -> bool {
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
