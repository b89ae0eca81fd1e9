//! Packets of an attacker: random numbers, numbers near the right ones, repetitions, forged and truncated options.

use super::{
    bench::Step,
    frame::{Segment, flag, option_bytes, transport},
    traffic::Traffic,
};
use emptcp_flow_reference::Side;
use mptcp_wire::{
    AddressId, Key, Nonce, SequenceNumber, Token, WireDataSequenceNumber,
    list::List,
    mptcp::{CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpJoin, MpPrio, MptcpOption},
    tcp::{SackBlock, TcpOption},
};
use rand::{RngExt, rngs::StdRng};

/// One packet of an attacker.
pub(super) fn forge(traffic: &mut Traffic) -> (Side, Vec<u8>) {
    match traffic.random.random_range(0..10) {
        0..2 => replayed(traffic).unwrap_or_else(|| random_frame(traffic)),
        2..4 => match replayed(traffic) {
            Some((side, mut frame)) => {
                corrupt(&mut traffic.random, &mut frame);
                (side, frame)
            }
            None => random_frame(traffic),
        },
        _ => random_frame(traffic),
    }
}

fn replayed(traffic: &mut Traffic) -> Option<(Side, Vec<u8>)> {
    if traffic.steps.is_empty() {
        return None;
    }
    let from = traffic.steps.len().saturating_sub(60);
    let at = traffic.random.random_range(from..traffic.steps.len());
    match &traffic.steps[at] {
        Step::Packet { side, frame, .. } => Some((*side, frame.clone())),
        Step::Wait(_) | Step::Tick => None,
    }
}

/// Changes bytes of the TCP header and its options, lengths included.
fn corrupt(random: &mut StdRng, frame: &mut [u8]) {
    let tcp = transport(frame);
    for _ in 0..random.random_range(1..4) {
        let (from, to) = match random.random_range(0..6) {
            0 => (4, 8),   // sequence number
            1 => (8, 12),  // acknowledgement number
            2 => (13, 14), // flags
            3 => (12, 13), // data offset
            _ => (20, 60),
        };
        let at = tcp + random.random_range(from..to);
        if at < frame.len() && at >= tcp {
            frame[at] = match random.random_range(0..3) {
                0 => random.random(),
                1 => frame[at].wrapping_add(1),
                _ => frame[at] ^ 1 << random.random_range(0..8),
            };
        }
    }
    if random.random_ratio(1, 8) {
        // An IP header with a smaller length.
        let at = if frame[12] == 0x08 { 16 } else { 18 };
        frame[at + 1] = frame[at + 1].wrapping_sub(random.random_range(0..40));
    }
}

fn number(random: &mut StdRng, right: u32) -> u32 {
    let distance = match random.random_range(0..8) {
        0 => return random.random(),
        1 => return right,
        2 => random.random_range(-2..=2),
        3 => random.random_range(-3000..=3000),
        4 => random.random_range(-70_000..=70_000),
        5 => random.random_range(-3_000_000..=3_000_000),
        6 => (1 << 30) + random.random_range(-3..=3),
        _ => i64::from(i32::MAX) + random.random_range(-3..=3),
    };
    right.wrapping_add(distance as u32)
}

fn random_frame(traffic: &mut Traffic) -> (Side, Vec<u8>) {
    let index = traffic.random.random_range(0..traffic.subflows.len());
    let from = usize::from(traffic.random.random::<bool>());
    let side = traffic.side(from);
    let subflow = traffic.subflows[index].clone();
    let random = &mut traffic.random;
    let flags = match random.random_range(0..12) {
        0 => flag::SYN,
        1 => flag::SYN | flag::ACK,
        2 => flag::RST,
        3 => flag::RST | flag::ACK,
        4 => flag::FIN | flag::ACK,
        5 => random.random_range(0..32),
        _ => flag::ACK,
    };
    let right = if flags & flag::SYN != 0 {
        subflow.hosts[from].isn
    } else {
        subflow.hosts[from].next
    };
    let segment = Segment {
        ends: [subflow.ends[from], subflow.ends[1 - from]],
        sequence: number(random, right),
        acknowledgement: number(random, subflow.hosts[from].expected),
        flags,
        window: random.random(),
        options: options(random),
        payload: [0, 0, 1, random.random_range(0..1400)][random.random_range(0..4)],
    };
    (side, segment.build())
}

fn options(random: &mut StdRng) -> Vec<u8> {
    let wire = |random: &mut StdRng| match random.random::<bool>() {
        true => WireDataSequenceNumber::Long(random.random()),
        false => WireDataSequenceNumber::Short(random.random()),
    };
    let mptcp = |option: MptcpOption| vec![TcpOption::Mptcp(option)];
    let options = match random.random_range(0..10) {
        0 => Vec::new(),
        1 => vec![TcpOption::Timestamps {
            value: random.random(),
            echo_reply: random.random(),
        }],
        2 => mptcp(MptcpOption::MpPrio(MpPrio {
            backup: random.random(),
            address_id: random.random::<bool>().then(|| AddressId(random.random_range(0..8))),
        })),
        3 => mptcp(MptcpOption::MpJoin(MpJoin::Syn {
            backup: random.random(),
            address_id: AddressId(random.random()),
            token: Token(random.random()),
            nonce: Nonce(random.random()),
        })),
        4 => mptcp(MptcpOption::MpCapable(MpCapable {
            version: mptcp_wire::Version::V1,
            flags: CapableFlags::HMAC,
            keys: match random.random_range(0..4) {
                0 => CapableKeys::None,
                1 => CapableKeys::Sender(Key(random.random())),
                2 => CapableKeys::Both {
                    sender: Key(random.random()),
                    receiver: Key(random.random()),
                },
                _ => CapableKeys::BothWithData {
                    sender: Key(random.random()),
                    receiver: Key(random.random()),
                    data_length: random.random(),
                    checksum: None,
                },
            },
        })),
        5 => {
            let mut blocks = List::new();
            for _ in 0..random.random_range(1..4) {
                let _ = blocks.push(SackBlock {
                    left: SequenceNumber(random.random()),
                    right: SequenceNumber(random.random()),
                });
            }
            vec![TcpOption::Sack(blocks)]
        }
        _ => mptcp(MptcpOption::Dss(Dss {
            data_ack: random.random::<bool>().then(|| wire(random)),
            mapping: random.random::<bool>().then(|| Mapping {
                data_sequence: wire(random),
                subflow_sequence: mptcp_wire::SubflowSequenceNumber(random.random()),
                length: random.random(),
                checksum: None,
            }),
            data_fin: random.random(),
        })),
    };
    let mut bytes = option_bytes(&options);
    if random.random_ratio(1, 10) && bytes.len() > 2 {
        // A wrong option length.
        bytes[1] = random.random_range(0..44);
    }
    bytes
}
