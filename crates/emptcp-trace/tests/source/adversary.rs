//! Packets of MPTCP connections in any order and with any fields, but plausible enough that the analysis accepts them.
//! They are made from bytes, so that a fuzzer can choose. The fuzz target `analyzer` uses this file.

use emptcp_trace::source::from_reader;
use emptcp_trace::{Analyzer, Direction, Event, Limits, Settings, Span, Watch};
use mptcp_wire::mptcp::{
    AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, Mapping, MpCapable, MpFail, MpFastclose, MpJoin, MpPrio,
    MpTcprst, MptcpOption, RemoveAddr, ResetReason,
};
use mptcp_wire::tcp::{Flags, TcpOption};
use mptcp_wire::{
    AddressId, DataSequenceNumber, Key, Nonce, PacketBuilder, SubflowSequenceNumber, Version, WireDataSequenceNumber,
    crypto,
};
use std::collections::HashSet;
use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};

/// What one packet is made from.
pub(crate) type Choice = [u8; 10];

const CLIENT: usize = 0;
const PAYLOAD: [u8; 2048] = [0x61; 2048];

/// A subflow: the first of each four opens a connection, the others join it.
#[derive(Clone, Copy)]
struct Subflow(u8);

impl Subflow {
    fn connection(self) -> u8 {
        self.0 / 4
    }

    /// The first connection is of version 1, the second of version 0.
    fn version(self) -> Version {
        if self.connection() == 0 {
            Version::V1
        } else {
            Version::V0
        }
    }

    fn key(self, side: usize) -> Key {
        Key([self.connection(), side as u8, 3, 4, 5, 6, 7, 8])
    }

    fn nonce(self, side: usize) -> Nonce {
        Nonce(u32::from(self.0) * 2 + side as u32)
    }

    fn address(self, side: usize) -> SocketAddr {
        match side {
            CLIENT => SocketAddr::from(([10, 0, self.0 & 1, 1], 40_000 + u16::from(self.0))),
            _ => SocketAddr::from(([10, 9, 0, 1], 80)),
        }
    }

    /// Half of them wrap soon.
    fn initial(self, side: usize) -> u32 {
        if self.0 & 1 == 0 {
            1000 + side as u32
        } else {
            u32::MAX - 700
        }
    }
}

fn number(choice: &Choice, at: usize) -> u16 {
    u16::from_be_bytes([choice[at], choice[at + 1]])
}

