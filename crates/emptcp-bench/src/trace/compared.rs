//! Other programs on the same capture, where they are installed.

use super::{Results, analyse};
use anyhow::{Context, Result};
use emptcp_trace::source;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// For tshark, whose time per packet grows with their number.
const FEWER: u64 = 300_000;

/// Seconds of CPU time for each packet of a program, as a ratio to ours.
pub(super) fn measure(capture: &Path, packets: u64, results: &mut Results) -> Result<()> {
    let start = super::cpu_time()?;
    analyse(source::open([capture])?)?;
    let own = (super::cpu_time()? - start).as_secs_f64() / packets as f64;
    let few = FEWER.to_string();
    let tshark = [
        "-n",
        "-c",
        &few,
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "mptcp.stream",
        "-e",
        "tcp.stream",
    ];
    let analysis = ["-e", "mptcp.dss.dsn", "-e", "tcp.analysis.retransmission", "-r"];
    let tshark: Vec<&str> = tshark.into_iter().chain(analysis).collect();
    for (program, arguments, packets) in [("tshark", &tshark[..], FEWER), ("tcptrace", &["-n", "-r"], packets)] {
        match seconds(program, arguments, capture)? {
            Some((cpu, wall)) => {
                let each = cpu / packets as f64;
                results.note(&format!("{program}: {wall:.2} s for {packets} packets"));
                results.add(program, packets as f64 / cpu / 1e6, "Mpackets/s", None);
                results.add(&format!("{program}, ratio"), each / own, "times our time", None);
            }
            None => results.note(&format!("{program} is not installed: not compared")),
        }
    }
    Ok(())
}

/// CPU and elapsed time of a program; `None` if it is not installed.
fn seconds(program: &str, arguments: &[&str], capture: &Path) -> Result<Option<(f64, f64)>> {
    let (before, start) = (children()?, Instant::now());
    let child = Command::new(program)
        .args(arguments)
        .arg(capture)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(program.to_owned()),
        Ok(status) if !status.success() => Ok(None),
        Ok(_) => Ok(Some((children()? - before, start.elapsed().as_secs_f64()))),
    }
}

/// CPU time of all children that have ended: fields 16 and 17 of /proc/self/stat, in hundredths of a second (proc(5)).
fn children() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("/proc/self/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields
        .iter()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}
