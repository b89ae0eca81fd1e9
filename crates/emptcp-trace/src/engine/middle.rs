//! Connections whose handshake was not captured: the capture begins in the middle, or has not all packets.
//!
//! A subflow shows itself by its DSS. Without keys, nothing says whose it is but its data sequence numbers: subflows
//! whose numbers (of either direction) continue each other are of one connection. Numbers of 64 bits do that by
//! themselves; of 32 bits, only between subflows that have a host in common.

use super::open::has_signals;
use super::state::{Connection, Subflow};
use super::tokens::Owner;
use super::{Engine, FlowEntry};
use crate::packet::{FlowKey, Packet};
use crate::record::{Kind, Opener};
use crate::{ConnectionId, Direction, Limits};
use hashbrown::HashSet;
use mptcp_wire::mptcp::MptcpOption;
use mptcp_wire::{DataSequenceNumber, Version, WireDataSequenceNumber};
use std::collections::VecDeque;

/// Numbers that continue each other are at most this far apart.
const NEAR: u64 = 1 << 24;
/// The same where only 32 bits travel.
const NEAR_SHORT: u32 = 1 << 22;
/// Connections to which a subflow is compared.
const CANDIDATES: usize = 256;
/// The first number seen has this offset, because older data may come again.
pub(super) const MARGIN: u64 = 1 << 30;

/// Flows of connections that are over, the last of them. Of each only a hash: they are many.
#[derive(Debug, Default)]
pub(super) struct Retired {
    flows: HashSet<u64>,
    ages: VecDeque<u64>,
}

impl Retired {
    const MOST: usize = 65_536;

    pub(super) fn insert(&mut self, flow: FlowKey) {
        let print = flow.print();
        if self.flows.insert(print) {
            self.ages.push_back(print);
        }
        while self.ages.len() > Self::MOST {
            if let Some(oldest) = self.ages.pop_front() {
                self.flows.remove(&oldest);
            }
        }
    }

    pub(super) fn contains(&self, flow: FlowKey) -> bool {
        self.flows.contains(&flow.print())
    }

    /// A SYN begins a new subflow there.
    pub(super) fn remove(&mut self, flow: FlowKey) {
        if !self.flows.is_empty() {
            self.flows.remove(&flow.print());
        }
    }
}

impl Engine {
    /// A packet of a flow whose handshake was not captured.
    pub(super) fn open_middle(&mut self, packet: &Packet) {
        if !has_signals(packet) {
            self.stray_options(packet);
            return;
        }
        if let Some((slot, dir)) = self.continued_by(packet) {
            self.attach_middle(slot, dir, packet);
            return;
        }
        self.make_room();
        let (id, watched) = self.next_connection();
        self.totals.mid_stream += 1;
        let connection = Connection::in_the_middle(id, packet, watched, &self.settings.limits);
        let slot = self.insert(connection, packet);
        self.middle.push_back((slot, id));
        if self.middle.len() > CANDIDATES {
            self.middle.pop_front();
        }
    }

    /// The connection whose data sequence numbers the packet continues, and its direction there.
    fn continued_by(&self, packet: &Packet) -> Option<(u32, Direction)> {
        let few = self.connections.len() <= CANDIDATES;
        let all = self
            .connections
            .iter()
            .filter(|_| few)
            .map(|(slot, connection)| (slot as u32, connection.id));
        let middle = self.middle.iter().copied().filter(|_| !few);
        let mut found = all.chain(middle).filter_map(|(slot, id)| {
            let connection = self.connections.get(slot as usize)?;
            let is_open = connection.id == id && connection.subflows.len() < self.settings.limits.subflows;
            let dir = connection.direction_continued_by(packet).filter(|_| is_open)?;
            Some((slot, dir))
        });
        let one = found.next()?;
        // Two that fit: neither is shown.
        found.next().is_none().then_some(one)
    }

    /// The same as the owner of a token that nobody has seen: the host that got the SYN.
    pub(super) fn continued_owner(&self, packet: &Packet, is_of_opener: bool) -> Option<Owner> {
        let (slot, dir) = self.continued_by(packet)?;
        let connection = self
            .connections
            .get(slot as usize)
            .filter(|connection| connection.mid_stream)?;
        Some(Owner {
            slot,
            conn_id: connection.id,
            side: if is_of_opener { dir.reverse() } else { dir },
            hash: connection.hash,
        })
    }

