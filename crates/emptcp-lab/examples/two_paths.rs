//! Two hosts, two paths, one MPTCP transfer: prints the rate of each subflow while the second path degrades.
//!
//! `cargo run --package emptcp-lab --example two_paths` (as root)

use std::thread;
use std::time::{Duration, Instant};

use emptcp_lab::{Counter, End, Lab, LabError, Path, Rate};

/// The time, the text to print, and the change to the lab.
type Event<'a> = (Duration, &'a str, &'a dyn Fn() -> Result<(), LabError>);

const STEP: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    Lab::clean_up_on_signals()?;
    for name in Lab::sweep()? {
        println!("removed {name}, a leftover of a killed run");
    }
    let milliseconds = Duration::from_millis;
    let lab = Lab::builder()
        .path(Path::with(Rate::mbit(50), milliseconds(20)))
        .path(Path::with(Rate::mbit(50), milliseconds(50)))
        .build()?;
    let (cpu, started) = (lab.emulator_cpu()?, Instant::now());

    let transfer = lab.bulk().duration(Duration::from_secs(12)).start()?;
    println!(
        "{:>6}  {:>24}  {:>24}  event",
        "time", "path 1 (50 Mbit/s, 20 ms)", "path 2 (50 Mbit/s, 50 ms)"
    );
    let events: [Event<'_>; 3] = [
        (Duration::from_secs(4), "path 2 now has 10 Mbit/s", &|| {
            lab.path(1).set_rate(Rate::mbit(10))
        }),
        (Duration::from_secs(7), "path 1 now loses 1 %", &|| {
            lab.path(0).set_loss(0.01)
        }),
        (Duration::from_secs(10), "both as they were", &|| {
            lab.path(0).set_loss(0.0)?;
            lab.path(1).set_rate(Rate::mbit(50))
        }),
    ];
    let mut events = events.into_iter().peekable();
    while !transfer.is_finished() {
        thread::sleep(STEP);
        let now = transfer.elapsed();
        let event = match events.next_if(|(at, _, _)| *at <= now) {
            Some((_, text, change)) => {
                change()?;
                text
            }
            None => "",
        };
        // Received bytes are measured at the server, round-trip times at the client, which sends.
        let (client, server) = (transfer.series(End::Client), transfer.series(End::Server));
        let mut columns = ["-".to_owned(), "-".to_owned()];
        for subflow in server.subflows() {
            let rate = server.throughput(&subflow, Counter::Received, now.saturating_sub(STEP), now);
            let round_trip = client
                .of(&subflow.reversed())
                .last()
                .map(|(_, info)| info.tcp.smoothed_rtt);
            if let (Some(path), Some(rate), Some(round_trip)) = (lab.path_of(&subflow), rate, round_trip) {
                columns[path] = format!("{rate:6.1} Mbit/s {:5.1} ms", round_trip.as_secs_f64() * 1e3);
            }
        }
        println!(
            "{:5.1}s  {:>24}  {:>24}  {event}",
            now.as_secs_f64(),
            columns[0],
            columns[1]
        );
    }
    let report = transfer.finish()?;
    if let Some(upload) = report.upload {
        println!(
            "{:.1} MB arrived correctly, {:.1} Mbit/s on average; fallback: {}",
            upload.received as f64 * 1e-6,
            upload.goodput(),
            report.fallback
        );
    }
    println!(
        "the emulator used {:.0} % of one CPU",
        percent(lab.emulator_cpu()? - cpu, started.elapsed())
    );
    Ok(())
}

fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64()
}