/// The option that a choice asks for, and flags that belong to it.
fn option(choice: &Choice, subflow: Subflow, side: usize) -> (Option<MptcpOption>, Flags) {
    let peer = 1 - side;
    let (own, other) = (subflow.key(side), subflow.key(peer));
    let version = subflow.version();
    let capable = |keys| {
        let flags = if choice[9] & 0x80 == 0 {
            CapableFlags::HMAC
        } else {
            CapableFlags(CapableFlags::HMAC.0 | CapableFlags::CHECKSUM_REQUIRED.0)
        };
        Some(MpCapable { version, flags, keys }.into())
    };
    let both = CapableKeys::Both {
        sender: own,
        receiver: other,
    };
    let (nonce, peer_nonce) = (subflow.nonce(side), subflow.nonce(peer));
    let address_id = AddressId(choice[9] & 7);
    let backup = choice[8] & 1 != 0;
    let join = |join: MpJoin| Some(join.into());
    let data_number = |side: usize, at: u64| {
        let first = crypto::derive(version, subflow.key(side)).idsn.first_byte();
        let DataSequenceNumber(full) = first.after(at);
        match choice[8] & 2 {
            0 => WireDataSequenceNumber::Long(full),
            _ => WireDataSequenceNumber::Short(full as u32),
        }
    };
    let data_ack = (choice[8] & 4 != 0).then(|| data_number(peer, number(choice, 6).into()));
    match choice[1] & 15 {
        0 => {
            let first = if version == Version::V1 {
                CapableKeys::None
            } else {
                CapableKeys::Sender(own)
            };
            (capable(first), Flags::SYN)
        }
        1 => (capable(CapableKeys::Sender(own)), Flags::SYN | Flags::ACK),
        2 => (capable(both), Flags::ACK),
        3 => {
            let with_data = CapableKeys::BothWithData {
                sender: own,
                receiver: other,
                data_length: number(choice, 4) & 2047,
                checksum: None,
            };
            (capable(with_data), Flags::ACK)
        }
        4 => {
            let token = crypto::derive(version, other).token;
            let syn = MpJoin::Syn {
                backup,
                address_id,
                token,
                nonce,
            };
            (join(syn), Flags::SYN)
        }
        5 => {
            let hmac = crypto::join_syn_ack_hmac(version, own, other, nonce, peer_nonce);
            let answer = MpJoin::SynAck {
                backup,
                address_id,
                hmac,
                nonce,
            };
            (join(answer), Flags::SYN | Flags::ACK)
        }
        6 => {
            let hmac = crypto::join_ack_hmac(version, own, other, nonce, peer_nonce);
            (join(MpJoin::Ack { hmac }), Flags::ACK)
        }
        7..=10 => {
            // The mapping of this packet, or one that begins before or goes on after it; sometimes infinite.
            let shift = u32::from(choice[9] & 0x3f);
            let mapping = Mapping {
                data_sequence: data_number(side, u64::from(number(choice, 6)).wrapping_sub(shift.into())),
                subflow_sequence: SubflowSequenceNumber((1 + u32::from(number(choice, 2))).wrapping_sub(shift)),
                length: if choice[9] == 0xff {
                    0
                } else {
                    (number(choice, 4) & 4095).max(1)
                },
                checksum: (choice[9] & 0x40 != 0).then_some(7),
            };
            let data_fin = choice[8] & 8 != 0;
            let dss = Dss {
                data_ack,
                mapping: Some(mapping),
                data_fin,
            };
            (Some(dss.into()), Flags::ACK)
        }
        11 => {
            let dss = Dss {
                data_ack,
                mapping: None,
                data_fin: false,
            };
            (data_ack.map(|_| dss.into()), Flags::ACK)
        }
        12 => {
            let only_fin = Mapping {
                data_sequence: data_number(side, number(choice, 6).into()),
                subflow_sequence: SubflowSequenceNumber(0),
                length: 1,
                checksum: None,
            };
            let dss = Dss {
                data_ack,
                mapping: Some(only_fin),
                data_fin: true,
            };
            let ends = [Flags::ACK, Flags::FIN, Flags::RST, Flags::FIN | Flags::ACK];
            (Some(dss.into()), ends[usize::from(choice[8] >> 6)])
        }
        13 => {
            let form = match choice[8] & 3 {
                0 => AddAddrForm::Version0,
                1 => AddAddrForm::Echo,
                _ => AddAddrForm::Announcement(mptcp_wire::TruncatedHmac(9)),
            };
            let add = AddAddr {
                address_id,
                address: Ipv4Addr::new(10, 0, choice[9] & 1, 1).into(),
                port: None,
                form,
            };
            let signal = match choice[8] >> 5 {
                0 => RemoveAddr::new(&[address_id]).ok().map(Into::into),
                1 => Some(
                    MpPrio {
                        backup,
                        address_id: None,
                    }
                    .into(),
                ),
                _ => Some(add.into()),
            };
            (signal, Flags::ACK)
        }
        14 => {
            let DataSequenceNumber(at) = DataSequenceNumber(number(choice, 6).into());
            match choice[8] >> 6 {
                0 => (
                    Some(
                        MpFail {
                            data_sequence: DataSequenceNumber(at),
                        }
                        .into(),
                    ),
                    Flags::ACK,
                ),
                1 => (Some(MpFastclose { receiver_key: other }.into()), Flags::ACK),
                2 => (Some(MpFastclose { receiver_key: other }.into()), Flags::RST),
                _ => {
                    let reason = ResetReason(choice[9]);
                    (
                        Some(
                            MpTcprst {
                                transient: backup,
                                reason,
                            }
                            .into(),
                        ),
                        Flags::RST,
                    )
                }
            }
        }
        _ => (None, Flags::from_bits(u16::from(choice[9]))),
    }
}

