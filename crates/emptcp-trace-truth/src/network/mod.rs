//! The paths between the hosts: delay, and what befalls packets on them.
//!
//! A capture near one host sees that host's packets before the path had them, and the other host's after.

use crate::packet::Packet;
use crate::plan::{Happening, Plan, Target};
use crate::random::Random;
use crate::truth::{Ledger, Origin};
use emptcp_trace::{Direction, PerDirection, Span, Timestamp};
use mptcp_wire::tcp::TcpOption;

/// A packet at a time.
pub(crate) type Timed = (Timestamp, Packet);

/// All paths.
#[derive(Debug)]
pub(crate) struct Network {
    plan: Plan,
    start: Timestamp,
    /// When the sender's device is free, per path.
    free: Vec<PerDirection<Timestamp>>,
    /// Draws of its own for each happening.
    randoms: Vec<Random>,
}

/// Where a packet was seen, and where it arrives.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) captured: Vec<Timed>,
    pub(crate) arrived: Vec<Timed>,
}

impl Network {
    pub(crate) fn new(plan: &Plan, start: Timestamp) -> Self {
        let randoms = (0..plan.happenings.len()).map(|number| Random::new(plan.seed, 100 + number as u64));
        Self {
            start,
            free: vec![PerDirection([start; 2]); plan.paths.len()],
            randoms: randoms.collect(),
            plan: plan.clone(),
        }
    }

    /// Takes a packet from its sender to its receiver.
    pub(crate) fn pass(&mut self, packet: Packet, now: Timestamp, ledger: &mut Ledger) -> Passage {
        let mut passage = Passage::default();
        let path = &self.plan.paths[packet.path];
        let free = &mut self.free[packet.path][packet.dir];
        let takes = Span((packet.length() as u64 * 1_000_000_000 / path.rate) as i64);
        let left = (*free).max(now) + takes;
        *free = left;
        let [near, far] = path.delays;
        if packet.dir == self.plan.capture_near {
            let seen = left + near;
            passage.captured.push((seen, packet.clone()));
            if let Some(packet) = self.cross(packet, seen, ledger) {
                passage.arrived.push((seen + far, packet));
            }
        } else if let Some(packet) = self.cross(packet, left, ledger) {
            let seen = left + far;
            passage.captured.push((seen, packet.clone()));
            passage.arrived.push((seen + near, packet));
        }
        passage
    }

    /// What befalls a packet on the long part of the path; none if it does not come out.
    fn cross(&mut self, mut packet: Packet, now: Timestamp, ledger: &mut Ledger) -> Option<Packet> {
        let unusual: Vec<_> = self.plan.unusual().collect();
        for (number, happening) in unusual {
            let origin = Origin {
                cause: happening.cause(),
                what: happening.what(),
                happening: Some(number),
            };
            let note = |ledger: &mut Ledger, packet: &Packet| {
                ledger.note(origin, Some(packet.dir), Some(packet.subflow), now);
            };
            match happening {
                Happening::Loss { target, per_mille } if self.hits(&target, &packet, now) => {
                    if self.randoms[number].below(1000) < per_mille {
                        ledger.note_lost(origin, &packet, now);
                        return None;
                    }
                }
                Happening::Strip { target, subtype } if self.hits(&target, &packet, now) => {
                    let removed = |option: &TcpOption| match option {
                        TcpOption::Mptcp(option) => subtype.is_none_or(|subtype| option.subtype() == subtype),
                        _ => false,
                    };
                    let before = packet.options.len();
                    packet.options.retain(|option| !removed(option));
                    if packet.options.len() < before {
                        note(ledger, &packet);
                    }
                }
                Happening::Dead { target } if self.hits(&target, &packet, now) => {
                    note(ledger, &packet);
                    return None;
                }
                _ => {}
            }
        }
        Some(packet)
    }

    fn hits(&self, target: &Target, packet: &Packet, now: Timestamp) -> bool {
        target.path == packet.path
            && target.direction.is_none_or(|direction: Direction| direction == packet.dir)
            && now - self.start >= target.from
    }
}
