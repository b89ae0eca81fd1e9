//! A host: Multipath TCP after RFC 6824 and RFC 8684, in the way of Linux where the RFCs leave it open.
//!
//! * This file: the state of the connection, and what arrives.
//! * `subflow.rs`: a TCP connection. `handshake.rs`: SYN to third ACK, and the fourth. `intervals.rs`: byte ranges.
//! * `send.rs`: data and its mappings, retransmissions, acknowledgements. `receive.rs`: acknowledgements, payload,
//!   fallback. `close.rs`: DATA_FIN, FIN, MP_FASTCLOSE, RST. `orders.rs`: what somebody does at
//!   the host. `application.rs`: what is written, and when.

mod application;
mod close;
mod handshake;
mod intervals;
mod orders;
mod receive;
mod send;
mod subflow;

use crate::packet::Packet;
use crate::plan::{HostPlan, JoinPlan, Order, PathPlan, Plan};
use crate::random::Random;
use crate::truth::{Ledger, Origin};
use application::Application;
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span, Timestamp};
use intervals::Intervals;
use mptcp_wire::mptcp::{ResetReason, Subtype};
use mptcp_wire::tcp::{Flags, Stage, TcpOption};
use mptcp_wire::{Idsn, Key, Version, crypto};
use std::collections::{BTreeMap, VecDeque};
use subflow::{State, Subflow};

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The handshake is not over.
    Opening,
    Multipath,
    /// Plain TCP on the first subflow.
    Plain,
    /// Aborted.
    Over,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    side: Direction,
    plan: HostPlan,
    version: Version,
    server_port: u16,
    paths: Vec<PathPlan>,
    joins: VecDeque<JoinPlan>,
    random: Random,
    mode: Mode,
    checksums: bool,
    key: Key,
    peer_key: Option<Key>,
    idsn: Idsn,
    peer_idsn: Idsn,
    subflows: BTreeMap<usize, Subflow>,
    opened: usize,
    established: Option<Timestamp>,
    application: Application,
    /// Data sent so far, and what the peer acknowledged, bytes.
    data_next: u64,
    data_una: u64,
    /// To be sent once more, on another subflow.
    again: VecDeque<(u64, u32)>,
    data_timer: Option<Timestamp>,
    received: Intervals,
    data_fin: Option<u64>,
    data_fin_acked: bool,
    data_fin_times: u32,
    peer_data_fin: Option<u64>,
    orders: Vec<(Timestamp, Order, usize)>,
    /// An infinite mapping is to be sent with the next data.
    infinite: bool,
    fell_back: bool,
    identification: u16,
    last_used: usize,
    announced: usize,
    /// MP_FASTCLOSE on an ACK: the subflow, when it is sent again, and how often yet.
    aborting: Option<(usize, Timestamp, u32)>,
    out: Vec<Packet>,
}

impl Host {
    pub(crate) fn new(plan: &Plan, side: Direction) -> Self {
        let host = plan.host(side);
        let mut random = Random::new(plan.seed, 10 + u64::from(side == Direction::ServerToClient));
        let key = Key(random.next().to_be_bytes());
        Self {
            side,
            version: plan.version,
            server_port: plan.server_port,
            paths: plan.paths.clone(),
            joins: plan.joins.iter().cloned().collect(),
            mode: Mode::Opening,
            checksums: host.checksums,
            key,
            peer_key: None,
            idsn: crypto::derive(plan.version, key).idsn,
            peer_idsn: Idsn(0),
            subflows: BTreeMap::new(),
            opened: 0,
            established: None,
            application: Application::new(&host, plan, side),
            data_next: 0,
            data_una: 0,
            again: VecDeque::new(),
            data_timer: None,
            received: Intervals::default(),
            data_fin: None,
            data_fin_acked: false,
            data_fin_times: 0,
            peer_data_fin: None,
            orders: Vec::new(),
            infinite: false,
            fell_back: false,
            identification: random.next() as u16,
            last_used: 0,
            announced: 0,
            aborting: None,
            out: Vec::new(),
            random,
            plan: host,
        }
    }

    /// What is to be sent now.
    pub(crate) fn take(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }

    /// Whether it has fallen back since it was last asked.
    pub(crate) fn has_fallen_back(&mut self) -> bool {
        std::mem::take(&mut self.fell_back)
    }

    /// Whether it speaks plain TCP.
    pub(crate) fn is_plain(&self) -> bool {
        self.mode == Mode::Plain
    }

    /// Whether something of the connection is still open.
    pub(crate) fn is_open(&self) -> bool {
        let is_open = |subflow: &Subflow| match subflow.state {
            State::Gone => false,
            State::Open => !subflow.fin_sent || !subflow.fin_received,
            State::Connecting | State::Answering => true,
        };
        match self.mode {
            Mode::Over => false,
            Mode::Multipath => !self.data_fin_acked || self.peer_data_fin != Some(self.received.complete()),
            Mode::Opening | Mode::Plain => self.subflows.values().any(is_open),
        }
    }

