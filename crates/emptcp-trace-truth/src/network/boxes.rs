//! What befalls a packet on a part of its path.

use super::Network;
use crate::packet::Packet;
use crate::plan::{Happening, Resegmenting};
use crate::truth::{Ledger, Origin};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span, Timestamp};
use mptcp_wire::mptcp::MptcpOption;
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

impl Network {
    /// What comes out of a part of the path when a packet goes in.
    pub(super) fn cross(&mut self, packet: Packet, station: Station, now: Timestamp, ledger: &mut Ledger) -> Out {
        let mut packets = vec![(Span(0), packet)];
        let unusual: Vec<_> = self.plan.unusual().collect();
        for (number, happening) in unusual {
            let mut out = Out::new();
            for (wait, packet) in packets {
                let target = happening.target();
                if target.is_some_and(|target| self.hits(&target, &packet, station, now)) {
                    let origin = happening.origin(number);
                    let next = self.befall(number, happening, packet, station, origin, now, ledger);
                    out.extend(next.into_iter().map(|(more, packet)| (Span(wait.0 + more.0), packet)));
                } else {
                    out.push((wait, packet));
                }
            }
            packets = out;
        }
        packets
    }

    #[expect(clippy::too_many_arguments, reason = "all that a box knows")]
    fn befall(
        &mut self,
        number: usize,
        happening: Happening,
        mut packet: Packet,
        station: Station,
        origin: Origin,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> Out {
        let (dir, subflow) = (Some(packet.dir), Some(packet.subflow));
        let seen_after =
            station == Station::Far && !self.is_near(&packet) || station == Station::Near && self.is_near(&packet);
        match happening {
            Happening::Loss { per_mille, .. } => {
                if self.randoms[number].below(1000) < per_mille {
                    ledger.note_lost(origin, &packet, now);
                    return Out::new();
                }
            }
            Happening::Dead { .. } | Happening::HostGone { .. } => {
                self.spent[number] += 1;
                // A missing acknowledgement leaves no trace, but several do: what they acknowledge is sent again.
                match self.spent[number] {
                    0..4 => ledger.note_lost(origin, &packet, now),
                    _ => ledger.note(origin, dir, subflow, now),
                }
                if matches!(happening, Happening::Dead { .. }) {
                    let lost = Origin::ordinary(Cause::PacketsLost, "packets are lost on a dead path");
                    ledger.note(lost, dir, subflow, now);
                }
                return Out::new();
            }
            Happening::Blocked { subtype, .. } => {
                if packet.flags.stage() == Some(Stage::Syn) && packet.has(subtype) {
                    ledger.note_if(!seen_after, origin, dir, subflow, now);
                    return Out::new();
                }
            }
            Happening::Strip { subtype, .. } => {
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
                    // So it is with the last acknowledgements, which have nothing to say.
                    let is_last = packet.payload.is_empty()
                        && gone.iter().all(|option| match option {
                            MptcpOption::Dss(dss) => dss.mapping.is_none(),
                            _ => false,
                        });
                    self.spent[number] += u32::from(is_last);
                    let few = is_last && self.spent[number] < 3;
                    let leaves_trace = !(seen_after && (is_syn || announces)) && !few;
                    ledger.note_if(leaves_trace, origin, dir, subflow, now);
                }
            }
            Happening::Mirror { .. } => return self.mirror(packet, seen_after, origin, now, ledger),
            Happening::Translate { .. } => {
                let outside = |port: u16| 10_000 + port / 4;
                match packet.dir {
                    Direction::ClientToServer => {
                        let port = outside(packet.source.port());
                        packet.source.set_port(port);
                    }
                    // Back again: ports of the plan are even enough to be told apart by their subflow.
                    Direction::ServerToClient => {
                        let port = ledger.ports.get(&packet.subflow).copied();
                        port.into_iter().for_each(|port| packet.destination.set_port(port));
                    }
                }
                ledger.note_if(false, origin, dir, subflow, now);
            }
            Happening::Rewrite { .. } => {
                if packet.payload.len() >= 8 && self.spent[number] == 0 {
                    self.spent[number] = 1;
                    let place = packet.payload.len() / 2;
                    packet.payload[place] ^= 0x20;
                    // Without checksums nothing shows it.
                    ledger.note_if(self.plan.has_checksums(), origin, dir, subflow, now);
                }
            }
            Happening::Resegment { how, .. } => match how {
                Resegmenting::Merge => return self.merge(packet, station, origin, now, ledger),
                Resegmenting::Split if packet.payload.len() >= 200 => {
                    ledger.note(origin, dir, subflow, now);
                    return split(&packet);
                }
                Resegmenting::Split => {}
            },
            Happening::Reset { both, plain, .. } => {
                if self.spent[number] == 0 && packet.flags.stage() == Some(Stage::Ack) && !packet.payload.is_empty() {
                    self.spent[number] = 1;
                    ledger.note(origin, dir, subflow, now);
                    let hops = self.plan.paths[packet.path].hops;
                    let mut forward = bare_reset(&packet, plain, hops);
                    forward.sequence = packet.sequence;
                    let mut back = bare_reset(&packet, plain, hops);
                    back.dir = packet.dir.reverse();
                    (back.source, back.destination) = (packet.destination, packet.source);
                    (back.sequence, back.acknowledgement) = (packet.acknowledgement, 0);
                    ledger.note(origin, Some(back.dir), subflow, now);
                    self.inject(back, station, now, ledger);
                    return if both {
                        vec![(Span(0), forward)]
                    } else {
                        vec![(Span(0), packet)]
                    };
                }
            }
            Happening::Reorder { per_mille, .. } => {
                if self.randoms[number].below(1000) < per_mille {
                    // Less than the path takes: what is later than a round trip cannot be told from a retransmission.
                    let far = self.plan.paths[packet.path].delays[1].0;
                    let wait = Span(far * self.randoms[number].between(20, 80) as i64 / 100);
                    ledger.note_if(seen_after && !packet.payload.is_empty(), origin, dir, subflow, now);
                    return vec![(wait, packet)];
                }
            }
            _ => {}
        }
        vec![(Span(0), packet)]
    }

    /// A box that answers for a server, or a host that sends options back as it got them.
    fn mirror(
        &mut self,
        mut packet: Packet,
        seen_after: bool,
        origin: Origin,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> Out {
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
                ledger.note(removes, None, Some(packet.subflow), now);
            }
            Some(Stage::SynAck) => {
                if let Some(capable) = self.mirrored.get(&packet.subflow) {
                    packet.add_mptcp(*capable);
                    ledger.note_if(seen_after, origin, Some(packet.dir), Some(packet.subflow), now);
                }
            }
            _ => {}
        }
        vec![(Span(0), packet)]
    }
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
fn split(packet: &Packet) -> Out {
    let middle = packet.payload.len() / 2;
    let (mut first, mut second) = (packet.clone(), packet.clone());
    first.payload.truncate(middle);
    second.payload.drain(..middle);
    second.sequence = second.sequence.wrapping_add(middle as u32);
    second.offset += middle as u64;
    second.identification = second.identification.wrapping_add(0x4000);
    first.data.clear();
    second.data.clear();
    let mut place = 0;
    for (length, data) in &packet.data {
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
