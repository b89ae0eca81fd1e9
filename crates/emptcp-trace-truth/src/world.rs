//! The simulation: events in the order of their times, no clock but theirs.

use crate::host::Host;
use crate::network::Network;
use crate::packet::{Packet, Record};
use crate::plan::{Happening, Plan};
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, PerDirection, Timestamp};
use mptcp_wire::mptcp::Subtype;
use mptcp_wire::tcp::{Flags, Stage};
use std::collections::BTreeMap;

/// When every simulation begins.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// Packets on their way, by arrival and order of sending.
type Arrivals = BTreeMap<(Timestamp, u64), Packet>;

/// Lets a plan happen; what the capture point saw, in the order of time.
pub(crate) fn run(plan: &Plan, ledger: &mut Ledger) -> Vec<Record> {
    let mut hosts = PerDirection::from_fn(|side| Host::new(plan, side));
    let mut network = Network::new(plan, START);
    let mut arrivals = Arrivals::new();
    let mut records = Vec::new();
    let mut passages = Vec::new();
    let mut sent = 0;
    let mut now = START;
    let end = START + plan.until;
    hosts[Direction::ClientToServer].act(now, ledger);
    loop {
        for side in Direction::BOTH {
            for packet in hosts[side].take() {
                note_packet(plan, &packet, now, ledger);
                if packet.dir == Direction::ClientToServer {
                    ledger.ports.insert(packet.subflow, packet.source.port());
                }
                passages.push(network.pass(packet, now, ledger));
            }
        }
        for passage in passages.drain(..) {
            records.extend(passage.captured);
            for Record { time, packet } in passage.arrived {
                sent += 1;
                arrivals.insert((time, sent), packet);
            }
        }
        if let Some(release) = network.deadline()
            && arrivals.first_key_value().is_none_or(|((at, _), _)| release <= *at)
            && Direction::BOTH
                .iter()
                .all(|side| hosts[*side].deadline(now).is_none_or(|at| release <= at))
        {
            now = now.max(release);
            passages.push(network.release(now, ledger));
            continue;
        }
        let deadlines = Direction::BOTH.map(|side| hosts[side].deadline(now).map(|at| (at, side)));
        let deadline = deadlines.into_iter().flatten().min_by_key(|(at, _)| *at);
        let arrival = arrivals.first_key_value().map(|((at, _), _)| *at);
        match (arrival, deadline) {
            (None, None) => break,
            (Some(at), _) if deadline.is_none_or(|(deadline, _)| at <= deadline) => {
                now = at;
                if now > end {
                    break;
                }
                if let Some((_, packet)) = arrivals.pop_first() {
                    let side = packet.dir.reverse();
                    hosts[side].receive(&packet, now, ledger);
                    // A host that answers to what the capture shows too falls back as the RFCs have it.
                    let asks = packet.has(Subtype::MpFail) || packet.shown_bare;
                    if hosts[side].has_fallen_back() && (asks || hosts[packet.dir].is_plain()) {
                        let origin =
                            Origin::ordinary(Cause::HostFellBack, "a host falls back as the other one seems to");
                        ledger.note(origin, Some(side), Some(0), now);
                    }
                }
            }
            (_, Some((at, side))) => {
                now = at;
                if now > end {
                    break;
                }
                hosts[side].act(now, ledger);
            }
            (Some(_), None) => {}
        }
    }
    records.retain(|record| record.time <= end);
    records.sort_by_key(|record| record.time);
    let is_open = Direction::BOTH.iter().any(|side| hosts[*side].is_open());
    if let Some(last) = records.last().filter(|_| is_open) {
        let origin = Origin::ordinary(Cause::PartOnly, "the capture ends while the connection is open");
        ledger.note(origin, None, None, last.time);
    }
    records
}

/// What a host's own packets tell about it.
fn note_packet(plan: &Plan, packet: &Packet, now: Timestamp, ledger: &mut Ledger) {
    let (dir, subflow) = (Some(packet.dir), Some(packet.subflow));
    if packet.flags.contains(Flags::RST) {
        ledger.note(
            Origin::ordinary(Cause::HostClosed, "a host resets a subflow"),
            dir,
            subflow,
            now,
        );
        let refuses = packet.sequence == 0 && packet.flags.contains(Flags::ACK);
        if refuses {
            ledger.note(
                Origin::ordinary(Cause::Refused, "a host refuses a SYN"),
                dir,
                subflow,
                now,
            );
        }
    }
    for (number, happening) in plan.unusual() {
        let takes_effect = match happening {
            Happening::PlainServer => packet.flags.stage() == Some(Stage::SynAck) && !packet.has(Subtype::MpCapable),
            Happening::Refused => packet.flags.contains(Flags::RST) && packet.subflow == 0,
            Happening::JoinRefused { .. } => {
                packet.flags.contains(Flags::RST) && packet.sequence == 0 && packet.subflow > 0
            }
            _ => false,
        };
        if takes_effect && packet.dir == Direction::ServerToClient {
            let origin = happening.origin(number);
            ledger.note(origin, dir, subflow, now);
        }
    }
}
