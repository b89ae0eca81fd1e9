//! From the SYN to the fourth packet (RFC 8684, 3.1 and 3.2).

use super::subflow::{Segment, State, Subflow, Use};
use super::{Host, Mode};
use crate::packet::Packet;
use crate::plan::JoinPlan;
use emptcp_trace::{Direction, Timestamp};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, CapableFlags, CapableKeys, MpCapable, MpJoin, MptcpOption, Subtype};
use mptcp_wire::tcp::{Flags, TcpOption};
use mptcp_wire::{AddressId, Nonce, Version, crypto};
use std::net::SocketAddr;

const ACK: Flags = Flags::ACK;
/// SYNs with the option after the first one; then Linux sends one without (`syn_retrans_before_tcp_fallback`).
const TRIES: u32 = 2;

impl Host {
    /// Opens what is due: the connection, then further subflows; announces addresses.
    pub(super) fn open(&mut self, now: Timestamp) {
        if self.side == Direction::ClientToServer && self.opened == 0 && self.subflows.is_empty() {
            let path = &self.paths[0];
            let local = SocketAddr::new(path.client, self.random.between(32_768, 60_999) as u16);
            let remote = SocketAddr::new(path.server, self.server_port);
            self.connect(0, local, remote, now);
            return;
        }
        while self.may_join()
            && let (Some(join), Some(established)) = (self.joins.front(), self.established)
            && established + join.at <= now
        {
            let join = join.clone();
            self.joins.pop_front();
            match (self.side, join.announced) {
                (Direction::ServerToClient, true) => self.announce(&join, now),
                (Direction::ClientToServer, false) => {
                    let remote = SocketAddr::new(self.paths[0].server, self.server_port);
                    self.join(&join, remote, now);
                }
                // The other host does it.
                _ => {}
            }
        }
    }

    /// Whether further subflows may be opened: the connection is one of Multipath TCP, and the first subflow fully
    /// established.
    pub(super) fn may_join(&self) -> bool {
        self.is_multipath() && self.data_fin.is_none() && self.subflows.get(&0).is_some_and(|first| first.fully)
    }

    pub(super) fn announces(&self) -> bool {
        self.side == Direction::ServerToClient
    }

    fn connect(&mut self, number: usize, local: SocketAddr, remote: SocketAddr, now: Timestamp) {
        let isn = self.random.next() as u32;
        let mut subflow = Subflow::new(0, local, remote, isn);
        subflow.is_opener = true;
        subflow.mptcp = self.plan.speaks_mptcp;
        self.opened = number + 1;
        self.send_syn(number, &mut subflow, now);
        self.subflows.insert(number, subflow);
    }

    fn join(&mut self, join: &JoinPlan, remote: SocketAddr, now: Timestamp) {
        let number = self.opened;
        self.opened += 1;
        let local = SocketAddr::new(self.paths[join.path].client, self.random.between(32_768, 60_999) as u16);
        let mut subflow = Subflow::new(join.path, local, remote, self.random.next() as u32);
        subflow.is_opener = true;
        subflow.is_join = true;
        subflow.backup = join.backup;
        subflow.address_id = AddressId(join.path as u8);
        subflow.nonces[0] = Nonce(self.random.next() as u32);
        self.send_syn(number, &mut subflow, now);
        self.subflows.insert(number, subflow);
    }

    fn send_syn(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp) {
        subflow.next = 1;
        subflow.queue.push_back(Segment {
            use_: Use::Syn,
            at: 0,
            length: 0,
            data: None,
            mapping: None,
            sent: now,
            times: 0,
        });
        self.transmit(number, subflow, 0, now);
    }

    fn flags(&self) -> CapableFlags {
        match self.checksums {
            true => CapableFlags::HMAC | CapableFlags::CHECKSUM_REQUIRED,
            false => CapableFlags::HMAC,
        }
    }

    fn capable(&self, keys: CapableKeys) -> MpCapable {
        MpCapable {
            version: self.version,
            flags: self.flags(),
            keys,
        }
    }

    /// The SYN or SYN+ACK of a subflow, for the `times`th time.
    pub(super) fn syn(&mut self, number: usize, subflow: &mut Subflow, times: u32, now: Timestamp) -> Packet {
        let tries = if self.version == Version::V0 { TRIES + 1 } else { TRIES };
        if subflow.is_opener && !subflow.is_join && times > tries + 1 {
            subflow.mptcp = false;
        }
        let flags = if subflow.is_opener {
            Flags::SYN
        } else {
            Flags::SYN | ACK
        };
        let mut packet = self.packet(number, subflow, flags, 0, now);
        packet.window = 64_240;
        packet.options.insert(
            0,
            TcpOption::MaximumSegmentSize(if subflow.local.is_ipv4() { 1460 } else { 1440 }),
        );
        packet.add(TcpOption::WindowScale(7));
        if !subflow.mptcp {
            return packet;
        }
        let keys = match (subflow.is_opener, self.version) {
            (true, Version::V1) => CapableKeys::None,
            _ => CapableKeys::Sender(self.key),
        };
        let (backup, address_id) = (subflow.backup, subflow.address_id);
        let option: MptcpOption = match (subflow.is_join, subflow.is_opener, self.peer_key) {
            (true, true, Some(peer)) => MpJoin::Syn {
                backup,
                address_id,
                token: crypto::derive(self.version, peer).token,
                nonce: subflow.nonces[0],
            }
            .into(),
            (true, false, Some(peer)) => MpJoin::SynAck {
                backup,
                address_id,
                hmac: crypto::join_syn_ack_hmac(self.version, self.key, peer, subflow.nonces[0], subflow.nonces[1]),
                nonce: subflow.nonces[0],
            }
            .into(),
            _ => self.capable(keys).into(),
        };
        packet.add_mptcp(option);
        packet
    }

