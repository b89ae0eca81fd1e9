//! F3.5 and F3.6: how much the round-trip times of a connection's subflows differ, for the data of each side.

use super::distribution::{Curve, Samples, panel, quantile, thresholds};
use super::part::{DIRECTIONS, Part, Subject, Traces};
use super::{Cell, Figure, Panel, Rows, Table};
use crate::chart::{Axis, Chart, Quartiles, Series, Shape, Unit};
use emptcp_trace::Direction;
use emptcp_trace::record::Connection;
use std::collections::BTreeMap;
use std::io;

/// The least payload of a connection.
const LEAST: u64 = 100_000;
/// The least number of round-trip times of a subflow.
const SAMPLES: u64 = 3;
/// The most boxes that a picture shows.
const BOXES: usize = 40;

struct Pair {
    of: Subject,
    /// The two smallest means, seconds.
    best: f64,
    second: f64,
}

/// What the subflows of connections show, for the data of one side.
struct Way {
    direction: Direction,
    difference: Curve,
    pairs: Vec<Pair>,
}

impl Way {
    fn new(direction: Direction) -> Self {
        let name = match direction {
            Direction::ServerToClient => "data of the server",
            Direction::ClientToServer => "data of the client",
        };
        Self {
            direction,
            difference: Curve::new(name).of_direction(direction.name()),
            pairs: Vec::new(),
        }
    }

    fn add(&mut self, of: Subject, connection: &Connection) -> bool {
        let rtts = connection.subflows.iter().map(|subflow| &subflow.rtt[self.direction]);
        let usable = rtts.filter(|rtt| rtt.n >= SAMPLES).filter_map(|rtt| rtt.mean);
        let mut means: Vec<_> = usable.map(|mean| mean / 1e3).collect();
        means.sort_by(f64::total_cmp);
        let [best, second, ..] = means[..] else {
            return false;
        };
        let largest = means.last().copied().unwrap_or(second);
        self.difference.add(of, largest - best);
        self.pairs.push(Pair { of, best, second });
        true
    }

    fn caption(&self) -> String {
        let names = DIRECTIONS.iter().find(|(way, _, _)| *way == Some(self.direction));
        names.map(|(_, name, _)| (*name).to_owned()).unwrap_or_default()
    }
}

pub(super) struct RoundTrips {
    /// Width of the bins, seconds.
    width: f64,
    /// The server's data first: there is most of it in most captures.
    ways: [Way; 2],
    connections: u64,
}

impl RoundTrips {
    /// With bins of this width, milliseconds.
    pub(super) fn new(bin: f64) -> Self {
        Self {
            width: if bin > 0.0 { bin / 1e3 } else { 0.04 },
            ways: [Direction::ServerToClient, Direction::ClientToServer].map(Way::new),
            connections: 0,
        }
    }
}

impl Part for RoundTrips {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        if connection.data.total() < LEAST {
            return;
        }
        let any = self.ways.each_mut().map(|way| way.add(of, connection));
        self.connections += u64::from(any.contains(&true));
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        for way in &mut self.ways {
            way.difference.sort();
        }
        let population = format!(
            "complete connections with {} of payload or more and 2 subflows or more that have {SAMPLES} round-trip times or more",
            Unit::Bytes.show(LEAST as f64)
        );
        let curves = self.ways.each_ref().map(|way| &way.difference);
        let panels = panel(
            "Difference of round-trip times",
            "connections",
            Axis::log("difference", Unit::Seconds),
            &curves,
        );
        let table = thresholds(
            &curves,
            &[
                ("≤ 10 ms", |difference| difference <= 0.01),
                ("≤ 100 ms", |difference| difference <= 0.1),
                ("≥ 1 s", |difference| difference >= 1.0),
            ],
            Unit::Seconds,
        );
        let [down, up] = self.ways;
        let panels_and_tables = [&down, &up].map(|way| second_best(way, self.width));
        let (mut second_panels, mut second_tables) = (Vec::new(), Vec::new());
        let mut notes = vec!["Boxes are the middle half, with the median; whiskers reach from the smallest to 95 %; the point is the largest.".to_owned()];
        for (panels, tables, more) in panels_and_tables {
            second_panels.extend(panels);
            second_tables.extend(tables);
            notes.extend(more);
        }
        let second = Figure {
            id: "F3.6",
            name: "f3_6_second_rtt",
            title: "Second-best against best round-trip time",
            says: "What a connection loses when its fastest subflow is not used: the mean round-trip time of the second-fastest, by that of the fastest.",
            population: population.clone(),
            n: self.connections,
            facts: Vec::new(),
            panels: second_panels,
            tables: second_tables,
            notes,
            rows: Box::new(Pairs {
                ways: [(down.direction, down.pairs), (up.direction, up.pairs)],
                width: self.width,
                traces: traces.clone(),
            }),
        };
        let difference = Figure {
            id: "F3.5",
            name: "f3_5_rtt_difference",
            title: "Difference of round-trip times",
            says: "How far apart the slowest and the fastest subflow of a connection are: largest minus smallest mean round-trip time, from data to its acknowledgement, for the data of each side.",
            population,
            n: self.connections,
            facts: Vec::new(),
            panels,
            tables: vec![table],
            notes: vec![
                "Exact where the capture was taken near the sender of the data; elsewhere a part of the path is missing.".to_owned(),
            ],
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![down.difference, up.difference],
            }),
        };
        Ok(vec![difference, second])
    }
}

