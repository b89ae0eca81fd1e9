//! `emptcp trace live`.

mod lines;
mod screen;
mod view;

use anyhow::{Context, Result};
use clap::Args;
use emptcp_trace::live::{Device, DeviceSettings, Starts};
use emptcp_trace::{Analyzer, Event, Source, Timestamp};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::str::FromStr;
use std::time::Duration;
use view::View;

/// `emptcp trace live`.
#[derive(Args, Debug)]
#[command(after_help = lines::HELP)]
pub struct LiveArguments {
    /// The network device; `any` for all devices (of a packet that passes two of them, the copy is left out)
    #[arg(value_name = "DEV")]
    device: String,
    /// Print JSON, one object on each line: see below
    #[arg(long)]
    json: bool,
    /// Refresh every N seconds
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    interval: Seconds,
    /// End after N TCP packets
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after N seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<Seconds>,
    /// Bytes captured of each packet, from the IP header on
    #[arg(long, value_name = "BYTES", default_value_t = 160, value_parser = clap::value_parser!(u32).range(100..=262_144))]
    snaplen: u32,
    /// Memory for packets that wait to be read, MiB; when it is full, the kernel drops packets, which are counted
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    buffer: u16,
    /// Show at most N open and N ended connections
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

/// A time in seconds.
#[derive(Clone, Copy, Debug)]
struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(seconds) if (0.1..=31_536_000.0).contains(&seconds) => Ok(Self(Duration::from_secs_f64(seconds))),
            _ => Err("expected a number of seconds, 0.1 or more, such as 1 or 0.5".to_owned()),
        }
    }
}

/// Counters that only a live capture has.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
struct Missed {
    /// TCP packets that the kernel dropped, because they were not read fast enough.
    dropped: u64,
    /// Subflows that were open before the capture began.
    open_before: u64,
}

type LiveAnalyzer = Analyzer<Starts<Device>>;

fn missed(analyzer: &LiveAnalyzer) -> Missed {
    let Some(starts) = analyzer.source() else {
        return Missed::default();
    };
    Missed {
        dropped: starts.source().counters().map_or(0, |counters| counters.dropped),
        open_before: starts.missed(),
    }
}

/// Runs it.
pub(crate) fn run(arguments: LiveArguments, netns: Option<&str>) -> Result<()> {
    if let Some(name) = netns {
        emptcp_host::namespace::enter(name)?;
    }
    let settings = DeviceSettings {
        snap_length: arguments.snaplen,
        buffer: usize::from(arguments.buffer) << 20,
        interval: arguments.interval.0,
        duration: arguments.duration.map(|duration| duration.0),
    };
    let device = Device::open(&arguments.device, settings)?;
    let (name, stop) = (device.name(), device.stop_flag());
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the program at once.
        flag::register_conditional_shutdown(signal, 128 + signal, std::sync::Arc::clone(&stop))
            .and_then(|_| flag::register(signal, std::sync::Arc::clone(&stop)))
            .context("waiting for Ctrl-C")?;
    }
    let mut output: Box<dyn Output> = if arguments.json {
        Box::new(lines::Lines::new(name))
    } else {
        let refresh = io::stdout().is_terminal();
        Box::new(screen::Screen::new(View::new(name, arguments.top), refresh))
    };
    let mut analyzer = Analyzer::new(Starts::new(device));
    let quiet = |error: io::Error| match error.kind() {
        // The reader closed the pipe: not an error.
        ErrorKind::BrokenPipe => Ok(true),
        _ => Err(error).context("writing to the standard output"),
    };
    if let Err(error) = output.begin() {
        quiet(error)?;
    }
    while let Some(event) = analyzer.next() {
        let written = match event? {
            Event::Quiet(now) => output.show(now, &analyzer),
            event => output.event(&event, &analyzer),
        };
        if let Err(error) = written
            && quiet(error)?
        {
            return Ok(());
        }
        if arguments.count.is_some_and(|most| analyzer.totals().packets >= most) {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Where the live capture is shown.
trait Output {
    /// Called once, first.
    fn begin(&mut self) -> io::Result<()>;

    /// Takes an event of the analysis.
    fn event(&mut self, event: &Event, analyzer: &LiveAnalyzer) -> io::Result<()>;

    /// Called at every interval.
    fn show(&mut self, now: Timestamp, analyzer: &LiveAnalyzer) -> io::Result<()>;
}

/// Writes and flushes, also into a pipe.
fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
