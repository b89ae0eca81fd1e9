//! The end of connections.

use super::Engine;
use super::out::{At, Out};
use super::segment::{Context, Location};
use super::state::{Connection, DataHalf, SubflowHalf};
use crate::Event;
use crate::packet::Packet;
use crate::record::{Detail, End, Fallback, MarkKind};
use mptcp_wire::mptcp::Subtype;

use crate::{ConnectionId, Limits, Settings, Timestamp, Watch};

impl Connection {
    /// Whether the connection ends with this segment.
    pub(super) fn ending(&mut self, location: Location, context: &mut Context<'_>) {
        if self.end.is_some() {
            return;
        }
        let acknowledged = |half: &DataHalf| half.fin.is_some_and(|fin| half.acknowledged > fin);
        if self.halves.0.iter().all(acknowledged) {
            self.end_as(End::DataFin, location.at, context);
        } else if self.is_closed_after_fallback() {
            self.end_as(End::Fallback, location.at, context);
        }
    }

    fn is_closed_after_fallback(&self) -> bool {
        !self.fallback.is_empty() && self.subflows.iter().all(|subflow| subflow.closed)
    }

    pub(super) fn end_as(&mut self, end: End, at: At, context: &mut Context<'_>) {
        if self.end.is_none() {
            self.end = Some(end);
            let mut what = super::out::MarkFields::from(Detail::End(end));
            if end == End::Refused {
                what.evidence = super::evidence::refused(at.packet);
            }
            context.out.mark(At { sf_id: None, ..at }, MarkKind::End, what);
        }
    }

    /// Adds the classes of fallback that are known only at the end.
    fn last_judgement(&mut self, settings: &Settings, out: &mut Out) {
        let mut capped = Default::default();
        let mut learned = Default::default();
        let clock = Default::default();
        let mut context = Context {
            settings,
            capped: &mut capped,
            out,
            learned: &mut learned,
            is_unclear: false,
            clock: &clock,
        };
        for index in 0..self.subflows.len() {
            self.judge(index, &mut context);
        }
        if self.end.is_none() && self.is_closed_after_fallback() {
            self.end = Some(End::Fallback);
        }
        let dss = usize::from(Subtype::Dss.number());
        let is_seen = self.mid_stream || self.end == Some(End::Refused) || self.options.0[dss] > 0;
        let is_unknown = !self.complete && !is_seen;
        if is_unknown && self.fallback.is_empty() {
            self.fallback.insert(Fallback::Incomplete);
        }
    }

    /// Begins a new record after an idle time; keeps the keys and subflows.
    fn continue_as(&mut self, id: ConnectionId, now: Timestamp, watched: bool, limits: &Limits) {
        self.id = id;
        self.t0 = now;
        self.t_last = now;
        self.end = None;
        self.continued = true;
        self.watched = watched;
        self.event_kinds = Default::default();
        self.options = Default::default();
        self.t_last_data_ack = None;
        for half in &mut self.halves.0 {
            half.begin_anew(limits);
        }
        for subflow in &mut self.subflows {
            subflow.halves.0.iter_mut().for_each(|half| half.begin_anew(limits));
        }
    }
}

impl DataHalf {
    /// Resets everything except the state needed for later packets.
    fn begin_anew(&mut self, limits: &Limits) {
        let skipped = self.highest().max(self.acknowledged);
        let old = std::mem::replace(self, Self::new(limits));
        self.key = old.key;
        self.base = old.base;
        self.relative = old.relative;
        self.owners = old.owners;
        self.skipped = skipped;
        self.fin = old.fin;
        self.acknowledged = old.acknowledged;
        self.announced = old.announced;
    }
}

impl SubflowHalf {
    /// Likewise.
    fn begin_anew(&mut self, limits: &Limits) {
        let old = std::mem::replace(self, Self::new(limits));
        self.numbers = old.numbers;
        self.window_scale = old.window_scale;
        self.seen = old.seen;
        self.next = old.next;
        self.acknowledged = old.acknowledged;
        self.mappings = old.mappings;
        self.mapped_to = old.mapped_to;
        self.fin = old.fin;
        self.reset = old.reset;
        self.last_option = old.last_option;
        self.options = old.options;
        self.last_mapping = old.last_mapping;
        self.maximum_segment = old.maximum_segment;
    }
}

