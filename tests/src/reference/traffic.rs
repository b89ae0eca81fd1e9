//! Two honest hosts and the network between them, as one device sees it.
//!
//! The sequence numbers of the hosts follow the RFCs; their actions are random. The network loses packets before and
//! after the device, sends some around it, and delays and repeats packets. One seed gives one sequence of steps.

use super::{
    attacker,
    bench::Step,
    frame::{Segment, flag},
};
use emptcp_flow_reference::Side;
use mptcp_wire::{
    AddressId, Key, SequenceNumber, Version,
    crypto::derive,
    list::List,
    mptcp::{CapableFlags, CapableKeys, MpCapable, MpPrio, MptcpOption},
    tcp::{SackBlock, TcpOption},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{net::SocketAddr, time::Duration};

/// Data that a host sent and may retransmit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) sequence: u32,
    pub(super) length: u32,
    pub(super) fin: bool,
    pub(super) dsn: u64,
}

/// One end of a subflow.
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub(super) isn: u32,
    pub(super) next: u32,
    pub(super) una: u32,
    pub(super) expected: u32,
    pub(super) above: Vec<(u32, u32)>,
    pub(super) window: u32,
    pub(super) scale: Option<u8>,
    pub(super) stamp: u32,
    pub(super) echo: u32,
    pub(super) sent: Vec<Sent>,
    pub(super) fin: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Idle,
    SynSent,
    SynSeen,
    Answered,
    Up,
}

/// A subflow, by host: 0 opened it.
#[derive(Clone, Debug)]
pub struct Subflow {
    pub(super) ends: [SocketAddr; 2],
    pub(super) hosts: [Host; 2],
    pub(super) joined: bool,
    pub(super) phase: Phase,
    /// How often the ports were used.
    pub(super) epoch: u32,
    pub(super) plain: bool,
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    pub(super) scaling: bool,
    pub(super) capable_data: bool,
    pub(super) ids: [u8; 2],
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) subflow: usize,
    pub(super) from: usize,
    pub(super) epoch: u32,
    pub(super) segment: Segment,
    pub(super) segments: u32,
    pub(super) stamp: u32,
    pub(super) what: &'static str,
}

/// A segment that a host is about to send.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) sequence: u32,
    pub(super) flags: u8,
    pub(super) options: Vec<TcpOption>,
    pub(super) payload: u32,
    pub(super) segments: u32,
    pub(super) what: &'static str,
}

impl Out {
    fn new(sequence: u32, flags: u8, options: Vec<TcpOption>, payload: u32, what: &'static str) -> Self {
        Self {
            sequence,
            flags,
            options,
            payload,
            segments: 1,
            what,
        }
    }
}

/// Probabilities of events in the network and of attacks, in tenths of a percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) lost: u32,
    pub(super) around: u32,
    pub(super) lost_behind: u32,
    pub(super) held: u32,
    pub(super) repeated: u32,
    pub(super) forged: u32,
}

/// A conversation of one MPTCP connection.
#[derive(Debug)]
pub struct Traffic {
    pub(super) random: StdRng,
    pub(super) subflows: Vec<Subflow>,
    /// The side of the device on which host 0 is.
    pub(super) client: Side,
    pub(super) version: Version,
    pub(super) keys: [Key; 2],
    pub(super) data_next: [u64; 2],
    pub(super) data_seen: [u64; 2],
    pub(super) conditions: Conditions,
    pub(super) in_flight: Vec<(usize, InFlight)>,
    pub(super) aggregates: bool,
    pub(super) blind: usize,
    /// The host whose segments do not pass the device, from this step on.
    pub(super) unseen: Option<(usize, usize)>,
    pub(super) now: usize,
    pub(super) steps: Vec<Step>,
}

/// The steps of a seed: about `length` packets. `aggregates`: a packet may stand for several segments.
pub fn steps(seed: u64, length: usize, aggregates: bool) -> Vec<Step> {
    let mut traffic = Traffic::new(seed, aggregates);
    let mut moves = 0;
    while traffic.steps.len() < length && moves < 20 * length {
        moves += 1;
        traffic.now = moves;
        traffic.step();
    }
    traffic.steps
}

const MSS: u32 = 1400;

