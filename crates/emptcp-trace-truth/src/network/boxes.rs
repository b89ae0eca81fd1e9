//! What befalls a packet on a part of its path.

use super::Network;
use crate::packet::Packet;
use crate::plan::{Happening, Resegmenting};
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span, Timestamp};
use mptcp_wire::Version;
use mptcp_wire::mptcp::{MptcpOption, Subtype};
use mptcp_wire::tcp::{Flags, Stage, TcpOption};

/// A part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Station {
    /// Between the near host and the capture.
    Near,
    /// Between the capture and the other host.
    Far,
}

/// Packets that come out of a box, each after a wait.
type Out = Vec<(Span, Packet)>;

/// A packet at a box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// The number of the happening.
    number: usize,
    pub(super) station: Station,
    pub(super) origin: Origin,
    pub(super) now: Timestamp,
    /// Whose packet it is, and of which subflow.
    dir: Option<Direction>,
    subflow: Option<usize>,
    /// The capture sees what the box lets through, not what came in.
    pub(super) seen_after: bool,
}

impl Visit {
    /// It took effect; whether that leaves a trace in the capture.
    fn note(self, leaves_trace: bool, ledger: &mut Ledger) {
        ledger.note_if(leaves_trace, self.origin, self.dir, self.subflow, self.now);
    }
}

/// The packet and nothing else.
fn as_it_is(packet: Packet) -> Out {
    vec![(Span(0), packet)]
}

impl Network {
    /// What comes out of a part of the path when a packet goes in.
    pub(super) fn cross(&mut self, packet: Packet, station: Station, now: Timestamp, ledger: &mut Ledger) -> Out {
        let mut packets = as_it_is(packet);
        let unusual: Vec<_> = self.plan.unusual().collect();
        for (number, happening) in unusual {
            let mut out = Out::new();
            for (wait, packet) in packets {
                let target = happening.target();
                if target.is_some_and(|target| self.hits(&target, &packet, station, now)) {
                    let visit = Visit {
                        number,
                        station,
                        origin: happening.origin(number),
                        now,
                        dir: Some(packet.dir),
                        subflow: Some(packet.subflow),
                        seen_after: (station == Station::Near) == self.is_near(&packet),
                    };
                    let next = self.befall(happening, packet, visit, ledger);
                    out.extend(next.into_iter().map(|(more, packet)| (Span(wait.0 + more.0), packet)));
                } else {
                    out.push((wait, packet));
                }
            }
            packets = out;
        }
        packets
    }

    fn befall(&mut self, happening: Happening, packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        match happening {
            Happening::Loss { per_mille, .. } => self.lose(per_mille, packet, visit, ledger),
            Happening::Dead { .. } | Happening::HostGone { .. } => {
                self.drop(&packet, visit, ledger);
                Out::new()
            }
            Happening::Blocked { subtype, .. } => {
                if packet.flags.stage() != Some(Stage::Syn) || !packet.has(subtype) {
                    return as_it_is(packet);
                }
                visit.note(!visit.seen_after, ledger);
                Out::new()
            }
            Happening::Strip { subtype, .. } => self.strip(subtype, packet, visit, ledger),
            Happening::Mirror { .. } => self.mirror(packet, visit, ledger),
            Happening::Translate { .. } => translate(packet, visit, ledger),
            Happening::Rewrite { .. } => self.rewrite(packet, visit, ledger),
            Happening::Resegment { how, .. } => match how {
                Resegmenting::Merge => self.merge(packet, visit, ledger),
                Resegmenting::Split => split(packet, visit, ledger),
            },
            Happening::Reset { both, plain, .. } => self.reset(both, plain, packet, visit, ledger),
            Happening::Reorder { per_mille, .. } => self.delay(per_mille, packet, visit, ledger),
            // Not on the path.
            _ => as_it_is(packet),
        }
    }

    fn lose(&mut self, per_mille: u64, packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        if self.randoms[visit.number].below(1000) >= per_mille {
            return as_it_is(packet);
        }
        ledger.note_lost(visit.origin, &packet, visit.now);
        Out::new()
    }

