//! A packet on its way, and its bytes.

use emptcp_trace::{Direction, Timestamp};
use mptcp_wire::PacketBuilder;
use mptcp_wire::mptcp::{MptcpOption, Subtype};
use mptcp_wire::tcp::{Flags, TcpOption};
use std::net::SocketAddr;

/// The room for options in a TCP header, bytes.
const OPTION_ROOM: usize = 40;

/// A packet, with what its sender knows about it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// The number of its subflow, in the order in which they were opened.
    pub(crate) subflow: usize,
    /// The path that it takes.
    pub(crate) path: usize,
    /// Whose packet it is.
    pub(crate) dir: Direction,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) flags: Flags,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) window: u16,
    pub(crate) options: Vec<TcpOption>,
    /// Option bytes that no RFC allows, after the others.
    pub(crate) malformed: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) identification: u16,
    pub(crate) time_to_live: u8,
    /// The place of its first payload byte in the stream of the subflow, 0 for the first byte.
    pub(crate) offset: u64,
    /// The places of its payload in the data of the connection: length, and the place of the first byte, if mapped.
    pub(crate) data: Vec<(u32, Option<u64>)>,
    /// It had no MPTCP option when it was captured.
    pub(crate) shown_bare: bool,
}

impl Packet {
    /// The MPTCP options.
    pub(crate) fn mptcp(&self) -> impl Iterator<Item = &MptcpOption> {
        self.options.iter().filter_map(|option| match option {
            TcpOption::Mptcp(option) => Some(option),
            _ => None,
        })
    }

    /// Whether it has an MPTCP option of this subtype.
    pub(crate) fn has(&self, subtype: Subtype) -> bool {
        self.mptcp().any(|option| option.subtype() == subtype)
    }

    /// Adds an option if there is room for it.
    pub(crate) fn add(&mut self, option: impl Into<TcpOption>) -> bool {
        let option = option.into();
        let fits = self.option_length() + padded(&option) <= OPTION_ROOM;
        if fits {
            self.options.push(option);
        }
        fits
    }

    /// Adds an MPTCP option, in the place of the timestamps if there is no room.
    pub(crate) fn add_mptcp(&mut self, option: impl Into<MptcpOption>) {
        let option = TcpOption::Mptcp(option.into());
        if !self.add(option) {
            self.options
                .retain(|option| !matches!(option, TcpOption::Timestamps { .. }));
            self.add(option);
        }
    }

    fn option_length(&self) -> usize {
        self.options.iter().map(padded).sum::<usize>() + self.malformed.len()
    }

    /// Sequence numbers that it takes: payload, SYN and FIN.
    pub(crate) fn space(&self) -> u64 {
        let has = |flag| u64::from(self.flags.contains(flag));
        self.payload.len() as u64 + has(Flags::SYN) + has(Flags::FIN)
    }

    /// Bytes from the IP header on.
    pub(crate) fn length(&self) -> usize {
        let network = if self.source.is_ipv4() { 20 } else { 40 };
        network + 20 + self.option_length() + self.payload.len()
    }

    /// The frame: Ethernet, IP, TCP.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut builder = PacketBuilder::new(self.source, self.destination)
            .flags(self.flags)
            .sequence(self.sequence)
            .acknowledgement(self.acknowledgement)
            .window(self.window)
            .identification(self.identification)
            .time_to_live(self.time_to_live);
        for option in &self.options {
            for _ in 0..padded(option) - option.buffer_length() {
                builder = builder.no_operation();
            }
            builder = builder.option(*option);
        }
        builder = builder.option_bytes(&self.malformed).payload(&self.payload);
        let mut frame = vec![0; builder.buffer_length()];
        let length = builder
            .build(&mut frame)
            .expect("options were added where there is room");
        frame.truncate(length);
        frame
    }
}

/// A packet at the capture point.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The true time.
    pub(crate) time: Timestamp,
    pub(crate) packet: Packet,
}

/// The bytes of an option with NOPs before it, as Linux aligns options to 4 bytes.
fn padded(option: &TcpOption) -> usize {
    option.buffer_length().next_multiple_of(4)
}
