//! Figures of records that were made by hand, against values that were computed by hand.

mod again;
mod figures;
mod page;
mod subflows;

use super::{Cell, Figure, Options, Page, Report};
use crate::output::sample;
use emptcp_trace::record::{Connection, Detail, Mark, MarkKind, RttSummary, Subflow};
use emptcp_trace::{ConnectionId, Direction, Event, PacketNumber, PerDirection, Span, SubflowId};

const C2S: Direction = Direction::ClientToServer;
const S2C: Direction = Direction::ServerToClient;

fn seconds(seconds: f64) -> Span {
    Span((seconds * 1e9).round() as i64)
}

/// A complete connection with `n` established subflows, a tenth of a second apart, that carried nothing.
fn connection(conn_id: u64, subflows: u32) -> Connection {
    let mut connection = Connection {
        sf_est: subflows,
        sf_att: subflows,
        sf_max_conc: subflows,
        data: PerDirection::default(),
        reinj: PerDirection::default(),
        retx: PerDirection::default(),
        same_dsn: PerDirection::default(),
        fallback: Default::default(),
        truncated: false,
        size: 2,
        subflows: (0..subflows).map(|sf_id| subflow(conn_id, sf_id)).collect(),
        ..sample::connection(conn_id)
    };
    lasts(&mut connection, 10.0);
    connection
}

fn subflow(conn_id: u64, sf_id: u32) -> Subflow {
    let sample = sample::subflow(conn_id, sf_id);
    let first_syn = sample::connection(conn_id).t0;
    let delay = seconds(0.1 * f64::from(sf_id));
    Subflow {
        payload: PerDirection::default(),
        rtt: PerDirection::default(),
        rst: PerDirection::default(),
        backup: false,
        t_syn: first_syn + delay,
        join_delay: delay,
        ..sample
    }
}

/// Gives the connection its duration.
fn lasts(connection: &mut Connection, duration: f64) {
    connection.dur = seconds(duration);
    connection.t_end = connection.t0 + connection.dur;
    connection.dur_dack = Some(connection.dur);
}

fn mark(connection: &Connection, after: f64, kind: MarkKind) -> Mark {
    Mark {
        conn_id: connection.conn_id,
        sf_id: Some(SubflowId(1)),
        t: connection.t0 + seconds(after),
        packet: PacketNumber(1),
        dir: S2C,
        kind,
        bytes: 100,
        other_sf: Some(SubflowId(0)),
        detail: None,
        evidence: emptcp_trace::record::Evidence::default(),
    }
}

fn rtt(n: u64, mean: f64) -> PerDirection<RttSummary> {
    let summary = RttSummary {
        n,
        mean: Some(mean),
        ..RttSummary::default()
    };
    PerDirection([RttSummary::default(), summary])
}

/// The report of one trace.
fn report(marks: Vec<Mark>, connections: Vec<Connection>) -> Page {
    let mut report = Report::new(Options::default());
    report.begin("a.pcap".into());
    let marks = marks.into_iter().map(Event::Mark);
    let connections = connections
        .into_iter()
        .map(|connection| Event::Connection(Box::new(connection)));
    let end = Event::End(Box::default());
    for event in marks.chain(connections).chain([end]) {
        report.add(&event).expect("a temporary file");
    }
    report.finish().expect("a temporary file")
}

fn figure<'a>(page: &'a Page, id: &str) -> &'a Figure {
    page.figures.iter().find(|figure| figure.id == id).expect("a figure")
}

/// The row of this name of a table of the figure, without the name.
fn row<'a>(figure: &'a Figure, table: usize, name: &str) -> &'a [Cell] {
    let mut rows = figure.tables[table].rows.iter();
    let row = rows.find(|row| row[0] == Cell::text(name));
    &row.unwrap_or_else(|| panic!("no row {name}: {:?}", figure.tables[table]))[1..]
}

fn number(text: &str) -> Cell {
    Cell::Number(text.to_owned())
}

/// A column of the rows of the figure.
fn column(figure: &Figure, name: &str) -> Vec<String> {
    let place = figure
        .rows
        .head()
        .iter()
        .position(|head| *head == name)
        .expect("a column");
    let mut values = Vec::new();
    let mut take = |row: Vec<String>| {
        values.push(row[place].clone());
        Ok(())
    };
    figure.rows.each(&mut take).expect("rows");
    assert_eq!(values.len() as u64, figure.rows.count());
    values
}
