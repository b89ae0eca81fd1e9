//! Packets for the tests of this module.

use super::packet::Packet;
use crate::record::{Encapsulated, Skipped};
use crate::{Frame, Next, PacketNumber, Result, Source, Timestamp};
use mptcp_wire::tcp::Flags;
use mptcp_wire::tcp::option::TcpOption;
use mptcp_wire::{LinkType, PacketBuilder};
use std::sync::Arc;

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
        link: Ok(LinkType::Ethernet),
        original_length: u32::try_from(length).unwrap(),
        bytes: &buffer[..length],
    };
    Packet::parse(&frame, &mut Skipped::default(), &mut Encapsulated::default()).unwrap()
}

/// A capture that a test made: times in milliseconds, and frames.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    frames: Vec<(i64, Vec<u8>)>,
    next: usize,
}

impl Made {
    /// Adds a packet; captured `time` milliseconds after the begin.
    pub(super) fn packet(&mut self, time: i64, packet: &PacketBuilder<'_>) -> &mut Self {
        let mut buffer = vec![0; packet.buffer_length()];
        let length = packet.build(&mut buffer).unwrap();
        buffer.truncate(length);
        self.frames.push((time, buffer));
        self
    }

    /// Keeps what was captured at such times.
    pub(super) fn retain(&mut self, when: impl Fn(i64) -> bool) {
        self.frames.retain(|frame| when(frame.0));
    }

    /// As it is captured: in the order of time.
    pub(super) fn sorted(mut self) -> Self {
        self.frames.sort_by_key(|frame| frame.0);
        self
    }
}

impl Source for Made {
    fn next(&mut self) -> Result<Next<'_>> {
        let Some((time, bytes)) = self.frames.get(self.next) else {
            return Ok(Next::End);
        };
        self.next += 1;
        Ok(Next::Frame(Frame {
            number: PacketNumber(self.next as u64),
            time: Timestamp(time * 1_000_000),
            link: Ok(LinkType::Ethernet),
            original_length: u32::try_from(bytes.len()).unwrap(),
            bytes,
        }))
    }

    fn name(&self) -> Arc<str> {
        "made".into()
    }
}
