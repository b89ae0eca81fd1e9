//! MPTCP over a veth pair with a policy that counts every packet, against none.
//!
//! Within one transfer the programs at the hooks are exchanged every few hundred milliseconds; between connections the
//! rate differs more than any program costs. Both hosts run on one CPU, for two reasons. There the rate depends only on
//! the CPU time per byte: no second CPU can hide the cost of a program, and if other processes use a part of the CPU,
//! bytes per CPU time still show the rate of a transfer alone. Also, veth delivers a packet on the CPU that sent it:
//! from two CPUs the segments of one subflow overtake each other, and the rate of such a connection without any program
//! is anywhere between a few hundred Mbit/s and tens of Gbit/s.

use crate::statistics::{Estimate, median};
use anyhow::{Context, Result, bail};
use emptcp::{
    Apply, Instance, Namespace, Policies,
    measure::{Occupant, Swap},
};
use emptcp_lab::{End, Host, Lab, Path, RunningBulk, TransferDirection};
use nix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Ratio that must be kept with tc, from the issue's list of targets.
const MUST: f64 = 0.97;
const INSTANCE: &str = "bench";
/// Where both hosts run.
const CPU: usize = 0;
/// How long the transfer runs before the first window.
const WARM_UP: Duration = Duration::from_secs(1);
/// Time from an exchange of programs to the measured window.
const SETTLE: Duration = Duration::from_millis(40);
const WINDOW: Duration = Duration::from_millis(100);
/// A round has a window of each arm.
const ROUNDS: usize = 68;
/// Longer than all rounds together: the transfer is stopped.
const LIMIT: Duration = Duration::from_secs(300);
/// Fewer bytes in a window do not show the cost of a byte.
const FEW_BYTES: f64 = 1e6;

const POLICY: &str = r#"
[[policy]]
name = "everything-in"
device = "path1"
hook = "ingress"
attach = "tc"
do = ["count"]

[[policy]]
name = "everything-out"
device = "path1"
hook = "egress"
do = ["count"]
"#;

/// What is compared: a name, and what runs at the client's hooks and at the server's.
const ARMS: [(&str, [Occupant; 2]); 4] = [
    ("no program", [Occupant::Nothing, Occupant::Nothing]),
    ("empty programs, both ends", [Occupant::Empty, Occupant::Empty]),
    ("count at one end", [Occupant::Policies, Occupant::Nothing]),
    ("count at both ends", [Occupant::Policies, Occupant::Policies]),
];
const NO_PROGRAM: usize = 0;
const ONE_END: usize = 2;
const BOTH_ENDS: usize = 3;

/// Orders of the arms in a round, in turn: each arm has each position once, and follows each other arm once.
const ORDERS: [[usize; 4]; 4] = [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]];

/// A host whose policies are loaded. Leaves nothing behind when dropped.
struct Steered {
    instance: Instance,
    hooks: Option<Swap>,
}

impl Steered {
    fn new(host: &Host, policies: &Policies) -> Result<Self> {
        let instance = Namespace::named(host.netns().name())?.instance(INSTANCE);
        let mut steered = Self { instance, hooks: None };
        let instance = &steered.instance;
        instance.apply(policies, Apply::new())?;
        steered.hooks = Some(instance.namespace().run(|| Swap::take(INSTANCE))??);
        Ok(steered)
    }

    fn put(&mut self, occupant: Occupant) -> Result<()> {
        let hooks = self.hooks.as_mut().context("the hooks are not ours")?;
        self.instance.namespace().run(|| hooks.put(occupant))??;
        Ok(())
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        self.hooks = None;
        if let Err(error) = self.instance.remove() {
            eprintln!("the policies could not be removed: {error:#}");
        }
    }
}

/// The measurements of a window.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    bytes: f64,
    seconds: f64,
    /// CPU time of this process, the kernel's work for its sockets included.
    cpu: f64,
}