/// A pcap of the packets that the choices ask for.
fn capture(choices: &[Choice]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 128, 1] {
        file.extend(word.to_le_bytes());
    }
    let mut time = 1_700_000_000_000_000_000_u64;
    for choice in choices {
        let subflow = Subflow(choice[0] & 7);
        let side = usize::from(choice[0] >> 3 & 1);
        // From 1 ns to hours, and sometimes back.
        time = match choice[0] >> 4 {
            15 => time.saturating_sub(5_000_000),
            step => time + (1 << (3 * step)),
        };
        let (option, flags) = option(choice, subflow, side);
        let syn = u32::from(!flags.contains(Flags::SYN));
        let at = syn * (1 + u32::from(number(choice, 2)));
        let length = usize::from(number(choice, 4) & 2047) * usize::from(choice[1] & 0x40 == 0);
        let mut builder = PacketBuilder::new(subflow.address(side), subflow.address(1 - side))
            .flags(flags)
            .sequence(subflow.initial(side).wrapping_add(at))
            .acknowledgement(subflow.initial(1 - side).wrapping_add(1 + u32::from(number(choice, 6))))
            .payload(&PAYLOAD[..length]);
        if flags.contains(Flags::SYN) && choice[1] & 0x20 != 0 {
            builder = builder.option(TcpOption::WindowScale(choice[9]));
        }
        if let Some(option) = option {
            builder = builder.mptcp(option);
        }
        if choice[1] & 0x80 != 0 {
            builder = builder.option_bytes(&[30, choice[8], choice[9]]);
        }
        let mut frame = vec![0; builder.buffer_length()];
        if builder.build(&mut frame).is_err() {
            continue;
        }
        let captured = &frame[..frame.len().min(if choice[1] & 0x10 == 0 { 128 } else { 4096 })];
        file.extend(((time / 1_000_000_000) as u32).to_le_bytes());
        file.extend(((time % 1_000_000_000) as u32).to_le_bytes());
        file.extend((captured.len() as u32).to_le_bytes());
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend(captured);
    }
    file
}

/// Narrow limits, so that they are met.
fn settings(shape: u8) -> Settings {
    let narrow = Limits {
        connections: 1,
        subflows: 2,
        orphans: 1,
        intervals: 3,
        history: 2000,
        mappings: 2,
        rtt: 2,
        reorder_packets: 3,
        reorder_span: Span(1_000_000),
    };
    Settings {
        watch: if shape & 1 == 0 {
            Watch::Nothing
        } else {
            Watch::Everything
        },
        order: if shape & 2 == 0 {
            emptcp_trace::Order::Auto
        } else {
            emptcp_trace::Order::ByTime
        },
        limits: if shape & 4 == 0 { Limits::default() } else { narrow },
        idle: Span::from_seconds(if shape & 8 == 0 { 5000 } else { 30 }),
        ..Settings::default()
    }
}

/// Analyses what the choices ask for, and checks what holds for any packets.
pub(crate) fn check(shape: u8, choices: &[Choice]) {
    let source = from_reader("choices", Cursor::new(capture(choices))).expect("a capture");
    let mut over = HashSet::new();
    let mut events = 0;
    let mut ended = false;
    for event in Analyzer::with_settings(source, settings(shape)) {
        assert!(!ended, "an event after the end");
        events += 1;
        match event.expect("a whole capture") {
            Event::Connection(connection) => {
                assert!(over.insert(connection.conn_id), "{} came twice", connection.conn_id);
                for dir in Direction::BOTH {
                    // I2 of the specification.
                    let new: u64 = connection.subflows.iter().map(|subflow| subflow.new_dsn[dir]).sum();
                    assert_eq!(new, connection.data[dir], "connection {} {dir:?}", connection.conn_id);
                }
            }
            Event::Packet(packet) => {
                let runs: u64 = packet.runs.iter().map(|run| u64::from(run.length)).sum();
                assert!(runs <= packet.payload.into(), "more in runs than there is: {packet:?}");
            }
            Event::End(totals) => {
                ended = true;
                assert!(totals.packets <= choices.len() as u64);
                assert!(totals.complete <= totals.connections || totals.connections == 0);
            }
            Event::Mark(_) | Event::Stray(_) | Event::Quiet(_) => {}
        }
    }
    assert!(ended, "no end");
    assert!(events <= 32 * (choices.len() + 1), "{events} events");
}
