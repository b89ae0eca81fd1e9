//! Packets of unknown flows: new connections, joins, and joins that wait for their connection.

use super::segment::{Context, Learned};
use super::state;
use super::tokens::Owner;
use super::{Engine, FlowEntry};
use crate::packet::Packet;
use crate::record::{Hash, Opener, Stray, StrayKind};
use crate::{ConnectionId, Direction, Span, Watch};
use mptcp_wire::mptcp::{CapableKeys, MpCapable, MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{Nonce, SequenceNumber, Token, Version, crypto};

/// After this time the key of a connection that was opened in the capture has been seen, also with packets out of
/// order.
const SETTLED: Span = Span::from_seconds(1);

/// A packet of an established subflow has a DSS.
pub(super) fn has_signals(packet: &Packet) -> bool {
    packet
        .options
        .iter()
        .any(|option| matches!(option, MptcpOption::Dss(_)))
}

pub(super) fn capable(packet: &Packet) -> Option<&MpCapable> {
    packet.options.iter().find_map(|option| match option {
        MptcpOption::MpCapable(capable) => Some(capable),
        _ => None,
    })
}

pub(super) fn join(packet: &Packet) -> Option<&MpJoin> {
    packet.options.iter().find_map(|option| match option {
        MptcpOption::MpJoin(join) => Some(join),
        _ => None,
    })
}

impl Engine {
    pub(super) fn open(&mut self, packet: &Packet) {
        if packet.is_syn() {
            self.retired.remove(packet.flow);
            if let Some(capable) = capable(packet) {
                let version = capable.version;
                self.connect(packet, version, false);
            } else if let Some(MpJoin::Syn { token, .. }) = join(packet) {
                self.join(*token, packet);
            } else {
                self.stray_options(packet);
            }
            return;
        }
        if !self.orphans.is_empty() && self.follow_orphan(packet) {
            return;
        }
        // The capture began between SYN and third ACK: the third ACK has both keys (RFC 8684, 3.1).
        let ends = Flags::SYN | Flags::RST;
        if packet.flags.contains(Flags::ACK)
            && packet.flags.bits() & ends.bits() == 0
            && let Some(capable) = capable(packet)
            && matches!(
                capable.keys,
                CapableKeys::Both { .. } | CapableKeys::BothWithData { .. }
            )
        {
            let version = capable.version;
            self.connect(packet, version, true);
            return;
        }
        if packet.is_plain() || self.retired.contains(packet.flow) {
            return;
        }
        match join(packet) {
            // The SYN of this join was not captured, so nothing says which connection it is for.
            Some(MpJoin::SynAck { .. } | MpJoin::Ack { .. }) => {
                self.orphans.open_late(packet);
                self.totals.orphan_joins += 1;
                self.expire_orphans(packet.time);
            }
            _ => self.open_middle(packet),
        }
    }

    /// A packet of an orphan. Returns whether it is one.
    fn follow_orphan(&mut self, packet: &Packet) -> bool {
        let Some(orphan) = self.orphans.follow(packet) else {
            return false;
        };
        let first = orphan.packets.first();
        let since = first.map_or(packet.time, |first| first.time);
        let is_of_opener = first.is_none_or(|first| first.source == packet.source);
        if orphan.token.is_none() && has_signals(packet) {
            // Its data sequence numbers may say which connection it is of.
            self.orphans.remove(packet.flow);
            self.totals.orphan_joins = self.totals.orphan_joins.saturating_sub(1);
            return false;
        }
        let token = orphan.token;
        // The connection began before the capture, so that its tokens are not known; its numbers are.
        let is_known = token.is_none_or(|token| !self.tokens.owners(token).is_empty());
        if !is_known
            && has_signals(packet)
            && let Some(owner) = self.continued_owner(packet, is_of_opener)
        {
            self.replay(owner, packet.flow);
            return true;
        }
        match token {
            // Several connections have this token: the SYN+ACK shows which key is right.
            Some(token) if !self.tokens.owners(token).is_empty() => self.adopt(token, packet),
            // It carries data, and its connection has not been seen for so long that it began before the capture.
            _ if packet.time - since >= SETTLED && has_signals(packet) => {
                if let Some(orphan) = self.orphans.remove(packet.flow) {
                    self.out.stray(orphan.stray());
                }
                return false;
            }
            _ => {}
        }
        true
    }

    /// Malformed options of a packet of no connection.
    pub(super) fn stray_options(&mut self, packet: &Packet) {
        for malformed in packet
            .malformed
            .iter()
            .filter(|malformed| malformed.option != "TCP option")
        {
            let ends = (packet.source, packet.destination);
            let mut stray = Stray::new(StrayKind::MalformedOption, packet.number, packet.time, ends);
            stray.malformed = Some(malformed.clone());
            self.out.stray(Some(stray));
        }
    }

    /// Opens a connection by its SYN, or by its third ACK if `partial`.
    fn connect(&mut self, packet: &Packet, version: Version, partial: bool) {
        self.make_room();
        let (id, watched) = self.next_connection();
        self.totals.connections += 1;
        let connection = state::Connection::new(id, packet, version, partial, watched, &self.settings.limits);
        self.insert(connection, packet);
    }

    /// The number of a new connection, and whether its packets are emitted.
    pub(super) fn next_connection(&mut self) -> (ConnectionId, bool) {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        let watched = match self.settings.watch {
            Watch::Nothing => false,
            Watch::Connection(wanted) => wanted == id,
            Watch::Everything => true,
        };
        (id, watched)
    }

    /// Adds a connection and processes its first packet. Returns its slot.
    pub(super) fn insert(&mut self, mut connection: state::Connection, packet: &Packet) -> u32 {
        connection.clock_seen = self.clock.steps;
        let slot = u32::try_from(self.connections.insert(Box::new(connection))).unwrap_or(u32::MAX);
        let entry = FlowEntry { slot, subflow: 0 };
        self.flows.insert(packet.flow, entry);
        self.last = None;
        self.follow(entry, packet);
        slot
    }

    /// An MP_JOIN SYN.
    fn join(&mut self, token: Token, packet: &Packet) {
        match self.tokens.owners(token) {
            [owner] => {
                let owner = *owner;
                self.attach(owner, packet);
            }
            _ => {
                if self.orphans.open(token, packet) {
                    self.totals.orphan_joins += 1;
                }
                self.expire_orphans(packet.time);
            }
        }
    }

    /// A key became known: assigns waiting joins with its token.
    pub(super) fn release_orphans(&mut self, token: Token) {
        if self.orphans.is_empty() {
            return;
        }
        let [owner] = self.tokens.owners(token) else {
            return;
        };
        let owner = *owner;
        for flow in self.orphans.waiting_for(token) {
            self.replay(owner, flow);
        }
    }

    /// Handles the SYN+ACK of a join whose token several connections have.
    fn adopt(&mut self, token: Token, packet: &Packet) {
        let owners = self.tokens.owners(token);
        let newest = owners.last().copied();
        let proven = owners
            .iter()
            .rev()
            .copied()
            .find(|owner| self.is_proven(*owner, packet));
        if let Some(owner) = proven.or(newest) {
            self.replay(owner, packet.flow);
        }
    }

    /// Whether the HMAC of a SYN+ACK is made with the keys of the connection of `owner` (RFC 8684, 3.2).
    fn is_proven(&self, owner: Owner, packet: &Packet) -> bool {
        let Some(MpJoin::SynAck { hmac, nonce, .. }) = join(packet).filter(|_| packet.is_syn_ack()) else {
            return false;
        };
        let Some(connection) = self.connections.get(owner.slot as usize) else {
            return false;
        };
        let keys = (
            connection.halves[owner.side].key,
            connection.halves[owner.side.reverse()].key,
        );
        let (Some(local), Some(remote), Some(remote_nonce)) = (keys.0, keys.1, self.orphan_nonce(packet)) else {
            return false;
        };
        let version = match owner.hash {
            Hash::Sha1 => Version::V0,
            Hash::Sha256 => Version::V1,
        };
        crypto::join_syn_ack_hmac(version, local, remote, *nonce, remote_nonce) == *hmac
    }

    fn orphan_nonce(&self, packet: &Packet) -> Option<Nonce> {
        match self.orphans.first_packet(packet.flow).and_then(join)? {
            MpJoin::Syn { nonce, .. } => Some(*nonce),
            _ => None,
        }
    }

    fn replay(&mut self, owner: Owner, flow: crate::packet::FlowKey) {
        let Some(orphan) = self.orphans.remove(flow) else {
            return;
        };
        self.totals.orphan_joins = self.totals.orphan_joins.saturating_sub(1);
        let mut packets = orphan.packets.iter();
        if let Some(syn) = packets.next() {
            self.attach(owner, syn);
        }
        for packet in packets {
            if let Some(entry) = self.flows.get(&flow).copied() {
                self.follow(entry, packet);
            }
        }
    }

    /// A new subflow of the connection that has the token.
    pub(super) fn attach(&mut self, owner: Owner, packet: &Packet) {
        self.revive(owner.slot, packet);
        let Some(connection) = self.connections.get_mut(owner.slot as usize) else {
            return;
        };
        self.totals.joins += 1;
        connection.attempted += 1;
        if connection.subflows.len() >= self.settings.limits.subflows {
            self.totals.capped.subflows += 1;
            connection.truncated = true;
            return;
        }
        let mut learned = Learned::default();
        let mut context = Context {
            settings: &self.settings,
            capped: &mut self.totals.capped,
            out: &mut self.out,
            learned: &mut learned,
            is_unclear: false,
            clock: &self.clock,
        };
        // The host with the token receives the SYN, so the other end opened the subflow. (Servers can join too.)
        let opener = match owner.side {
            Direction::ClientToServer => Opener::Server,
            Direction::ServerToClient => Opener::Client,
        };
        connection.believe_hash(owner.hash, packet, &mut context);
        let subflow = connection.add_subflow(opener, packet, &self.settings.limits);
        let entry = FlowEntry {
            slot: owner.slot,
            subflow,
        };
        self.flows.insert(packet.flow, entry);
        self.last = None;
        self.follow(entry, packet);
    }
}

/// The sequence number of the SYN, for a capture without it.
pub(super) fn before(sequence: SequenceNumber) -> SequenceNumber {
    SequenceNumber(sequence.0.wrapping_sub(1))
}