    /// Options of an ACK, or of data, of a subflow whose handshake the peer has not confirmed.
    pub(super) fn third_option(&self, subflow: &Subflow) -> Option<MptcpOption> {
        let peer = self.peer_key?;
        Some(if subflow.is_join {
            let hmac = crypto::join_ack_hmac(self.version, self.key, peer, subflow.nonces[0], subflow.nonces[1]);
            MpJoin::Ack { hmac }.into()
        } else {
            let (sender, receiver) = (self.key, peer);
            self.capable(CapableKeys::Both { sender, receiver }).into()
        })
    }

    /// A version 1 client's first data, as long as the server has not confirmed (RFC 8684, 3.1).
    pub(super) fn first_data_option(&self, length: u16, checksum: Option<u16>) -> Option<MptcpOption> {
        let (sender, receiver) = (self.key, self.peer_key?);
        let keys = CapableKeys::BothWithData {
            sender,
            receiver,
            data_length: length,
            checksum,
        };
        Some(self.capable(keys).into())
    }

    /// A SYN has arrived.
    pub(super) fn answer_syn(&mut self, packet: &Packet, now: Timestamp) {
        if let Some(mut known) = self.subflows.remove(&packet.subflow) {
            // Sent again: so is the answer.
            if known.state == State::Answering {
                if !packet.has(Subtype::MpCapable) && !known.is_join {
                    known.mptcp = false;
                }
                self.transmit(packet.subflow, &mut known, 0, now);
            }
            self.subflows.insert(packet.subflow, known);
            return;
        }
        let join = packet.mptcp().find_map(|option| match option {
            MptcpOption::MpJoin(MpJoin::Syn {
                backup,
                address_id,
                token,
                nonce,
            }) => Some((*backup, *address_id, *token, *nonce)),
            _ => None,
        });
        let capable = packet.mptcp().find_map(|option| match option {
            MptcpOption::MpCapable(capable) => Some(*capable),
            _ => None,
        });
        let opened = !self.subflows.is_empty();
        let ours = crypto::derive(self.version, self.key).token;
        if self.plan.refuses {
            return self.refuse(packet, None);
        }
        if join.is_some_and(|(_, _, token, _)| token != ours || !self.is_multipath()) {
            let reason = self.reason(1);
            return self.refuse(packet, reason);
        }
        if join.is_some()
            && let Some(reason) = self.plan.refuses_joins
        {
            let reason = self.reason(reason.0);
            return self.refuse(packet, reason);
        }
        let isn = self.random.next() as u32;
        let mut subflow = Subflow::new(packet.path, packet.destination, packet.source, isn);
        subflow.state = State::Answering;
        subflow.remote_isn = packet.sequence;
        subflow.expected = 1;
        subflow.mptcp = false;
        if self.plan.speaks_mptcp {
            if let Some((backup, address_id, _, nonce)) = join {
                subflow.mptcp = true;
                subflow.peer_address_id = address_id;
                subflow.is_join = true;
                subflow.backup = backup;
                subflow.nonces = [Nonce(self.random.next() as u32), nonce];
            } else if let Some(capable) = capable.filter(|capable| capable.version == self.version) {
                subflow.mptcp = true;
                self.checksums |= capable.flags.contains(CapableFlags::CHECKSUM_REQUIRED);
                if let Some(key) = capable.sender_key() {
                    self.derive_peer(key);
                }
            }
        }
        if opened && join.is_none() {
            // A SYN whose MP_JOIN was removed opens a connection of its own, which the listener accepts as plain TCP.
            subflow.is_join = true;
        }
        if let Some(TcpOption::Timestamps { value, .. }) = packet
            .options
            .iter()
            .find(|option| matches!(option, TcpOption::Timestamps { .. }))
        {
            subflow.ts_recent = *value;
        }
        self.send_syn(packet.subflow, &mut subflow, now);
        self.subflows.insert(packet.subflow, subflow);
    }

