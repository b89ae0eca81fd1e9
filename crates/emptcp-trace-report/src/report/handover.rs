//! Handovers: data that moves from one subflow to another and does not return.

use super::figure::Ready;
use super::part::{Part, Subject, Traces};
use super::{Cell, Figure, Table, dataset};
use crate::output::units;
use emptcp_trace::record::{Connection, Detail, Mark, MarkKind, Totals};
use emptcp_trace::{ConnectionId, Span, SubflowId, Timestamp};
use hashbrown::HashMap;
use std::io;

/// The most handovers that are kept, of one connection and in all; further ones are only counted.
const PER_CONNECTION: usize = 1024;
const KEPT: usize = 100_000;

#[derive(Clone, Debug)]
struct Handover {
    of: Subject,
    t: Timestamp,
    after_start: Span,
    make_first: bool,
    from: Option<SubflowId>,
    to: Option<SubflowId>,
    gap: Option<Span>,
    /// Reinjected by the new subflow in its first 5 s.
    reinjected: u64,
}

pub(super) struct Handovers {
    top: usize,
    /// Handovers of connections whose records come later.
    open: HashMap<ConnectionId, Vec<Handover>>,
    kept: Vec<Handover>,
    /// Break-before-make, make-before-break.
    counts: [u64; 2],
    complete: u64,
    connections: u64,
}

impl Handovers {
    pub(super) fn new(top: usize) -> Self {
        Self {
            top,
            open: HashMap::new(),
            kept: Vec::new(),
            counts: [0; 2],
            complete: 0,
            connections: 0,
        }
    }
}

impl Part for Handovers {
    fn any(&mut self, of: Subject, connection: &Connection) {
        let handovers = self.open.remove(&connection.conn_id).unwrap_or_default();
        if !connection.complete {
            return;
        }
        self.complete += 1;
        self.connections += u64::from(!handovers.is_empty());
        for handover in handovers {
            let [breaks, makes] = &mut self.counts;
            *(if handover.make_first { makes } else { breaks }) += 1;
            if self.kept.len() < KEPT {
                self.kept.push(Handover {
                    of,
                    after_start: handover.t - connection.t0,
                    ..handover
                });
            }
        }
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        if !matches!(mark.kind, MarkKind::BreakBeforeMake | MarkKind::MakeBeforeBreak) {
            return Ok(());
        }
        let handovers = self.open.entry(mark.conn_id).or_default();
        if handovers.len() < PER_CONNECTION {
            handovers.push(Handover {
                of: Subject {
                    trace: 0,
                    conn_id: mark.conn_id,
                    sf_id: None,
                },
                t: mark.t,
                after_start: Span::default(),
                make_first: mark.kind == MarkKind::MakeBeforeBreak,
                from: mark.other_sf,
                to: mark.sf_id,
                gap: match mark.detail {
                    Some(Detail::Gap(gap)) => Some(gap),
                    _ => None,
                },
                reinjected: mark.bytes,
            });
        }
        Ok(())
    }

    fn end(&mut self, _totals: &Totals) -> io::Result<()> {
        self.open.clear();
        Ok(())
    }

    fn finish(self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        let [breaks, makes] = self.counts;
        let all = breaks + makes;
        let line = |name: &str, count, whole| vec![Cell::text(name), Cell::count(count), Cell::share(count, whole)];
        let counts = Table {
            caption: String::new(),
            head: ["", "number", "share"].map(str::to_owned).to_vec(),
            rows: vec![
                line("connections with handovers", self.connections, self.complete),
                line("break before make", breaks, all),
                line("make before break", makes, all),
            ],
        };
        let subflow = |id: Option<SubflowId>| id.map_or(Cell::None, |id| Cell::Number(id.to_string()));
        let kind = |handover: &Handover| {
            if handover.make_first {
                "make before break"
            } else {
                "break before make"
            }
        };
        // Show the longest gaps.
        let mut longest: Vec<_> = self.kept.iter().collect();
        longest.sort_by_key(|handover| std::cmp::Reverse(handover.gap));
        let folder = dataset::common_folder(traces);
        let shown = longest.into_iter().take(self.top).map(|handover| {
            let [trace, conn_id] = handover.of.columns(traces);
            vec![
                Cell::text(trace.strip_prefix(folder).unwrap_or(&trace)),
                Cell::Number(conn_id),
                dataset::time(Some(handover.t)),
                Cell::Number(units::span(handover.after_start)),
                Cell::text(kind(handover)),
                subflow(handover.from),
                subflow(handover.to),
                handover.gap.map_or(Cell::None, |gap| Cell::Number(units::span(gap))),
                Cell::bytes(handover.reinjected),
            ]
        });
        let head = [
            "trace",
            "connection",
            "time",
            "after start",
            "kind",
            "from subflow",
            "to subflow",
            "gap",
            "reinjected within 5 s",
        ];
        let mut tables = vec![counts];
        let rows: Vec<_> = shown.collect();
        if !rows.is_empty() {
            tables.push(Table {
                caption: format!("The {} with the longest gaps", rows.len()),
                head: head.map(str::to_owned).to_vec(),
                rows,
            });
        }
        let mut notes = Vec::new();
        if all > self.kept.len() as u64 {
            notes.push(format!("Only the first {KEPT} are listed, here and in the CSV."));
        }
        let csv = self.kept.iter().map(|handover| {
            let mut row = handover.of.columns(traces).to_vec();
            let id = |id: Option<SubflowId>| id.map(|id| id.to_string()).unwrap_or_default();
            row.extend([
                format!("{:.6}", handover.t.seconds()),
                format!("{:.6}", handover.after_start.seconds()),
                kind(handover).to_owned(),
                id(handover.from),
                id(handover.to),
                handover
                    .gap
                    .map(|gap| format!("{:.6}", gap.seconds()))
                    .unwrap_or_default(),
                handover.reinjected.to_string(),
            ]);
            row
        });
        let csv = csv.collect();
        Ok(vec![Figure {
            id: "Handover",
            name: "handovers",
            title: "Handovers",
            says: "Data that moved permanently from one subflow to another: to one that was opened after the first had gone silent (break before make), or to one that was already open (make before break).",
            population: "handovers of complete connections".to_owned(),
            n: all,
            facts: Vec::new(),
            panels: Vec::new(),
            tables,
            notes,
            rows: Box::new(Ready {
                head: vec![
                    "trace",
                    "conn_id",
                    "t",
                    "after_start",
                    "kind",
                    "from_sf",
                    "to_sf",
                    "gap",
                    "reinjected_5s",
                ],
                rows: csv,
            }),
        }])
    }
}
