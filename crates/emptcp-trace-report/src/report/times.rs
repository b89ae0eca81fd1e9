//! F3.9: when during a connection data is sent again. A point needs the duration of its connection, which is known only
//! later, and there may be many points: they are stored in a temporary file.

mod histogram;
mod spool;

use super::part::{DIRECTIONS, Part, Subject, Traces};
use super::ratio::{NAMES, belongs};
use super::{Cell, Figure, Panel, Rows, Table};
use crate::chart::{Axis, Chart, Series, Shape, Unit};
use crate::output::units;
use emptcp_trace::record::{Connection, Mark, MarkKind, Totals};
use emptcp_trace::{ConnectionId, Direction, Span, Timestamp};
use hashbrown::HashMap;
use histogram::Histogram;
use spool::{Point, Spool};
use std::io;

/// Only longer connections have points.
const LONGER: Span = Span(1_000_000);

#[derive(Default)]
pub(super) struct Times {
    trace: u32,
    /// Of this trace; their time is the time.
    waiting: Spool,
    /// The connections of this trace that count: their beginning and duration.
    lives: HashMap<ConnectionId, (Timestamp, Span)>,
    /// Of all traces; their time is the share of the duration.
    placed: Spool,
    connections: u64,
    /// By [`DIRECTIONS`], then by [`NAMES`].
    histograms: [[Histogram; 2]; 3],
    syn: u64,
}

impl Part for Times {
    fn any(&mut self, _of: Subject, connection: &Connection) {
        if belongs(connection) && connection.dur > LONGER {
            self.connections += 1;
            self.lives.insert(connection.conn_id, (connection.t0, connection.dur));
        }
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let kind = match mark.kind {
            MarkKind::Retransmission | MarkKind::SynRetransmission => 0,
            MarkKind::Reinjection => 1,
            _ => return Ok(()),
        };
        self.waiting.push(Point {
            trace: self.trace,
            conn_id: mark.conn_id,
            t: mark.t.0,
            duration: 0,
            kind,
            is_syn: mark.kind == MarkKind::SynRetransmission,
            to_client: mark.dir == Direction::ServerToClient,
        })
    }

    fn end(&mut self, _totals: &Totals) -> io::Result<()> {
        let Self {
            lives,
            placed,
            histograms,
            syn,
            ..
        } = self;
        self.waiting.flush()?;
        self.waiting.each(&mut |point: Point| {
            let Some((begin, duration)) = lives.get(&point.conn_id) else {
                return Ok(());
            };
            let point = Point {
                t: (Timestamp(point.t) - *begin).0,
                duration: duration.0,
                ..point
            };
            *syn += u64::from(point.is_syn);
            for ((way, _, _), kinds) in DIRECTIONS.iter().zip(&mut *histograms) {
                let direction = if point.to_client {
                    Direction::ServerToClient
                } else {
                    Direction::ClientToServer
                };
                if way.is_none_or(|way| way == direction)
                    && let Some(histogram) = kinds.get_mut(usize::from(point.kind))
                {
                    histogram.add(point.share());
                }
            }
            placed.push(point)
        })?;
        self.waiting = Spool::default();
        self.lives.clear();
        self.trace += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.placed.flush()?;
        let (mut panels, mut tables) = (Vec::new(), Vec::new());
        for ((_, way, _), kinds) in DIRECTIONS.iter().zip(&self.histograms) {
            for (scale, axis) in [
                ("linear", Axis::share("share of the connection's duration")),
                (
                    "logarithmic",
                    Axis::log("share of the connection's duration", Unit::Share),
                ),
            ] {
                panels.extend(panel(&format!("{way}, {scale}"), axis, kinds));
            }
            tables.push(table(way, kinds));
        }
        let outside: u64 = self.histograms[0].iter().map(|histogram| histogram.outside).sum();
        let mut notes = vec![format!(
            "{} of the retransmitted packets are SYN or SYN+ACK. Curves are exact to 0.05 % of the duration; the CSV has every point.",
            self.syn
        )];
        if outside > 0 {
            notes.push(format!(
                "{outside} points are before the beginning or after the end of their connection. There should be none: please report this."
            ));
        }
        Ok(vec![Figure {
            id: "F3.9",
            name: "f3_9_times",
            title: "When data is sent again",
            says: "When during a connection packets were retransmitted and reinjected: 0 is the first SYN, 100 % the last packet.",
            population: format!(
                "retransmitted and reinjected packets of the {} of F3.8 longer than 1 ms",
                units::count(self.connections, "connection")
            ),
            n: self.placed.count(),
            facts: Vec::new(),
            panels,
            tables,
            notes,
            rows: Box::new(Placed {
                points: self.placed,
                traces: traces.clone(),
            }),
        }])
    }
}

fn panel(caption: &str, x: Axis, kinds: &[Histogram; 2]) -> Option<Panel> {
    let mut chart = Chart::new(format!("When data is sent again: {caption}"), x, Axis::share("packets"));
    chart.description = "Cumulative distribution".to_owned();
    for (number, (histogram, name)) in kinds.iter().zip(NAMES).enumerate() {
        if histogram.n > 0 {
            let steps = Shape::Step(histogram.cumulative());
            chart.series.push(Series::new(name, steps).colour(number).dash(number));
        }
    }
    (!chart.series.is_empty()).then(|| Panel {
        caption: caption.to_owned(),
        chart,
    })
}

fn table(way: &str, kinds: &[Histogram; 2]) -> Table {
    let row = |name: &str, of: &dyn Fn(&Histogram) -> Cell| {
        let mut row = vec![Cell::text(name)];
        row.extend(kinds.iter().map(of));
        row
    };
    let below = |share: f64| move |histogram: &Histogram| Cell::share(histogram.not_above(share), histogram.n);
    Table {
        caption: way.to_owned(),
        head: std::iter::once("").chain(NAMES).map(str::to_owned).collect(),
        rows: vec![
            row("n", &|histogram| Cell::count(histogram.n)),
            row("in the first 1 %", &below(0.01)),
            row("in the first 10 %", &below(0.1)),
            row("in the first half", &below(0.5)),
            row("outside of the connection", &|histogram| Cell::count(histogram.outside)),
        ],
    }
}

struct Placed {
    points: Spool,
    traces: Traces,
}

impl Rows for Placed {
    fn head(&self) -> Vec<&'static str> {
        vec!["kind", "dir", "trace", "conn_id", "syn", "share_of_duration"]
    }

    fn count(&self) -> u64 {
        self.points.count()
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        self.points.each(&mut |point| {
            let of = Subject {
                trace: point.trace,
                conn_id: point.conn_id,
                sf_id: None,
            };
            let [trace, conn_id] = of.columns(&self.traces);
            let name = NAMES.get(usize::from(point.kind)).copied().unwrap_or_default();
            let dir = if point.to_client { "s2c" } else { "c2s" };
            let syn = point.is_syn.to_string();
            give(vec![
                name.to_owned(),
                dir.to_owned(),
                trace,
                conn_id,
                syn,
                point.share().to_string(),
            ])
        })
    }
}