    /// A SYN+ACK has arrived.
    pub(super) fn answer_syn_ack(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, now: Timestamp) {
        if subflow.state != State::Connecting {
            // Sent again: the third ACK was lost.
            if subflow.is_opener {
                self.send_ack(number, subflow, now);
            }
            return;
        }
        if packet.acknowledgement != subflow.wire_sequence(1) {
            return;
        }
        subflow.remote_isn = packet.sequence;
        subflow.expected = 1;
        subflow.acknowledged(1, false, now);
        subflow.state = State::Open;
        let sent = subflow.mptcp;
        if subflow.is_join {
            let answer = packet.mptcp().find_map(|option| match option {
                MptcpOption::MpJoin(MpJoin::SynAck { hmac, nonce, .. }) => Some((*hmac, *nonce)),
                _ => None,
            });
            let right = answer.zip(self.peer_key).is_some_and(|((hmac, nonce), peer)| {
                subflow.nonces[1] = nonce;
                hmac == crypto::join_syn_ack_hmac(self.version, peer, self.key, nonce, subflow.nonces[0])
            });
            if !right {
                let reason = self.reason(1);
                self.reset(number, subflow, reason, now);
                return;
            }
        } else {
            let capable = packet.mptcp().find_map(|option| match option {
                MptcpOption::MpCapable(capable) => Some(*capable),
                _ => None,
            });
            match capable
                .filter(|_| sent)
                .and_then(|capable| Some((capable, capable.sender_key()?)))
            {
                Some((capable, key)) => {
                    self.checksums |= capable.flags.contains(CapableFlags::CHECKSUM_REQUIRED);
                    self.derive_peer(key);
                    self.mode = Mode::Multipath;
                }
                None => {
                    subflow.mptcp = false;
                    self.mode = Mode::Plain;
                }
            }
            self.begin(now);
        }
        self.send_ack(number, subflow, now);
        if subflow.is_join {
            // Sent again until the fourth packet comes (RFC 8684, 3.2).
            subflow.timer = Some(now + subflow.timeout());
        }
    }

    /// The first packet after a SYN+ACK: whether it confirms Multipath TCP. False if the packet is of no more use.
    pub(super) fn third_ack(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, now: Timestamp) -> bool {
        subflow.state = State::Open;
        if subflow.is_join {
            if !subflow.mptcp {
                // The listener's, not of this connection: nobody reads or writes on it.
                return true;
            }
            let hmac = packet.mptcp().find_map(|option| match option {
                MptcpOption::MpJoin(MpJoin::Ack { hmac }) => Some(*hmac),
                _ => None,
            });
            let expected = self
                .peer_key
                .map(|peer| crypto::join_ack_hmac(self.version, peer, self.key, subflow.nonces[1], subflow.nonces[0]));
            if hmac.is_none() || hmac != expected {
                let reason = self.reason(if hmac.is_none() { 1 } else { 3 });
                self.reset(number, subflow, reason, now);
                return false;
            }
            subflow.fully = true;
            self.send_ack(number, subflow, now);
            return true;
        }
        if subflow.mptcp {
            let keys = packet.mptcp().find_map(|option| match option {
                MptcpOption::MpCapable(capable) => capable.sender_key().zip(capable.receiver_key()),
                _ => None,
            });
            match keys.filter(|(_, ours)| *ours == self.key) {
                Some((key, _)) => {
                    self.derive_peer(key);
                    self.mode = Mode::Multipath;
                }
                // Version 0 knows the key from the SYN, and a DSS proves as much (RFC 6824, 3.1).
                None if self.peer_key.is_some() && packet.has(Subtype::Dss) => self.mode = Mode::Multipath,
                None => {
                    subflow.mptcp = false;
                    self.mode = Mode::Plain;
                }
            }
        } else {
            self.mode = Mode::Plain;
        }
        self.begin(now);
        true
    }

    fn announce(&mut self, join: &JoinPlan, now: Timestamp) {
        let (address, address_id) = (self.paths[join.path].server, AddressId(10 + join.path as u8));
        let Some((peer, mut first)) = self.peer_key.zip(self.subflows.remove(&0)) else {
            return;
        };
        let form = match self.version {
            Version::V0 => AddAddrForm::Version0,
            Version::V1 => AddAddrForm::Announcement(crypto::add_addr_hmac(self.key, peer, address_id, address, None)),
        };
        let option = AddAddr {
            address_id,
            address,
            port: None,
            form,
        };
        self.send_with(0, &mut first, option.into(), now);
        self.subflows.insert(0, first);
    }

    /// The peer has announced an address.
    pub(super) fn announced(&mut self, number: usize, subflow: &mut Subflow, option: &AddAddr, now: Timestamp) {
        if option.form == AddAddrForm::Echo {
            return;
        }
        if self.version == Version::V1 {
            let echo = AddAddr {
                form: AddAddrForm::Echo,
                ..*option
            };
            self.send_with(number, subflow, echo.into(), now);
        }
        let path = self.paths.iter().position(|path| path.server == option.address);
        if let Some(path) = path.filter(|path| self.announced & (1 << path) == 0) {
            self.announced |= 1 << path;
            let join = JoinPlan {
                path,
                at: emptcp_trace::Span(0),
                backup: false,
                announced: true,
            };
            let remote = SocketAddr::new(option.address, self.server_port);
            // The connection's first subflow is not in the table while its packet is read.
            if self.is_multipath() && self.data_fin.is_none() {
                self.join(&join, remote, now);
            }
        }
    }
}
