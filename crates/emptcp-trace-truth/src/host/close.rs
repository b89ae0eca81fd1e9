//! Ends: DATA_FIN and FIN, MP_FASTCLOSE, RST.

use super::subflow::{Segment, State, Subflow, Use};
use super::{Host, Mode, after};
use crate::packet::Packet;
use crate::truth::{Ledger, Origin};
use emptcp_trace::Timestamp;
use emptcp_trace::record::Cause;
use mptcp_wire::mptcp::{Dss, MpFail, MpFastclose, MpTcprst, MptcpOption, ResetReason};
use mptcp_wire::tcp::{Flags, TcpOption};

/// DATA_FIN is sent again after so long.
const DATA_FIN_PATIENCE: i64 = 1_000_000_000;
const MOST_DATA_FINS: u32 = 6;

impl Host {
    /// Closes what the application has closed.
    pub(super) fn close(&mut self, now: Timestamp, ledger: &mut Ledger) {
        if !self.application.has_closed(now) || !self.application.is_done() || self.data_next < self.application.written
        {
            return;
        }
        match self.mode {
            Mode::Plain => self.close_plain(now, ledger),
            Mode::Multipath => self.close_multipath(now, ledger),
            Mode::Opening | Mode::Over => {}
        }
    }

    fn close_plain(&mut self, now: Timestamp, ledger: &mut Ledger) {
        if let Some(mut first) = self.subflows.remove(&0) {
            self.send_fin(0, &mut first, now, ledger);
            self.subflows.insert(0, first);
        }
    }

    fn close_multipath(&mut self, now: Timestamp, ledger: &mut Ledger) {
        let fin = *self.data_fin.get_or_insert(self.data_next);
        if !self.data_fin_acked {
            self.send_data_fin(fin, now, ledger);
        }
        let peer_closed = self.peer_data_fin == Some(self.received.complete());
        if self.data_fin_acked && peer_closed {
            for number in self.numbers() {
                let Some(mut subflow) = self.subflows.remove(&number) else {
                    continue;
                };
                self.send_fin(number, &mut subflow, now, ledger);
                self.subflows.insert(number, subflow);
            }
        }
    }

    /// On every subflow, and again until it is acknowledged (RFC 8684, 3.3.3).
    fn send_data_fin(&mut self, fin: u64, now: Timestamp, ledger: &mut Ledger) {
        if self.data_timer.is_none() {
            self.data_timer = Some(after(now, DATA_FIN_PATIENCE));
        }
        for number in self.numbers() {
            let Some(mut subflow) = self.subflows.remove(&number) else {
                continue;
            };
            let due = subflow
                .data_fin_sent
                .is_none_or(|sent| (now - sent).0 >= DATA_FIN_PATIENCE && self.data_fin_times < 4 * MOST_DATA_FINS);
            if due && subflow.mptcp && subflow.can_send() && self.peer_key.is_some() {
                subflow.data_fin_sent = Some(now);
                self.data_fin_times += 1;
                let mapping = self.mapping(fin, 0, 1);
                let mut packet = self.packet(number, &subflow, Flags::ACK, subflow.next, now);
                packet.add_mptcp(Dss {
                    data_ack: Some(self.data_ack()),
                    mapping: Some(mapping),
                    data_fin: true,
                });
                self.out.push(packet);
                let origin = Origin::ordinary(Cause::HostClosed, "a host closes the connection");
                ledger.note(origin, Some(self.side), None, now);
            }
            self.subflows.insert(number, subflow);
        }
    }

    fn send_fin(&mut self, number: usize, subflow: &mut Subflow, now: Timestamp, ledger: &mut Ledger) {
        if subflow.fin_sent || subflow.state != State::Open {
            return;
        }
        subflow.fin_sent = true;
        subflow.queue.push_back(Segment {
            use_: Use::Fin,
            at: subflow.next,
            length: 0,
            data: None,
            mapping: None,
            sent: now,
            times: 0,
        });
        subflow.next += 1;
        let last = subflow.queue.len() - 1;
        self.transmit(number, subflow, last, now);
        let origin = Origin::ordinary(Cause::HostClosed, "a host closes a subflow");
        ledger.note(origin, Some(self.side), Some(number), now);
    }

