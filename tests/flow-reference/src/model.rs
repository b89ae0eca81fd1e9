//! Beginnings and ends of records: the tables, and the processing of a packet.

use crate::data::{cover, map, widen_windows, windows};
use crate::numbers::{acceptable, extend_run, find_again, is_found_again, reset_exact, sequence_possible, sure_place};
use crate::one_direction::{ended_by_silence, is_known, one_sided, succeeds};
use crate::packet::Packet;
use crate::record::{Connection, Fin, Record, State, WINDOW_LEAST};
use crate::times::Times;
use crate::update::{Done, ends, update};
use mptcp_wire::WireDataSequenceNumber;
use mptcp_wire::{FourTuple, Side};
use std::collections::HashMap;

/// A round-trip sample that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sampled {
    /// Whose segment was answered.
    pub side: Side,
    /// When it was seen, ns.
    pub sent_ns: u64,
    /// `rtt_us` before.
    pub rtt_us: u32,
    /// `rtt_min_us` before.
    pub rtt_min_us: u32,
    /// Samples before.
    pub samples: u32,
    /// Whether the record is an established one now.
    pub established: bool,
}

/// The effect of a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// The round-trip sample that ended with it.
    pub sampled: Option<Sampled>,
    /// It made a record.
    pub new: bool,
    /// It was acceptable.
    pub accepted: bool,
}

/// The counters of the core that the page names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Half-open records made.
    pub flow_new: u64,
    /// Records established.
    pub flow_established: u64,
    /// Records that ended.
    pub flow_closed: u64,
    /// Connections met.
    pub connection_new: u64,
    /// MP_JOIN with an unknown token.
    pub connection_unknown: u64,
    /// Segments refused.
    pub unacceptable: u64,
    /// SYN or SYN-ACK on an established record.
    pub syn_on_established: u64,
    /// Numbers replaced.
    pub reanchored: u64,
}

/// All records of a device.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Established ones.
    pub established: HashMap<FourTuple, Record>,
    /// Half-open ones.
    pub opening: HashMap<FourTuple, Record>,
    /// Connections, by id.
    pub connections: HashMap<u64, Connection>,
    /// Their ids, by side and token.
    pub tokens: HashMap<(Side, u32), u64>,
    /// What was counted.
    pub counters: Counters,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Established,
    Opening,
}

enum Judgement {
    Refused,
    /// A reset that may be the sender's.
    Suspected,
    Reset,
    Accepted,
}

impl Model {
    /// One packet.
    pub fn feed(&mut self, packet: &Packet, now: Times) -> Outcome {
        let before = self.counters.flow_new;
        let Some(place) = self.locate(packet, now) else {
            return Outcome::default();
        };
        let mut outcome = Outcome {
            new: self.counters.flow_new > before,
            ..Outcome::default()
        };
        let mut record = self.table(place).remove(&packet.key).expect("located");
        let done = match self.judge(&mut record, packet, place, now) {
            Judgement::Refused => {
                record.pair(packet.side).0.unacceptable += 1;
                self.counters.unacceptable += 1;
                self.table(place).insert(packet.key, record);
                return outcome;
            }
            Judgement::Suspected => {
                let sender = record.pair(packet.side).0;
                if !sender.reset_suspected {
                    sender.last_ns = now.coarse;
                }
                sender.reset_suspected = true;
                self.table(place).insert(packet.key, record);
                return outcome;
            }
            Judgement::Reset => {
                record.state = State::Closed;
                Done::default()
            }
            Judgement::Accepted => {
                let third = place == Place::Opening && is_third_ack(packet, &record);
                let peer = record.pair(packet.side).1.clone();
                let done = self.accept(&mut record, packet, place, third, now);
                outcome.sampled = done.sampled.then(|| Sampled {
                    side: packet.side.other(),
                    sent_ns: peer.sample.map_or(0, |sample| sample.sent_ns),
                    rtt_us: peer.rtt_us,
                    rtt_min_us: peer.rtt_min_us,
                    samples: peer.rtt_samples,
                    established: record.state >= State::Established,
                });
                if third && record.state == State::Closed {
                    self.established.remove(&packet.key);
                }
                done
            }
        };
        outcome.accepted = true;
        record.last_ns = now.coarse;
        if let Some(connection) = record.connection.and_then(|id| self.connections.get_mut(&id)) {
            connection.last_ns = now.coarse;
            connection.packets += u64::from(packet.segments);
            connection.bytes += u64::from(packet.payload);
            connection.retransmissions += u64::from(done.retransmitted);
            if let Some(data_ack) = packet.data_ack {
                connection.acknowledge(packet.side, data_ack);
            }
        }
        match record.state {
            State::Closed => self.counters.flow_closed += 1,
            State::Established | State::Closing => drop(self.established.insert(packet.key, record)),
            _ => drop(self.opening.insert(packet.key, record)),
        }
        outcome
    }

