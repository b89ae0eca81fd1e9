//! Packets for the tests of this module.

use super::packet::Packet;
use crate::{Frame, PacketNumber, Timestamp};
use mptcp_wire::tcp::Flags;
use mptcp_wire::tcp::option::TcpOption;
use mptcp_wire::{LinkType, PacketBuilder};

/// A data packet with timestamps.
pub(super) fn packet(sequence: u32, length: usize, timestamp: u32) -> Packet {
    let payload = vec![7; length];
    let mut buffer = vec![0; length + 100];
    let length = PacketBuilder::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
        .flags(Flags::ACK)
        .sequence(sequence)
        .option(TcpOption::Timestamps {
            value: timestamp,
            echo_reply: 0,
        })
        .payload(&payload)
        .build(&mut buffer)
        .unwrap();
    let frame = Frame {
        number: PacketNumber(1),
        time: Timestamp(0),
        link: Some(LinkType::Ethernet),
        original_length: u32::try_from(length).unwrap(),
        bytes: &buffer[..length],
    };
    Packet::parse(&frame).unwrap()
}
