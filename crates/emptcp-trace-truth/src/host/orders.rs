//! What somebody does at a host: the application, the administrator, or a fault of the implementation.

use super::subflow::{State, Subflow};
use super::{Host, Mode};
use crate::packet::Packet;
use crate::plan::{Fault, Order};
use crate::truth::{Ledger, Origin};
use emptcp_trace::Timestamp;
use emptcp_trace::record::Cause;
use mptcp_wire::mptcp::{MpFastclose, MpPrio, RemoveAddr};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Version};

/// MP_FASTCLOSE on an ACK is sent so often without an answer.
const MOST_ABORTS: u32 = 5;

impl Host {
    pub(super) fn follow_orders(&mut self, now: Timestamp, ledger: &mut Ledger) {
        let due: Vec<_> = self.orders.iter().filter(|(at, ..)| *at <= now).copied().collect();
        self.orders.retain(|(at, ..)| *at > now);
        for (_, order, happening) in due {
            if !self.is_multipath() {
                continue;
            }
            match order {
                Order::Fastclose { by_ack } => self.fastclose(by_ack, happening, now, ledger),
                Order::FallBack => self.fall_back_by_itself(happening, now, ledger),
                Order::Remove { path } => self.remove_address(path, happening, now, ledger),
                Order::Backup => self.make_backup(happening, now, ledger),
                Order::Malformed(fault) => self.send_malformed(fault, happening, now, ledger),
            }
        }
        if let Some((number, at, left)) = self.aborting
            && at <= now
        {
            self.aborting = None;
            if left > 0
                && let Some(mut subflow) = self.subflows.remove(&number)
            {
                self.send_abort(number, &mut subflow, left - 1, now);
                self.subflows.insert(number, subflow);
            }
        }
    }

    /// Aborts the connection (RFC 8684, 3.5). With ACKs: MP_FASTCLOSE on one subflow until a RST answers, RST on the
    /// others. With RSTs, as Linux: MP_FASTCLOSE on all of them.
    fn fastclose(&mut self, by_ack: bool, happening: usize, now: Timestamp, ledger: &mut Ledger) {
        let Some(peer) = self.peer_key else { return };
        let mut told = false;
        let mut waits = None;
        for number in self.numbers() {
            let Some(mut subflow) = self.subflows.remove(&number) else {
                continue;
            };
            if subflow.state == State::Open && subflow.mptcp {
                if by_ack && !told {
                    waits = Some(number);
                } else {
                    let mut packet = self.packet(number, &subflow, Flags::RST | Flags::ACK, subflow.next, now);
                    if !by_ack {
                        packet.add_mptcp(MpFastclose { receiver_key: peer });
                    }
                    self.out.push(packet);
                }
                told = true;
            }
            subflow.timer = None;
            self.subflows.insert(number, subflow);
        }
        if told {
            let origin = Origin {
                cause: Cause::HostClosed,
                what: "a host aborts the connection (MP_FASTCLOSE)",
                happening: Some(happening),
            };
            ledger.note(origin, Some(self.side), None, now);
        }
        self.stop();
        if let Some(number) = waits
            && let Some(mut subflow) = self.subflows.remove(&number)
        {
            self.send_abort(number, &mut subflow, MOST_ABORTS, now);
            self.subflows.insert(number, subflow);
        }
    }

    fn send_abort(&mut self, number: usize, subflow: &mut Subflow, left: u32, now: Timestamp) {
        let Some(receiver_key) = self.peer_key else { return };
        self.send_with(number, subflow, MpFastclose { receiver_key }.into(), now);
        self.aborting = Some((number, now + subflow.timeout(), left));
        subflow.backoff += 1;
    }

    pub(super) fn is_aborting(&self, number: usize) -> bool {
        self.aborting.is_some_and(|(other, ..)| other == number)
    }

    /// While MP_FASTCLOSE waits for its answer: data that still comes gets it once more.
    pub(super) fn abort_again(&mut self, packet: &Packet, subflow: &mut Subflow, now: Timestamp) {
        if packet.flags.contains(Flags::RST) {
            self.aborting = None;
        } else if let Some((number, _, left)) = self.aborting.filter(|_| packet.space() > 0) {
            self.send_abort(number, subflow, left, now);
            subflow.backoff = subflow.backoff.saturating_sub(1);
        }
    }