impl Engine {
    /// Emits the connections that are over at `now`.
    pub(crate) fn pass_time(&mut self, now: Timestamp) {
        if now <= self.now {
            return;
        }
        self.now = now;
        while let Some((until, slot, id)) = self.lingering.front().copied() {
            if until > now {
                break;
            }
            self.lingering.pop_front();
            self.give_out(slot, id);
            self.forget_connection(slot, id);
        }
        while let Some((until, slot, id)) = self.dormant.front().copied() {
            if until > now {
                break;
            }
            self.dormant.pop_front();
            self.forget_connection(slot, id);
        }
        while let Some(slot) = self.recency.oldest() {
            let Some(connection) = self.connections.get_mut(slot as usize) else {
                self.recency.remove(slot);
                continue;
            };
            if connection.t_last + self.settings.idle > now {
                break;
            }
            connection.end = Some(End::Idle);
            let id = connection.id;
            self.recency.remove(slot);
            self.give_out(slot, id);
            self.dormant.push_back((now + self.settings.idle, slot, id));
        }
        if !self.orphans.is_empty() {
            self.expire_orphans(now);
        }
    }

    /// Lists the joins that found no connection in time.
    pub(super) fn expire_orphans(&mut self, now: Timestamp) {
        let out = &mut self.out;
        let early = self
            .orphans
            .expire(now, self.settings.limits.orphans, |orphan| out.stray(orphan.stray()));
        self.totals.capped.orphans += early;
    }

    /// Continues a connection that was emitted as idle, with a new record.
    pub(super) fn revive(&mut self, slot: u32, packet: &Packet) {
        let Some(connection) = self.connections.get_mut(slot as usize) else {
            return;
        };
        if connection.end != Some(End::Idle) {
            return;
        }
        let old = connection.id;
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        let watched = match self.settings.watch {
            Watch::Nothing => false,
            Watch::Connection(wanted) => wanted == id,
            Watch::Everything => true,
        };
        connection.continue_as(id, packet.time, watched, &self.settings.limits);
        let owned = connection.tokens();
        for (token, side, hash) in owned {
            self.tokens.remove(token, old);
            let owner = super::Owner {
                slot,
                conn_id: id,
                side,
                hash,
            };
            self.tokens.insert(token, owner);
        }
        self.recency.touch(slot);
    }

    /// Makes room for one more connection: at the limit, emits the connection with the longest idle time.
    pub(super) fn make_room(&mut self) {
        if self.connections.len() < self.settings.limits.connections.max(1) {
            return;
        }
        self.totals.capped.connections += 1;
        // A connection that continued has left the queue.
        while let Some((_, slot, id)) = self.dormant.pop_front() {
            if self.forget_connection(slot, id) {
                return;
            }
        }
        while let Some((_, slot, id)) = self.lingering.pop_front() {
            self.give_out(slot, id);
            if self.forget_connection(slot, id) {
                return;
            }
        }
        if let Some(slot) = self.recency.oldest()
            && let Some(connection) = self.connections.get_mut(slot as usize)
        {
            connection.truncated = true;
            let id = connection.id;
            self.give_out(slot, id);
            self.forget_connection(slot, id);
        }
    }

    /// At the end of the capture: emits all connections in the order of their numbers.
    pub(crate) fn finish(&mut self) {
        let mut open: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.end != Some(End::Idle))
            .map(|(slot, connection)| (connection.id, slot))
            .collect();
        open.sort_unstable();
        for (id, slot) in open {
            if let Ok(slot) = u32::try_from(slot) {
                self.give_out(slot, id);
                self.forget_connection(slot, id);
            }
        }
        for orphan in self.orphans.take_all() {
            self.out.stray(orphan.stray());
        }
        self.out.queue.push_back(Event::End(Box::new(self.totals.clone())));
    }

    fn give_out(&mut self, slot: u32, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(slot as usize) else {
            return;
        };
        if connection.id != id {
            return;
        }
        connection.last_judgement(&self.settings, &mut self.out);
        connection.mark_handovers(self.settings.stall, &mut self.out);
        self.totals.capped.rtt += connection.untimed();
        let record = connection.record(&self.trace, connection.end.unwrap_or(End::Eot), &self.settings);
        self.totals.complete += u64::from(record.complete && !record.continued);
        self.out.queue.push_back(Event::Connection(Box::new(record)));
    }

    /// Returns whether the connection existed.
    fn forget_connection(&mut self, slot: u32, id: ConnectionId) -> bool {
        let index = slot as usize;
        if self.connections.get(index).is_none_or(|connection| connection.id != id) {
            return false;
        }
        let connection = self.connections.remove(index);
        for (number, subflow) in connection.subflows.iter().enumerate() {
            let entry = super::FlowEntry {
                slot,
                subflow: u32::try_from(number).unwrap_or(u32::MAX),
            };
            let flow = subflow.flow();
            if self.flows.get(&flow) == Some(&entry) {
                self.flows.remove(&flow);
                self.retired.insert(flow);
            }
        }
        for (token, _, _) in connection.tokens() {
            self.tokens.remove(token, id);
        }
        self.recency.remove(slot);
        self.last = None;
        true
    }
}
