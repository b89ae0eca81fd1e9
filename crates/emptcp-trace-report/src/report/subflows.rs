//! T3.2: how many subflows connections have.

use super::part::{Part, Subject, Traces, established};
use super::{Cell, Figure, Panel, Rows, Table};
use crate::chart::{Axis, Chart, Series, Shape, Unit};
use emptcp_trace::record::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// One of the numbers of a row.
type Of = fn(&Row) -> u32;

struct Row {
    of: Subject,
    established: u32,
    attempted: u32,
    concurrent: u32,
    addresses: u32,
}

#[derive(Default)]
pub(super) struct Subflows {
    rows: Vec<Row>,
}

impl Part for Subflows {
    fn complete(&mut self, of: Subject, connection: &Connection) {
        let addresses: BTreeSet<_> = established(connection).map(|subflow| subflow.client.ip()).collect();
        self.rows.push(Row {
            of,
            established: connection.sf_est,
            attempted: connection.sf_att,
            concurrent: connection.sf_max_conc,
            addresses: addresses.len() as u32,
        });
    }

    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        let n = self.rows.len() as u64;
        let count = |test: &dyn Fn(&Row) -> bool| self.rows.iter().filter(|row| test(row)).count() as u64;
        let kinds: [(&str, Of); 3] = [
            ("established", |row| row.established),
            ("attempted", |row| row.attempted),
            ("at once", |row| row.concurrent),
        ];
        let share = |name: &str, test: fn(u32) -> bool| {
            let mut cells = vec![Cell::text(name)];
            cells.extend(kinds.iter().map(|(_, of)| Cell::share(count(&|row| test(of(row))), n)));
            cells
        };
        let mut rows = vec![
            share("1", |number| number == 1),
            share("2", |number| number == 2),
            share("> 2", |number| number > 2),
        ];
        if count(&|row| row.established == 0) > 0 {
            rows.insert(0, share("0", |number| number == 0));
        }
        let mut largest = vec![Cell::text("largest number")];
        largest.extend(kinds.iter().map(|(_, of)| match self.rows.iter().map(of).max() {
            Some(number) => Cell::count(u64::from(number)),
            None => Cell::None,
        }));
        rows.push(largest);
        let mut head = vec!["subflows".to_owned()];
        head.extend(kinds.iter().map(|(name, _)| (*name).to_owned()));
        let numbers = Table {
            caption: "Connections by their number of subflows".to_owned(),
            head,
            rows,
        };

        let several = count(&|row| row.established >= 2);
        let meshed = count(&|row| row.established >= 2 && row.addresses > 1);
        let line = |name: &str, number| vec![Cell::text(name), Cell::count(number), Cell::share(number, several)];
        let meshes = Table {
            caption: "Of those with 2 established or more".to_owned(),
            head: ["", "connections", "of these"].map(str::to_owned).to_vec(),
            rows: vec![
                line("several client addresses, as full-mesh does", meshed),
                line("one client address, as ndiffports does", several - meshed),
            ],
        };

        let mut panels = Vec::new();
        if n > 0 {
            let axis = Axis::linear("number of subflows", Unit::Number);
            let mut chart = Chart::new("Subflows of connections", axis, Axis::share("connections"));
            chart.description = "Cumulative distribution".to_owned();
            chart.series = kinds
                .iter()
                .enumerate()
                .map(|(number, (name, of))| {
                    let shape = Shape::Step(cumulative(self.rows.iter().map(of)));
                    Series::new(*name, shape).colour(number).dash(number)
                })
                .collect();
            panels.push(Panel {
                caption: String::new(),
                chart,
            });
        }
        Ok(vec![Figure {
            id: "T3.2",
            name: "t3_2_subflows",
            title: "Subflows",
            says: "How many subflows connections have over their lifetime: established ones (the initial one, and joins whose handshake ended with options), attempted ones, and the most at once.",
            population: "complete connections".to_owned(),
            n,
            facts: Vec::new(),
            panels,
            tables: vec![numbers, meshes],
            notes: Vec::new(),
            rows: Box::new(Numbers {
                rows: self.rows,
                traces: traces.clone(),
            }),
        }])
    }
}

/// The cumulative distribution of small numbers: one step for each number that occurs.
fn cumulative(numbers: impl Iterator<Item = u32>) -> Vec<(f64, f64)> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for number in numbers {
        *counts.entry(number).or_default() += 1;
    }
    let n = counts.values().sum::<u64>() as f64;
    let mut below = 0;
    let steps = counts.into_iter().map(|(number, count)| {
        below += count;
        (f64::from(number), below as f64 / n)
    });
    std::iter::once((0.0, 0.0)).chain(steps).collect()
}

struct Numbers {
    rows: Vec<Row>,
    traces: Traces,
}

impl Rows for Numbers {
    fn head(&self) -> Vec<&'static str> {
        vec![
            "trace",
            "conn_id",
            "sf_est",
            "sf_att",
            "sf_max_conc",
            "client_addresses",
        ]
    }

    fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| {
            let mut cells = row.of.columns(&self.traces).to_vec();
            let numbers = [row.established, row.attempted, row.concurrent, row.addresses];
            cells.extend(numbers.map(|number| number.to_string()));
            give(cells)
        })
    }
}
