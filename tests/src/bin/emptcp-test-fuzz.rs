//! Compares flow records with their model on random packets at one hook:
//! `emptcp-test-fuzz xdp|ingress|egress SEED PACKETS`. `cargo xtask fuzz` runs it for every hook.

use emptcp_plan::manifest::Hook;
use emptcp_tests::{reference::bench::Bench, sandbox::alone};
use std::{
    io::{IsTerminal, Write, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let read = |arguments: &[String]| -> Option<(Hook, u64, u64)> {
        let [hook, seed, packets] = arguments else { return None };
        let hook = match hook.as_str() {
            "xdp" => Hook::Xdp,
            "ingress" => Hook::TcIngress,
            "egress" => Hook::TcEgress,
            _ => return None,
        };
        Some((hook, seed.parse().ok()?, packets.parse().ok()?))
    };
    let Some((hook, seed, packets)) = read(&arguments) else {
        eprintln!("error: usage: emptcp-test-fuzz xdp|ingress|egress SEED PACKETS");
        return ExitCode::from(2);
    };
    if !emptcp_packet::testing::is_root() {
        eprintln!("error: this loads BPF programs, which needs root");
        return ExitCode::FAILURE;
    }
    let begun = Instant::now();
    // On a terminal one line that is updated, in a log occasional lines.
    let (line, pause) = match stderr().is_terminal() {
        true => ("\r", Duration::from_millis(500)),
        false => ("\n", Duration::from_secs(30)),
    };
    let mut told = begun;
    let outcome = alone(|| {
        Bench::new(hook).run(seed, packets, &mut |compared| {
            if told.elapsed() < pause {
                return;
            }
            told = Instant::now();
            let rate = compared.packets as f64 / begun.elapsed().as_secs_f64();
            let percent = (100 * compared.packets / packets.max(1)).min(100);
            eprint!(
                "{}: {} of {packets} packets, {percent} %, {rate:.0} per second{line}",
                arguments[0], compared.packets
            );
            let _ = stderr().flush();
        })
    });
    if stderr().is_terminal() {
        eprintln!();
    }
    match outcome {
        Ok(compared) => {
            println!(
                "{}: {} packets, no difference: {} accepted, {} refused, {} subflows established, {} round trips, {} numbers replaced",
                arguments[0],
                compared.packets,
                compared.accepted,
                compared.unacceptable,
                compared.established,
                compared.samples,
                compared.reanchored
            );
            ExitCode::SUCCESS
        }
        Err(difference) => {
            println!("{difference}");
            ExitCode::FAILURE
        }
    }
}
