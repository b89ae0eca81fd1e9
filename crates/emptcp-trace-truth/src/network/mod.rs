//! The paths between the hosts: delay, and what befalls packets on them.
//!
//! The capture point is near one host. What is on the path is between the capture and the other host, where a capture
//! shows that host's packets after it and the near host's packets before it; or, rarely, between the near host and the
//! capture, where it is the other way round.
//!
//! * This file: from sender to receiver. `boxes.rs`: what befalls a packet. `merging.rs`: boxes that hold one back.

mod boxes;
mod merging;

use crate::packet::{Packet, Record};
use crate::plan::{Plan, Target};
use crate::random::Random;
use crate::truth::Ledger;
use boxes::Station;
use emptcp_trace::{Direction, PerDirection, Span, Timestamp};
use merging::Held;
use mptcp_wire::mptcp::MpCapable;
use std::collections::BTreeMap;

/// All paths.
#[derive(Debug)]
pub(crate) struct Network {
    plan: Plan,
    start: Timestamp,
    /// When the sender's device is free, per path.
    free: Vec<PerDirection<Timestamp>>,
    /// Draws of its own for each happening.
    randoms: Vec<Random>,
    /// MP_CAPABLE of SYNs, to be mirrored; by subflow.
    mirrored: BTreeMap<usize, MpCapable>,
    /// The last acknowledgement without its option: by happening, subflow, and whether it is of the client.
    acknowledged: BTreeMap<(usize, usize, bool), u32>,
    /// How often each happening came.
    spent: Vec<u32>,
    /// Segments that a box holds back, to merge them.
    held: BTreeMap<(usize, bool), Held>,
    passage: Passage,
}

/// Where packets were seen, and where they arrive.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) captured: Vec<Record>,
    pub(crate) arrived: Vec<Record>,
}

impl Network {
    pub(crate) fn new(plan: &Plan, start: Timestamp) -> Self {
        let happenings = plan.happenings.len();
        let randoms = (0..happenings).map(|number| Random::new(plan.seed, 100 + number as u64));
        Self {
            start,
            free: vec![PerDirection([start; 2]); plan.paths.len()],
            randoms: randoms.collect(),
            mirrored: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            spent: vec![0; happenings],
            held: BTreeMap::new(),
            passage: Passage::default(),
            plan: plan.clone(),
        }
    }

    /// Takes a packet from its sender to its receiver.
    pub(crate) fn pass(&mut self, packet: Packet, now: Timestamp, ledger: &mut Ledger) -> Passage {
        let path = &self.plan.paths[packet.path];
        let free = &mut self.free[packet.path][packet.dir];
        let takes = Span((packet.length() as u64 * 1_000_000_000 / path.rate) as i64);
        let left = (*free).max(now) + takes;
        *free = left;
        let first = if self.is_near(&packet) {
            Station::Near
        } else {
            Station::Far
        };
        self.enter(packet, first, left, ledger);
        std::mem::take(&mut self.passage)
    }

    fn is_near(&self, packet: &Packet) -> bool {
        packet.dir == self.plan.capture_near
    }

    /// A packet comes to a part of the path.
    fn enter(&mut self, packet: Packet, station: Station, now: Timestamp, ledger: &mut Ledger) {
        for (wait, packet) in self.cross(packet, station, now, ledger) {
            self.leave(packet, station, now + wait, ledger);
        }
    }

    /// A packet has crossed a part of the path.
    fn leave(&mut self, mut packet: Packet, station: Station, now: Timestamp, ledger: &mut Ledger) {
        let [near, far] = self.plan.paths[packet.path].delays;
        let (delay, next) = match station {
            Station::Near => (near, Station::Far),
            Station::Far => (far, Station::Near),
        };
        let time = now + delay;
        if station == Station::Far {
            let hops = self.plan.paths[packet.path].hops;
            packet.time_to_live = packet.time_to_live.saturating_sub(hops);
        }
        let is_first = (station == Station::Near) == self.is_near(&packet);
        if is_first {
            let is_bare = packet.mptcp().next().is_none();
            packet.shown_bare = is_bare;
            let seen = packet.clone();
            self.passage.captured.push(Record { time, packet: seen });
            self.enter(packet, next, time, ledger);
        } else {
            self.passage.arrived.push(Record { time, packet });
        }
    }

    fn hits(&self, target: &Target, packet: &Packet, station: Station, now: Timestamp) -> bool {
        target.path == packet.path
            && (station == Station::Near) == target.before_capture
            && target
                .direction
                .is_none_or(|direction: Direction| direction == packet.dir)
            && now - self.start >= target.from
    }
}
