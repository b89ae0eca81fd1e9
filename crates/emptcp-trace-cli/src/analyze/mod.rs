//! `emptcp trace analyze`.
//!
//! * `sinks.rs`: where the results go.
//! * `each.rs`: each file as a separate trace, analysed in parallel.

mod each;
mod sinks;

use crate::options::AnalysisOptions;
use crate::reading::{Bar, Interrupt, Reading, is_interruption};
use anstyle::Style;
use anyhow::Context;
use clap::Args;
use emptcp_trace::{Analyzer, Error, Settings, Source, source};
use emptcp_trace_report::output::{Folders, Names, Summary, Tables, Written, units};
use sinks::{Sinks, Wanted};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Less important text.
const DIM: Style = Style::new().dimmed();

/// Arguments of `emptcp trace analyze`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "\
Examples:
  emptcp trace analyze capture.pcap
  emptcp trace analyze --json capture.pcap | jq -c '[.conn_id, .size, .end]'
  emptcp trace analyze --parquet tables day*.pcap.zst
  emptcp trace analyze --each --csv tables hosts/*.pcap
  tcpdump -s 128 -w - tcp | emptcp trace analyze -

JSON:
  One line for each connection: an object with its subflows inside. A field with a value for each direction is an array,
  [client to server, server to client]. Sizes are bytes; points in time are seconds since 1970, spans are seconds, round-trip
  times milliseconds. With --events, an object with `kind` is an event, one with `stray` an option of a packet that
  belongs to no connection, and the last one, with `totals`, counts the packets of the trace.

Tables:
  connections, subflows, events and strays. An array is two columns, as data_c2s and data_s2c; rtt is rtt_c2s_n, rtt_c2s_mean, ...
  A set is a list in Parquet, and joined by | in CSV. `trace` and `conn_id` identify a connection in all of them.
  Where `truncated` or `lossy_capture` is true, byte counts are lower bounds.
  docs/trace-tables.md describes every column and has its long name (--long-names).")]
pub struct AnalyzeArguments {
    /// Captures; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON: one line for each connection
    #[arg(long)]
    json: bool,
    /// With --json, print events as well, such as retransmissions and announced addresses
    #[arg(long, requires = "json")]
    events: bool,
    /// Write connections.csv, subflows.csv, events.csv and strays.csv to this folder
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Write connections.parquet, subflows.parquet, events.parquet and strays.parquet to this folder
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,
    /// In JSON and tables, spell out the names of fields and columns: `retransmitted_to_server` in place of `retx_c2s`
    #[arg(long)]
    long_names: bool,
    /// Show the N largest connections
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    top: usize,
    /// Treat each file as a separate trace, with connections numbered from 0; the column `trace` has the file's name
    #[arg(long)]
    each: bool,
    /// Analyse N files at once [default: one for each processor]
    #[arg(long, value_name = "NUMBER", requires = "each")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    options: AnalysisOptions,
}

/// Runs it.
///
/// # Errors
/// When a capture cannot be read to its end, or the results cannot be written.
pub(crate) fn run(arguments: &AnalyzeArguments) -> anyhow::Result<()> {
    let interrupt = Interrupt::new().context("cannot watch for Ctrl-C")?;
    if arguments.each {
        return each::run(arguments, &interrupt);
    }
    let files = source::open(&arguments.files)?;
    let bar = arguments.bar(files.progress().bytes_total);
    let mut sinks = Sinks::new(
        arguments.wanted(),
        arguments.tables(Tables::create)?,
        BufWriter::new(io::stdout().lock()),
    );
    let reading = Reading::new(files, &bar, &interrupt);
    let name = reading.name();
    let analyzer = arguments.options.analyzer(reading, arguments.settings());
    let outcome = analyse(analyzer, name, &mut sinks)?;
    bar.clear();
    if let Some(error) = outcome.error {
        if outcome.packets > 0 && !is_interruption(&error) {
            let words = format!("the results end with packet {}", outcome.packets);
            arguments.show(sinks)?;
            return Err(anyhow::Error::new(error).context(words));
        }
        return Err(error.into());
    }
    arguments.show(sinks)
}

/// Analyses a trace to its end, or up to the first error.
fn analyse<W: Write>(mut analyzer: Analyzer<Reading>, name: Arc<str>, sinks: &mut Sinks<W>) -> io::Result<Outcome> {
    let mut error = None;
    for event in analyzer.by_ref() {
        match event {
            Ok(event) => sinks.write(&name, &event)?,
            Err(damage) => error = Some(damage),
        }
    }
    let totals = analyzer.totals();
    let packets = totals.packets;
    sinks.end_of_trace(&name, totals);
    Ok(Outcome { packets, error })
}

/// How far the analysis of a trace got.
struct Outcome {
    packets: u64,
    /// Why it stopped before the end.
    error: Option<Error>,
}

impl AnalyzeArguments {
    fn wanted(&self) -> Wanted {
        Wanted {
            events: self.events,
            top: self.top,
            json: self.json,
            names: self.names(),
        }
    }

    fn folders(&self) -> Folders {
        Folders {
            csv: self.csv.clone(),
            parquet: self.parquet.clone(),
            names: self.names(),
        }
    }

    fn names(&self) -> Names {
        if self.long_names {
            Names::SpelledOut
        } else {
            Names::Short
        }
    }

    /// The tables, made by `with`, if any are wanted.
    fn tables(&self, with: impl FnOnce(&Folders) -> io::Result<Tables>) -> anyhow::Result<Option<Tables>> {
        let folders = self.folders();
        if folders.is_empty() {
            return Ok(None);
        }
        Ok(Some(with(&folders).context("cannot write the tables")?))
    }

    fn settings(&self) -> Settings {
        Settings {
            marks: self.events || !self.folders().is_empty(),
            ..self.options.settings()
        }
    }

    /// The bar; without lines of JSON on the same terminal.
    fn bar(&self, bytes: Option<u64>) -> Bar {
        Bar::new(bytes, self.json && io::stdout().is_terminal())
    }

    /// Finishes the output: renames the files to their final names and prints the summary.
    fn show<W: Write>(&self, sinks: Sinks<W>) -> anyhow::Result<()> {
        let (written, summary) = sinks.finish()?;
        let Some(summary) = summary else {
            return Ok(());
        };
        let mut text = summary.text(width());
        if !written.is_empty() {
            text.push('\n');
        }
        for Written { path, rows } in written {
            text += &format!("{DIM}wrote {}: {}{DIM:#}\n", path.display(), units::count(rows, "row"));
        }
        text += &self.hints(&summary);
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// What to do next.
    fn hints(&self, summary: &Summary) -> String {
        let file = match self.files.as_slice() {
            [file] if file.as_os_str() != "-" => file.display(),
            // The standard input cannot be read again; of several traces, it is unclear which one to name.
            _ => return String::new(),
        };
        let Some(connection) = summary.most_interesting() else {
            return String::new();
        };
        let program = program();
        format!(
            "\n{DIM}next: {program} explain {file} --connection {}\n      {program} report {file}{DIM:#}\n",
            connection.conn_id
        )
    }
}

/// The width of the terminal, or a wide one when the output is not a terminal.
fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    terminal.map_or(200, |(terminal_size::Width(width), _)| usize::from(width).max(60))
}

/// What the user calls this command.
fn program() -> &'static str {
    let alone = std::env::args_os()
        .next()
        .is_some_and(|name| Path::new(&name).file_stem().is_some_and(|stem| stem == "emptcp-trace"));
    if alone { "emptcp-trace" } else { "emptcp trace" }
}