impl Seen {
    fn now(transfer: &RunningBulk, begin: Instant) -> Result<Self> {
        let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        Ok(Self {
            bytes: transfer.received(End::Server) as f64,
            seconds: begin.elapsed().as_secs_f64(),
            cpu: Duration::from(cpu).as_secs_f64(),
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            seconds: self.seconds - before.seconds,
            cpu: self.cpu - before.cpu,
        }
    }

    fn gigabits(self) -> f64 {
        self.bytes * 8e-9 / self.seconds
    }

    /// Gbit for each second of CPU time; NaN if nothing arrived.
    fn per_cpu_second(self) -> f64 {
        if self.bytes < FEW_BYTES {
            return f64::NAN;
        }
        self.bytes * 8e-9 / self.cpu
    }
}

type Round = [Seen; ARMS.len()];

/// Measures and prints.
pub(crate) fn measure() -> Result<()> {
    // It also returns through here when it is interrupted, so that namespaces and policies are removed.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    // Leftovers of killed runs.
    Lab::sweep()?;
    let lab = Lab::builder().path(Path::direct()).build()?;
    println!(
        "\nthroughput: one MPTCP transfer over veth, tc hooks, both hosts on CPU {CPU}, {ROUNDS} rounds of {} windows of {} ms",
        ARMS.len(),
        WINDOW.as_millis()
    );
    let rounds = rounds(&lab, &interrupted)?;
    report(&rounds);
    Ok(())
}

fn rounds(lab: &Lab, interrupted: &AtomicBool) -> Result<Vec<Round>> {
    let policies = Policies::parse("bench.toml", POLICY)?;
    let transfer = lab
        .bulk()
        .duration(LIMIT)
        .limit(LIMIT)
        .direction(TransferDirection::Upload)
        .verify(false)
        .sample_every(LIMIT)
        .cpus(CPU, CPU)
        .start()?;
    let mut hosts = [
        Steered::new(lab.client(), &policies)?,
        Steered::new(lab.server(), &policies)?,
    ];
    thread::sleep(WARM_UP);
    let begin = Instant::now();
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        let mut round = Round::default();
        for arm in ORDERS[number % ORDERS.len()] {
            if interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            for (host, occupant) in hosts.iter_mut().zip(ARMS[arm].1) {
                host.put(occupant)?;
            }
            thread::sleep(SETTLE);
            let before = Seen::now(&transfer, begin)?;
            thread::sleep(WINDOW);
            round[arm] = Seen::now(&transfer, begin)?.since(before);
        }
        rounds.push(round);
    }
    drop(hosts);
    transfer.stop();
    transfer.finish()?;
    Ok(rounds)
}

/// The ratio of an arm to the one without programs, round by round.
fn ratio(rounds: &[Round], arm: usize, of: impl Fn(Seen) -> f64) -> Option<Estimate> {
    median(rounds.iter().map(|round| of(round[arm]) / of(round[NO_PROGRAM])))
}

fn report(rounds: &[Round]) {
    println!(
        "  {:<26}{:>8}{:>26}{:>16}{:>26}",
        "medians of rounds", "Gbit/s", "ratio (95 % interval)", "Gbit/CPU second", "ratio (95 % interval)"
    );
    for (arm, (name, _)) in ARMS.iter().enumerate() {
        let middle = |of: fn(Seen) -> f64| {
            median(rounds.iter().map(|round| of(round[arm]))).map_or(f64::NAN, |estimate| estimate.median)
        };
        let compared = |of: fn(Seen) -> f64| match ratio(rounds, arm, of) {
            Some(_) if arm == NO_PROGRAM => String::new(),
            Some(estimate) => format!("{:.3} ({:.3} to {:.3})", estimate.median, estimate.low, estimate.high),
            None => "nothing arrived".to_owned(),
        };
        println!(
            "  {name:<26}{:>8.2}{:>26}{:>16.2}{:>26}",
            middle(Seen::gigabits),
            compared(Seen::gigabits),
            middle(Seen::per_cpu_second),
            compared(Seen::per_cpu_second)
        );
    }
    // A window in which the connection waited for its peer or for a timer does not show the cost of programs, and
    // medians ignore it; many such windows show that the machine was busy.
    let typical = median(rounds.iter().flatten().map(|seen| seen.gigabits())).map_or(0.0, |estimate| estimate.median);
    let stalled = ARMS.iter().enumerate().map(|(arm, _)| {
        let slow = rounds.iter().filter(|round| round[arm].gigabits() < typical / 4.0);
        slow.count().to_string()
    });
    println!(
        "  windows below a quarter of the median rate, by arm: {} of {} each",
        stalled.collect::<Vec<_>>().join(", "),
        rounds.len()
    );
    // If other processes use the CPU too, the transfer's share of it varies. The rate per CPU second is the rate of a
    // transfer alone, and the same from window to window: so this is compared.
    for (arm, what) in [
        (ONE_END, "a policy on every packet (count at one end)"),
        (BOTH_ENDS, "the same at both ends, twice on every packet"),
    ] {
        println!("  {what}: {}", verdict(ratio(rounds, arm, Seen::per_cpu_second)));
    }
}

fn verdict(ratio: Option<Estimate>) -> String {
    let Some(ratio) = ratio else {
        return "nothing arrived".to_owned();
    };
    let word = if ratio.median >= MUST { "kept" } else { "MISSED" };
    let sure = if ratio.low <= MUST && MUST <= ratio.high {
        ", but the interval holds both answers"
    } else {
        ""
    };
    format!("{:.3}, must be >= {MUST}: {word}{sure}", ratio.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_has_every_place_and_follows_every_other_once() {
        let mut pairs = std::collections::BTreeSet::new();
        for place in 0..4 {
            let mut arms = ORDERS.map(|order| order[place]);
            arms.sort_unstable();
            assert_eq!(arms, [0, 1, 2, 3]);
        }
        for order in ORDERS {
            assert!(order.windows(2).all(|pair| pairs.insert((pair[0], pair[1]))));
        }
    }

    #[test]
    fn the_verdict_says_when_it_is_not_sure() {
        let estimate = |median, low, high| Some(Estimate { median, low, high });
        assert!(verdict(estimate(0.98, 0.975, 0.99)).ends_with(": kept"));
        assert!(verdict(estimate(0.95, 0.94, 0.96)).ends_with(": MISSED"));
        assert!(verdict(estimate(0.98, 0.96, 0.99)).contains("holds both answers"));
    }
}
