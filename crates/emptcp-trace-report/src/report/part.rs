//! The trait of all parts of the report.

use super::Figure;
use emptcp_trace::record::{Connection, Mark, Subflow, Totals};
use emptcp_trace::{ConnectionId, Direction, SubflowId};
use std::io;
use std::sync::Arc;

/// Both directions together, then each: name, and name in rows.
pub(super) const DIRECTIONS: [(Option<Direction>, &str, &str); 3] = [
    (None, "Both directions", ""),
    (Some(Direction::ClientToServer), "Client to server", "c2s"),
    (Some(Direction::ServerToClient), "Server to client", "s2c"),
];

/// Names of the traces, in the order in which they were read.
pub(super) type Traces = Arc<[Arc<str>]>;

/// The connection or subflow that a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    /// Counted from 0.
    pub(super) trace: u32,
    pub(super) conn_id: ConnectionId,
    /// None for the whole connection.
    pub(super) sf_id: Option<SubflowId>,
}

impl Subject {
    /// One of its subflows.
    pub(super) fn subflow(self, sf_id: SubflowId) -> Self {
        Self {
            sf_id: Some(sf_id),
            ..self
        }
    }

    /// As the first columns of a row: `trace`, `conn_id`.
    pub(super) fn columns(self, traces: &Traces) -> [String; 2] {
        let trace = traces.get(self.trace as usize).map(|name| name.to_string());
        [trace.unwrap_or_default(), self.conn_id.to_string()]
    }
}

/// Collects the numbers of one part of the report, and makes its figures.
pub(super) trait Part {
    /// A connection, complete or not.
    fn any(&mut self, _of: Subject, _connection: &Connection) {}

    /// A complete connection; `any` was called with it before.
    fn complete(&mut self, _of: Subject, _connection: &Connection) {}

    /// An event; the record of its connection comes later.
    fn mark(&mut self, _mark: &Mark) -> io::Result<()> {
        Ok(())
    }

    /// The trace is at its end.
    fn end(&mut self, _totals: &Totals) -> io::Result<()> {
        Ok(())
    }

    /// The figures.
    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>>;
}

/// The established subflows of a connection.
pub(super) fn established(connection: &Connection) -> impl Iterator<Item = &Subflow> {
    connection.subflows.iter().filter(|subflow| subflow.established)
}
