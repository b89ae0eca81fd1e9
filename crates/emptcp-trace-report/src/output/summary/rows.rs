//! The table of connections, with their subflows when there are few connections.

use super::super::units;
use super::grid::{DIM, Grid, PLAIN, YELLOW};
use super::notes;
use anstyle::Style;
use emptcp_trace::record::{Connection, Subflow};
use emptcp_trace::{Direction, PerDirection, Timestamp};
use std::path::{Path, PathBuf};

/// From this width on, everything is in one line.
const WIDE: usize = 160;
/// Subflows of a connection that are shown.
const SUBFLOWS: usize = 16;

/// What the rows have in common.
struct Rows {
    grid: Grid,
    wide: bool,
    with_trace: bool,
    /// The folder that all traces share, left out of their names.
    folder: PathBuf,
    first: Option<Timestamp>,
}

/// The table. `first` is when the capture begins; `with_trace`: there are several traces.
pub(super) fn table(
    connections: &[&Connection],
    first: Option<Timestamp>,
    with_trace: bool,
    with_subflows: bool,
    width: usize,
) -> String {
    let wide = width >= WIDE;
    let mut headings = vec!["#"];
    if wide {
        // The clocks of several traces are not comparable.
        headings.push(if with_trace { "trace" } else { ">start" });
    }
    headings.push("client -> server");
    if wide {
        headings.push(">version");
    }
    headings.extend([">subflows", ">to server", ">to client", ">duration", "end"]);
    if wide {
        headings.extend([">retransmitted", ">reinjected", "notes"]);
    }
    let mut rows = Rows {
        grid: Grid::new(&headings, width),
        wide,
        with_trace,
        folder: common_folder(connections),
        first,
    };
    for connection in connections {
        rows.connection(connection);
        if with_subflows {
            for subflow in connection.subflows.iter().take(SUBFLOWS) {
                rows.subflow(connection, subflow);
            }
        }
    }
    rows.grid.text()
}

fn common_folder(connections: &[&Connection]) -> PathBuf {
    let folder = |connection: &&Connection| {
        let folder = Path::new(&*connection.trace).parent();
        folder.unwrap_or(Path::new("")).to_owned()
    };
    let common = |one: PathBuf, other: PathBuf| {
        let same = one.components().zip(other.components());
        same.take_while(|(one, other)| one == other)
            .map(|(part, _)| part)
            .collect()
    };
    connections.iter().map(folder).reduce(common).unwrap_or_default()
}

impl Rows {
    fn connection(&mut self, connection: &Connection) {
        let bound = if connection.is_lower_bound() { ">=" } else { "" };
        let bytes = |direction| format!("{bound}{}", units::bytes(connection.data[direction]));
        let mut cells = vec![connection.conn_id.to_string()];
        let name = Path::new(&*connection.trace);
        let name = name.strip_prefix(&self.folder).unwrap_or(name).display().to_string();
        if self.wide {
            let start = connection.t0 - self.first.unwrap_or(connection.t0);
            cells.push(if self.with_trace {
                name.clone()
            } else {
                units::span(start)
            });
        }
        let server = std::net::SocketAddr::new(connection.server, connection.port);
        cells.push(format!("{} -> {server}", connection.client));
        if self.wide {
            cells.push(connection.version.number().to_string());
        }
        cells.push(if connection.sf_est == connection.sf_att {
            connection.sf_est.to_string()
        } else {
            format!("{}/{}", connection.sf_est, connection.sf_att)
        });
        cells.extend(Direction::BOTH.map(bytes));
        cells.push(units::span(connection.dur));
        cells.push(notes::end(connection.end).to_owned());
        let notes = notes::connection(connection);
        let style = if notes.grave { YELLOW } else { PLAIN };
        let repeated = Repeated {
            retx: connection.retx,
            reinj: connection.reinj,
            of: connection.data,
            bound,
        };
        let name = Some(name).filter(|_| self.with_trace && !self.wide);
        self.end(style, cells, &repeated, name, notes.words.join(", "));
    }

    fn subflow(&mut self, connection: &Connection, subflow: &Subflow) {
        let mut cells = vec![format!("{}.{}", connection.conn_id, subflow.sf_id)];
        if self.wide {
            cells.push(format!("+{}", units::span(subflow.join_delay)));
        }
        // Where there is little room, the port of the line above is not repeated.
        cells.push(if self.wide || subflow.server.port() != connection.port {
            format!("{} -> {}", subflow.client, subflow.server)
        } else {
            format!("{} -> {}", subflow.client, subflow.server.ip())
        });
        if self.wide {
            cells.push(String::new());
        }
        cells.push(String::new());
        cells.extend(Direction::BOTH.map(|direction| units::bytes(subflow.payload[direction])));
        cells.push(units::span(notes::lifetime(subflow)));
        cells.push(notes::subflow_end(subflow).to_owned());
        let repeated = Repeated {
            retx: subflow.retx,
            reinj: subflow.reinj,
            of: subflow.payload,
            bound: "",
        };
        self.end(DIM, cells, &repeated, None, notes::subflow(subflow));
    }

    /// Ends a row with the shares of retransmitted and reinjected bytes, and the notes: in columns of their own, or
    /// below the row where there is no room.
    fn end(
        &mut self,
        style: Style,
        mut cells: Vec<String>,
        repeated: &Repeated<'_>,
        name: Option<String>,
        notes: String,
    ) {
        if self.wide {
            cells.extend([repeated.share(repeated.retx), repeated.share(repeated.reinj), notes]);
            self.grid.row(style, cells, String::new());
            return;
        }
        let parts = [(repeated.retx, "retransmitted"), (repeated.reinj, "reinjected")];
        let shares = parts
            .into_iter()
            .filter(|(part, _)| part.total() > 0)
            .map(|(part, what)| format!("{} {what}", repeated.share(part)));
        let notes: Vec<_> = name
            .into_iter()
            .chain(shares)
            .chain(Some(notes).filter(|notes| !notes.is_empty()))
            .collect();
        self.grid.row(style, cells, notes.join(", "));
    }
}

/// Bytes that were sent more than once, in both directions together.
struct Repeated<'a> {
    retx: PerDirection<u64>,
    reinj: PerDirection<u64>,
    of: PerDirection<u64>,
    bound: &'a str,
}

impl Repeated<'_> {
    fn share(&self, part: PerDirection<u64>) -> String {
        let bound = if part.total() > 0 { self.bound } else { "" };
        format!("{bound}{}", units::percent(part.total(), self.of.total()))
    }
}
