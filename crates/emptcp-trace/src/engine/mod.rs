//! The analysis, packet by packet.
//!
//! * `mod.rs`: the connection of a packet; `open.rs`: new connections and joins; `ending.rs`: ends of connections.
//! * `middle.rs`: connections whose handshake was not captured.
//! * `state.rs`: the state; `record.rs`: the state as rows of the tables.
//! * `copies.rs`: packets that were captured twice, which go no further. `clock.rs`: steps of the capture's clock.
//! * One packet of a known subflow, in the order of processing: `segment.rs`, `handshake.rs`,
//!   `signals.rs`, `mapping.rs`, `payload.rs`, `acknowledgement.rs`, `fallback.rs`. At the end of a connection:
//!   `handover.rs`. `evidence.rs`: what the events rest on.
//! * `tokens.rs`, `recency.rs`, `out.rs`: indexes and the queue of events.

mod acknowledgement;
mod clock;
mod copies;
mod ending;
mod evidence;
mod fallback;
mod handover;
mod handshake;
mod mapping;
mod middle;
mod open;
mod out;
mod payload;
mod recency;
mod record;
mod segment;
mod signals;
mod state;
mod tokens;

use crate::packet::{FlowKey, Packet};
use crate::record::{Connection, End, Totals};
use crate::{ConnectionId, Event, Settings, Timestamp};
use clock::Clock;
use copies::{Copies, Verdict};
use hashbrown::HashMap;
use middle::Retired;
use out::Out;
use recency::Recency;
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use tokens::{Orphans, Owner, Tokens};

/// The subflow that the packets of a flow belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FlowEntry {
    slot: u32,
    subflow: u32,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Engine {
    settings: Settings,
    trace: Arc<str>,
    totals: Totals,
    connections: Slab<Box<state::Connection>>,
    recency: Recency,
    flows: HashMap<FlowKey, FlowEntry>,
    /// The flow of the last packet: the next packet is often of the same flow.
    last: Option<(FlowKey, FlowEntry)>,
    tokens: Tokens,
    orphans: Orphans,
    copies: Copies,
    clock: Clock,
    /// The packet has the same bytes as one before and may be a copy of it.
    is_unclear: bool,
    /// Flows of connections that were emitted: their last packets open no new one.
    retired: Retired,
    /// Connections without a captured handshake, to which other subflows may belong.
    middle: VecDeque<(u32, ConnectionId)>,
    /// Ended connections that wait for their last packets.
    lingering: VecDeque<(Timestamp, u32, ConnectionId)>,
    /// Connections that were emitted as idle and may continue.
    dormant: VecDeque<(Timestamp, u32, ConnectionId)>,
    next_id: u64,
    now: Timestamp,
    out: Out,
}

impl Engine {
    pub(crate) fn new(settings: Settings, trace: Arc<str>) -> Self {
        Self {
            settings,
            trace,
            totals: Totals::default(),
            connections: Slab::new(),
            recency: Recency::default(),
            flows: HashMap::new(),
            last: None,
            tokens: Tokens::default(),
            orphans: Orphans::default(),
            copies: Copies::default(),
            clock: Clock::default(),
            is_unclear: false,
            retired: Retired::default(),
            middle: VecDeque::new(),
            lingering: VecDeque::new(),
            dormant: VecDeque::new(),
            next_id: 0,
            now: Timestamp(i64::MIN),
            out: Out {
                queue: VecDeque::new(),
                marks: settings.marks,
            },
        }
    }

