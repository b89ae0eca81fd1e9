//! Subflows that were opened and carried no data.

use super::distribution::{Curve, Samples, panel, thresholds};
use super::part::{Part, Subject, Traces, established};
use super::{Cell, Figure, Table};
use crate::chart::{Axis, Unit};
use emptcp_trace::record::{Connection, Kind, Opener, Subflow, Vantage};
use std::io;

pub(super) struct Unused {
    additional: u64,
    unused: u64,
    backup: u64,
    /// Unused subflows with a known round-trip time, where it is known for all used ones too.
    comparable: u64,
    faster: u64,
    /// Of the connections with unused subflows.
    sizes: Curve,
}

impl Default for Unused {
    fn default() -> Self {
        Self {
            additional: 0,
            unused: 0,
            backup: 0,
            comparable: 0,
            faster: 0,
            sizes: Curve::new("size"),
        }
    }
}

/// The round-trip time of the handshake, milliseconds: from the packet that passes the capture on its way to the far
/// side, to its answer.
fn handshake(subflow: &Subflow, vantage: Vantage) -> Option<f64> {
    let [to_answer, to_third] = subflow.hs_rtt;
    match (vantage, subflow.opened_by) {
        (Vantage::Client, Opener::Client) | (Vantage::Server, Opener::Server) => to_answer,
        (Vantage::Client, Opener::Server) | (Vantage::Server, Opener::Client) => to_third,
        (Vantage::Middle, _) => Some(to_answer? + to_third?),
    }
}

impl Part for Unused {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        let used = established(connection).filter(|subflow| subflow.payload.total() > 0);
        let times: Option<Vec<f64>> = used.map(|subflow| handshake(subflow, connection.vantage)).collect();
        let mut any = false;
        for subflow in established(connection).filter(|subflow| subflow.kind == Kind::Join) {
            self.additional += 1;
            if subflow.payload.total() > 0 {
                continue;
            }
            any = true;
            self.unused += 1;
            self.backup += u64::from(subflow.backup);
            if let (Some(time), Some(times)) = (handshake(subflow, connection.vantage), &times)
                && !times.is_empty()
            {
                self.comparable += 1;
                self.faster += u64::from(times.iter().all(|other| time < *other));
            }
        }
        if any {
            self.sizes.add(of, connection.size as f64);
        }
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.sizes.sort();
        let line = |name: &str, count, whole| vec![Cell::text(name), Cell::count(count), Cell::share(count, whole)];
        let counts = Table {
            caption: String::new(),
            head: ["further subflows", "number", "share"].map(str::to_owned).to_vec(),
            rows: vec![
                line("established", self.additional, self.additional),
                line("unused, of the established", self.unused, self.additional),
                line("backup, of the unused", self.backup, self.unused),
                line(
                    "round-trip time comparable, of the unused",
                    self.comparable,
                    self.unused,
                ),
                line(
                    "faster than every used one, of the comparable",
                    self.faster,
                    self.comparable,
                ),
            ],
        };
        let mut sizes = thresholds(
            &[&self.sizes],
            &[("< 1000 B", |size| size < 1e3), ("< 20 kB", |size| size < 2e4)],
            Unit::Bytes,
        );
        sizes.caption = "Size of connections with unused subflows".to_owned();
        let axis = Axis::log("size of connections with unused subflows", Unit::Bytes);
        Ok(vec![Figure {
            id: "Unused",
            name: "unused_subflows",
            title: "Unused subflows",
            says: "Further subflows that were established and carried no payload in either direction: their number, and whether they would have been the fastest.",
            population: "further established subflows of complete connections".to_owned(),
            n: self.additional,
            facts: Vec::new(),
            panels: panel("Size of connections with unused subflows", "connections", axis, &[&self.sizes]),
            tables: vec![counts, sizes],
            notes: vec!["Round-trip times are those of handshakes, which unused subflows have too. They are comparable when no SYN of them was sent again.".to_owned()],
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![self.sizes],
            }),
        }])
    }
}
