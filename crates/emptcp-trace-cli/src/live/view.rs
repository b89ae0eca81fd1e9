//! What a live capture shows: open connections with their rates, and the last ones that ended.

use super::Missed;
use emptcp_trace::record::{Connection, End, Kind, Subflow, Totals};
use emptcp_trace::{ConnectionId, Direction, PerDirection, Span, SubflowId, Timestamp};
use emptcp_trace_report::output::TextTable;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// A connection that ended.
type Row = [String; 9];

/// The view.
pub(super) struct View {
    name: Arc<str>,
    top: usize,
    /// Payload of each subflow at the last refresh.
    before: HashMap<(ConnectionId, SubflowId), PerDirection<u64>>,
    /// When that was.
    shown: Option<Timestamp>,
    ended: VecDeque<Row>,
    ended_count: u64,
}

const ENDED: [&str; 9] = [
    "#",
    "client -> server",
    ">duration\ns",
    ">subflows",
    ">to server\nMB",
    ">to client\nMB",
    ">retrans-\nmitted kB",
    ">reinjected\nkB",
    "end",
];

impl View {
    pub(super) fn new(name: Arc<str>, top: usize) -> Self {
        Self {
            name,
            top,
            before: HashMap::new(),
            shown: None,
            ended: VecDeque::new(),
            ended_count: 0,
        }
    }

    /// A connection ended; no later event is about it.
    pub(super) fn ended(&mut self, connection: &Connection) {
        self.ended_count += 1;
        self.ended.push_front(ended_row(connection));
        self.ended.truncate(self.top);
    }

    /// The state at a moment.
    pub(super) fn now(&mut self, now: Timestamp, known: &[Connection], totals: &Totals, missed: Missed) -> String {
        // Ended connections are still known for a while: their last packets may follow.
        let (open, over): (Vec<_>, Vec<_>) = known.iter().partition(|connection| connection.end == End::Eot);
        let since = self.shown.map(|shown| now - shown);
        self.shown = Some(now);
        let mut rates = HashMap::new();
        let mut before = HashMap::new();
        for subflow in known.iter().flat_map(|connection| &connection.subflows) {
            let key = (subflow.conn_id, subflow.sf_id);
            before.insert(key, subflow.payload);
            let (Some(since), Some(then)) = (since.filter(|since| since.0 > 0), self.before.get(&key)) else {
                continue;
            };
            let rate = PerDirection::from_fn(|direction| {
                let bytes = subflow.payload[direction].saturating_sub(then[direction]);
                bytes as f64 * 8e-6 / since.seconds()
            });
            rates.insert(key, rate);
        }
        self.before = before;
        let rate_of = |connection: &Connection| -> f64 {
            let of = |subflow: &Subflow| {
                rates
                    .get(&(subflow.conn_id, subflow.sf_id))
                    .map_or(0.0, |rate| rate.0.iter().sum())
            };
            connection.subflows.iter().map(of).sum()
        };
        // The busiest first, then the newest.
        let mut order: Vec<_> = open
            .iter()
            .map(|connection| (rate_of(connection), connection))
            .collect();
        order.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.conn_id.cmp(&one.1.conn_id)));
        let mut text = self.heading(totals, missed, open.len(), over.len());
        let mut table = TextTable::new(&[
            "#",
            "client -> server",
            "state",
            ">to\nserver\nMbit/s",
            ">to\nclient\nMbit/s",
            ">to\nserver\nMB",
            ">to\nclient\nMB",
            ">RTT\nms",
            ">retrans-\nmitted\nkB",
            ">rein-\njected\nkB",
        ]);
        for (_, connection) in order.iter().take(self.top) {
            for subflow in &connection.subflows {
                let rate = rates
                    .get(&(subflow.conn_id, subflow.sf_id))
                    .copied()
                    .unwrap_or_default();
                table.row(row(subflow, rate));
            }
        }
        if !open.is_empty() {
            text.push_str(&format!("{table}\n"));
        }
        if order.len() > self.top {
            text.push_str(&format!("  and {} more\n", order.len() - self.top));
        }
        self.list_ended(over.into_iter().rev().map(ended_row), &mut text);
        text
    }

    /// The text at the end of the capture.
    pub(super) fn last(&self, totals: &Totals, missed: Missed) -> String {
        let mut text = self.heading(totals, missed, 0, 0);
        self.list_ended(std::iter::empty(), &mut text);
        text
    }

    fn heading(&self, totals: &Totals, missed: Missed, open: usize, over: usize) -> String {
        let seconds = match (totals.first, totals.last) {
            (Some(first), Some(last)) => last - first,
            _ => Span(0),
        };
        let mut text = format!(
            "{}: {} TCP packets in {:.1} s, {} of them MPTCP; {open} connections open, {} ended\n",
            self.name,
            totals.tcp,
            seconds.seconds(),
            totals.mptcp,
            self.ended_count + over as u64
        );
        if missed.dropped > 0 {
            text.push_str(&format!(
                "{} TCP packets were dropped, because they were not read fast enough: byte counts are lower bounds; a \
                 larger --buffer holds more of a burst, and one device in place of `any` has fewer packets\n",
                missed.dropped
            ));
        }
        if missed.open_before > 0 {
            text.push_str(&format!(
                "{} MPTCP subflows were open before this began, or their SYN was not seen: what is shown of them begins here\n",
                missed.open_before
            ));
        }
        text
    }

    /// The last ones, the newest first.
    fn list_ended(&self, newest: impl Iterator<Item = Row>, text: &mut String) {
        let mut rows = newest.chain(self.ended.iter().cloned()).take(self.top).peekable();
        if rows.peek().is_none() {
            return;
        }
        text.push_str("\nended:\n");
        let mut table = TextTable::new(&ENDED);
        for row in rows {
            table.row(row);
        }
        text.push_str(&format!("{table}\n"));
    }
}

