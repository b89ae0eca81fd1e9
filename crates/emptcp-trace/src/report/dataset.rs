//! What was captured: traces, clients, packets, and when.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table};
use crate::Timestamp;
use crate::output::units;
use crate::record::{Connection, Totals};
use hashbrown::HashSet;
use std::io;
use std::net::IpAddr;

/// The most traces that the page lists; the CSV has all.
const LISTED: usize = 50;

#[derive(Default)]
pub(super) struct Dataset {
    clients: HashSet<IpAddr>,
    servers: HashSet<IpAddr>,
    connections: u64,
    complete: u64,
    lower_bounds: u64,
    versions: [u64; 2],
    traces: Vec<Totals>,
}

impl Part for Dataset {
    fn any(&mut self, _of: Subject, connection: &Connection) {
        self.connections += 1;
        self.lower_bounds += u64::from(connection.is_lower_bound());
    }

    fn complete(&mut self, _of: Subject, connection: &Connection) {
        self.complete += 1;
        self.clients.insert(connection.client);
        self.servers.insert(connection.server);
        if let Some(count) = self.versions.get_mut(usize::from(connection.version)) {
            *count += 1;
        }
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.traces.push(totals.clone());
        Ok(())
    }

    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        let sum = |of: fn(&Totals) -> u64| self.traces.iter().map(of).sum::<u64>();
        let first = self.traces.iter().filter_map(|totals| totals.first).min();
        let last = self.traces.iter().filter_map(|totals| totals.last).max();
        let v6 = self.clients.iter().filter(|address| address.is_ipv6()).count() as u64;
        let clients = self.clients.len() as u64;
        let line = |name: &str, cell| vec![Cell::text(name), cell];
        let mut rows = vec![
            line("traces", Cell::count(traces.len() as u64)),
            line("first packet", time(first)),
            line("last packet", time(last)),
            line("packets", Cell::count(sum(|totals| totals.packets))),
            line("bytes on the wire", Cell::bytes(sum(|totals| totals.bytes))),
            line(
                "TCP segments with an MPTCP option",
                Cell::count(sum(|totals| totals.mptcp)),
            ),
            line("connections", Cell::count(self.connections)),
            line("complete connections", Cell::count(self.complete)),
            line("of these, MPTCP version 0", Cell::count(self.versions[0])),
            line("of these, MPTCP version 1", Cell::count(self.versions[1])),
            line("client addresses", Cell::count(clients)),
            line("of these, IPv4", Cell::count(clients - v6)),
            line("of these, IPv6", Cell::count(v6)),
            line("server addresses", Cell::count(self.servers.len() as u64)),
        ];
        // What is wrong with the traces is said only when something is.
        for (name, count) in [
            (
                "MP_JOIN whose connection was not captured",
                sum(|totals| totals.orphan_joins),
            ),
            ("malformed MPTCP options", sum(|totals| totals.malformed_options)),
            ("packets cut off or malformed", sum(|totals| totals.skipped.malformed)),
            ("packets of unknown link types", sum(|totals| totals.skipped.link_type)),
            ("IP fragments left out", sum(|totals| totals.skipped.fragments)),
            ("packets too late to be put in order", sum(|totals| totals.capped.late)),
        ] {
            if count > 0 {
                rows.push(line(name, Cell::count(count)));
            }
        }
        let mut notes = Vec::new();
        if self.lower_bounds > 0 {
            notes.push(format!(
                "{} connections are not whole in the capture, or met a limit of memory: their figures of bytes are lower bounds.",
                self.lower_bounds
            ));
        }
        if traces.len() > LISTED {
            notes.push(format!("The page lists the first {LISTED} traces; the CSV has all."));
        }
        let each = || traces.iter().zip(&self.traces);
        let listed = each().take(LISTED).map(|(name, totals)| {
            vec![
                Cell::text(&**name),
                Cell::count(totals.packets),
                Cell::bytes(totals.bytes),
                Cell::count(totals.connections),
                Cell::count(totals.complete),
                Cell::count(totals.joins),
                time(totals.first),
                match (totals.first, totals.last) {
                    (Some(first), Some(last)) => Cell::Number(units::span(last - first)),
                    _ => Cell::None,
                },
            ]
        });
        let head = [
            "trace",
            "packets",
            "bytes",
            "connections",
            "complete",
            "joins",
            "begins",
            "length",
        ];
        let tables = vec![
            Table {
                caption: String::new(),
                head: Vec::new(),
                rows,
            },
            Table {
                caption: "Traces".to_owned(),
                head: head.map(str::to_owned).to_vec(),
                rows: listed.collect(),
            },
        ];
        let csv = each().map(|(name, totals)| {
            let second = |at: Option<Timestamp>| at.map(|at| format!("{:.6}", at.seconds())).unwrap_or_default();
            let mut row = vec![name.to_string()];
            row.extend(
                [totals.packets, totals.bytes, totals.connections, totals.complete].map(|count| count.to_string()),
            );
            row.extend([totals.joins, totals.orphan_joins].map(|count| count.to_string()));
            row.extend([second(totals.first), second(totals.last)]);
            row
        });
        let csv = csv.collect();
        Ok(vec![Figure {
            id: "Data",
            name: "dataset",
            title: "Data set",
            says: "What was captured. A connection is complete when both keys were seen, and then the third ACK with MP_CAPABLE or a data sequence signal.",
            population: "all packets; addresses of complete connections".to_owned(),
            n: self.connections,
            panels: Vec::new(),
            tables,
            notes,
            rows: Box::new(Ready {
                head: vec![
                    "trace",
                    "packets",
                    "bytes",
                    "connections",
                    "complete",
                    "joins",
                    "orphan_joins",
                    "first",
                    "last",
                ],
                rows: csv,
            }),
        }])
    }
}

/// A point in time as people write it, to the second.
pub(super) fn time(at: Option<Timestamp>) -> Cell {
    at.map_or(Cell::None, |at| Cell::Number(units::date(at)))
}