impl Traffic {
    fn new(seed: u64, aggregates: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let version = if random.random_ratio(1, 3) {
            Version::V0
        } else {
            Version::V1
        };
        let keys = [Key(random.random()), Key(random.random())];
        let v6 = random.random::<bool>();
        let end = |host: u8, port: u16| {
            let text = if v6 {
                format!("[2001:db8::{host}]:{port}")
            } else {
                format!("198.51.100.{host}:{port}")
            };
            text.parse::<SocketAddr>().expect("an address")
        };
        let subflows = (0..3_u8)
            .map(|number| Subflow {
                ends: [end(1 + 2 * number, random.random_range(1024..65_000)), end(2, 443)],
                hosts: [Host::default(), Host::default()],
                joined: number > 0,
                phase: Phase::Idle,
                epoch: 0,
                plain: false,
                timestamps: false,
                sack: false,
                scaling: false,
                capable_data: false,
                ids: [number, 7 * number],
            })
            .collect();
        let first = |key| derive(version, key).idsn.0.wrapping_add(1);
        let bad = random.random_range(0..4);
        let mut rate = |most: u32| if bad == 0 { 0 } else { random.random_range(0..=most) };
        let conditions = Conditions {
            lost: rate(40),
            around: rate(15),
            lost_behind: rate(50),
            held: rate(120),
            repeated: rate(40),
            forged: 0,
        };
        let forged = [0, 0, 60, 400][random.random_range(0..4)];
        Self {
            client: if random.random() { Side::Local } else { Side::Remote },
            blind: if random.random_ratio(1, 6) {
                random.random_range(1..60)
            } else {
                0
            },
            unseen: random.random_ratio(1, 5).then(|| {
                let from = if random.random() { 0 } else { random.random_range(0..80) };
                (from, random.random_range(0..2))
            }),
            conditions: Conditions { forged, ..conditions },
            data_next: keys.map(first),
            data_seen: keys.map(first),
            random,
            subflows,
            version,
            keys,
            in_flight: Vec::new(),
            aggregates,
            now: 0,
            steps: Vec::new(),
        }
    }

    pub(super) fn chance(&mut self, tenths: u32) -> bool {
        self.random.random_range(0..1000) < tenths
    }

    /// The side from which a host of this conversation sends.
    pub(super) fn side(&self, host: usize) -> Side {
        if host == 0 { self.client } else { self.client.other() }
    }

    fn step(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.in_flight.extract_if(.., |(when, _)| *when <= now).collect();
        for (_, in_flight) in due {
            self.pass(&in_flight);
            self.deliver(&in_flight);
        }
        if self.chance(6) {
            let seconds = [2.0, 4.0, 11.0, 61.0, 7200.0][self.random.random_range(0..5)];
            self.steps.push(Step::Wait(Duration::from_secs_f64(seconds)));
        }
        if self.chance(3) {
            self.steps.push(Step::Tick);
        }
        if self.chance(4) {
            // This much data takes another path.
            let from = usize::from(self.random.random::<bool>());
            let bytes = 1 << self.random.random_range(29..36);
            self.data_next[from] = self.data_next[from].wrapping_add(bytes);
        }
        if self.chance(self.conditions.forged) {
            let (side, frame) = attacker::forge(self);
            self.steps.push(Step::packet(side, frame, 1, "forged"));
            return;
        }
        let index = if self.random.random_ratio(2, 3) {
            0
        } else {
            self.random.random_range(0..3)
        };
        let phase = self.subflows[index].phase;
        match phase {
            Phase::Idle => self.open(index),
            Phase::SynSent if self.chance(300) => self.syn(index),
            Phase::SynSent => {}
            Phase::SynSeen => self.syn_ack(index),
            Phase::Answered if self.chance(100) => self.syn_ack(index),
            Phase::Answered => self.third(index),
            Phase::Up => self.converse(index),
        }
    }

    fn open(&mut self, index: usize) {
        let scales = [0; 2].map(|_| self.random.random_range(0..=15));
        let plain = self.subflows[index].epoch > 0 && self.random.random_ratio(1, 5);
        let flags: [bool; 4] = self.random.random();
        let isns = [0; 2].map(|_| match self.random.random_range(0..3) {
            0 => 0_u32.wrapping_sub(self.random.random_range(0..3000)),
            _ => self.random.random(),
        });
        let scaling = self.random.random_ratio(4, 5);
        let stamp = [self.random.random(), self.random.random()];
        let subflow = &mut self.subflows[index];
        // A host that reuses the ports may continue near the old numbers.
        let near = flags[3] && subflow.epoch > 0;
        for (host, isn) in subflow.hosts.iter_mut().zip(isns) {
            let isn = if near {
                host.next.wrapping_add(isn % 200_000)
            } else {
                isn
            };
            *host = Host {
                isn,
                next: isn,
                una: isn,
                window: 64_240,
                ..Host::default()
            };
        }
        for host in 0..2 {
            subflow.hosts[host].scale = Some(scales[host]);
            subflow.hosts[host].stamp = stamp[host];
        }
        subflow.epoch += 1;
        subflow.plain = plain;
        subflow.timestamps = flags[0];
        subflow.sack = flags[1];
        subflow.scaling = scaling;
        subflow.capable_data = flags[2] && self.version == Version::V1;
        subflow.phase = Phase::SynSent;
        if index == 0 && subflow.epoch > 1 {
            // A new connection.
            self.keys = [Key(self.random.random()), Key(self.random.random())];
            let version = self.version;
            let first = |key| derive(version, key).idsn.0.wrapping_add(1);
            self.data_next = self.keys.map(first);
            self.data_seen = self.data_next;
        }
        self.syn(index);
    }