fn ended_row(connection: &Connection) -> Row {
    let bound = if connection.is_lower_bound() { ">=" } else { "" };
    let [up, down] = connection.data.map(|&bytes| format!("{bound}{}", megabytes(bytes))).0;
    [
        connection.conn_id.to_string(),
        format!(
            "{} -> {}",
            connection.client,
            SocketAddr::new(connection.server, connection.port)
        ),
        format!("{:.1}", connection.dur.seconds()),
        connection.sf_est.to_string(),
        up,
        down,
        kilobytes(connection.retx.total()),
        kilobytes(connection.reinj.total()),
        end(connection.end).to_owned(),
    ]
}

fn row(subflow: &Subflow, rate: PerDirection<f64>) -> [String; 10] {
    // The direction with more samples.
    let rtt = Direction::BOTH
        .map(|direction| &subflow.rtt[direction])
        .into_iter()
        .max_by_key(|rtt| rtt.n);
    let rtt = rtt
        .and_then(|rtt| rtt.mean)
        .or_else(|| subflow.hs_rtt.iter().flatten().copied().reduce(f64::max));
    [
        format!("{}.{}", subflow.conn_id, subflow.sf_id),
        format!("{} -> {}", subflow.client, subflow.server),
        state(subflow).to_owned(),
        format!("{:.2}", rate[Direction::ClientToServer]),
        format!("{:.2}", rate[Direction::ServerToClient]),
        megabytes(subflow.payload[Direction::ClientToServer]),
        megabytes(subflow.payload[Direction::ServerToClient]),
        rtt.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.2}")),
        kilobytes(subflow.retx.total()),
        kilobytes(subflow.reinj.total()),
    ]
}

fn state(subflow: &Subflow) -> &'static str {
    let [c2s, s2c] = Direction::BOTH;
    if subflow.rst[c2s] || subflow.rst[s2c] {
        "reset"
    } else if subflow.fin[c2s] && subflow.fin[s2c] {
        "closed"
    } else if subflow.fin[c2s] || subflow.fin[s2c] {
        "closing"
    } else if !subflow.established {
        "opening"
    } else {
        match (subflow.backup, subflow.kind) {
            (true, _) => "backup",
            (false, Kind::Initial) => "initial",
            (false, Kind::Join) => "joined",
            (false, Kind::Unknown) => "subflow",
        }
    }
}

fn end(end: End) -> &'static str {
    match end {
        End::DataFin => "DATA_FIN",
        End::Fastclose => "MP_FASTCLOSE",
        End::Idle => "idle",
        End::Fallback => "fallback",
        End::Refused => "refused",
        End::Eot => "still open",
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.3}", bytes as f64 / 1e6)
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e3)
}
