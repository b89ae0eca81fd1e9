//! What the application writes, and when it closes.

use crate::plan::{HostPlan, Plan};
use emptcp_trace::{Direction, Span, Timestamp};

/// The writer and reader at one host.
#[derive(Clone, Debug)]
pub(super) struct Application {
    writes: Vec<(Span, u64)>,
    done: usize,
    next: Option<Timestamp>,
    /// Bytes written so far.
    pub(super) written: u64,
    /// Bytes that it expects.
    expected: u64,
    closes_first: bool,
    linger: Span,
    pub(super) close_at: Option<Timestamp>,
}

impl Application {
    pub(super) fn new(host: &HostPlan, plan: &Plan, side: Direction) -> Self {
        let peer = plan.host(side.reverse());
        Self {
            writes: host.writes.clone(),
            done: 0,
            next: None,
            written: 0,
            expected: peer.writes.iter().map(|(_, bytes)| bytes).sum(),
            closes_first: side == Direction::ClientToServer,
            linger: Span((plan.seed % 700) as i64 * 1_000_000),
            close_at: None,
        }
    }

    /// From now on its times count.
    pub(super) fn start(&mut self, now: Timestamp) {
        if self.done == 0 && self.next.is_none() {
            self.next = self.writes.first().map(|(wait, _)| now + *wait);
        }
    }

    pub(super) fn wake(&mut self, now: Timestamp) {
        while let Some(at) = self.next.filter(|at| *at <= now) {
            self.written += self.writes[self.done].1;
            self.done += 1;
            self.next = self.writes.get(self.done).map(|(wait, _)| at + *wait);
        }
    }

    /// Writes that were made.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        [self.next, self.close_at].into_iter().flatten().min()
    }

    /// So many bytes have arrived; the peer may have closed.
    pub(super) fn read(&mut self, bytes: u64, peer_closed: bool, now: Timestamp) {
        let wrote = self.done == self.writes.len();
        let wants = if self.closes_first {
            bytes >= self.expected || peer_closed
        } else {
            peer_closed
        };
        if wrote && wants && self.close_at.is_none() {
            let wait = if self.closes_first { self.linger } else { Span(0) };
            self.close_at = Some(now + wait);
        }
    }

    /// Whether it has written everything.
    pub(super) fn is_done(&self) -> bool {
        self.done == self.writes.len()
    }

    /// Whether it has closed.
    pub(super) fn has_closed(&self, now: Timestamp) -> bool {
        self.close_at.is_some_and(|at| at <= now)
    }
}

impl Application {
    /// Nothing more happens.
    pub(super) fn give_up(&mut self) {
        self.next = None;
        self.close_at = None;
        self.done = self.writes.len();
    }
}
