//! F3.7: how much of the data goes over the initial subflow.

use super::distribution::{Curve, Samples, panel, thresholds};
use super::part::{DIRECTIONS, Part, Subject, Traces, established};
use super::{Figure, Panel};
use crate::chart::{Axis, Unit};
use emptcp_trace::record::{Connection, Kind};
use std::io;

/// The upper ends (included) of the first two size classes.
const SMALL: u64 = 50_000;
const LARGE: u64 = 5_000_000;
const CLASSES: [&str; 3] = ["< 50 kB", "50 kB to 5 MB", "> 5 MB"];

pub(super) struct Share {
    /// By [`DIRECTIONS`], then by [`CLASSES`].
    curves: [[Curve; 3]; 3],
}

impl Default for Share {
    fn default() -> Self {
        Self {
            curves: DIRECTIONS.map(|(_, _, way)| CLASSES.map(|class| Curve::new(class).of_direction(way))),
        }
    }
}

impl Part for Share {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        if connection.sf_est != 2 {
            return;
        }
        let class = match connection.size {
            size if size < SMALL => 0,
            size if size <= LARGE => 1,
            _ => 2,
        };
        for ((way, _, _), curves) in DIRECTIONS.iter().zip(&mut self.curves) {
            let (mut initial, mut all) = (0, 0);
            for subflow in established(connection) {
                let payload = way.map_or_else(|| subflow.payload.total(), |way| subflow.payload[way]);
                all += payload;
                if subflow.kind == Kind::Initial {
                    initial += payload;
                }
            }
            if let (1.., Some(curve)) = (all, curves.get_mut(class)) {
                curve.add(of, initial as f64 / all as f64);
            }
        }
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.curves.iter_mut().flatten().for_each(Curve::sort);
        let mut panels: Vec<Panel> = Vec::new();
        let mut tables = Vec::new();
        for ((_, way, _), curves) in DIRECTIONS.iter().zip(&self.curves) {
            let curves: Vec<_> = curves.iter().collect();
            let axis = Axis::share("share of the payload on the initial subflow");
            for mut panel in panel("Share of the initial subflow", "connections", axis, &curves) {
                panel.caption = (*way).to_owned();
                panels.push(panel);
            }
            let mut table = thresholds(
                &curves,
                &[
                    ("all: share = 1", |share| share >= 1.0),
                    ("more than half", |share| share > 0.5),
                ],
                Unit::Share,
            );
            table.caption = (*way).to_owned();
            tables.push(table);
        }
        let n = self.curves.first().into_iter().flatten().map(Curve::n).sum();
        Ok(vec![Figure {
            id: "F3.7",
            name: "f3_7_initial_share",
            title: "Share of the initial subflow",
            says: "How much of a connection's payload the initial subflow carries, by the size of the connection.",
            population: "complete connections with exactly 2 established subflows and some payload".to_owned(),
            n,
            facts: Vec::new(),
            panels,
            tables,
            notes: vec![
                "The payload of a subflow counts each TCP sequence number once, so reinjected data counts on both subflows."
                    .to_owned(),
            ],
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: self.curves.into_iter().flatten().collect(),
            }),
        }])
    }
}