    fn table(&mut self, place: Place) -> &mut HashMap<FourTuple, Record> {
        match place {
            Place::Established => &mut self.established,
            Place::Opening => &mut self.opening,
        }
    }

    /// The record of a packet; created when the packet opens a subflow or shows one in mid-stream.
    fn locate(&mut self, packet: &Packet, now: Times) -> Option<Place> {
        let key = &packet.key;
        let over = |record: &Record| record.one_direction && ended_by_silence(record, now.coarse);
        if self.established.get(key).is_some_and(over) {
            self.established.remove(key);
            self.counters.flow_closed += 1;
        }
        let established = self.established.get(key);
        if established.is_none() && !packet.mptcp {
            return None;
        }
        let opening = self.opening.get(key);
        let found = opening.map(|_| Place::Opening);
        // Plain TCP; the record may have been forged with its ports.
        let foreign = !packet.rst && !packet.mptcp && established.is_some_and(Record::is_weak);
        if established.is_some() && (packet.is_syn() || packet.is_syn_ack() && (found.is_some() || !foreign)) {
            self.counters.syn_on_established += 1;
        }
        if packet.is_syn() {
            if established.is_none() && opening.is_none() && packet.capable.is_none() && !packet.join {
                return None;
            }
            if opening.is_some_and(|record| is_same_syn(packet, record)) {
                return found;
            }
            self.create(packet, now);
            return Some(Place::Opening);
        }
        if packet.is_syn_ack() {
            return found.or(established.filter(|_| !foreign).map(|_| Place::Established));
        }
        if let Some(established) = established {
            let third = !packet.rst && opening.is_some_and(|record| is_third_ack(packet, record));
            let says = packet.capable.is_some() || packet.join;
            let [local, remote] = &established.sender;
            let fits = match packet.side {
                Side::Local => acceptable(local, remote, packet),
                Side::Remote => acceptable(remote, local, packet),
            };
            let next = !packet.rst
                && !fits
                && opening.is_some_and(|opening| succeeds(established, opening, packet, now.coarse));
            return if next || third && (says || !fits) {
                found
            } else if foreign {
                None
            } else {
                Some(Place::Established)
            };
        }
        let starts = !packet.rst
            && !packet.fin
            && packet.acknowledgement.is_some()
            && packet.payload > 0
            && packet.mapping.is_some();
        // A SYN without an answer that is not sent again is stale.
        let dead = |record: &Record| {
            matches!(record.state, State::Syn | State::SynAck)
                && now.coarse.saturating_sub(record.last_ns) >= 60_000_000_000
        };
        if found.is_some() && !(starts && opening.is_some_and(dead)) {
            return found;
        }
        if !starts {
            return None;
        }
        self.create(packet, now).partial = true;
        Some(Place::Opening)
    }

    fn create(&mut self, packet: &Packet, now: Times) -> &mut Record {
        self.counters.flow_new += 1;
        self.opening.insert(packet.key, Record::new(now.coarse));
        self.opening.get_mut(&packet.key).expect("just stored")
    }

    fn judge(&mut self, record: &mut Record, packet: &Packet, place: Place, now: Times) -> Judgement {
        if packet.rst {
            return judge_reset(record, packet, now);
        }
        let accepted = |yes| if yes { Judgement::Accepted } else { Judgement::Refused };
        if packet.is_syn() {
            return Judgement::Accepted;
        }
        if packet.is_syn_ack() {
            let fits = place == Place::Opening && answers_syn(packet, record);
            if fits && record.state == State::Syn {
                // Earlier segments in this side's name were unconfirmed.
                let sender = record.pair(packet.side).0;
                (sender.numbers, sender.acknowledged, sender.sample, sender.fin) = (None, None, None, Fin::None);
            }
            return accepted(fits);
        }
        let connection = record.connection.and_then(|id| self.connections.get(&id));
        let fits = |record: &mut Record| {
            let (sender, peer) = record.pair(packet.side);
            acceptable(sender, peer, packet)
        };
        if fits(record) || (widen_windows(record, connection) && fits(record)) {
            return Judgement::Accepted;
        }
        let found = match place == Place::Opening && record.state != State::Adopting {
            true if is_found_again(record, packet) => {
                record.forget_handshake();
                self.counters.flow_new += 1;
                find_again(record, packet)
            }
            true => false,
            false => find_again(record, packet),
        };
        if found {
            self.counters.reanchored += 1;
            if fits(record) {
                return Judgement::Accepted;
            }
        }
        if packet.mptcp {
            extend_run(record.pair(packet.side).0, packet);
        }
        Judgement::Refused
    }

