//! Connections by token, and MP_JOINs whose connection is not known yet.

use super::open::join;
use crate::packet::{FlowKey, Packet};
use crate::record::{Answer, Hash, Stray, StrayKind};
use crate::{ConnectionId, Direction, Span, Timestamp};
use hashbrown::HashMap;
use mptcp_wire::Token;
use mptcp_wire::mptcp::{MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// A host that has a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) slot: u32,
    pub(super) conn_id: ConnectionId,
    /// The direction in which the host sends.
    pub(super) side: Direction,
    /// How the token was made.
    pub(super) hash: Hash,
}

/// Hosts by token. Several connections can have one token: it has only 32 bits, and some traffic is forged.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<Token, SmallVec<[Owner; 1]>>);

impl Tokens {
    pub(super) fn insert(&mut self, token: Token, owner: Owner) {
        self.0.entry(token).or_default().push(owner);
    }

    pub(super) fn remove(&mut self, token: Token, conn_id: ConnectionId) {
        if let Some(owners) = self.0.get_mut(&token) {
            owners.retain(|owner| owner.conn_id != conn_id);
            if owners.is_empty() {
                self.0.remove(&token);
            }
        }
    }

    /// The hosts that have it, oldest first.
    pub(super) fn owners(&self, token: Token) -> &[Owner] {
        self.0.get(&token).map_or(&[], |owners| owners)
    }
}

/// How long an MP_JOIN waits for its connection: keys can be captured late when interfaces are merged.
const PATIENCE: Span = Span::from_seconds(10);
/// The handshake, and some data.
const PACKETS: usize = 8;

/// A subflow whose connection is not known.
#[derive(Debug)]
pub(super) struct Orphan {
    /// None when the SYN was not captured.
    pub(super) token: Option<Token>,
    pub(super) packets: Vec<Packet>,
    since: Timestamp,
}

impl Orphan {
    /// As a row of the table `strays`.
    pub(super) fn stray(&self) -> Option<Stray> {
        let first = self.packets.first()?;
        let has_syn = first.is_syn();
        // Of the three packets of the handshake, only the SYN+ACK comes from the host that is joined.
        let ends = match first.is_syn_ack() {
            true => (first.destination, first.source),
            false => (first.source, first.destination),
        };
        let mut stray = Stray::new(StrayKind::OrphanJoin, first.number, first.time, ends);
        stray.syn = has_syn;
        stray.token = self.token;
        stray.address_id = match join(first) {
            Some(MpJoin::Syn { address_id, .. }) => Some(*address_id),
            _ => None,
        };
        let answers = |packet: &&Packet| packet.source == ends.1 && !packet.is_syn();
        let mut answer = self.packets.iter().filter(answers);
        if let Some(packet) = answer.find(|packet| packet.is_syn_ack() || packet.flags.contains(Flags::RST)) {
            stray.answer_packet = Some(packet.number);
            stray.answer = Some(match join(packet) {
                _ if packet.flags.contains(Flags::RST) => Answer::Rst,
                Some(MpJoin::SynAck { .. }) => Answer::SynAck,
                Some(MpJoin::Syn { .. }) => Answer::SynAckMirrored,
                _ => Answer::SynAckWithoutOption,
            });
        }
        let reset = self.packets.iter().find(|packet| packet.flags.contains(Flags::RST));
        stray.rst_packet = reset.map(|packet| packet.number);
        stray.rst_reason = reset.and_then(|packet| {
            packet.options.iter().find_map(|option| match option {
                MptcpOption::MpTcprst(reset) => Some(reset.reason),
                _ => None,
            })
        });
        Some(stray)
    }
}

/// Subflows that wait.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    by_flow: HashMap<FlowKey, Orphan>,
    by_token: HashMap<Token, SmallVec<[FlowKey; 1]>>,
    ages: VecDeque<(Timestamp, FlowKey)>,
}

impl Orphans {
    pub(super) fn is_empty(&self) -> bool {
        self.by_flow.is_empty()
    }

    /// A SYN whose token is that of no connection, or of several. Returns whether it is the first of its subflow.
    pub(super) fn open(&mut self, token: Token, packet: &Packet) -> bool {
        if let Some(orphan) = self.by_flow.get_mut(&packet.flow) {
            if orphan.token == Some(token) && orphan.packets[0].sequence == packet.sequence {
                orphan.since = packet.time;
                return false;
            }
            self.remove(packet.flow);
        }
        self.by_flow.insert(
            packet.flow,
            Orphan {
                token: Some(token),
                packets: vec![packet.clone()],
                since: packet.time,
            },
        );
        self.by_token.entry(token).or_default().push(packet.flow);
        self.ages.push_back((packet.time, packet.flow));
        true
    }

    /// The SYN+ACK or third ACK of a join whose SYN was not captured.
    pub(super) fn open_late(&mut self, packet: &Packet) {
        let orphan = Orphan {
            token: None,
            packets: vec![packet.clone()],
            since: packet.time,
        };
        self.by_flow.insert(packet.flow, orphan);
        self.ages.push_back((packet.time, packet.flow));
    }

    /// A later packet of an orphan.
    pub(super) fn follow(&mut self, packet: &Packet) -> Option<&Orphan> {
        let orphan = self.by_flow.get_mut(&packet.flow)?;
        // A RST says how it ended, so it is kept whatever came before.
        if orphan.packets.len() < PACKETS || packet.flags.contains(Flags::RST) && orphan.packets.len() < 2 * PACKETS {
            orphan.packets.push(packet.clone());
        }
        Some(orphan)
    }

    /// All of them, in the order of their first packets.
    pub(super) fn take_all(&mut self) -> Vec<Orphan> {
        let mut all: Vec<_> = self.by_flow.drain().map(|(_, orphan)| orphan).collect();
        all.sort_by_key(|orphan| orphan.packets.first().map(|packet| packet.number));
        *self = Self::default();
        all
    }

    /// The SYN of an orphan.
    pub(super) fn first_packet(&self, flow: FlowKey) -> Option<&Packet> {
        self.by_flow.get(&flow)?.packets.first()
    }

    /// The subflows that wait for a token.
    pub(super) fn waiting_for(&self, token: Token) -> SmallVec<[FlowKey; 1]> {
        self.by_token.get(&token).cloned().unwrap_or_default()
    }

    pub(super) fn remove(&mut self, flow: FlowKey) -> Option<Orphan> {
        let orphan = self.by_flow.remove(&flow)?;
        if let Some(token) = orphan.token
            && let Some(flows) = self.by_token.get_mut(&token)
        {
            flows.retain(|waiting| *waiting != flow);
            if flows.is_empty() {
                self.by_token.remove(&token);
            }
        }
        Some(orphan)
    }

    /// Removes those that have waited long enough, and the oldest ones beyond `limit`, and passes them on. Returns the
    /// number of the latter.
    pub(super) fn expire(&mut self, now: Timestamp, limit: usize, mut gone: impl FnMut(&Orphan)) -> u64 {
        let mut early = 0;
        while let Some((age, flow)) = self.ages.front().copied() {
            let too_many = self.by_flow.len() > limit;
            if !too_many && now - age < PATIENCE {
                break;
            }
            self.ages.pop_front();
            match self.by_flow.get(&flow) {
                // A packet came since then: move it to the end of the queue.
                Some(orphan) if !too_many && orphan.since > age => {
                    let since = orphan.since;
                    self.ages.push_back((since, flow));
                }
                Some(_) => {
                    if let Some(orphan) = self.remove(flow) {
                        gone(&orphan);
                    }
                    early += u64::from(too_many);
                }
                None => {}
            }
        }
        early
    }
}
