//! How long it takes to read large tables: what `emptcp flows --json` does, without the start of a process.

use crate::cases;
use anyhow::{Context, Result, ensure};
use emptcp::{Apply, Catalog, Instance, Namespace, manifest::Hook, model::grouped};
use emptcp_load::{
    pin,
    program::{TestRun, test_run},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const SUBFLOWS: u32 = 100_000;
/// Readers at once.
const READERS: u32 = 10;
/// Time for one reader, from the aims of the project.
const MUST: Duration = Duration::from_secs(1);
const INSTANCE: &str = "bench";

/// A private network namespace; removed when dropped.
struct Own(String);

impl Own {
    fn new() -> Result<Self> {
        let name = format!("emptcp-bench-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).status()?;
        ensure!(made.success(), "`ip netns add` failed");
        Ok(Self(name))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = Namespace::named(&self.0).and_then(|namespace| namespace.instance(INSTANCE).remove());
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Opens the subflows: packets as the device would pass them to the entry programs.
fn fill(instance: &Instance) -> Result<()> {
    let folder = instance.show()?.folder;
    let entry = |direction: &str| pin::open(&folder.join(format!("entry_tc_{direction}_14")));
    let entries: [OwnedFd; 2] = [entry("ingress")?, entry("egress")?];
    for flow in 0..SUBFLOWS {
        let handshake = cases::handshake(20_000 + (flow % 40_000) as u16, flow / 40_000);
        for (packet, entry) in handshake.iter().zip([0, 1, 0]) {
            let run = TestRun {
                packet,
                context: &mut [],
                repeat: 1,
            };
            test_run(entries[entry].as_fd(), run)?;
        }
    }
    Ok(())
}

/// Reads everything and writes it as JSON. Returns how many subflows there were, and the time.
fn read(instance: &Instance) -> Result<(usize, Duration)> {
    let begin = Instant::now();
    let flows = instance.flows()?;
    let count = flows.len();
    let groups = grouped(instance.connections()?, flows);
    serde_json::to_writer_pretty(io::sink(), &groups)?;
    Ok((count, begin.elapsed()))
}

/// Measures one reader and several at once.
pub(crate) fn measure(runs: usize) -> Result<()> {
    let own = Own::new()?;
    let instance = Namespace::named(&own.0)?.instance(INSTANCE);
    let catalog = Arc::new(Catalog::built_in());
    let text = format!(
        "[tables]\nflows = {}\nconnections = {}\n{}",
        4 * SUBFLOWS,
        SUBFLOWS + SUBFLOWS / 4,
        cases::policy(Hook::TcIngress, "ip.src in 203.0.113.0/24", &["count"])
    );
    instance.apply(&cases::compile(&text, &catalog)?, Apply::new().adopt(false))?;
    fill(&instance)?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let (count, time) = read(&instance)?;
        ensure!(
            count >= SUBFLOWS as usize * 99 / 100,
            "{count} of {SUBFLOWS} subflows were read"
        );
        times.push(time);
    }
    times.sort_unstable();
    let one = *times.get(times.len() / 2).context("no run")?;

    let begin = Instant::now();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(&instance))).collect();
        readers.into_iter().try_for_each(|reader| {
            let read = reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))?;
            read.map(drop)
        })
    })?;
    let all = begin.elapsed();
    let cpus = u32::try_from(thread::available_parallelism()?.get()).unwrap_or(1);
    let must_all = MUST * READERS.div_ceil(cpus);
    let verdict = |time: Duration, must: Duration| if time <= must { "kept" } else { "MISSED" };
    println!(
        "\nreading {SUBFLOWS} subflows as JSON: {:.2} s (must be <= {:.1}: {}); {READERS} readers at once on {cpus} CPUs {:.2} s \
         (must be <= {:.1}: {})",
        one.as_secs_f64(),
        MUST.as_secs_f64(),
        verdict(one, MUST),
        all.as_secs_f64(),
        must_all.as_secs_f64(),
        verdict(all, must_all)
    );
    Ok(())
}
