//! `emptcp trace report`.

use crate::options::AnalysisOptions;
use crate::reading::{Bar, Interrupt, Reading, is_interruption};
use anyhow::{Context, bail};
use clap::Args;
use emptcp_trace::{Error, Source, source};
use emptcp_trace_report::output::{Draft, units};
use emptcp_trace_report::report::{Options, Page, Report};
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `emptcp trace report`.
#[derive(Args, Clone, Debug)]
#[command(
    long_about = "Make a page with tables and figures about the connections of captures: ports, durations, sizes, fallback, subflows, \
        round-trip times, retransmissions, handovers. The page needs no network and no scripts. Each file is a separate trace.",
    after_long_help = "\
Examples:
  emptcp trace report capture.pcap
  emptcp trace report -o week.html --title 'Proxy, week 12' --csv week monday.pcap.zst tuesday.pcap.zst
  emptcp trace report --one-stream rotated.pcap rotated.pcap1 rotated.pcap2
  tcpdump -s 128 -w - tcp | emptcp trace report -"
)]
pub struct ReportArguments {
    /// Captures, each a separate trace; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the page here; `-` is the standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Write the values of each figure to a CSV file in this folder
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// The title of the page
    #[arg(long, value_name = "TEXT", default_value_t = Options::default().title)]
    title: String,
    /// Number of rows in each list
    #[arg(long, value_name = "NUMBER", default_value_t = Options::default().top)]
    top: usize,
    /// Width of the bins of the best round-trip time
    #[arg(long, value_name = "MILLISECONDS", default_value_t = Options::default().bin, value_parser = milliseconds)]
    bin: f64,
    /// Read all files as one stream, in the order of time: parts of one capture, or several taps
    #[arg(long)]
    one_stream: bool,
    #[command(flatten)]
    options: AnalysisOptions,
}

/// Runs it.
///
/// # Errors
/// When a capture cannot be read to its end, or the page cannot be written.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let interrupt = Interrupt::new().context("cannot watch for Ctrl-C")?;
    let traces: Vec<&[PathBuf]> = if arguments.one_stream {
        vec![&arguments.files]
    } else {
        arguments.files.chunks(1).collect()
    };
    // Opens every file first: a wrong name is reported now, not after an hour of analysis.
    let bar = Bar::new(length(&traces)?, false);
    let mut report = Report::new(Options {
        title: arguments.title.clone(),
        top: arguments.top,
        bin: arguments.bin,
    });
    let mut damaged = Vec::new();
    for trace in traces {
        let files = source::open(trace)?;
        let reading = Reading::new(files, &bar, &interrupt);
        match add(&mut report, reading, arguments)? {
            Some(error) if is_interruption(&error) => return Err(error.into()),
            Some(error) => damaged.push(error.to_string()),
            None => {}
        }
    }
    bar.clear();
    let page = report.finish().context("cannot read a temporary file")?;
    write(&page, arguments)?;
    match damaged.as_slice() {
        [] => Ok(()),
        [one] => bail!("a capture is in the report only up to where it can be read: {one}"),
        several => bail!(
            "{} captures are in the report only up to where they can be read:\n  {}",
            several.len(),
            several.join("\n  ")
        ),
    }
}

/// The length of all files; none when one of them is a pipe, which must not be opened twice.
fn length(traces: &[&[PathBuf]]) -> anyhow::Result<Option<u64>> {
    let is_pipe = |file: &PathBuf| file.as_os_str() == "-" || (file.exists() && !file.is_file());
    let mut sum = Some(0);
    for trace in traces {
        let length = if trace.iter().any(is_pipe) {
            None
        } else {
            source::open(*trace)?.progress().bytes_total
        };
        sum = sum.zip(length).map(|(sum, length)| sum + length);
    }
    Ok(sum)
}

/// Adds a trace as far as it can be read. Returns the error that ended it early, if any.
fn add(report: &mut Report, reading: Reading, arguments: &ReportArguments) -> anyhow::Result<Option<Error>> {
    report.begin(reading.name());
    let mut damage = None;
    for event in arguments.options.analyzer(reading, arguments.options.settings()) {
        match event {
            Ok(event) => report.add(&event).context("cannot write a temporary file")?,
            Err(error) => damage = Some(error),
        }
    }
    if let Some(error) = &damage {
        report.note(format!("Read only up to an error: {error}."));
    }
    Ok(damage)
}

fn write(page: &Page, arguments: &ReportArguments) -> anyhow::Result<()> {
    let html = page.to_html().context("cannot read a temporary file")?;
    let mut drafts = Vec::new();
    if let Some(folder) = &arguments.csv {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        for figure in &page.figures {
            let mut draft = Draft::create(folder.join(figure.name).with_extension("csv"))?;
            figure.write_csv(&mut draft, 1)?;
            drafts.push(draft);
        }
    }
    if arguments.output.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        out.write_all(html.as_bytes())?;
        out.flush()?;
    } else {
        let mut draft = Draft::create(&arguments.output)?;
        draft.write_all(html.as_bytes())?;
        drafts.push(draft);
    }
    let number = drafts.len() as u64;
    for draft in drafts {
        draft.finish()?;
    }
    if arguments.output.as_os_str() != "-" {
        let files = match &arguments.csv {
            Some(folder) => format!(" and {} to {}", units::count(number - 1, "table"), folder.display()),
            None => String::new(),
        };
        // A closed stderr is not an error.
        let _ = writeln!(io::stderr(), "wrote {}{files}", arguments.output.display());
    }
    Ok(())
}

fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(width) if (0.001..=1e6).contains(&width) => Ok(width),
        _ => Err("must be a number of milliseconds above 0, such as 40 or 2.5".to_owned()),
    }
}