    /// The next event.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.out.queue.pop_front()
    }

    /// Appends an event to the queue.
    pub(crate) fn push_event(&mut self, event: Event) {
        self.out.queue.push_back(event);
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(crate) fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// The open connections as rows, in the order of their numbers.
    pub(crate) fn snapshot(&self) -> Vec<Connection> {
        let open = self.connections.iter().map(|(_, connection)| connection);
        let mut rows: Vec<_> = open
            .filter(|connection| connection.end != Some(End::Idle))
            .map(|connection| connection.record(&self.trace, connection.end.unwrap_or(End::Eot), &self.settings))
            .collect();
        rows.sort_by_key(|row| row.conn_id);
        rows
    }

    /// Processes a segment that came too late to be put in order.
    pub(crate) fn late_packet(&mut self, packet: &Packet) {
        let previous = self.clock.previous();
        self.clock.set_previous(Some(packet.time));
        self.packet(packet);
        self.clock.set_previous(previous);
    }

    /// Processes a segment; segments come in the order of time.
    pub(crate) fn packet(&mut self, packet: &Packet) {
        self.pass_time(packet.time);
        self.totals.clock_back += u64::from(self.clock.pass(packet.time));
        let entry = self.entry_of(packet);
        let connections = &self.connections;
        let verdict = self
            .copies
            .judge(packet, || entry.and_then(|entry| subflow(connections, entry)));
        if verdict == Verdict::Copy {
            self.captured_twice(entry, packet);
            return;
        }
        self.totals.tcp += 1;
        self.totals.mptcp += u64::from(!packet.is_plain());
        self.totals.malformed_options += packet.malformed.len() as u64;
        match entry {
            Some(entry) => {
                self.is_unclear = verdict == Verdict::Unclear;
                self.follow(entry, packet);
                self.is_unclear = false;
            }
            None => self.open(packet),
        }
    }

    /// Counts a packet that the capture has again.
    fn captured_twice(&mut self, entry: Option<FlowEntry>, packet: &Packet) {
        self.totals.captured_twice += 1;
        let Some(entry) = entry else { return };
        let connection = self.connections.get_mut(entry.slot as usize);
        if let Some(subflow) = connection.and_then(|connection| connection.subflows.get_mut(entry.subflow as usize)) {
            let dir = subflow.direction(packet);
            subflow.halves[dir].counters.captured_twice += 1;
        }
    }

    /// The subflow of a packet; none when it may open a new one.
    fn entry_of(&mut self, packet: &Packet) -> Option<FlowEntry> {
        let entry = match self.last {
            Some((flow, entry)) if flow == packet.flow => entry,
            _ => {
                let entry = *self.flows.get(&packet.flow)?;
                self.last = Some((packet.flow, entry));
                entry
            }
        };
        if packet.is_syn() {
            let connection = self.connections.get(entry.slot as usize)?;
            let subflow = connection.subflows.get(entry.subflow as usize)?;
            if !subflow.repeats_syn(packet) {
                // Port reuse: the old subflow stays with its connection and gets no further packets.
                self.forget_flow(packet.flow);
                return None;
            }
        }
        Some(entry)
    }

    fn forget_flow(&mut self, flow: FlowKey) {
        self.flows.remove(&flow);
        self.last = None;
    }

    fn follow(&mut self, entry: FlowEntry, packet: &Packet) {
        let Some(mut connection) = self.connections.get_mut(entry.slot as usize) else {
            return;
        };
        if connection.end == Some(End::Idle) {
            self.revive(entry.slot, packet);
            match self.connections.get_mut(entry.slot as usize) {
                Some(revived) => connection = revived,
                None => return,
            }
        }
        let mut learned = segment::Learned::default();
        let was_over = connection.end.is_some();
        let mut context = segment::Context {
            settings: &self.settings,
            capped: &mut self.totals.capped,
            out: &mut self.out,
            learned: &mut learned,
            is_unclear: self.is_unclear,
            clock: &self.clock,
        };
        connection.segment(entry.subflow as usize, packet, &mut context);
        let (conn_id, is_over) = (connection.id, connection.end.is_some());
        if is_over && !was_over {
            let until = packet.time + self.settings.linger;
            self.lingering.push_back((until, entry.slot, conn_id));
        }
        if !is_over {
            self.recency.touch(entry.slot);
        } else if !was_over {
            self.recency.remove(entry.slot);
        }
        if learned.tokens.is_empty() {
            return;
        }
        for (token, side, hash) in learned.tokens {
            let owner = Owner {
                slot: entry.slot,
                conn_id,
                side,
                hash,
            };
            self.tokens.insert(token, owner);
            self.release_orphans(token);
        }
    }
}

fn subflow(connections: &Slab<Box<state::Connection>>, entry: FlowEntry) -> Option<&state::Subflow> {
    let connection = connections.get(entry.slot as usize)?;
    connection.subflows.get(entry.subflow as usize)
}
