//! F3.4: the delay from the start of a connection to its further subflows.

use super::distribution::{Curve, Samples, panel, thresholds};
use super::part::{Part, Subject, Traces};
use super::{Figure, Panel};
use crate::chart::{Axis, Unit};
use crate::output::units;
use emptcp_trace::record::{Connection, End, Kind, Mark, MarkKind, Subflow, Totals};
use emptcp_trace::{ConnectionId, Timestamp};
use hashbrown::HashMap;
use std::io;

pub(super) struct Delay {
    all: Curve,
    first: Curve,
    connections: u64,
    dropped_reset: u64,
    dropped_not_after: u64,
    dropped_ended: u64,
    not_established: u64,
    /// When connections ended whose records come later.
    ends: HashMap<ConnectionId, Timestamp>,
    end: Option<Timestamp>,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            all: Curve::new("all further subflows"),
            first: Curve::new("the first further one"),
            connections: 0,
            dropped_reset: 0,
            dropped_not_after: 0,
            dropped_ended: 0,
            not_established: 0,
            ends: HashMap::new(),
            end: None,
        }
    }
}

impl Delay {
    /// Whether the subflow counts; otherwise counts the reason.
    fn counts(&mut self, subflow: &Subflow, end: Option<Timestamp>) -> bool {
        let reset = subflow.rst.0.contains(&true);
        if reset && subflow.payload.total() == 0 && subflow.t_est.is_none() {
            self.dropped_reset += 1;
        } else if subflow.join_delay.0 <= 0 {
            self.dropped_not_after += 1;
        } else if end.is_some_and(|end| subflow.t_syn > end) {
            self.dropped_ended += 1;
        } else {
            return true;
        }
        false
    }
}

impl Part for Delay {
    fn any(&mut self, _of: Subject, connection: &Connection) {
        // The connection ended at its mark, or at the last DATA_ACK. The time after that does not count.
        let marked = self.ends.remove(&connection.conn_id);
        let acknowledged = connection.dur_dack.map(|duration| connection.t0 + duration);
        self.end = marked.or(acknowledged.filter(|_| connection.end == End::DataFin));
    }

    fn complete(&mut self, of: Subject, connection: &Connection) {
        if connection.sf_est < 2 {
            return;
        }
        self.connections += 1;
        let mut first: Option<&Subflow> = None;
        for subflow in connection.subflows.iter().filter(|subflow| subflow.kind == Kind::Join) {
            if self.counts(subflow, self.end) {
                self.not_established += u64::from(!subflow.established);
                self.all.add(of.subflow(subflow.sf_id), subflow.join_delay.seconds());
                first = first.filter(|first| first.t_syn <= subflow.t_syn).or(Some(subflow));
            }
        }
        if let Some(first) = first {
            self.first.add(of.subflow(first.sf_id), first.join_delay.seconds());
        }
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        if mark.kind == MarkKind::End {
            self.ends.insert(mark.conn_id, mark.t);
        }
        Ok(())
    }

    fn end(&mut self, _totals: &Totals) -> io::Result<()> {
        self.ends.clear();
        Ok(())
    }

    fn finish(mut self: Box<Self>, traces: &Traces) -> io::Result<Vec<Figure>> {
        self.all.sort();
        self.first.sort();
        let curves = [&self.all, &self.first];
        // From 10 ms on, unless that leaves nothing to show.
        let mut axis = Axis::log("delay", Unit::Seconds);
        if let Some(largest) = self.all.quantile(1.0).filter(|largest| *largest > 0.02) {
            axis = axis.range(0.01, 10_f64.powf(largest.log10().ceil()));
        }
        let panels: Vec<Panel> = panel("Delay of further subflows", "subflows", axis, &curves);
        let table = thresholds(
            &curves,
            &[
                ("≤ 0.2 s", |delay| delay <= 0.2),
                ("≤ 1 s", |delay| delay <= 1.0),
                ("≥ 60 s", |delay| delay >= 60.0),
                ("≥ 3600 s", |delay| delay >= 3600.0),
            ],
            Unit::Seconds,
        );
        let notes = vec![
            format!(
                "Left out: {} reset before they were acknowledged, {} not later than the first SYN, {} opened after the connection had ended.",
                units::count(self.dropped_reset, "subflow"),
                self.dropped_not_after,
                self.dropped_ended
            ),
            format!(
                "Of those shown, {} were attempted but not established.",
                self.not_established
            ),
        ];
        Ok(vec![Figure {
            id: "F3.4",
            name: "f3_4_join_delay",
            title: "Delay of further subflows",
            says: "How long after the first SYN of its connection the SYN of a further subflow is sent.",
            population: format!(
                "further subflows of the {} with 2 established subflows or more",
                units::count(self.connections, "complete connection")
            ),
            n: self.all.n(),
            facts: Vec::new(),
            panels,
            tables: vec![table],
            notes,
            rows: Box::new(Samples {
                traces: traces.clone(),
                curves: vec![self.all, self.first],
            }),
        }])
    }
}
