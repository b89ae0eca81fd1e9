//! `emptcp trace compare`.

use anyhow::{Context, Result, bail};
use clap::Args;
use emptcp_trace::compare::{ClockOffset, CompareSettings, ComparedKind, compare_with};
use emptcp_trace::{ConnectionId, Span, source};
use emptcp_trace_report::compare::{ComparisonReport, PairFile, write_csv};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// `emptcp trace compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// The capture at one point, usually near the client; called A in the output
    #[arg(value_name = "CLIENT")]
    a: PathBuf,
    /// The capture at the other point, usually near the server; called B
    #[arg(value_name = "SERVER")]
    b: PathBuf,
    /// Only this connection, by its number in CLIENT
    #[arg(long, value_name = "N")]
    connection: Option<u64>,
    /// Print one JSON object instead of text: the sentences, the figures of the tables, and more
    #[arg(long)]
    json: bool,
    /// Also write subflows.csv, options.csv, fields.csv and pairs.csv (each packet with its time at both points) to
    /// this folder
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// How much the clock of SERVER is ahead of that of CLIENT: `auto` assumes that the smallest delays of both
    /// directions are equal, `none` that both clocks are the same
    #[arg(
        long,
        value_name = "auto|none|SECONDS",
        default_value = "auto",
        allow_hyphen_values = true
    )]
    clock_offset: Offset,
    /// How long a packet waits for its copy in the other capture, in seconds of capture time
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    window: f64,
    /// The most packets that wait at a time
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    window_packets: usize,
}

/// `auto`, `none`, or seconds.
#[derive(Clone, Copy, Debug)]
struct Offset(ClockOffset);

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self(ClockOffset::Auto)),
            "none" => Ok(Self(ClockOffset::Same)),
            _ => match text.parse::<f64>() {
                Ok(seconds) if seconds.abs() < 9e9 => Ok(Self(ClockOffset::Given(span(seconds)))),
                _ => Err("expected `auto`, `none`, or seconds such as 0.25 or -3".to_owned()),
            },
        }
    }
}

fn span(seconds: f64) -> Span {
    Span((seconds * 1e9) as i64)
}

/// Runs it.
pub(crate) fn run(arguments: CompareArguments) -> Result<()> {
    if !(0.0..=86_400.0).contains(&arguments.window) {
        bail!("--window {}: expected 0 to 86400 seconds", arguments.window);
    }
    let settings = CompareSettings {
        clock: arguments.clock_offset.0,
        window: span(arguments.window),
        packets: arguments.window_packets.max(1),
        ..CompareSettings::default()
    };
    let [a, b] = [&arguments.a, &arguments.b].map(|path| source::open([path]));
    let (a, b) = (a?, b?);
    let mut pairs = arguments.csv.as_deref().map(PairFile::create).transpose()?;
    let mut comparison = compare_with(a, b, settings, |pair| {
        if let Some(file) = &mut pairs {
            file.add(pair);
        }
    })?;
    if let Some(number) = arguments.connection {
        let all = comparison
            .connections
            .iter()
            .filter(|connection| connection.kind == ComparedKind::Capable)
            .count();
        comparison
            .connections
            .retain(|connection| connection.conn_id == Some(ConnectionId(number)));
        if comparison.connections.is_empty() {
            bail!(
                "{} has no connection {number}: it has {all}, counted from 0",
                arguments.a.display()
            );
        }
    }
    if let (Some(folder), Some(file)) = (&arguments.csv, pairs) {
        file.finish()?;
        write_csv(folder, &comparison)?;
    }
    let report = ComparisonReport::from(comparison);
    let text = if arguments.json {
        let mut text = serde_json::to_string_pretty(&report).context("writing JSON")?;
        text.push('\n');
        text
    } else {
        report.text()
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader closed the pipe: not an error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to the standard output"),
    }
}
