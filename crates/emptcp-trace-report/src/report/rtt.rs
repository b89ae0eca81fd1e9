//! F3.5 and F3.6: how much the round-trip times of a connection's subflows differ.

use super::distribution::{Curve, Samples, panel, quantile, thresholds};
use super::part::{Part, Subject, Traces};
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

pub(super) struct RoundTrips {
    /// Width of the bins, seconds.
    width: f64,
    difference: Curve,
    pairs: Vec<Pair>,
}

impl RoundTrips {
    /// With bins of this width, milliseconds.
    pub(super) fn new(bin: f64) -> Self {
        Self {
            width: if bin > 0.0 { bin / 1e3 } else { 0.04 },
            difference: Curve::new("largest - smallest"),
            pairs: Vec::new(),
        }
    }
}

impl Part for RoundTrips {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        if connection.data.total() < LEAST {
            return;
        }
        let rtts = connection
            .subflows
            .iter()
            .map(|subflow| &subflow.rtt[Direction::ServerToClient]);
        let usable = rtts.filter(|rtt| rtt.n >= SAMPLES).filter_map(|rtt| rtt.mean);
        let mut means: Vec<_> = usable.map(|mean| mean / 1e3).collect();
        means.sort_by(f64::total_cmp);
        if let [best, second, ..] = means[..] {
            let largest = means.last().copied().unwrap_or(second);
            self.difference.add(of, largest - best);
            self.pairs.push(Pair { of, best, second });
        }
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.difference.sort();
        let population = format!(
            "complete connections with {} of payload or more and 2 subflows or more that have {SAMPLES} round-trip times or more",
            Unit::Bytes.show(LEAST as f64)
        );
        let second = second_best(self.pairs, self.width, population.clone(), traces);
        let difference = Figure {
            id: "F3.5",
            name: "f3_5_rtt_difference",
            title: "Difference of round-trip times",
            says: "How far apart the slowest and the fastest subflow of a connection are: largest minus smallest mean round-trip time, from the server's data to the client's acknowledgement.",
            population,
            n: self.difference.n(),
            facts: Vec::new(),
            panels: panel(
                "Difference of round-trip times",
                "connections",
                Axis::log("difference", Unit::Seconds),
                &[&self.difference],
            ),
            tables: vec![thresholds(
                &[&self.difference],
                &[
                    ("≤ 10 ms", |difference| difference <= 0.01),
                    ("≤ 100 ms", |difference| difference <= 0.1),
                    ("≥ 1 s", |difference| difference >= 1.0),
                ],
                Unit::Seconds,
            )],
            notes: vec![
                "Exact where the capture was taken near the server; elsewhere a part of the path is missing."
                    .to_owned(),
            ],
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![self.difference],
            }),
        };
        Ok(vec![difference, second])
    }
}

/// The bin of a best round-trip time.
fn bin(best: f64, width: f64) -> u64 {
    (best / width).floor() as u64
}

fn second_best(pairs: Vec<Pair>, width: f64, population: String, traces: &Traces) -> Figure {
    let mut bins: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for pair in &pairs {
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
        caption: "Second-best round-trip time, by the best".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    };
    let mut notes = vec!["Boxes are the middle half, with the median; whiskers reach from the smallest to 95 %; the point is the largest.".to_owned()];
    if boxes.len() > BOXES {
        notes.push(format!("The picture has the first {BOXES} of {} bins.", boxes.len()));
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
            caption: String::new(),
            chart,
        });
    }
    Figure {
        id: "F3.6",
        name: "f3_6_second_rtt",
        title: "Second-best against best round-trip time",
        says: "What a connection loses when its fastest subflow is not used: the mean round-trip time of the second-fastest, by that of the fastest.",
        population,
        n: pairs.len() as u64,
        facts: Vec::new(),
        panels,
        tables: vec![table],
        notes,
        rows: Box::new(Pairs {
            pairs,
            width,
            traces: traces.clone(),
        }),
    }
}

struct Pairs {
    pairs: Vec<Pair>,
    width: f64,
    traces: Traces,
}

impl Rows for Pairs {
    fn head(&self) -> Vec<&'static str> {
        vec!["trace", "conn_id", "best", "second", "bin_from"]
    }

    fn count(&self) -> u64 {
        self.pairs.len() as u64
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        self.pairs.iter().try_for_each(|pair| {
            let mut row = pair.of.columns(&self.traces).to_vec();
            let from = bin(pair.best, self.width) as f64 * self.width;
            row.extend([pair.best, pair.second].map(|rtt| rtt.to_string()));
            row.push(format!("{from:.6}"));
            give(row)
        })
    }
}
