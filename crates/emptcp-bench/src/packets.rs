//! Nanoseconds per packet, as a ratio to an empty program that is measured in the same run.

use crate::cases::{self, Case, DEVICE, PORT};
use anyhow::{Context, Result, ensure};
use emptcp::{
    Catalog,
    manifest::Hook,
    measure::Baseline,
    testrun::{Input, Sandbox},
};
use serde::Serialize;
use std::sync::Arc;

/// Limits of the packet-plane specification for a case: the ratio that must be kept, and the goal.
fn target(hook: Hook, case: &str) -> Option<(f64, f64)> {
    match (hook, case) {
        (Hook::Xdp, "miss") => Some((2.4, 2.2)),
        (Hook::Xdp, "hit1") => Some((3.0, 2.6)),
        (Hook::Xdp, "chain8") => Some((4.2, 3.4)),
        (Hook::TcIngress, "miss") => Some((2.2, 2.0)),
        (Hook::TcIngress, "hit1") => Some((2.6, 2.3)),
        (Hook::TcIngress, "chain8") => Some((3.6, 2.9)),
        _ => None,
    }
}

/// One line of the result.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    hook: &'static str,
    case: String,
    ns_min: u32,
    ns_median: u32,
    ratio: f64,
}

pub(crate) fn hook_word(hook: Hook) -> &'static str {
    match hook {
        Hook::Xdp => "xdp",
        Hook::TcIngress => "tc",
        Hook::TcEgress => "tc-egress",
    }
}

/// Opens the flow of `port` and `client` in a sandbox, as its packets would on the wire.
pub(crate) fn open_flow(sandbox: &Sandbox, port: u16, client: u32) -> Result<()> {
    let [syn, syn_ack, third] = cases::handshake(port, client);
    sandbox.run(&Input::new(&syn))?;
    sandbox.run_opposite(&Input::new(&syn_ack))?;
    sandbox.run(&Input::new(&third))?;
    Ok(())
}

pub(crate) fn median(values: &mut [u32]) -> u32 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Measures all cases of both hooks. Prints as it goes unless `quiet`.
pub(crate) fn measure(runs: usize, repeat: u32, only: Option<&str>, quiet: bool) -> Result<Vec<Measured>> {
    let catalog = Arc::new(Catalog::built_in());
    let mut results = Vec::new();
    if !quiet {
        println!("78-byte acknowledgement, {runs} runs of {repeat} packets; ratio of medians to the empty program");
        println!(
            "{:<6}{:<26}{:>8}{:>10}{:>8}   must / aim",
            "hook", "case", "ns min", "ns median", "ratio"
        );
    }
    for hook in [Hook::Xdp, Hook::TcIngress] {
        let baseline = Baseline::new(hook)?;
        let packet = cases::pure_ack(PORT, 0);
        let mut empty: Vec<u32> = Vec::new();
        for _ in 0..runs {
            empty.push(baseline.run(&packet, repeat)?);
        }
        let empty_min = *empty.iter().min().context("no run")?;
        report(&mut results, hook, "empty", empty_min, median(&mut empty), 1.0, quiet);
        for case in cases::all(hook, &catalog)? {
            if only.is_some_and(|only| !case.name.contains(only)) {
                continue;
            }
            let (min, middle, ratio) = one(&case, hook, &baseline, (runs, repeat))?;
            report(&mut results, hook, &case.name, min, middle, ratio, quiet);
        }
    }
    Ok(results)
}

/// A case and the empty program alternately, so that a slower machine slows both.
fn one(case: &Case, hook: Hook, baseline: &Baseline, (runs, repeat): (usize, u32)) -> Result<(u32, u32, f64)> {
    let sandbox = Sandbox::new(case.policies.plan(), hook, case.policies.elements(), &[(DEVICE, 1)])?;
    open_flow(&sandbox, PORT, 0)?;
    let packet = cases::pure_ack(PORT, 0);
    let before = sandbox.stats()?.0;
    let (mut own, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        empty.push(baseline.run(&packet, repeat)?);
        own.push(
            sandbox
                .run(&Input {
                    repeat,
                    ..Input::new(&packet)
                })?
                .duration_ns,
        );
    }
    let after = sandbox.stats()?.0;
    let grown = |name: &str| after.get(name).copied().unwrap_or(0) - before.get(name).copied().unwrap_or(0);
    let packets = runs as u64 * u64::from(repeat);
    ensure!(
        grown("tracked") == packets,
        "{}: {} of {packets} packets met the flow record",
        case.name,
        grown("tracked")
    );
    let wanted = if case.name == "miss" { 0 } else { packets };
    ensure!(
        grown("selected") == wanted,
        "{}: {} packets were selected, not {wanted}",
        case.name,
        grown("selected")
    );
    let min = *own.iter().min().context("no run")?;
    let (middle, empty) = (median(&mut own), median(&mut empty));
    Ok((min, middle, f64::from(middle) / f64::from(empty.max(1))))
}

fn report(results: &mut Vec<Measured>, hook: Hook, case: &str, ns_min: u32, ns_median: u32, ratio: f64, quiet: bool) {
    let hook_name = hook_word(hook);
    if !quiet {
        let verdict = match target(hook, case) {
            Some((must, aim)) if ratio <= aim => format!("{must} / {aim}   better than aimed at"),
            Some((must, aim)) if ratio <= must => format!("{must} / {aim}   kept"),
            Some((must, aim)) => format!("{must} / {aim}   MISSED by {:.0} %", (ratio / must - 1.0) * 100.0),
            None => String::new(),
        };
        println!("{hook_name:<6}{case:<26}{ns_min:>8}{ns_median:>10}{ratio:>8.2}   {verdict}");
    }
    let ratio = (ratio * 100.0).round() / 100.0;
    results.push(Measured {
        hook: hook_name,
        case: case.to_owned(),
        ns_min,
        ns_median,
        ratio,
    });
}
