//! Where connections stopped being Multipath TCP.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table};
use emptcp_trace::record::{Connection, Detail, Fallback, Mark, MarkKind};
use emptcp_trace::{Direction, PerDirection};
use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// The classes, in the order of the table, and what they mean.
const CLASSES: [(Fallback, &str); 10] = [
    (Fallback::MpFail, "MP_FAIL (explicit)"),
    (Fallback::InfiniteMapping, "infinite mapping (explicit)"),
    (Fallback::SynAckWithoutOption, "SYN+ACK without option"),
    (Fallback::SynAckMirrored, "SYN+ACK repeats the option of the SYN"),
    (Fallback::AckWithoutOption, "third ACK or first data without option"),
    (Fallback::SynAgainWithoutOption, "SYN sent again without option"),
    (Fallback::DssDisappeared, "data without mapping, during the connection"),
    (Fallback::WrongChecksum, "wrong checksum"),
    (Fallback::OneSided, "one side only"),
    (Fallback::Incomplete, "unknown: handshake not completely captured"),
];

/// Ports named in a cell; the CSV has all.
const PORTS: usize = 4;

#[derive(Default)]
struct Class {
    connections: u64,
    ports: BTreeMap<u16, u64>,
    clients: HashSet<IpAddr>,
    directions: PerDirection<u64>,
}

#[derive(Default)]
pub(super) struct Fallbacks {
    connections: u64,
    explicit: u64,
    any: u64,
    classes: BTreeMap<Fallback, Class>,
    rows: Vec<(Subject, Fallback, u16, IpAddr)>,
}

impl Part for Fallbacks {
    fn any(&mut self, of: Subject, connection: &Connection) {
        if connection.partial {
            // Without the SYN, the beginning is unknown.
            return;
        }
        self.connections += 1;
        let fallback = &connection.fallback;
        let explicit = [Fallback::MpFail, Fallback::InfiniteMapping];
        self.explicit += u64::from(explicit.iter().any(|class| fallback.contains(class)));
        self.any += u64::from(fallback.iter().any(|class| *class != Fallback::Incomplete));
        for class in fallback {
            let count = self.classes.entry(*class).or_default();
            count.connections += 1;
            *count.ports.entry(connection.port).or_default() += 1;
            count.clients.insert(connection.client);
            self.rows.push((of, *class, connection.port, connection.client));
        }
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        if let (MarkKind::Fallback, Some(Detail::Fallback(class))) = (mark.kind, &mark.detail) {
            self.classes.entry(*class).or_default().directions[mark.dir] += 1;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        let none = Class::default();
        let rows = CLASSES.iter().map(|(class, words)| {
            let class = self.classes.get(class).unwrap_or(&none);
            let mut ports: Vec<_> = class.ports.iter().collect();
            ports.sort_by_key(|(port, count)| (std::cmp::Reverse(**count), **port));
            let more = ports.len() > PORTS;
            let named = ports
                .iter()
                .take(PORTS)
                .map(|(port, count)| format!("{port} ({count})"));
            let mut named: Vec<_> = named.collect();
            named.extend(more.then(|| "...".to_owned()));
            vec![
                Cell::text(*words),
                Cell::count(class.connections),
                Cell::share(class.connections, self.connections),
                Cell::Text(named.join(", ")),
                Cell::count(class.directions[Direction::ClientToServer]),
                Cell::count(class.directions[Direction::ServerToClient]),
                Cell::count(class.clients.len() as u64),
            ]
        });
        let head = [
            "what happened",
            "connections",
            "of all",
            "ports",
            "by the client",
            "by the server",
            "client addresses",
        ];
        let classes = Table {
            caption: String::new(),
            head: head.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        };
        let sum = |name: &str, count| {
            vec![
                Cell::text(name),
                Cell::count(count),
                Cell::share(count, self.connections),
            ]
        };
        let sums = Table {
            caption: String::new(),
            head: ["", "connections", "of all"].map(str::to_owned).to_vec(),
            rows: vec![
                sum("explicit: MP_FAIL or infinite mapping", self.explicit),
                sum("any fallback", self.any),
            ],
        };
        let csv = self.rows.iter().map(|(of, class, port, client)| {
            let [trace, conn_id] = of.columns(traces);
            let class = serde_json::to_value(class).ok();
            let class = class.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
            vec![trace, conn_id, class.to_owned(), port.to_string(), client.to_string()]
        });
        let csv = csv.collect();
        Ok(vec![Figure {
            id: "Fallback",
            name: "fallback",
            title: "Fallback to TCP",
            says: "Where connections that asked for Multipath TCP went on, or began, as plain TCP.",
            population: "connections whose SYN with MP_CAPABLE was captured, complete or not".to_owned(),
            n: self.connections,
            facts: Vec::new(),
            panels: Vec::new(),
            tables: vec![classes, sums],
            notes: vec![
                "A connection may be in several rows. \"By\" is the side whose packet shows it; the path may have removed the option.".to_owned(),
            ],
            rows: Box::new(Ready {
                head: vec!["trace", "conn_id", "class", "port", "client"],
                rows: csv,
            }),
        }])
    }
}