    /// Applies an acceptable segment.
    fn accept(&mut self, record: &mut Record, packet: &Packet, place: Place, third: bool, now: Times) -> Done {
        let done = update(record, packet, now);
        let side = packet.side;
        let mut connection = record.connection.and_then(|id| self.connections.get_mut(&id));
        if let Some(connection) = connection.as_deref_mut().filter(|_| done.wider) {
            let largest = &mut connection.window_max[side as usize];
            *largest = record.sender[side as usize].window.max(*largest);
        }
        if let Some(mapping) = packet.mapping.filter(|_| packet.maps_something()) {
            map(
                record,
                connection.as_deref_mut(),
                side,
                mapping.dsn,
                mapping.length,
                false,
            );
        }
        if let Some(data_ack) = packet.data_ack {
            cover(record, connection, side, data_ack);
        }
        if place == Place::Opening {
            self.progress(record, packet, third, now.coarse);
        }
        if is_known(&record.sender[side.other() as usize]) {
            record.one_direction = false;
        }
        if packet.is_syn() && record.opener.is_none() {
            self.open(record, packet);
        } else if packet.is_syn_ack() && record.state == State::Syn {
            answer(record, packet);
        }
        if let Some((backup, address_id)) = packet.priority {
            let ids = record.address_ids;
            let (sender, peer) = record.pair(side);
            if address_id.is_none_or(|id| ids && id == sender.address_id) && sure_place(sender, peer, packet) {
                sender.backup = backup;
            }
        }
        if record.state == State::Established {
            self.meet(record, packet, third, now);
        }
        if record.state != State::Closed {
            ends(record, packet, now);
        }
        done
    }

    /// A half-open record and one more acceptable segment of it.
    fn progress(&mut self, record: &mut Record, packet: &Packet, third: bool, now: u64) {
        let (sender, peer) = record.pair(packet.side);
        let adopted = peer.numbers.is_some() && sender.acknowledged.is_some();
        let complete = match third {
            true => packet.capable.is_some() || packet.join || packet.dss,
            false if one_sided(record, packet.side, now) => {
                record.one_direction = true;
                record.windows_unknown();
                true
            }
            false => record.state == State::Adopting && record.partial && adopted,
        };
        if complete {
            record.state = State::Established;
            self.counters.flow_established += 1;
            if let Some(connection) = record.connection.and_then(|id| self.connections.get_mut(&id)) {
                connection.subflows += 1;
            }
        } else if third {
            // A plain TCP connection uses the ports now.
            record.state = State::Closed;
        }
    }

    /// A SYN that opens a record.
    fn open(&mut self, record: &mut Record, packet: &Packet) {
        record.state = State::Syn;
        record.opener = Some(packet.side);
        let sender = record.pair(packet.side).0;
        sender.isn = packet.sequence;
        sender.window_scale = Some(packet.window_scale.unwrap_or(0).min(14));
        for sender in &mut record.sender {
            sender.window_max = WINDOW_LEAST;
        }
        if let Some(capable) = packet.capable {
            record.initial = true;
            record.address_ids = true;
            record.version = Some(capable.version);
            return;
        }
        record.joined = packet.join;
        let Some((join, token)) = packet.joining.and_then(|join| Some((join, join.token?))) else {
            return;
        };
        let sender = record.pair(packet.side).0;
        sender.backup = join.backup;
        sender.address_id = join.address_id;
        let receiver = packet.side.other();
        let known = self
            .tokens
            .get(&(receiver, token))
            .and_then(|id| self.connections.get(id));
        match known {
            Some(connection) => connection.introduce(record),
            None => {
                record.token[receiver as usize] = Some(token);
                self.counters.connection_unknown += 1;
            }
        }
    }