    /// When it wants to act next, if nothing arrives.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let of_subflows = self
            .subflows
            .values()
            .flat_map(|subflow| [subflow.timer, subflow.ack_at]);
        let joins = self
            .joins
            .front()
            .filter(|_| self.side == Direction::ClientToServer || self.announces());
        let join = joins.and_then(|join| Some(self.established? + join.at));
        of_subflows
            .chain([
                self.data_timer,
                self.aborting.map(|(_, at, _)| at),
                self.application.deadline(),
                join.filter(|_| self.may_join()),
            ])
            .chain(self.orders.iter().map(|(at, ..)| Some(*at)))
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// A packet has arrived.
    pub(crate) fn receive(&mut self, packet: &Packet, now: Timestamp, ledger: &mut Ledger) {
        let stage = packet.flags.stage();
        if stage == Some(Stage::Syn) {
            return self.answer_syn(packet, now);
        }
        let Some(mut subflow) = self.subflows.remove(&packet.subflow) else {
            return;
        };
        if self.is_aborting(packet.subflow) {
            self.abort_again(packet, &mut subflow, now);
        } else if packet.flags.contains(Flags::RST) {
            self.reset_by_peer(packet.subflow, &mut subflow, packet, now);
        } else if subflow.state == State::Gone {
            if !packet.flags.contains(Flags::RST) {
                self.refuse(packet, None);
            }
        } else {
            if let Some(TcpOption::Timestamps { value, .. }) = packet
                .options
                .iter()
                .find(|option| matches!(option, TcpOption::Timestamps { .. }))
            {
                subflow.ts_recent = *value;
            }
            if stage == Some(Stage::SynAck) {
                self.answer_syn_ack(packet.subflow, &mut subflow, packet, now);
            } else {
                self.segment(packet.subflow, &mut subflow, packet, now, ledger);
            }
        }
        self.subflows.insert(packet.subflow, subflow);
        self.act(now, ledger);
    }

    /// Timers that have expired, and everything that may be sent.
    pub(crate) fn act(&mut self, now: Timestamp, ledger: &mut Ledger) {
        self.follow_orders(now, ledger);
        self.tell_application(now);
        self.wake_application(now, ledger);
        self.tell_application(now);
        self.open(now);
        for number in self.numbers() {
            let Some(mut subflow) = self.subflows.remove(&number) else {
                continue;
            };
            if subflow.timer.is_some_and(|timer| timer <= now) {
                self.retransmit_by_timer(number, &mut subflow, now);
            }
            self.subflows.insert(number, subflow);
        }
        self.data_timeout(now, ledger);
        self.send_data(now, ledger);
        self.close(now, ledger);
        self.send_acks(now);
    }

    /// Lets the application write, and takes down when it is idle by plan.
    fn wake_application(&mut self, now: Timestamp, ledger: &mut Ledger) {
        let before = self.application.done();
        self.application.wake(now);
        if let Some(happening) = self.plan.idle.filter(|_| self.application.done() > before) {
            let origin = Origin {
                cause: Cause::Idle,
                what: "the application has nothing to send",
                happening: Some(happening),
            };
            ledger.note(origin, Some(self.side), None, now);
        }
    }

    fn numbers(&self) -> Vec<usize> {
        self.subflows.keys().copied().collect()
    }

    fn is_multipath(&self) -> bool {
        self.mode == Mode::Multipath
    }

    /// The connection is established: the clock of plans starts.
    fn begin(&mut self, now: Timestamp) {
        if self.established.is_some() {
            return;
        }
        self.established = Some(now);
        self.orders = self
            .plan
            .orders
            .iter()
            .map(|(at, order, number)| (now + *at, *order, *number))
            .collect();
        if self.side == Direction::ClientToServer {
            self.application.start(now);
        }
    }

    fn derive_peer(&mut self, key: Key) {
        self.peer_key = Some(key);
        self.peer_idsn = crypto::derive(self.version, key).idsn;
    }

    /// An empty packet of a subflow.
    fn packet(&mut self, number: usize, subflow: &Subflow, flags: Flags, at: u64, now: Timestamp) -> Packet {
        self.identification = self.identification.wrapping_add(1);
        let acknowledgement = match flags.contains(Flags::ACK) {
            true => subflow.remote_isn.wrapping_add(subflow.expected as u32),
            false => 0,
        };
        let mut packet = Packet {
            subflow: number,
            path: subflow.path,
            dir: self.side,
            source: subflow.local,
            destination: subflow.remote,
            flags,
            sequence: subflow.wire_sequence(at),
            acknowledgement,
            window: 2048,
            options: Vec::new(),
            malformed: Vec::new(),
            payload: Vec::new(),
            identification: self.identification,
            time_to_live: 64,
            offset: at.saturating_sub(1),
            data: Vec::new(),
            shown_bare: false,
        };
        if self.plan.timestamps && !flags.contains(Flags::RST) {
            packet.add(TcpOption::Timestamps {
                value: (now.0 / 1_000_000) as u32,
                echo_reply: subflow.ts_recent,
            });
        }
        packet
    }

    /// Whether the packet has a DSS with a DATA_ACK, or announces an address: proof that the peer goes on.
    fn shows_establishment(packet: &Packet) -> bool {
        packet.has(Subtype::Dss) || packet.has(Subtype::AddAddr)
    }

    fn reason(&self, code: u8) -> Option<ResetReason> {
        (self.version == Version::V1).then_some(ResetReason(code))
    }
}

/// Later than `now` by so many nanoseconds.
fn after(now: Timestamp, nanoseconds: i64) -> Timestamp {
    now + Span(nanoseconds)
}
