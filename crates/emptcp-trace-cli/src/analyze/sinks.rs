//! Where the results go: lines of JSON or a summary, and tables.

use emptcp_trace::Event;
use emptcp_trace::record::Totals;
use emptcp_trace_report::output::{Names, Summary, Tables, Written, json};
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use tempfile::SpooledTempFile;

/// What the user asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Lines of JSON instead of a summary.
    pub(super) json: bool,
    /// Events among them.
    pub(super) events: bool,
    /// Connections in the summary.
    pub(super) top: usize,
    /// Names of fields in JSON.
    pub(super) names: Names,
}

/// Where the results go.
pub(super) struct Sinks<W> {
    wanted: Wanted,
    summary: Summary,
    tables: Option<Tables>,
    lines: W,
}

impl<W: Write> Sinks<W> {
    /// Lines of JSON go to `lines`.
    pub(super) fn new(wanted: Wanted, tables: Option<Tables>, lines: W) -> Self {
        Self {
            wanted,
            summary: Summary::new(wanted.top),
            tables,
            lines,
        }
    }

    /// Takes an event of the analysis of this trace.
    pub(super) fn write(&mut self, trace: &str, event: &Event) -> io::Result<()> {
        if let Some(tables) = &mut self.tables {
            tables.write(trace, event)?;
        }
        if self.wanted.json {
            return json::line(&mut self.lines, trace, event, self.wanted.events, self.wanted.names);
        }
        if let Event::Connection(connection) = event {
            self.summary.connection(connection);
        }
        Ok(())
    }

    /// The trace is at its end.
    pub(super) fn end_of_trace(&mut self, name: &Arc<str>, totals: &Totals) {
        self.summary.trace(name, totals);
    }

    /// Adds the results of the next trace.
    pub(super) fn append(&mut self, other: Sinks<SpooledTempFile>) -> io::Result<()> {
        let mut lines = other.lines;
        lines.seek(SeekFrom::Start(0))?;
        io::copy(&mut lines, &mut self.lines)?;
        self.summary.append(other.summary);
        match (&mut self.tables, other.tables) {
            (Some(tables), Some(other)) => tables.append(other),
            _ => Ok(()),
        }
    }

    /// Puts the tables in their places. The summary is printed unless JSON was asked for.
    pub(super) fn finish(mut self) -> io::Result<(Vec<Written>, Option<Summary>)> {
        let written = match self.tables {
            Some(tables) => tables.finish()?,
            None => Vec::new(),
        };
        self.lines.flush()?;
        Ok((written, (!self.wanted.json).then_some(self.summary)))
    }
}
