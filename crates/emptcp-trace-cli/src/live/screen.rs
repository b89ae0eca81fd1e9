//! A live capture as text, refreshed in place on a terminal.

use super::view::View;
use super::{LiveAnalyzer, Output, missed, put};
use emptcp_trace::{Event, Timestamp};
use std::io;

/// Moves to the top left and clears everything below. What the terminal showed before stays in its history.
const CLEAR: &str = "\x1b[H\x1b[J";
const CLEAR_ALL: &str = "\x1b[H\x1b[2J";

/// Shows a view.
pub(super) struct Screen {
    view: View,
    /// Refresh in place; else print one view below the other.
    refresh: bool,
}

impl Screen {
    pub(super) fn new(view: View, refresh: bool) -> Self {
        Self { view, refresh }
    }
}

impl Output for Screen {
    fn begin(&mut self) -> io::Result<()> {
        put(if self.refresh { CLEAR_ALL } else { "" })
    }

    fn event(&mut self, event: &Event, analyzer: &LiveAnalyzer) -> io::Result<()> {
        match event {
            Event::Connection(connection) => self.view.ended(connection),
            Event::End(totals) => {
                let text = self.view.last(totals, missed(analyzer));
                let clear = if self.refresh { CLEAR } else { "" };
                return put(&format!("{clear}{text}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, now: Timestamp, analyzer: &LiveAnalyzer) -> io::Result<()> {
        let text = self
            .view
            .now(now, &analyzer.snapshot(), analyzer.totals(), missed(analyzer));
        let (before, after) = if self.refresh { (CLEAR, "") } else { ("", "\n") };
        put(&format!("{before}{text}{after}"))
    }
}
