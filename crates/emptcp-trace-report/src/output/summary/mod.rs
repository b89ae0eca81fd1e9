//! The summary of a capture: what it contains, and its connections.

mod grid;
mod heading;
mod notes;
mod rows;

use crate::advice::CaptureFaults;
use emptcp_trace::record::{Connection, End, Totals};
use mptcp_wire::Version;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// Connections that are shown with their subflows.
const WITH_SUBFLOWS: usize = 5;

/// The summary. Memory grows with the number of connections shown, not with the number in the capture.
#[derive(Clone, Debug)]
pub struct Summary {
    top: usize,
    largest: BinaryHeap<Reverse<Ranked>>,
    totals: Totals,
    traces: u64,
    name: Option<Arc<str>>,
    counts: Counts,
    faults: CaptureFaults,
}

/// Numbers of connections by kind.
#[derive(Clone, Debug, Default)]
struct Counts {
    emitted: u64,
    versions: BTreeMap<Version, u64>,
    ends: BTreeMap<End, u64>,
    fallback: u64,
    handover: u64,
    lower_bounds: u64,
    subflows: u64,
}

impl Summary {
    /// One that shows the `top` largest connections.
    #[must_use]
    pub fn new(top: usize) -> Self {
        Self {
            top,
            largest: BinaryHeap::new(),
            totals: Totals::default(),
            traces: 0,
            name: None,
            counts: Counts::default(),
            faults: CaptureFaults::default(),
        }
    }

    /// Adds a connection.
    pub fn connection(&mut self, connection: &Connection) {
        self.faults.connection(connection);
        let counts = &mut self.counts;
        counts.emitted += 1;
        *counts.versions.entry(connection.version).or_default() += 1;
        *counts.ends.entry(connection.end).or_default() += 1;
        counts.fallback += u64::from(!connection.fallback.is_empty());
        counts.handover += u64::from(connection.handovers > 0);
        counts.lower_bounds += u64::from(connection.is_lower_bound());
        counts.subflows += u64::from(connection.sf_est);
        let rank = Rank::of(connection, self.traces);
        // Most connections of a long trace are not among the largest: they need not be copied.
        if self.largest.len() < self.top
            || self
                .largest
                .peek()
                .is_some_and(|Reverse(smallest)| smallest.rank < rank)
        {
            self.rank(Ranked {
                rank,
                connection: connection.clone(),
            });
        }
    }

    /// Adds the totals of a trace at its end.
    pub fn trace(&mut self, name: &Arc<str>, totals: &Totals) {
        self.name.get_or_insert_with(|| Arc::clone(name));
        self.traces += 1;
        self.faults.totals(totals);
        self.totals.merge(totals);
    }

    /// Adds the summary of later traces.
    pub fn append(&mut self, other: Self) {
        for Reverse(mut ranked) in other.largest {
            ranked.rank.trace += self.traces;
            self.rank(ranked);
        }
        self.name = self.name.take().or(other.name);
        self.traces += other.traces;
        self.totals.merge(&other.totals);
        self.faults.merge(&other.faults);
        self.counts.append(other.counts);
    }

    /// The connections to show, and whether these are all: all in their order, or the largest ones in decreasing order.
    fn shown(&self) -> (Vec<&Connection>, bool) {
        let mut shown: Vec<_> = self.ranked().collect();
        let all = u64::try_from(shown.len()).is_ok_and(|shown| shown == self.counts.emitted);
        if all {
            shown.sort_by_key(|ranked| (ranked.rank.trace, ranked.rank.conn_id));
        } else {
            shown.sort_by_key(|ranked| Reverse(ranked.rank));
        }
        (shown.into_iter().map(|ranked| &ranked.connection).collect(), all)
    }

    /// The connection to look at first: the largest one with a handover, fallback or reinjection, else the largest.
    #[must_use]
    pub fn most_interesting(&self) -> Option<&Connection> {
        let eventful = self.ranked().filter(|ranked| {
            let connection = &ranked.connection;
            connection.handovers > 0 || !connection.fallback.is_empty() || connection.reinj.total() > 0
        });
        eventful
            .max_by_key(|ranked| ranked.rank)
            .or_else(|| self.ranked().max_by_key(|ranked| ranked.rank))
            .map(|ranked| &ranked.connection)
    }

    /// The text, with colours, for a terminal `width` columns wide.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let (shown, all) = self.shown();
        let mut text = heading::heading(self, width);
        if !shown.is_empty() {
            text.push('\n');
            let subflows = shown.len() <= WITH_SUBFLOWS;
            text.push_str(&rows::table(
                &shown,
                self.totals.first,
                self.traces > 1,
                subflows,
                width,
            ));
        }
        if !all && self.top > 0 {
            text.push_str(&heading::rest(shown.len(), self.counts.emitted));
        }
        if let Some(advice) = self.faults.advice() {
            text.push_str(&heading::better(&advice, width));
        }
        text
    }

    fn ranked(&self) -> impl Iterator<Item = &Ranked> {
        self.largest.iter().map(|Reverse(ranked)| ranked)
    }

    fn rank(&mut self, ranked: Ranked) {
        self.largest.push(Reverse(ranked));
        if self.largest.len() > self.top {
            self.largest.pop();
        }
    }
}

impl Counts {
    fn append(&mut self, other: Self) {
        let Self {
            emitted,
            versions,
            ends,
            fallback,
            handover,
            lower_bounds,
            subflows,
        } = other;
        self.emitted += emitted;
        for (version, count) in versions {
            *self.versions.entry(version).or_default() += count;
        }
        for (end, count) in ends {
            *self.ends.entry(end).or_default() += count;
        }
        self.fallback += fallback;
        self.handover += handover;
        self.lower_bounds += lower_bounds;
        self.subflows += subflows;
    }
}

/// A connection's place among the others: by size, then the earlier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rank {
    size: u64,
    trace: u64,
    conn_id: u64,
}

impl Rank {
    fn of(connection: &Connection, trace: u64) -> Self {
        Self {
            size: connection.size,
            trace,
            conn_id: connection.conn_id.0,
        }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let earlier = (other.trace, other.conn_id).cmp(&(self.trace, self.conn_id));
        self.size.cmp(&other.size).then(earlier)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A connection with its rank, which alone is compared.
#[derive(Clone, Debug)]
struct Ranked {
    rank: Rank,
    connection: Connection,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests;
