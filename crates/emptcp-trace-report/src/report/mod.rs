//! The report: all tables and figures about a set of captures, as one self-contained page.
//!
//! It takes the events of one trace after the other and keeps a few numbers of each connection. Unless a figure says
//! otherwise, it covers complete connections: both keys were seen, and an MP_CAPABLE in the third ACK or a DSS.
//!
//! ```
//! use emptcp_trace::{Analyzer, Source, source};
//! use emptcp_trace_report::report::{Options, Report};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut report = Report::new(Options::default());
//! # let [monday, tuesday] = ["reuse", "empty"].map(|name| {
//! #     format!("{}/../emptcp-trace/tests/captures/{name}.pcap.zst", env!("CARGO_MANIFEST_DIR"))
//! # });
//! for path in [monday, tuesday] {
//!     let source = source::open([path])?;
//!     report.begin(source.name());
//!     for event in Analyzer::new(source) {
//!         report.add(&event?)?;
//!     }
//! }
//! let page = report.finish()?.to_html()?;
//! assert!(page.contains("</html>"));
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! * this file: the collector. `part.rs`: the trait of all parts. `figure.rs`: the parts of a figure.
//! * `distribution.rs`: samples and their cumulative distribution, the data of most figures.
//! * one file for each part: `dataset.rs`, `ports.rs`, `fallback.rs`, `length.rs` (duration and size), `subflows.rs`,
//!   `unused.rs`, `delay.rs`, `rtt.rs`, `share.rs`, `ratio.rs` and `times.rs` (retransmissions and reinjections),
//!   `handover.rs`.
//! * `page.rs`, `page.css`: the page.

mod dataset;
mod delay;
mod distribution;
mod fallback;
mod figure;
mod handover;
mod length;
mod page;
mod part;
mod ports;
mod ratio;
mod rtt;
mod share;
mod subflows;
#[cfg(test)]
mod tests;
mod times;
mod unused;

pub use figure::{Cell, Figure, Panel, Rows, Table};
pub use page::Page;

use emptcp_trace::Event;
use part::{Part, Subject};
use std::io;
use std::sync::Arc;

/// Options of a report.
#[derive(Clone, Debug)]
pub struct Options {
    /// The title of the page.
    pub title: String,
    /// Rows of each list: ports, handovers.
    pub top: usize,
    /// Width of the bins of the best round-trip time, milliseconds; more than 0.
    pub bin: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            title: "Multipath TCP in these captures".to_owned(),
            top: 10,
            bin: 40.0,
        }
    }
}

/// Collects the data of a report.
pub struct Report {
    options: Options,
    /// Names of the traces so far; a subject points here.
    traces: Vec<Arc<str>>,
    notes: Vec<String>,
    parts: Vec<Box<dyn Part>>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let parts: Vec<Box<dyn Part>> = vec![
            Box::new(dataset::Dataset::default()),
            Box::new(ports::Ports::new(options.top)),
            Box::new(length::Length::default()),
            Box::new(fallback::Fallbacks::default()),
            Box::new(subflows::Subflows::default()),
            Box::new(delay::Delay::default()),
            Box::new(rtt::RoundTrips::new(options.bin)),
            Box::new(share::Share::default()),
            Box::new(unused::Unused::default()),
            Box::new(ratio::Ratio::default()),
            Box::new(times::Times::default()),
            Box::new(handover::Handovers::new(options.top)),
        ];
        Self {
            options,
            traces: Vec::new(),
            notes: Vec::new(),
            parts,
        }
    }

    /// Begins a trace: the following events belong to it. Connections are numbered from 0 in each trace.
    pub fn begin(&mut self, trace: Arc<str>) {
        self.traces.push(trace);
    }

    /// Adds a note about the current trace, for example that it is damaged.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Takes an event. It needs the marks ([`Settings::marks`](emptcp_trace::Settings)), not the packets.
    ///
    /// # Errors
    /// The temporary file that holds the times of retransmissions cannot be written.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Mark(mark) => self.parts.iter_mut().try_for_each(|part| part.mark(mark)),
            Event::Connection(connection) => {
                let of = Subject {
                    trace: self.traces.len().saturating_sub(1) as u32,
                    conn_id: connection.conn_id,
                    sf_id: None,
                };
                for part in &mut self.parts {
                    part.any(of, connection);
                    if connection.complete {
                        part.complete(of, connection);
                    }
                }
                Ok(())
            }
            Event::End(totals) => self.parts.iter_mut().try_for_each(|part| part.end(totals)),
            Event::Packet(_) | Event::Stray(_) | Event::Quiet(_) => Ok(()),
        }
    }

    /// The report of everything added.
    ///
    /// # Errors
    /// The temporary file that holds the times of retransmissions cannot be read.
    pub fn finish(self) -> io::Result<Page> {
        let traces: Arc<[Arc<str>]> = self.traces.into();
        let mut figures = Vec::new();
        for part in self.parts {
            figures.extend(part.finish(&traces)?);
        }
        if let Some(dataset) = figures.first_mut() {
            dataset.notes.extend(self.notes);
        }
        Ok(Page::new(self.options.title, figures))
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Report")
            .field("options", &self.options)
            .field("traces", &self.traces)
            .finish_non_exhaustive()
    }
}
