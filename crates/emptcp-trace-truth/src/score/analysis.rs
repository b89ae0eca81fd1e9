//! Runs the analysis over a capture.

use crate::capture::Capture;
use emptcp_trace::record::{Connection, Totals};
use emptcp_trace::{Analyzer, ConnectionId, Event, Result, Settings, Source, Watch};
use emptcp_trace_report::explain::{Collector, Sentence};
use std::collections::BTreeMap;

/// A connection and its story.
#[derive(Clone, Debug)]
pub struct Story {
    /// The connection.
    pub connection: Connection,
    /// Its story.
    pub sentences: Vec<Sentence>,
}

/// What the analysis found.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis {
    pub(super) stories: Vec<Story>,
    pub(super) totals: Totals,
}

impl Analysis {
    pub(super) fn of(capture: &Capture) -> Self {
        let source = capture.open().expect("a capture that was just written can be read");
        Self::read(source).expect("a capture that was just written is whole")
    }

    fn read(source: impl Source) -> Result<Self> {
        let settings = Settings {
            watch: Watch::Everything,
            ..Settings::default()
        };
        let mut collectors: BTreeMap<u64, Collector> = BTreeMap::new();
        let mut analysis = Self::default();
        let mut connections = Vec::new();
        for event in Analyzer::with_settings(source, settings) {
            let event = event?;
            match &event {
                Event::Packet(packet) => collector(&mut collectors, packet.conn_id).observe(&event),
                Event::Mark(mark) => collector(&mut collectors, mark.conn_id).observe(&event),
                Event::Connection(connection) => connections.push(connection.as_ref().clone()),
                Event::End(totals) => {
                    analysis.totals = totals.as_ref().clone();
                    collectors.values_mut().for_each(|collector| collector.observe(&event));
                }
                Event::Stray(_) | Event::Quiet(_) => {}
            }
        }
        analysis.stories = connections
            .into_iter()
            .map(|connection| {
                let id = connection.conn_id;
                let collector = collectors.remove(&id.0).unwrap_or_else(|| Collector::new(id));
                let sentences = collector.story(&connection);
                Story { connection, sentences }
            })
            .collect();
        Ok(analysis)
    }
}

fn collector(collectors: &mut BTreeMap<u64, Collector>, id: ConnectionId) -> &mut Collector {
    collectors.entry(id.0).or_insert_with(|| Collector::new(id))
}

/// The stories that the analysis tells of any capture.
///
/// # Errors
/// Those of the source.
pub fn stories(source: impl Source) -> Result<Vec<Story>> {
    Ok(Analysis::read(source)?.stories)
}