    fn attach_middle(&mut self, slot: u32, dir: Direction, packet: &Packet) {
        self.revive(slot, packet);
        let Some(connection) = self.connections.get_mut(slot as usize) else {
            return;
        };
        connection.attempted += 1;
        let sender = match dir {
            Direction::ClientToServer => Opener::Client,
            Direction::ServerToClient => Opener::Server,
        };
        let subflow = connection.add_subflow(sender, packet, &self.settings.limits);
        connection.begin_in_the_middle(subflow as usize);
        let entry = FlowEntry { slot, subflow };
        self.flows.insert(packet.flow, entry);
        self.last = None;
        self.follow(entry, packet);
    }
}

impl Connection {
    /// A connection of which nothing before `packet` was captured.
    fn in_the_middle(id: ConnectionId, packet: &Packet, watched: bool, limits: &Limits) -> Self {
        // The version is not visible in the middle.
        let mut connection = Self::new(id, packet, Version::V1, true, watched, limits);
        connection.mid_stream = true;
        connection.hash_is_sure = true;
        // Servers have the lower ports.
        if packet.source.port() < packet.destination.port() {
            (connection.client, connection.server) = (packet.destination, packet.source);
            let subflow = &mut connection.subflows[0];
            (subflow.client, subflow.server) = (packet.destination, packet.source);
            subflow.client_is_low = !packet.from_low;
        }
        connection.begin_in_the_middle(0);
        connection
    }

    /// A subflow without a captured handshake: it counts as established, because it carries DSS.
    fn begin_in_the_middle(&mut self, index: usize) {
        let subflow: &mut Subflow = &mut self.subflows[index];
        subflow.kind = Kind::Unknown;
        subflow.opened_by = Opener::Client;
        subflow.join = None;
        subflow.answered = true;
        subflow.answered_with_option = Some(true);
        subflow.established = true;
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
    }

    /// The direction of the packet, if its numbers continue those of this connection.
    fn direction_continued_by(&self, packet: &Packet) -> Option<Direction> {
        let ends = [packet.source.ip(), packet.destination.ip()];
        let shares_host = self
            .subflows
            .iter()
            .any(|subflow| ends.contains(&subflow.client.ip()) || ends.contains(&subflow.server.ip()));
        let mut announced = self.halves.0.iter().flat_map(|half| &half.announced);
        let shares_host = shares_host || announced.any(|announced| ends.contains(&announced.address));
        let dss = packet.options.iter().find_map(|option| match option {
            MptcpOption::Dss(dss) => Some(dss),
            _ => None,
        })?;
        Direction::BOTH.into_iter().find(|dir| {
            let mapped = dss.mapping.filter(|mapping| mapping.length > 0);
            let sent = mapped.and_then(|mapping| self.is_near(*dir, mapping.data_sequence, shares_host));
            let acknowledged = dss
                .data_ack
                .and_then(|number| self.is_near(dir.reverse(), number, shares_host));
            sent != Some(false) && acknowledged != Some(false) && (sent.is_some() || acknowledged.is_some())
        })
    }

    /// Whether a number is near those of a direction; none when that cannot be told.
    fn is_near(&self, dir: Direction, number: WireDataSequenceNumber, shares_host: bool) -> Option<bool> {
        let reference = self.halves[dir].reference()?;
        Some(match number {
            WireDataSequenceNumber::Long(_) => reference.distance_to(number.extend(reference)).unsigned_abs() <= NEAR,
            WireDataSequenceNumber::Short(_) if !shares_host => return None,
            WireDataSequenceNumber::Short(low) => {
                let distance = low.wrapping_sub(reference.0 as u32).cast_signed().unsigned_abs();
                distance <= NEAR_SHORT
            }
        })
    }

    /// Sets the base of a direction without a key by the first number seen in it.
    pub(super) fn begin_numbers(&mut self, dir: Direction, number: WireDataSequenceNumber) -> DataSequenceNumber {
        let half = &mut self.halves[dir];
        let first = number.extend(DataSequenceNumber(0));
        half.relative = true;
        half.is_short = matches!(number, WireDataSequenceNumber::Short(_));
        if self.mid_stream {
            half.base = Some(DataSequenceNumber(first.0.wrapping_sub(MARGIN)));
            half.skipped = MARGIN;
            half.acknowledged = MARGIN;
        } else {
            half.base = Some(first);
        }
        first
    }

    /// An offset of data as it is shown: 0 for the first byte seen.
    pub(super) fn shown(&self, offset: u64) -> u64 {
        match self.mid_stream {
            true => offset.saturating_sub(MARGIN),
            false => offset,
        }
    }
}
