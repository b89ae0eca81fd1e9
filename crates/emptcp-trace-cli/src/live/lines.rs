//! A live capture as JSON, an object on each line.

use super::{LiveAnalyzer, Missed, Output, missed, put};
use emptcp_trace::record::{Connection, Mark, Totals};
use emptcp_trace::{Event, Timestamp};
use serde::Serialize;
use std::io;
use std::sync::Arc;

/// What the lines are. Connections and marks are as `analyze --json` has them, with a `type` in front.
pub(super) const HELP: &str = "JSON lines (--json). The field `type` is one of:
  connection  a connection that ended, with its subflows; fields as in the table `connections`
  mark        an event; fields as in the table `events`
  snapshot    every --interval: the time `t`, and in `connections` the open connections (their `end` is EOT) and those
              that ended less than a minute ago
  end         the last line: `totals` of the capture
`snapshot` and `end` also have `dropped` (TCP packets that the kernel dropped, because they were not read fast enough) and
`open_before` (MPTCP subflows whose SYN was not seen: what is shown of them begins with the capture).";

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Connection(&'a Connection),
    Mark {
        trace: &'a str,
        #[serde(flatten)]
        mark: &'a Mark,
    },
    Snapshot {
        t: Timestamp,
        packets: u64,
        #[serde(flatten)]
        missed: Missed,
        connections: Vec<Connection>,
    },
    End {
        totals: &'a Totals,
        #[serde(flatten)]
        missed: Missed,
    },
}

/// Writes lines.
pub(super) struct Lines {
    name: Arc<str>,
}

impl Lines {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name }
    }
}

fn write(line: &Line<'_>) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    put(&text)
}

impl Output for Lines {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &Event, analyzer: &LiveAnalyzer) -> io::Result<()> {
        match event {
            Event::Connection(connection) => write(&Line::Connection(connection)),
            Event::Mark(mark) => write(&Line::Mark {
                trace: &self.name,
                mark,
            }),
            Event::End(totals) => write(&Line::End {
                totals,
                missed: missed(analyzer),
            }),
            _ => Ok(()),
        }
    }

    fn show(&mut self, now: Timestamp, analyzer: &LiveAnalyzer) -> io::Result<()> {
        write(&Line::Snapshot {
            t: now,
            packets: analyzer.totals().packets,
            missed: missed(analyzer),
            connections: analyzer.snapshot(),
        })
    }
}
