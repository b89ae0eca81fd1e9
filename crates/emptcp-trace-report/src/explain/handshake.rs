//! What the packets of a subflow show of its handshake and its end.

use super::At;
use super::way::{self, Run, Way};
use emptcp_trace::record::{Kind, Subflow};
use emptcp_trace::{Direction, PacketEvent, PerDirection, Span};
use mptcp_wire::mptcp::{MpCapable, MpJoin, MpTcprst, MptcpOption};
use mptcp_wire::tcp::{Flags, Stage};

/// A RST.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) at: At,
    pub(crate) reason: Option<MpTcprst>,
}

/// MP_CAPABLE and MP_JOIN.
fn opens(option: &MptcpOption) -> bool {
    matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_))
}

/// MP_CAPABLE whose two keys are one: its sender got its own key back.
fn has_one_key_twice(option: &MptcpOption) -> bool {
    match option {
        MptcpOption::MpCapable(capable) => {
            capable.receiver_key().is_some() && capable.sender_key() == capable.receiver_key()
        }
        _ => false,
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
    /// Of those, the ones with MP_CAPABLE or MP_JOIN.
    pub(crate) syns_with_option: u64,
    pub(crate) syn_ack: Option<At>,
    pub(crate) syn_acks: u64,
    pub(crate) last_syn_ack: Option<At>,
    /// Whether it had MP_CAPABLE or MP_JOIN.
    pub(crate) syn_ack_option: bool,
    pub(crate) ack: Option<At>,
    pub(crate) ack_option: bool,
    /// It is of later than the handshake: it has a DSS, or FIN.
    pub(crate) ack_is_later: bool,
    /// MP_CAPABLE of either side, the first one.
    pub(crate) capable: PerDirection<Option<MpCapable>>,
    /// Flag B of MP_JOIN.
    pub(crate) backup: PerDirection<bool>,
    pub(crate) fin: PerDirection<Option<At>>,
    /// Further packets with FIN.
    pub(super) fin_again: PerDirection<Option<Run>>,
    pub(crate) reset: PerDirection<Option<Reset>>,
    /// The first packet, and the last.
    pub(crate) first: Option<At>,
    pub(crate) last: Option<At>,
    pub(crate) first_data: PerDirection<Option<At>>,
    /// Bytes of payload so far, copies included.
    pub(crate) carried: u64,
    /// The MPTCP option of the SYN.
    syn_option: Option<MptcpOption>,
    /// The SYN+ACK repeats the option of the SYN: the first one that does.
    pub(crate) mirrored: Option<At>,
    /// Both directions, from the first packet to the last.
    pub(super) ways: PerDirection<Way>,
}

impl Handshake {
    pub(crate) fn observe(&mut self, packet: &PacketEvent) {
        let at = At {
            t: packet.t,
            packet: packet.number,
        };
        let option = packet.options.iter().any(opens);
        match packet.flags.stage() {
            Some(Stage::Syn) => {
                self.syn.get_or_insert(at);
                self.direction.get_or_insert(packet.dir);
                self.last_syn = Some(at);
                self.syns += 1;
                self.syns_with_option += u64::from(option);
                match packet.options.iter().find(|option| opens(option)) {
                    Some(option) => self.syn_option = self.syn_option.or(Some(*option)),
                    None => {
                        self.bare_syn.get_or_insert(at);
                    }
                }
            }
            Some(Stage::SynAck) => {
                self.syn_ack.get_or_insert(at);
                self.last_syn_ack = Some(at);
                self.syn_acks += 1;
                self.direction.get_or_insert(packet.dir.reverse());
                self.syn_ack_option |= option;
                if packet.options.iter().any(|option| self.repeats_syn(option)) {
                    self.mirrored.get_or_insert(at);
                }
            }
            Some(Stage::Ack) if self.direction.unwrap_or(packet.dir) == packet.dir => {
                if self.ack.is_none() && packet.options.iter().any(has_one_key_twice) {
                    self.mirrored.get_or_insert(at);
                }
                if self.ack.is_none() {
                    let has_dss = packet
                        .options
                        .iter()
                        .any(|option| matches!(option, MptcpOption::Dss(_)));
                    self.ack_is_later = has_dss || packet.flags.contains(Flags::FIN);
                }
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
        let reset = self.reset[packet.dir].is_some();
        let round_trip = self.round_trip();
        way::observe(&mut self.ways, packet, at, round_trip, reset);
        if packet.flags.contains(Flags::FIN) {
            match self.fin[packet.dir] {
                None => self.fin[packet.dir] = Some(at),
                Some(_) => Run::add(&mut self.fin_again[packet.dir], at, packet.payload.into()),
            }
        }
        if packet.flags.contains(Flags::RST) {
            let reason = packet.options.iter().find_map(|option| match option {
                MptcpOption::MpTcprst(reason) => Some(*reason),
                _ => None,
            });
            self.reset[packet.dir].get_or_insert(Reset { at, reason });
        }
        self.first.get_or_insert(at);
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

    /// Whether an option of the SYN+ACK is that of the SYN. An honest server answers MP_CAPABLE with its own key, and
    /// MP_JOIN with the form that has an HMAC (RFC 8684, 3.1 and 3.2).
    fn repeats_syn(&self, option: &MptcpOption) -> bool {
        match (option, self.syn_option) {
            (MptcpOption::MpCapable(answer), Some(MptcpOption::MpCapable(asked))) => {
                answer.version == asked.version && answer.sender_key() == asked.sender_key()
            }
            (MptcpOption::MpJoin(MpJoin::Syn { .. }), Some(MptcpOption::MpJoin(_))) => self.syn_option == Some(*option),
            _ => false,
        }
    }

    /// From the first SYN to the third packet; none when a packet of the handshake is missing or came again.
    pub(crate) fn round_trip(&self) -> Option<Span> {
        let (syn, ack) = (self.syn?, self.ack?);
        (self.syns == 1 && self.syn_ack.is_some()).then_some(ack.t - syn.t)
    }

    /// Whether the other side answered with the option of the SYN, in its own form.
    pub(crate) fn is_accepted(&self) -> bool {
        self.syn_ack_option && self.mirrored.is_none()
    }

    /// Whether there are SYNs and nothing that answers them but a RST.
    pub(crate) fn unanswered_syn(&self) -> bool {
        let opener = self.direction.unwrap_or(Direction::ClientToServer);
        self.syns > 0 && self.syn_ack.is_none() && self.carried == 0 && self.ways[opener.reverse()].next_is_unknown()
    }

    /// Whether a subflow came about: by its record, and an additional one by the MP_JOIN of its third ACK (RFC 8684,
    /// 3.2). Where that was not captured, data shows it: its opener sends none before the handshake is complete.
    pub(crate) fn is_open(&self, subflow: &Subflow) -> bool {
        let shown = subflow.kind == Kind::Initial || self.ack_option || self.carried > 0 || self.ack.is_none();
        self.begins_open() || subflow.established && shown && self.mirrored.is_none()
    }

    /// Whether the capture has nothing of its handshake, but packets of later.
    pub(crate) fn begins_open(&self) -> bool {
        let capable = self.capable.0.iter().any(Option::is_some);
        self.syns == 0
            && self.syn_ack.is_none()
            && !self.ack_option
            && !capable
            && self.first_reset().is_none_or(|(_, reset)| Some(reset.at) != self.first)
    }

    /// Whether a DSS was seen.
    pub(crate) fn has_dss(&self) -> bool {
        self.ways.0.iter().any(|way| way.last_dss.is_some())
    }

    /// Whether a side sent something, whether or not that was captured: its packets, or acknowledgements of them.
    pub(crate) fn speaks(&self, direction: Direction) -> bool {
        let way = &self.ways[direction];
        way.packets > 0 || way.acked > 0
    }

    /// Whether packets of only one direction were captured, and which.
    pub(crate) fn one_direction(&self) -> Option<Direction> {
        let mut seen = Direction::BOTH
            .into_iter()
            .filter(|direction| self.ways[*direction].packets > 0);
        seen.next().filter(|_| seen.next().is_none())
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