    fn syn(&mut self, index: usize) {
        let mut options = vec![TcpOption::MaximumSegmentSize(1460)];
        let subflow = &self.subflows[index];
        if subflow.scaling {
            options.push(TcpOption::WindowScale(subflow.hosts[0].scale.unwrap_or(0)));
        }
        options.extend(self.handshake_option(index, 0));
        // TCP Fast Open: data in the SYN, the same whenever it is sent again.
        let payload = if self.subflows[index].hosts[0].isn.is_multiple_of(16) {
            120
        } else {
            0
        };
        let isn = self.subflows[index].hosts[0].isn;
        self.send(index, 0, Out::new(isn, flag::SYN, options, payload, "SYN"));
    }

    fn syn_ack(&mut self, index: usize) {
        let mut options = Vec::new();
        if self.subflows[index].scaling && !self.chance(50) {
            options.push(TcpOption::WindowScale(self.subflows[index].hosts[1].scale.unwrap_or(0)));
        }
        options.extend(self.handshake_option(index, 1));
        let isn = self.subflows[index].hosts[1].isn;
        self.send(index, 1, Out::new(isn, flag::SYN | flag::ACK, options, 0, "SYN-ACK"));
    }

    fn third(&mut self, index: usize) {
        let fallen_back = self.chance(30);
        let mut options = Vec::new();
        if !fallen_back {
            options.extend(self.handshake_option(index, 2));
        }
        let mut payload = 0;
        if !self.subflows[index].joined && !self.subflows[index].plain && self.subflows[index].capable_data {
            payload = self.random.random_range(1..MSS);
            options = vec![TcpOption::Mptcp(MptcpOption::MpCapable(MpCapable {
                version: Version::V1,
                flags: CapableFlags::HMAC,
                keys: CapableKeys::BothWithData {
                    sender: self.keys[0],
                    receiver: self.keys[1],
                    data_length: payload as u16,
                    checksum: None,
                },
            }))];
        }
        self.subflows[index].phase = Phase::Up;
        let sequence = self.subflows[index].hosts[0].next;
        if payload > 0 {
            self.note(index, 0, payload, false);
        }
        self.send(index, 0, Out::new(sequence, flag::ACK, options, payload, "third ACK"));
    }

    /// Records new data, which may be retransmitted.
    fn note(&mut self, index: usize, from: usize, length: u32, fin: bool) -> Sent {
        let host = &mut self.subflows[index].hosts[from];
        let sent = Sent {
            sequence: host.next,
            length,
            fin,
            dsn: self.data_next[from],
        };
        host.next = host.next.wrapping_add(length + u32::from(fin));
        host.sent.push(sent);
        if host.sent.len() > 60 {
            host.sent.remove(0);
        }
        self.data_next[from] = self.data_next[from].wrapping_add(u64::from(length));
        sent
    }