    /// Falls back although nothing forces it to: allowed while there is one subflow (RFC 8684, 3.7).
    fn fall_back_by_itself(&mut self, happening: usize, now: Timestamp, ledger: &mut Ledger) {
        if self.subflows.len() != 1 || self.data_fin.is_some() {
            return;
        }
        let Some(mut first) = self.subflows.remove(&0) else {
            return;
        };
        if first.fully && self.data_next < self.application.written {
            self.fall_back(&mut first);
            self.infinite = true;
            let origin = Origin {
                cause: Cause::HostFellBack,
                what: "a host falls back by itself (infinite mapping)",
                happening: Some(happening),
            };
            ledger.note(origin, Some(self.side), Some(0), now);
        }
        self.subflows.insert(0, first);
    }

    /// Withdraws the address of a path, and closes its subflows.
    fn remove_address(&mut self, path: usize, happening: usize, now: Timestamp, ledger: &mut Ledger) {
        let of_path = |subflow: &Subflow| subflow.path == path && subflow.is_join && subflow.is_opener;
        let gone: Vec<_> = self
            .subflows
            .iter()
            .filter(|(_, subflow)| of_path(subflow) && subflow.fully && subflow.state == State::Open)
            .map(|(number, _)| *number)
            .collect();
        let Some(mut first) = self.subflows.remove(&0) else {
            return;
        };
        if first.can_send()
            && !gone.is_empty()
            && let Ok(option) = RemoveAddr::new(&[AddressId(path as u8)])
        {
            self.send_with(0, &mut first, option.into(), now);
            self.subflows.insert(0, first);
            for number in gone {
                let Some(mut subflow) = self.subflows.remove(&number) else {
                    continue;
                };
                self.reset(number, &mut subflow, None, now);
                self.subflows.insert(number, subflow);
                let origin = Origin {
                    cause: Cause::HostClosed,
                    what: "a host removes an address (REMOVE_ADDR)",
                    happening: Some(happening),
                };
                ledger.note(origin, Some(self.side), Some(number), now);
            }
            return;
        }
        self.subflows.insert(0, first);
    }

    /// The peer has withdrawn addresses: their subflows are reset, if they are still there.
    pub(super) fn address_removed(&mut self, ids: &[AddressId], now: Timestamp) {
        for number in self.numbers() {
            let Some(mut subflow) = self.subflows.remove(&number) else {
                continue;
            };
            if subflow.is_join
                && !subflow.is_opener
                && ids.contains(&subflow.peer_address_id)
                && subflow.state == State::Open
            {
                self.reset(number, &mut subflow, None, now);
            }
            self.subflows.insert(number, subflow);
        }
    }

    /// Asks the peer to use the last subflow that it may as backup (MP_PRIO).
    fn make_backup(&mut self, happening: usize, now: Timestamp, ledger: &mut Ledger) {
        let regular = |subflow: &Subflow| subflow.mptcp && subflow.can_send() && subflow.fully && !subflow.backup;
        let numbers: Vec<_> = self
            .subflows
            .iter()
            .filter(|(_, subflow)| regular(subflow))
            .map(|(number, _)| *number)
            .collect();
        let [_, .., number] = numbers[..] else { return };
        let Some(mut subflow) = self.subflows.remove(&number) else {
            return;
        };
        subflow.backup = true;
        let option = MpPrio {
            backup: true,
            address_id: None,
        };
        self.send_with(number, &mut subflow, option.into(), now);
        self.subflows.insert(number, subflow);
        let origin = Origin {
            cause: Cause::Scheduler,
            what: "a host makes a subflow backup (MP_PRIO)",
            happening: Some(happening),
        };
        ledger.note(origin, Some(self.side), Some(number), now);
    }

    fn send_malformed(&mut self, fault: Fault, happening: usize, now: Timestamp, ledger: &mut Ledger) {
        let Some(first) = self.subflows.remove(&0) else { return };
        if self.mode == Mode::Multipath && first.can_send() {
            let mut packet = self.packet(0, &first, Flags::ACK, first.next, now);
            packet.malformed = match (fault, self.version) {
                // A 32-bit DATA_ACK takes 8 bytes.
                (Fault::ShortDss, _) => vec![30, 7, 0x20, 0x01, 0, 0, 0, 1],
                (Fault::LongPrio, _) => vec![30, 5, 0x51, 0, 0, 1, 1, 1],
                (Fault::OddAddAddr, Version::V1) => vec![30, 9, 0x30, 5, 10, 0, 9, 9, 0, 1, 1, 1],
                (Fault::OddAddAddr, Version::V0) => vec![30, 9, 0x34, 5, 10, 0, 9, 9, 0, 1, 1, 1],
            };
            self.out.push(packet);
            let origin = Origin {
                cause: Cause::Violation,
                what: "a host sends a malformed option",
                happening: Some(happening),
            };
            ledger.note(origin, Some(self.side), Some(0), now);
        }
        self.subflows.insert(0, first);
    }
}
