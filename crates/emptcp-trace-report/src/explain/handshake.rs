//! What the packets of a subflow show of its handshake and its end.

use super::At;
use emptcp_trace::{Direction, PacketEvent, PerDirection};
use mptcp_wire::mptcp::{MpCapable, MpJoin, MpTcprst, MptcpOption};
use mptcp_wire::tcp::{Flags, Stage};

/// A RST.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) at: At,
    pub(crate) reason: Option<MpTcprst>,
}

/// Packets one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) first: At,
    pub(crate) last: At,
    pub(crate) packets: u64,
}

impl Run {
    fn add(run: &mut Option<Self>, at: At) {
        let run = run.get_or_insert(Self {
            first: at,
            last: at,
            packets: 0,
        });
        run.last = at;
        run.packets += 1;
    }
}

/// One subflow, from SYN to RST.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshake {
    /// Direction of the first SYN.
    pub(crate) direction: Option<Direction>,
    pub(crate) syn: Option<At>,
    pub(crate) last_syn: Option<At>,
    /// The first SYN without an MPTCP option after one with it.
    pub(crate) bare_syn: Option<At>,
    pub(crate) syns: u64,
    pub(crate) syn_ack: Option<At>,
    /// Whether it had MP_CAPABLE or MP_JOIN.
    pub(crate) syn_ack_option: bool,
    pub(crate) ack: Option<At>,
    pub(crate) ack_option: bool,
    /// MP_CAPABLE of either side, the first one.
    pub(crate) capable: PerDirection<Option<MpCapable>>,
    /// Flag B of MP_JOIN.
    pub(crate) backup: PerDirection<bool>,
    pub(crate) fin: PerDirection<Option<At>>,
    pub(crate) reset: PerDirection<Option<Reset>>,
    /// The last packet.
    pub(crate) last: Option<At>,
    pub(crate) first_data: PerDirection<Option<At>>,
    /// Bytes of payload so far, copies included.
    pub(crate) carried: u64,
    /// Packets since the last one of the other side.
    pub(crate) unanswered: PerDirection<Option<Run>>,
    /// Packets since the last one with a DSS.
    pub(crate) without_dss: PerDirection<Option<Run>>,
    /// A DSS was seen.
    pub(crate) dss: PerDirection<bool>,
}

impl Handshake {
    pub(crate) fn observe(&mut self, packet: &PacketEvent) {
        let at = At {
            t: packet.t,
            packet: packet.number,
        };
        let option = packet
            .options
            .iter()
            .any(|option| matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_)));
        match packet.flags.stage() {
            Some(Stage::Syn) => {
                self.syn.get_or_insert(at);
                self.direction.get_or_insert(packet.dir);
                self.last_syn = Some(at);
                self.syns += 1;
                if !option {
                    self.bare_syn.get_or_insert(at);
                }
            }
            Some(Stage::SynAck) => {
                self.syn_ack.get_or_insert(at);
                self.direction.get_or_insert(packet.dir.reverse());
                self.syn_ack_option |= option;
            }
            Some(Stage::Ack) if self.direction.unwrap_or(packet.dir) == packet.dir => {
                self.ack.get_or_insert(at);
                self.ack_option |= option;
            }
            _ => {}
        }
        self.options(packet);
        if packet.payload > 0 {
            self.first_data[packet.dir].get_or_insert(at);
            self.carried += u64::from(packet.payload);
        }
        Run::add(&mut self.unanswered[packet.dir], at);
        self.unanswered[packet.dir.reverse()] = None;
        if packet
            .options
            .iter()
            .any(|option| matches!(option, MptcpOption::Dss(_)))
        {
            self.dss[packet.dir] = true;
            self.without_dss[packet.dir] = None;
        } else if packet.flags.stage() == Some(Stage::Ack) {
            Run::add(&mut self.without_dss[packet.dir], at);
        }
        if packet.flags.contains(Flags::FIN) {
            self.fin[packet.dir].get_or_insert(at);
        }
        if packet.flags.contains(Flags::RST) {
            let reason = packet.options.iter().find_map(|option| match option {
                MptcpOption::MpTcprst(reason) => Some(*reason),
                _ => None,
            });
            self.reset[packet.dir].get_or_insert(Reset { at, reason });
        }
        self.last = Some(at);
    }

    fn options(&mut self, packet: &PacketEvent) {
        for option in &packet.options {
            match option {
                MptcpOption::MpCapable(capable) => {
                    self.capable[packet.dir].get_or_insert(*capable);
                }
                MptcpOption::MpJoin(MpJoin::Syn { backup, .. } | MpJoin::SynAck { backup, .. }) => {
                    self.backup[packet.dir] |= *backup;
                }
                _ => {}
            }
        }
    }

    /// The first RST of either side, and its direction.
    pub(crate) fn first_reset(&self) -> Option<(Direction, Reset)> {
        Direction::BOTH
            .into_iter()
            .filter_map(|direction| Some((direction, self.reset[direction]?)))
            .min_by_key(|(_, reset)| (reset.at.t, reset.at.packet))
    }

    /// The first FIN of either side, and its direction.
    pub(crate) fn first_fin(&self) -> Option<(Direction, At)> {
        Direction::BOTH
            .into_iter()
            .filter_map(|direction| Some((direction, self.fin[direction]?)))
            .min_by_key(|(_, at)| (at.t, at.packet))
    }

    /// From the SYN to the last packet of the handshake that was seen.
    pub(crate) fn span(&self) -> Option<(At, At)> {
        let first = self.syn.or(self.syn_ack).or(self.ack).or(self.last)?;
        let last = self.ack.or(self.syn_ack).or(self.last_syn).unwrap_or(first);
        Some((first, last))
    }
}