    /// An acceptable segment of an established record: does it name the connection?
    fn meet(&mut self, record: &mut Record, packet: &Packet, third: bool, now: Times) {
        let Some(capable) = packet.capable else {
            if third {
                let connection = record.connection.and_then(|id| self.connections.get_mut(&id));
                windows(record, connection);
            }
            return;
        };
        let [sender, peer] = [packet.side, packet.side.other()].map(|side| &record.sender[side as usize]);
        if record.connection.is_none() && !record.joined && sure_place(sender, peer, packet) {
            if let Some(mut connection) = Connection::new(record, packet, &capable) {
                connection.last_ns = now.coarse;
                connection.subflows = 1;
                connection.introduce(record);
                record.checksum |= capable.checksum;
                for side in Side::BOTH {
                    self.tokens
                        .insert((side, connection.token[side as usize]), connection.id);
                }
                self.connections.insert(connection.id, connection);
                self.counters.connection_new += 1;
            }
            if !record.partial {
                let connection = record.connection.and_then(|id| self.connections.get_mut(&id));
                windows(record, connection);
            }
        }
        let sender = &mut record.sender[packet.side as usize];
        if let (Some(length), Some(idsn)) = (capable.data_length, sender.idsn)
            && packet.payload > 0
        {
            let connection = record.connection.and_then(|id| self.connections.get_mut(&id));
            let dsn = WireDataSequenceNumber::Long(idsn.wrapping_add(1));
            map(record, connection, packet.side, dsn, length, true);
        }
    }

    /// Lets time pass: moves all timestamps back.
    pub fn age(&mut self, nanoseconds: u64) {
        let back = |time: &mut u64| {
            if *time != 0 {
                *time = time.wrapping_sub(nanoseconds);
            }
        };
        for record in self.established.values_mut().chain(self.opening.values_mut()) {
            back(&mut record.first_ns);
            back(&mut record.last_ns);
            for sender in &mut record.sender {
                back(&mut sender.last_ns);
                if let Some(sample) = &mut sender.sample {
                    back(&mut sample.sent_ns);
                }
            }
        }
    }
}

fn is_same_syn(packet: &Packet, record: &Record) -> bool {
    record.opener == Some(packet.side) && record.sender[packet.side as usize].isn == packet.sequence
}

/// Does this SYN-ACK acknowledge the SYN, with data in it or without (RFC 7413), and is it the only one so far?
fn answers_syn(packet: &Packet, record: &Record) -> bool {
    let opener = &record.sender[packet.side.other() as usize];
    let own = &record.sender[packet.side as usize];
    let Some(end) = opener.numbers.as_ref().map(|numbers| numbers.end) else {
        return false;
    };
    let first = opener.isn.wrapping_add(1);
    record.opener == Some(packet.side.other())
        && (record.state == State::Syn || record.state == State::SynAck && own.isn == packet.sequence)
        && packet
            .acknowledgement
            .is_some_and(|ack| ack.wrapping_sub(first) <= end.wrapping_sub(first))
}

/// A SYN-ACK that fits, the first one.
fn answer(record: &mut Record, packet: &Packet) {
    record.state = State::SynAck;
    let (sender, peer) = record.pair(packet.side);
    sender.isn = packet.sequence;
    sender.window_scale = Some(packet.window_scale.unwrap_or(0).min(14));
    if packet.window_scale.is_none() {
        peer.window_scale = Some(0);
    }
    if let Some(capable) = packet.capable {
        record.version = Some(capable.version);
    } else if let Some(join) = packet.joining.filter(|join| join.token.is_none()) {
        sender.backup = join.backup;
        sender.address_id = join.address_id;
        record.address_ids = true;
    }
}

/// The opener's answer to the SYN-ACK: it begins where the SYN-ACK acknowledged, and acknowledges the SYN-ACK.
fn is_third_ack(packet: &Packet, record: &Record) -> bool {
    let (own, other) = (packet.side, packet.side.other());
    let answered = record.sender[other as usize].acknowledged.map(|(ack, _)| ack);
    record.state == State::SynAck
        && record.opener == Some(own)
        && !packet.syn
        && !packet.rst
        && answered == Some(packet.sequence)
        && packet.acknowledgement == Some(record.sender[other as usize].isn.wrapping_add(1))
}

fn judge_reset(record: &mut Record, packet: &Packet, now: Times) -> Judgement {
    let in_syn = record.state == State::Syn && record.opener == Some(packet.side.other());
    let (sender, peer) = record.pair(packet.side);
    let believed = match in_syn {
        true => packet.acknowledgement == Some(peer.isn.wrapping_add(1)),
        false => reset_exact(sender, peer, packet),
    };
    if believed {
        sender.packets += u64::from(packet.segments);
        sender.bytes += u64::from(packet.payload);
        sender.last_ns = now.coarse;
        Judgement::Reset
    } else if !in_syn && sequence_possible(sender, peer, packet) {
        Judgement::Suspected
    } else {
        Judgement::Refused
    }
}
