//! T3.1: which ports connections go to.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table};
use crate::output::units;
use emptcp_trace::record::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Services that have their name beside their port.
const SERVICES: [(u16, &str); 21] = [
    (20, "FTP data"),
    (21, "FTP"),
    (22, "SSH"),
    (25, "SMTP"),
    (53, "DNS"),
    (80, "HTTP"),
    (110, "POP3"),
    (143, "IMAP"),
    (179, "BGP"),
    (443, "HTTPS"),
    (465, "SMTP over TLS"),
    (587, "mail submission"),
    (853, "DNS over TLS"),
    (993, "IMAP over TLS"),
    (1080, "SOCKS"),
    (3128, "Squid"),
    (5001, "iperf"),
    (5201, "iperf3"),
    (5223, "push notifications"),
    (8080, "HTTP, alternative"),
    (8443, "HTTPS, alternative"),
];

/// Ports that have a row whenever a connection went to them: those that studies of Multipath TCP report.
const ALWAYS: [u16; 5] = [20, 21, 80, 3128, 5001];

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
        let mut by_number: Vec<_> = self.counts.iter().map(|(port, count)| (*port, *count)).collect();
        by_number.sort_by_key(|(port, count)| (std::cmp::Reverse((count.connections, count.size)), *port));
        let mut by_volume = by_number.clone();
        by_volume.sort_by_key(|(port, count)| (std::cmp::Reverse(count.size), *port));
        let first = by_number.iter().take(self.top).chain(by_volume.iter().take(self.top));
        let mut listed: BTreeSet<u16> = first.map(|(port, _)| *port).collect();
        listed.extend(ALWAYS.iter().filter(|port| self.counts.contains_key(port)));
        let (shown, others): (Vec<_>, Vec<_>) = by_number.iter().partition(|(port, _)| listed.contains(port));
        let name = |port: u16| match SERVICES.iter().find(|(known, _)| *known == port) {
            Some((_, service)) => format!("{port} ({service})"),
            None => port.to_string(),
        };
        let mut rows: Vec<_> = shown.iter().map(|(port, count)| count.row(name(*port), all)).collect();
        if !others.is_empty() {
            let rest = sum(&mut others.iter().map(|(_, count)| count));
            rows.push(rest.row(units::count(others.len() as u64, "other port"), all));
        }
        if by_number.len() > 1 {
            rows.push(all.row("all".to_owned(), all));
        }
        let table = Table {
            caption: String::new(),
            head: head.to_vec(),
            rows,
        };
        let csv = by_number.iter().map(|(port, count)| {
            let numbers = [u64::from(*port), count.connections, count.size, count.ip_bytes];
            numbers.map(|number| number.to_string()).to_vec()
        });
        let csv = csv.collect();
        let mut notes = vec![
            "Volume is the size of connections: payload of both directions, each byte once, and 1 for each DATA_FIN."
                .to_owned(),
        ];
        if !others.is_empty() {
            notes.push(format!(
                "Listed are the {} ports with the most connections, the {} with the most volume, and 20, 21, 80, 3128 and 5001 where there are any.",
                self.top, self.top
            ));
        }
        Ok(vec![Figure {
            id: "T3.1",
            name: "t3_1_ports",
            title: "Ports",
            says: "The services that connections were opened to, by the destination port of the first SYN, and how much they carried.",
            population: "complete connections".to_owned(),
            n: all.connections,
            facts: Vec::new(),
            panels: Vec::new(),
            tables: vec![table],
            notes,
            rows: Box::new(Ready {
                head: vec!["port", "connections", "size", "ip_bytes"],
                rows: csv,
            }),
        }])
    }
}