    pub(super) fn stop(&mut self) {
        self.mode = Mode::Over;
        self.data_timer = None;
        self.application.give_up();
        for subflow in self.subflows.values_mut() {
            subflow.state = State::Gone;
            subflow.timer = None;
            subflow.ack_at = None;
        }
    }

    /// The peer has aborted the connection.
    pub(super) fn fastclosed(&mut self, number: usize, subflow: &mut Subflow, answers: bool, now: Timestamp) {
        if answers {
            let packet = self.packet(number, subflow, Flags::RST | Flags::ACK, subflow.next, now);
            self.out.push(packet);
        }
        for other in self.numbers() {
            let Some(state) = self.subflows.remove(&other) else {
                continue;
            };
            if state.state == State::Open {
                let packet = self.packet(other, &state, Flags::RST | Flags::ACK, state.next, now);
                self.out.push(packet);
            }
            self.subflows.insert(other, state);
        }
        subflow.state = State::Gone;
        subflow.timer = None;
        subflow.ack_at = None;
        self.stop();
    }

    /// A RST in answer to a packet, without a subflow.
    pub(super) fn refuse(&mut self, packet: &Packet, reason: Option<ResetReason>) {
        self.identification = self.identification.wrapping_add(1);
        let with_ack = packet.flags.contains(Flags::ACK);
        let mut answer = Packet {
            dir: self.side,
            source: packet.destination,
            destination: packet.source,
            flags: if with_ack { Flags::RST } else { Flags::RST | Flags::ACK },
            sequence: if with_ack { packet.acknowledgement } else { 0 },
            acknowledgement: if with_ack {
                0
            } else {
                packet.sequence.wrapping_add(packet.space() as u32)
            },
            window: 0,
            options: Vec::new(),
            malformed: Vec::new(),
            payload: Vec::new(),
            identification: self.identification,
            time_to_live: 64,
            offset: 0,
            data: Vec::new(),
            shown_bare: false,
            subflow: packet.subflow,
            path: packet.path,
        };
        if let Some(reason) = reason {
            let transient = false;
            answer
                .options
                .push(TcpOption::Mptcp(MptcpOption::from(MpTcprst { transient, reason })));
        }
        self.out.push(answer);
    }

    /// Resets a subflow.
    pub(super) fn reset(&mut self, number: usize, subflow: &mut Subflow, reason: Option<ResetReason>, now: Timestamp) {
        self.reset_with(number, subflow, None, reason, now);
    }

    /// Resets a subflow, and says that a checksum was wrong.
    pub(super) fn reset_with(
        &mut self,
        number: usize,
        subflow: &mut Subflow,
        fail: Option<MpFail>,
        reason: Option<ResetReason>,
        now: Timestamp,
    ) {
        let mut packet = self.packet(number, subflow, Flags::RST | Flags::ACK, subflow.next, now);
        fail.into_iter().for_each(|fail| packet.add_mptcp(fail));
        if let Some(reason) = reason {
            let transient = false;
            packet.add_mptcp(MpTcprst { transient, reason });
        }
        self.out.push(packet);
        subflow.state = State::Gone;
        subflow.timer = None;
        subflow.ack_at = None;
        self.give_away(number, subflow);
        subflow.queue.clear();
    }

    /// A RST has arrived.
    pub(super) fn reset_by_peer(&mut self, number: usize, subflow: &mut Subflow, packet: &Packet, now: Timestamp) {
        // RFC 9293, 3.10.7.3: before the connection is synchronised, only if it acknowledges the SYN.
        if subflow.state == State::Connecting && packet.acknowledgement != subflow.wire_sequence(1) {
            return;
        }
        if subflow.state == State::Gone {
            return;
        }
        subflow.state = State::Gone;
        subflow.timer = None;
        subflow.ack_at = None;
        let aborted = packet.mptcp().any(
            |option| matches!(option, MptcpOption::MpFastclose(MpFastclose { receiver_key }) if *receiver_key == self.key),
        );
        if aborted {
            self.fastclosed(number, subflow, false, now);
        } else if !subflow.is_join && self.mode != Mode::Multipath {
            self.mode = Mode::Over;
            self.application.give_up();
        } else {
            self.give_away(number, subflow);
            subflow.queue.clear();
        }
    }
}
