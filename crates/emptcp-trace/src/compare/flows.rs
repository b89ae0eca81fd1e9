//! Assigns packets to subflows, and subflows of A to those of B.

use super::Point;
use super::flow::{Ends, Fingerprint, Flow, FlowDirection, opening_direction};
use super::packet::Packet;
use super::pending::Item;
use hashbrown::HashMap;
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// The number of a subflow, in the order of first packets.
pub(super) type FlowNumber = usize;

/// Addresses and ports, the smaller first.
type Tuple = (SocketAddr, SocketAddr);

/// All subflows.
#[derive(Debug)]
pub(super) struct Flows {
    /// None: merged with another one.
    flows: Vec<Option<Flow>>,
    alive: usize,
    most: usize,
    tuples: [HashMap<Tuple, FlowNumber>; 2],
    /// Fingerprints of subflows whose other half was not found.
    fingerprints: [HashMap<Fingerprint, FlowNumber>; 2],
    /// Packets of subflows beyond the limit.
    pub(super) not_followed: u64,
}

impl Flows {
    pub(super) fn new(most: usize) -> Self {
        Self {
            flows: Vec::new(),
            alive: 0,
            most,
            tuples: Default::default(),
            fingerprints: Default::default(),
            not_followed: 0,
        }
    }

    pub(super) fn get_mut(&mut self, number: FlowNumber) -> Option<&mut Flow> {
        self.flows.get_mut(number)?.as_mut()
    }

    /// All of them, with their numbers.
    pub(super) fn into_all(self) -> impl Iterator<Item = (FlowNumber, Flow)> {
        self.flows
            .into_iter()
            .enumerate()
            .filter_map(|(number, flow)| Some((number, flow?)))
    }

    /// The subflow of a packet at `point`; none beyond the limit.
    pub(super) fn of(&mut self, point: Point, packet: &Packet) -> Option<FlowNumber> {
        let tuple = (
            packet.source.min(packet.destination),
            packet.source.max(packet.destination),
        );
        let syn = packet.has(Flags::SYN) && !packet.has(Flags::ACK);
        if let Some(&number) = self.tuples[point.index()].get(&tuple)
            && let Some(Some(flow)) = self.flows.get(number)
        {
            // Another SYN: the ports are reused.
            if !syn || flow.is_opened_by(point, packet.sequence) {
                return Some(number);
            }
        }
        let number = match self.elsewhere(point, packet, tuple, syn) {
            Some(number) => number,
            None if self.alive >= self.most => {
                self.not_followed += 1;
                return None;
            }
            None => {
                self.alive += 1;
                self.flows.push(Some(Flow::default()));
                self.flows.len() - 1
            }
        };
        self.tuples[point.index()].insert(tuple, number);
        if let Some(flow) = self.get_mut(number) {
            // Without the SYN, both captures must assume the same opener.
            let known = flow.ends[point.other().index()].as_ref();
            let flow_direction = match known {
                Some(known) if known.opener == packet.source => FlowDirection::FromOpener,
                Some(known) if known.opener == packet.destination => FlowDirection::ToOpener,
                _ => opening_direction(packet),
            };
            flow.ends[point.index()] = Some(Ends::new(packet, flow_direction));
        }
        self.forget_fingerprints(number);
        Some(number)
    }

    /// The subflow of the other capture that this packet belongs to; it is the first packet of its subflow at `point`.
    fn elsewhere(&self, point: Point, packet: &Packet, tuple: Tuple, syn: bool) -> Option<FlowNumber> {
        let other = point.other().index();
        let free = |number: &FlowNumber| matches!(self.flows.get(*number), Some(Some(flow)) if flow.ends[point.index()].is_none());
        let initial = |number: &FlowNumber| {
            let ends = self.flows.get(*number)?.as_ref()?.ends[other].as_ref()?;
            ends.initial[FlowDirection::FromOpener.index()]
        };
        let same_ports = self.tuples[other].get(&tuple).copied().filter(free);
        // In this order: same ports and same SYN; same SYN with other ports; only same ports.
        let same_syn = Fingerprint::Syn(packet.sequence, packet.timestamp);
        if syn
            && same_ports.as_ref().and_then(initial) != Some(packet.sequence)
            && let Some(number) = self.fingerprints[other].get(&same_syn).copied().filter(free)
        {
            return Some(number);
        }
        let number = same_ports?;
        let ends = self.flows.get(number)?.as_ref()?.ends[other].as_ref()?;
        let another =
            |own: Option<u32>, others: Option<u32>| matches!((own, others), (Some(own), Some(others)) if own != others);
        // A middlebox that changes sequence numbers keeps timestamps. If both differ, it is another connection on the
        // same ports.
        let reused = syn
            && another(Some(packet.sequence), ends.initial[FlowDirection::FromOpener.index()])
            && another(packet.timestamp, ends.syn_timestamp);
        (!reused).then_some(number)
    }

    /// Looks up the other half of a subflow by the fingerprints in a packet. When it is found: the number of the merged
    /// subflow, and the packets that waited, by direction.
    pub(super) fn recognise(
        &mut self,
        point: Point,
        number: FlowNumber,
        packet: &Packet,
        found: &[Fingerprint],
    ) -> Option<(FlowNumber, [Vec<Item>; 2])> {
        let [own, other] = [point.index(), point.other().index()];
        if found.is_empty() || self.get_mut(number)?.is_joined() {
            return None;
        }
        for fingerprint in found {
            let candidate = self.fingerprints[other].get(fingerprint).copied();
            let whole = candidate.filter(|&candidate| {
                candidate != number && matches!(self.flows.get(candidate), Some(Some(flow)) if flow.ends[own].is_none())
            });
            if let Some(whole) = whole {
                self.forget_fingerprints(number);
                self.forget_fingerprints(whole);
                let half = self.flows.get_mut(number)?.take()?;
                self.alive -= 1;
                let tuple = (
                    packet.source.min(packet.destination),
                    packet.source.max(packet.destination),
                );
                self.tuples[own].insert(tuple, whole);
                return Some((whole, self.get_mut(whole)?.absorb(half, point)));
            }
        }
        for &fingerprint in found {
            self.fingerprints[own].insert(fingerprint, number);
            self.get_mut(number)?.fingerprints.push((point, fingerprint));
        }
        None
    }

    /// Removes the fingerprints of a subflow that has both halves.
    fn forget_fingerprints(&mut self, number: FlowNumber) {
        let Some(Some(flow)) = self.flows.get_mut(number) else {
            return;
        };
        let fingerprints: SmallVec<[_; 4]> = std::mem::take(&mut flow.fingerprints);
        for (point, fingerprint) in fingerprints {
            if self.fingerprints[point.index()].get(&fingerprint) == Some(&number) {
                self.fingerprints[point.index()].remove(&fingerprint);
            }
        }
    }
}