    fn converse(&mut self, index: usize) {
        let from = usize::from(self.random.random::<bool>());
        let host = &self.subflows[index].hosts[from];
        let (outstanding, next, finished) = (host.next.wrapping_sub(host.una), host.next, host.fin);
        match self.random.random_range(0..1000) {
            0..420 if !finished && outstanding < 90_000 => self.data(index, from),
            420..700 => self.acknowledge(index, from, Vec::new(), "ACK"),
            700..790 => self.again(index, from),
            790..805 => {
                let address_id = match self.version {
                    Version::V0 if self.random.random() => Some(AddressId(self.random.random_range(0..8))),
                    _ => None,
                };
                let backup = self.random.random();
                let option = MptcpOption::MpPrio(MpPrio { backup, address_id });
                self.acknowledge(index, from, vec![option], "MP_PRIO");
            }
            805..815 => {
                let option = self.rare();
                self.acknowledge(index, from, vec![option], "another option");
            }
            815..835 if !finished && outstanding == 0 => {
                let options = self.dss(index, from, None);
                self.send(
                    index,
                    from,
                    Out::new(next.wrapping_sub(1), flag::ACK, options, 1, "keep-alive"),
                );
            }
            835..855 => {
                let window = match self.random.random_range(0..3) {
                    0 => 0,
                    1 => self.random.random_range(0..66_000),
                    _ => self.random.random_range(0..4_000_000),
                };
                self.subflows[index].hosts[from].window = window;
                self.acknowledge(index, from, Vec::new(), "window update");
            }
            855..870 if !finished => {
                let options = self.dss(index, from, None);
                let una = self.subflows[index].hosts[from].una;
                self.send(index, from, Out::new(una, flag::ACK, options, 1, "window probe"));
            }
            870..885 if !finished => {
                let sent = self.note(index, from, 0, true);
                self.subflows[index].hosts[from].fin = true;
                let options = self.dss(index, from, None);
                self.send(
                    index,
                    from,
                    Out::new(sent.sequence, flag::FIN | flag::ACK, options, 0, "FIN"),
                );
            }
            885..888 => {
                let flags = [flag::RST, flag::RST | flag::ACK][usize::from(self.random.random::<bool>())];
                self.send(index, from, Out::new(next, flags, Vec::new(), 0, "RST"));
                self.subflows[index].phase = Phase::Idle;
            }
            888..891 => self.subflows[index].phase = Phase::Idle,
            891..930 if finished => {
                self.acknowledge(index, from, Vec::new(), "ACK");
                if self.subflows[index].hosts[1 - from].fin {
                    self.subflows[index].phase = Phase::Idle;
                }
            }
            _ => {}
        }
    }

    fn data(&mut self, index: usize, from: usize) {
        let segments = if self.aggregates && self.chance(100) { 2 } else { 1 };
        let most = if segments > 1 { 2 * MSS } else { MSS };
        let length = match self.random.random_range(0..4) {
            0 => self.random.random_range(1..20),
            1 => most,
            _ => self.random.random_range(1..=most),
        };
        let fin = self.chance(10);
        let sent = self.note(index, from, length, fin);
        self.subflows[index].hosts[from].fin |= fin;
        self.send_data(index, from, sent, segments, "data");
    }

    fn again(&mut self, index: usize, from: usize) {
        let sent = &self.subflows[index].hosts[from].sent;
        if sent.is_empty() {
            return;
        }
        let mut once = sent[self.random.random_range(0..sent.len())];
        if once.length > 2 && self.chance(200) {
            // The same bytes with other segment borders.
            let cut = self.random.random_range(1..once.length);
            once.sequence = once.sequence.wrapping_add(cut);
            once.dsn = once.dsn.wrapping_add(cut.into());
            once.length -= cut;
        }
        self.send_data(index, from, once, 1, "data again");
    }

    fn send_data(&mut self, index: usize, from: usize, sent: Sent, segments: u32, what: &'static str) {
        let mut flags = flag::ACK;
        if sent.fin {
            flags |= flag::FIN;
        }
        if self.random.random() {
            flags |= flag::PSH;
        }
        let options = if sent.length > 0 && self.chance(880) {
            self.dss(index, from, Some(sent))
        } else if self.chance(900) {
            self.dss(index, from, None)
        } else {
            Vec::new()
        };
        let out = Out {
            segments,
            ..Out::new(sent.sequence, flags, options, sent.length, what)
        };
        self.send(index, from, out);
    }

    fn acknowledge(&mut self, index: usize, from: usize, mptcp: Vec<MptcpOption>, what: &'static str) {
        let mut options = if self.chance(850) {
            self.dss(index, from, None)
        } else {
            Vec::new()
        };
        options.extend(mptcp.into_iter().map(TcpOption::Mptcp));
        let host = &self.subflows[index].hosts[from];
        if self.subflows[index].sack && (!host.above.is_empty() || self.random.random_ratio(1, 40)) {
            let mut blocks = List::new();
            if host.above.is_empty() {
                // D-SACK (RFC 2883): something old came twice.
                let right = host.expected.wrapping_sub(self.random.random_range(0..300_000));
                let left = SequenceNumber(right.wrapping_sub(10));
                let _ = blocks.push(SackBlock {
                    left,
                    right: SequenceNumber(right),
                });
            }
            for &(left, right) in host.above.iter().rev().take(3) {
                let (left, right) = (SequenceNumber(left), SequenceNumber(right));
                let _ = blocks.push(SackBlock { left, right });
            }
            options.insert(0, TcpOption::Sack(blocks));
        }
        let next = host.next;
        self.send(index, from, Out::new(next, flag::ACK, options, 0, what));
    }
}
