//! T3.1: which ports connections go to.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table};
use emptcp_trace::record::Connection;
use std::collections::BTreeMap;
use std::io;

/// The ports with separate rows, and their services.
const NAMED: [(u16, &str); 5] = [
    (20, "FTP data"),
    (21, "FTP"),
    (80, "HTTP"),
    (3128, "Squid"),
    (5001, "iperf"),
];

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    connections: u64,
    size: u64,
    ip_bytes: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.size += other.size;
        self.ip_bytes += other.ip_bytes;
    }

    fn row(self, name: String, whole: Self) -> Vec<Cell> {
        vec![
            Cell::Text(name),
            Cell::count(self.connections),
            Cell::share(self.connections, whole.connections),
            Cell::bytes(self.size),
            Cell::share(self.size, whole.size),
            Cell::bytes(self.ip_bytes),
        ]
    }
}

pub(super) struct Ports {
    top: usize,
    counts: BTreeMap<u16, Count>,
}

impl Ports {
    pub(super) fn new(top: usize) -> Self {
        Self {
            top,
            counts: BTreeMap::new(),
        }
    }
}

impl Part for Ports {
    fn complete(&mut self, _of: Subject, connection: &Connection) {
        self.counts.entry(connection.port).or_default().add(Count {
            connections: 1,
            size: connection.size,
            ip_bytes: connection.ip_bytes.total(),
        });
    }

    fn finish(self: Box<Self>, _traces: &Traces) -> io::Result<Vec<Figure>> {
        let sum = |counts: &mut dyn Iterator<Item = &Count>| {
            counts.fold(Count::default(), |mut sum, count| {
                sum.add(*count);
                sum
            })
        };
        let all = sum(&mut self.counts.values());
        let head = ["port", "connections", "of all", "volume", "of all", "IP bytes"].map(str::to_owned);
        let named = |port: &u16| NAMED.iter().find(|(known, _)| known == port).map(|(_, name)| *name);
        let mut rows: Vec<_> = NAMED
            .iter()
            .map(|(port, name)| {
                let count = self.counts.get(port).copied().unwrap_or_default();
                count.row(format!("{port} ({name})"), all)
            })
            .collect();
        let others = self.counts.iter().filter(|(port, _)| named(port).is_none());
        rows.push(sum(&mut others.map(|(_, count)| count)).row("others".to_owned(), all));
        rows.push(all.row("all".to_owned(), all));
        let thesis = Table {
            caption: "Well-known ports".to_owned(),
            head: head.to_vec(),
            rows,
        };

        let mut busiest: Vec<_> = self.counts.iter().collect();
        busiest.sort_by_key(|(port, count)| (std::cmp::Reverse((count.connections, count.size)), **port));
        let csv = busiest.iter().map(|(port, count)| {
            let numbers = [u64::from(**port), count.connections, count.size, count.ip_bytes];
            numbers.map(|number| number.to_string()).to_vec()
        });
        let csv = csv.collect();
        let distinct = busiest.len();
        let shown = busiest.into_iter().take(self.top);
        let top = Table {
            caption: format!("The {} busiest of {distinct} ports", self.top.min(distinct)),
            head: head.to_vec(),
            rows: shown.map(|(port, count)| count.row(port.to_string(), all)).collect(),
        };
        Ok(vec![Figure {
            id: "T3.1",
            name: "t3_1_ports",
            title: "Ports",
            says: "The services that connections were opened to, by the destination port of the first SYN, and how much they carried.",
            population: "complete connections".to_owned(),
            n: all.connections,
            facts: Vec::new(),
            panels: Vec::new(),
            tables: vec![thesis, top],
            notes: vec![
                "Volume is the size of connections: payload of both directions, each byte once, and 1 for each DATA_FIN.".to_owned(),
            ],
            rows: Box::new(Ready {
                head: vec!["port", "connections", "size", "ip_bytes"],
                rows: csv,
            }),
        }])
    }
}