/// The bin of a best round-trip time.
fn bin(best: f64, width: f64) -> u64 {
    (best / width).floor() as u64
}

/// The picture and the table of one direction, and what to note; nothing when there are no pairs.
fn second_best(way: &Way, width: f64) -> (Vec<Panel>, Vec<Table>, Vec<String>) {
    let mut bins: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for pair in &way.pairs {
        bins.entry(bin(pair.best, width)).or_default().push(pair.second);
    }
    let boxes: Vec<_> = bins
        .into_iter()
        .filter_map(|(number, mut seconds)| {
            seconds.sort_by(f64::total_cmp);
            let at = |p| quantile(seconds.len(), p).and_then(|place| seconds.get(place).copied());
            Some(Quartiles {
                from: number as f64 * width,
                to: (number + 1) as f64 * width,
                low: at(0.0)?,
                q1: at(0.25)?,
                median: at(0.5)?,
                q3: at(0.75)?,
                high: at(0.95)?,
                max: at(1.0)?,
                n: seconds.len(),
            })
        })
        .collect();
    let time = |value| Cell::Number(Unit::Seconds.show(value));
    let rows = boxes.iter().map(|one| {
        let mut row = vec![
            Cell::Text(format!(
                "{} to {}",
                Unit::Seconds.show(one.from),
                Unit::Seconds.show(one.to)
            )),
            Cell::count(one.n as u64),
        ];
        row.extend([one.low, one.q1, one.median, one.q3, one.high, one.max].map(time));
        row
    });
    let head = [
        "best",
        "n",
        "smallest",
        "quarter",
        "median",
        "three quarters",
        "95 %",
        "largest",
    ];
    let table = Table {
        caption: format!("{}: second-best round-trip time, by the best", way.caption()),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    };
    let mut notes = Vec::new();
    if boxes.len() > BOXES {
        notes.push(format!(
            "{}: the picture has the first {BOXES} of {} bins.",
            way.caption(),
            boxes.len()
        ));
    }
    let drawn: Vec<_> = boxes.into_iter().take(BOXES).collect();
    let mut panels = Vec::new();
    if let Some(last) = drawn.last() {
        let x = Axis::linear("best round-trip time", Unit::Seconds).range(0.0, last.to.max(width * 4.0));
        let y = Axis::log("second-best round-trip time", Unit::Seconds);
        let mut chart = Chart::new("Second-best round-trip time by the best", x, y);
        chart.description = "A box for each bin of the best".to_owned();
        chart.series.push(Series::new("", Shape::Boxes(drawn)));
        panels.push(Panel {
            caption: way.caption(),
            chart,
        });
    }
    let tables = if panels.is_empty() { Vec::new() } else { vec![table] };
    (panels, tables, notes)
}

struct Pairs {
    ways: [(Direction, Vec<Pair>); 2],
    width: f64,
    traces: Traces,
}

impl Rows for Pairs {
    fn head(&self) -> Vec<&'static str> {
        vec!["dir", "trace", "conn_id", "best", "second", "bin_from"]
    }

    fn count(&self) -> u64 {
        self.ways.iter().map(|(_, pairs)| pairs.len() as u64).sum()
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        let pairs = self
            .ways
            .iter()
            .flat_map(|(direction, pairs)| pairs.iter().map(|pair| (*direction, pair)));
        for (direction, pair) in pairs {
            let [trace, conn_id] = pair.of.columns(&self.traces);
            let from = bin(pair.best, self.width) as f64 * self.width;
            give(vec![
                direction.name().to_owned(),
                trace,
                conn_id,
                pair.best.to_string(),
                pair.second.to_string(),
                format!("{from:.6}"),
            ])?;
        }
        Ok(())
    }
}