    /// A path, or a link, that carries nothing.
    fn drop(&mut self, packet: &Packet, visit: Visit, ledger: &mut Ledger) {
        self.spent[visit.number] += 1;
        // A missing acknowledgement leaves no trace, but several do: what they acknowledge is sent again.
        match self.spent[visit.number] {
            0..4 => ledger.note_lost(visit.origin, packet, visit.now),
            _ => visit.note(true, ledger),
        }
        if visit.origin.cause == Cause::PathDead {
            let lost = Origin::ordinary(Cause::PacketsLost, "packets are lost on a dead path");
            ledger.note(lost, visit.dir, visit.subflow, visit.now);
        }
    }

    fn strip(&mut self, subtype: Option<Subtype>, mut packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        let removed = |option: &MptcpOption| subtype.is_none_or(|subtype| option.subtype() == subtype);
        let gone: Vec<_> = packet.mptcp().filter(|option| removed(option)).copied().collect();
        packet.options.retain(|option| match option {
            TcpOption::Mptcp(option) => !removed(option),
            _ => true,
        });
        if !gone.is_empty() {
            // Where the capture never had them, nothing tells that a SYN or an announcement had options.
            let is_syn = packet.flags.stage() == Some(Stage::Syn);
            let announces = gone.iter().all(|option| matches!(option, MptcpOption::AddAddr(_)));
            // Version 0 has no echo (RFC 6824, 3.4.1), so that nothing is missing.
            let is_unanswered = announces && (visit.seen_after || self.plan.version == Version::V0);
            // So it is with acknowledgements of what was acknowledged before, and with a few others: a later one says
            // the same. A DATA_FIN is repeated until it is heard, also on the other subflows.
            let is_short =
                |option: &MptcpOption| matches!(option, MptcpOption::Dss(dss) if dss.mapping.is_none() || dss.data_fin);
            let is_last = packet.payload.is_empty() && gone.iter().all(is_short);
            let key = (visit.number, packet.subflow, packet.dir == Direction::ClientToServer);
            let before = self.acknowledged.insert(key, packet.acknowledgement);
            let news = before.map_or(0, |before| packet.acknowledgement.wrapping_sub(before));
            let is_fin = packet.mptcp().count() == 0 && gone.iter().any(has_data_fin);
            self.spent[visit.number] += u32::from(is_last && (news > 1 || is_fin));
            let few = is_last && self.spent[visit.number] < 3;
            let leaves_none = is_unanswered || few || (visit.seen_after && is_syn);
            visit.note(!leaves_none, ledger);
        }
        as_it_is(packet)
    }

    fn rewrite(&mut self, mut packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        if packet.payload.len() >= 8 && self.spent[visit.number] == 0 {
            self.spent[visit.number] = 1;
            let place = packet.payload.len() / 2;
            packet.payload[place] ^= 0x20;
            // Without checksums nothing shows it.
            visit.note(self.plan.has_checksums(), ledger);
        }
        as_it_is(packet)
    }

    /// Once, when data passes: a RST back to its sender, and one in place of the data if both ends are meant.
    fn reset(&mut self, both: bool, plain: bool, packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        let passes_data = packet.flags.stage() == Some(Stage::Ack) && !packet.payload.is_empty();
        if self.spent[visit.number] > 0 || !passes_data {
            return as_it_is(packet);
        }
        self.spent[visit.number] = 1;
        visit.note(true, ledger);
        let hops = self.plan.paths[packet.path].hops;
        let forward = bare_reset(&packet, plain, hops);
        let mut back = bare_reset(&packet, plain, hops);
        back.dir = packet.dir.reverse();
        (back.source, back.destination) = (packet.destination, packet.source);
        back.sequence = packet.acknowledgement;
        ledger.note(visit.origin, Some(back.dir), visit.subflow, visit.now);
        self.leave(back, visit.station, visit.now, ledger);
        as_it_is(if both { forward } else { packet })
    }

