//! What was captured: traces, clients, packets, and when.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table};
use crate::output::units;
use emptcp_trace::Timestamp;
use emptcp_trace::record::{Connection, Totals};
use hashbrown::HashSet;
use mptcp_wire::encapsulation::Encapsulation;
use std::io;
use std::net::IpAddr;

/// The most traces on the page; the CSV has all.
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
        if let Some(count) = self.versions.get_mut(usize::from(connection.version.number())) {
            *count += 1;
        }
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.traces.push(totals.clone());
        Ok(())
    }

    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        let sum_of = |of: &dyn Fn(&Totals) -> u64| self.traces.iter().map(of).sum::<u64>();
        let sum = |of: fn(&Totals) -> u64| sum_of(&of);
        let first = self.traces.iter().filter_map(|totals| totals.first).min();
        let last = self.traces.iter().filter_map(|totals| totals.last).max();
        let v6 = self.clients.iter().filter(|address| address.is_ipv6()).count() as u64;
        let clients = self.clients.len() as u64;
        let facts = vec![
            ("complete connections", units::number(self.complete)),
            ("client addresses", units::number(clients)),
            ("packets", units::number(sum(|totals| totals.packets))),
            ("on the wire", units::bytes(sum(|totals| totals.bytes))),
            (
                "from first to last packet",
                first
                    .zip(last)
                    .map_or_else(|| "-".to_owned(), |(first, last)| units::span(last - first)),
            ),
        ];
        let line = |name: &str, cell| vec![Cell::text(name), cell];
        let count = |name: &str, number: u64| line(name, Cell::count(number));
        let times = vec![
            count("traces", traces.len() as u64),
            line("first packet", time(first)),
            line("last packet", time(last)),
        ];
        let mut rows = vec![
            count("connections", self.connections),
            count("complete connections", self.complete),
            count("of these, MPTCP version 0", self.versions[0]),
            count("of these, MPTCP version 1", self.versions[1]),
            count("client addresses, IPv4", clients - v6),
            count("client addresses, IPv6", v6),
            count("server addresses", self.servers.len() as u64),
            count("TCP segments", sum(|totals| totals.tcp)),
            count("of these, with an MPTCP option", sum(|totals| totals.mptcp)),
        ];
        for kind in Encapsulation::ALL {
            let segments = sum_of(&|totals| totals.encapsulated.of(kind));
            if segments > 0 {
                rows.push(line(&format!("TCP segments in {}", kind.name()), Cell::count(segments)));
            }
        }
        // Faults of the traces are listed only when there are any.
        for (name, count) in [
            (
                "MP_JOIN whose connection was not captured",
                sum(|totals| totals.orphan_joins),
            ),
            ("connections from their middle on", sum(|totals| totals.mid_stream)),
            ("packets captured twice", sum(|totals| totals.captured_twice)),
            ("steps back of the clock", sum(|totals| totals.clock_back)),
            ("malformed MPTCP options", sum(|totals| totals.malformed_options)),
            ("packets cut off or malformed", sum(|totals| totals.skipped.malformed)),
            ("packets of unknown link types", sum(|totals| totals.skipped.link_type)),
            ("IP fragments left out", sum(|totals| totals.skipped.fragments)),
            (
                "packets too late to be sorted by time",
                sum(|totals| totals.capped.late),
            ),
        ] {
            if count > 0 {
                rows.push(line(name, Cell::count(count)));
            }
        }
        let mut notes = Vec::new();
        if self.lower_bounds > 0 {
            notes.push(format!(
                "Incomplete in the capture, or beyond a memory limit: {}. Byte counts of these are lower bounds.",
                units::count(self.lower_bounds, "connection")
            ));
        }
        if traces.len() > LISTED {
            notes.push(format!("The page lists the first {LISTED} traces; the CSV has all."));
        }
        let folder = common_folder(traces);
        let each = || traces.iter().zip(&self.traces);
        let listed = each().take(LISTED).map(|(name, totals)| {
            vec![
                Cell::text(name.strip_prefix(folder).unwrap_or(name)),
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
        let plain = |rows| Table {
            rows,
            ..Table::default()
        };
        let tables = vec![
            plain(rows),
            plain(times),
            Table {
                caption: match folder {
                    "" => "Traces".to_owned(),
                    folder => format!("Traces in {folder}"),
                },
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
            population: "packets; addresses are those of complete connections".to_owned(),
            n: sum(|totals| totals.packets),
            facts,
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

/// The folder that all traces are in, with its slash; empty when there is none, or a single trace.
pub(super) fn common_folder(traces: &Traces) -> &str {
    let Some((first, others)) = traces.split_first() else {
        return "";
    };
    let in_all = |folder: &&str| others.iter().all(|name| name.starts_with(*folder));
    let ends = first.match_indices('/').map(|(slash, _)| slash + 1).rev();
    let folder = ends.filter_map(|end| first.get(..end)).find(in_all);
    folder.filter(|_| !others.is_empty()).unwrap_or("")
}

/// A point in time as people write it, to the second.
pub(super) fn time(at: Option<Timestamp>) -> Cell {
    at.map_or(Cell::None, |at| Cell::Time(units::date(at)))
}
