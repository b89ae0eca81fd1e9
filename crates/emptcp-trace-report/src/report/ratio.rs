//! F3.8: shares of retransmitted and reinjected payload.

use super::distribution::{Curve, Samples, panel_from, thresholds};
use super::part::{DIRECTIONS, Part, Subject, Traces};
use super::{Cell, Figure, Table};
use crate::chart::{Axis, Unit};
use emptcp_trace::record::{Connection, Vantage};
use emptcp_trace::{Direction, PerDirection};
use std::io;

pub(super) const NAMES: [&str; 2] = ["retransmitted", "reinjected"];

/// Whether the figure covers a connection.
pub(super) fn belongs(connection: &Connection) -> bool {
    connection.complete && connection.sf_est >= 2 && connection.data.total() >= 1
}

pub(super) struct Ratio {
    /// By [`DIRECTIONS`], then by [`NAMES`].
    curves: [[Curve; 2]; 3],
    payload: PerDirection<u64>,
    again: [PerDirection<u64>; 2],
    packets: [PerDirection<u64>; 2],
    same_dsn: PerDirection<u64>,
    near_server: u64,
    lower_bounds: u64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self {
            curves: DIRECTIONS.map(|(_, _, way)| NAMES.map(|name| Curve::new(name).of_direction(way))),
            payload: PerDirection::default(),
            again: Default::default(),
            packets: Default::default(),
            same_dsn: PerDirection::default(),
            near_server: 0,
            lower_bounds: 0,
        }
    }
}

fn add(sum: &mut PerDirection<u64>, more: &PerDirection<u64>) {
    for direction in Direction::BOTH {
        sum[direction] += more[direction];
    }
}

impl Part for Ratio {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        if !belongs(connection) {
            return;
        }
        let again = [&connection.retx, &connection.reinj];
        for ((way, _, _), curves) in DIRECTIONS.iter().zip(&mut self.curves) {
            let of_way = |bytes: &PerDirection<u64>| way.map_or_else(|| bytes.total(), |way| bytes[way]);
            let data = of_way(&connection.data);
            if data > 0 {
                for (curve, again) in curves.iter_mut().zip(again) {
                    curve.add(of, of_way(again) as f64 / data as f64);
                }
            }
        }
        add(&mut self.payload, &connection.data);
        add(&mut self.same_dsn, &connection.same_dsn);
        for (sum, more) in self.again.iter_mut().zip(again) {
            add(sum, more);
        }
        for (sum, more) in self
            .packets
            .iter_mut()
            .zip([&connection.retx_pkts, &connection.reinj_pkts])
        {
            add(sum, more);
        }
        self.near_server += u64::from(connection.vantage == Vantage::Server);
        self.lower_bounds += u64::from(connection.is_lower_bound());
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.curves.iter_mut().flatten().for_each(Curve::sort);
        let (mut panels, mut tables) = (Vec::new(), vec![self.totals()]);
        for ((_, way, _), curves) in DIRECTIONS.iter().zip(&self.curves) {
            let curves: Vec<_> = curves.iter().collect();
            // Connections without any are the lower part of both curves; the picture begins where the first curve
            // leaves it.
            let without = curves.iter().filter(|curve| curve.n() > 0);
            let without = without.map(|curve| curve.count(|ratio| ratio == 0.0) as f64 / curve.n() as f64);
            let from = (without.fold(1.0, f64::min) * 20.0).floor() / 20.0;
            let axis = Axis::log("of the payload", Unit::Share);
            let none = curves.iter().all(|curve| curve.count(|ratio| ratio > 0.0) == 0);
            let drawn: &[&Curve] = if none { &[] } else { &curves };
            for mut panel in panel_from(
                "Retransmitted and reinjected",
                "connections",
                axis,
                from.min(0.95),
                drawn,
            ) {
                panel.caption = (*way).to_owned();
                panels.push(panel);
            }
            let mut table = thresholds(
                &curves,
                &[
                    ("> 0", |ratio| ratio > 0.0),
                    ("≤ 1 %", |ratio| ratio <= 0.01),
                    ("≤ 10 %", |ratio| ratio <= 0.1),
                ],
                Unit::Share,
            );
            table.caption = (*way).to_owned();
            tables.push(table);
        }
        let n = self.curves[0][0].n();
        let mut notes = vec![format!(
            "Retransmissions of data that was lost before the capture point are not seen. {} of {n} connections were captured near the server: there, figures are exact for the server's data, but not for the clients'.",
            self.near_server
        )];
        if self.lower_bounds > 0 {
            notes.push(format!(
                "For {} the bytes are lower bounds.",
                crate::output::units::count(self.lower_bounds, "connection")
            ));
        }
        Ok(vec![Figure {
            id: "F3.8",
            name: "f3_8_retransmitted",
            title: "Retransmitted and reinjected",
            says: "Payload that was sent again on the same subflow (retransmitted), and payload that a subflow carried after another had carried it (reinjected), as a share of all payload. The share may exceed 100 %.",
            population: "complete connections with 2 established subflows or more and some payload".to_owned(),
            n,
            facts: Vec::new(),
            panels,
            tables,
            notes,
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: self.curves.into_iter().flatten().collect(),
            }),
        }])
    }
}

impl Ratio {
    fn totals(&self) -> Table {
        let [c2s, s2c] = Direction::BOTH;
        let bytes = |name: &str, bytes: &PerDirection<u64>| {
            vec![
                Cell::text(name),
                Cell::bytes(bytes[c2s]),
                Cell::bytes(bytes[s2c]),
                Cell::bytes(bytes.total()),
                Cell::share(bytes.total(), self.payload.total()),
            ]
        };
        let mut rows = vec![bytes("payload", &self.payload)];
        for ((name, again), packets) in NAMES.iter().zip(&self.again).zip(&self.packets) {
            rows.push(bytes(name, again));
            let mut row = vec![Cell::Text(format!("{name}, packets"))];
            row.extend([packets[c2s], packets[s2c], packets.total()].map(Cell::count));
            row.push(Cell::None);
            rows.push(row);
        }
        rows.push(bytes("sent again on the same subflow as new TCP data", &self.same_dsn));
        Table {
            caption: "Totals".to_owned(),
            head: ["", "client to server", "server to client", "both", "of the payload"]
                .map(str::to_owned)
                .to_vec(),
            rows,
        }
    }
}