    /// Lets later packets overtake this one.
    fn delay(&mut self, per_mille: u64, packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        let random = &mut self.randoms[visit.number];
        if random.below(1000) >= per_mille {
            return as_it_is(packet);
        }
        // Less than the path takes: what is later than a round trip cannot be told from a retransmission.
        let far = self.plan.paths[packet.path].delays[1].0;
        let wait = Span(far * random.between(20, 80) as i64 / 100);
        visit.note(visit.seen_after && !packet.payload.is_empty(), ledger);
        vec![(wait, packet)]
    }

    /// A box that answers for a server, or a host that sends options back as it got them.
    fn mirror(&mut self, mut packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
        let capable = packet.mptcp().find_map(|option| match option {
            MptcpOption::MpCapable(capable) => Some(*capable),
            _ => None,
        });
        match packet.flags.stage() {
            Some(Stage::Syn) => {
                if let Some(capable) = capable {
                    self.mirrored.insert(packet.subflow, capable);
                }
                packet.options.retain(|option| !matches!(option, TcpOption::Mptcp(_)));
                let removes =
                    Origin::ordinary(Cause::OptionRemoved, "a box that mirrors removes the option of the SYN");
                ledger.note(removes, None, visit.subflow, visit.now);
            }
            Some(Stage::SynAck) => {
                if let Some(capable) = self.mirrored.get(&packet.subflow) {
                    packet.add_mptcp(*capable);
                    visit.note(visit.seen_after, ledger);
                }
            }
            _ => {}
        }
        as_it_is(packet)
    }
}

fn has_data_fin(option: &MptcpOption) -> bool {
    matches!(option, MptcpOption::Dss(dss) if dss.data_fin)
}

/// Other ports outside, and back again. One point of the path does not show it.
fn translate(mut packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
    match packet.dir {
        Direction::ClientToServer => {
            let port = 10_000 + packet.source.port() / 4;
            packet.source.set_port(port);
        }
        Direction::ServerToClient => {
            if let Some(port) = ledger.ports.get(&packet.subflow) {
                packet.destination.set_port(*port);
            }
        }
    }
    visit.note(false, ledger);
    as_it_is(packet)
}

/// A RST of a box in the middle of the path.
fn bare_reset(packet: &Packet, plain: bool, hops: u8) -> Packet {
    let first = if plain { 64 } else { 255 - hops };
    Packet {
        flags: Flags::RST,
        acknowledgement: 0,
        window: 0,
        options: Vec::new(),
        malformed: Vec::new(),
        payload: Vec::new(),
        identification: if plain {
            packet.identification.wrapping_add(0x2a31)
        } else {
            0
        },
        // It has passed half of the routers, and half are to come.
        time_to_live: first + hops / 2,
        data: Vec::new(),
        ..packet.clone()
    }
}

/// One segment in two; each has all the options, as segmentation in a device does it.
fn split(packet: Packet, visit: Visit, ledger: &mut Ledger) -> Out {
    if packet.payload.len() < 200 {
        return as_it_is(packet);
    }
    // A host may send so itself.
    visit.note(false, ledger);
    let middle = packet.payload.len() / 2;
    let (mut first, mut second) = (packet.clone(), packet);
    first.payload.truncate(middle);
    second.payload.drain(..middle);
    second.sequence = second.sequence.wrapping_add(middle as u32);
    second.offset += middle as u64;
    second.identification = second.identification.wrapping_add(0x4000);
    let runs = std::mem::take(&mut first.data);
    second.data.clear();
    let mut place = 0;
    for (length, data) in &runs {
        let before = (middle as u32).saturating_sub(place).min(*length);
        if before > 0 {
            first.data.push((before, *data));
        }
        if *length > before {
            second
                .data
                .push((length - before, data.map(|data| data + u64::from(before))));
        }
        place += length;
    }
    if first.flags.contains(Flags::FIN) {
        first.flags = Flags::ACK;
    }
    vec![(Span(0), first), (Span(20_000), second)]
}
