//! F3.2 and F3.3: how long connections last, and how large they are.

use super::Figure;
use super::distribution::{Curve, Samples, panel, thresholds};
use super::part::{Part, Subject, Traces};
use crate::chart::{Axis, Unit};
use emptcp_trace::record::Connection;
use std::io;

pub(super) struct Length {
    duration: Curve,
    acknowledged: Curve,
    size: Curve,
    lower_bounds: u64,
}

impl Default for Length {
    fn default() -> Self {
        Self {
            duration: Curve::new("to the last packet"),
            acknowledged: Curve::new("to the last DATA_ACK"),
            size: Curve::new("size"),
            lower_bounds: 0,
        }
    }
}

impl Part for Length {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        self.duration.add(of, connection.dur.seconds());
        if let Some(duration) = connection.dur_dack {
            self.acknowledged.add(of, duration.seconds());
        }
        self.size.add(of, connection.size as f64);
        self.lower_bounds += u64::from(connection.is_lower_bound());
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        for curve in [&mut self.duration, &mut self.acknowledged, &mut self.size] {
            curve.sort();
        }
        let durations = [&self.duration, &self.acknowledged];
        let duration = Figure {
            id: "F3.2",
            name: "f3_2_duration",
            title: "Duration",
            says: "How long connections last: from the first SYN to the last packet on any subflow.",
            population: "complete connections".to_owned(),
            n: self.duration.n(),
            facts: Vec::new(),
            panels: panel(
                "Duration of connections",
                "connections",
                Axis::log("duration", Unit::Seconds),
                &durations,
            ),
            tables: vec![thresholds(
                &durations,
                &[
                    ("1 s to 100 s", |time| (1.0..=100.0).contains(&time)),
                    ("> 100 s", |time| time > 100.0),
                ],
                Unit::Seconds,
            )],
            notes: vec![
                "The second curve ends with the last DATA_ACK that acknowledged new data, as in mptcptrace.".to_owned(),
            ],
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![self.duration, self.acknowledged],
            }),
        };
        let mut notes = vec!["A connection without data has 2 bytes. 1 kB is 1000 bytes.".to_owned()];
        if self.lower_bounds > 0 {
            notes.push(format!(
                "For {} the size is a lower bound.",
                crate::output::units::count(self.lower_bounds, "connection")
            ));
        }
        let size = Figure {
            id: "F3.3",
            name: "f3_3_size",
            title: "Size",
            says: "How much connections carry: payload of both directions, each byte once, and 1 for each DATA_FIN.",
            population: "complete connections".to_owned(),
            n: self.size.n(),
            facts: Vec::new(),
            panels: panel(
                "Size of connections",
                "connections",
                Axis::log("size", Unit::Bytes),
                &[&self.size],
            ),
            tables: vec![thresholds(
                &[&self.size],
                &[
                    ("2 B: no data", |size| size == 2.0),
                    ("≤ 1 kB", |size| size <= 1e3),
                    ("≤ 10 kB", |size| size <= 1e4),
                    ("≤ 100 kB", |size| size <= 1e5),
                    ("≤ 1 MB", |size| size <= 1e6),
                ],
                Unit::Bytes,
            )],
            notes,
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![self.size],
            }),
        };
        Ok(vec![duration, size])
    }
}
