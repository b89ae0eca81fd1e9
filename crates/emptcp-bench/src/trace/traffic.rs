//! A capture of many connections at once, made while it is read: any length of it takes the same memory.

use super::connection::{Connection, Planned, Truth};
use super::random::Random;
use mptcp_wire::PacketBuilder;
use mptcp_wire::builder::ChecksumMode;
use mptcp_wire::tcp::{Flags, TcpOption};
use std::io::{self, Read, Write};

/// Connections at a time.
const AT_ONCE: usize = 200;
/// Packets of a connection in a row, as offloads and batches of acknowledgements make them.
const LONGEST_TRAIN: u32 = 8;
/// Bytes of each packet that are kept.
const SNAP_LENGTH: usize = 128;
/// Microseconds from packet to packet: 20 000 packets in a second, so that as many connections linger in the analysis
/// of 2 million packets as in that of more.
const STEP: u32 = 50;
/// Bytes per write.
const CHUNK: usize = 256 << 10;
const PAYLOAD: [u8; 2048] = [0x55; 2048];

/// The bytes of a pcap file with a given number of packets.
#[derive(Debug)]
pub(super) struct Traffic {
    random: Random,
    connections: Vec<Connection>,
    /// The connection that sends, and for how many packets more: they come in trains.
    train: (usize, u32),
    opened: u64,
    truth: Truth,
    /// Microseconds.
    time: u64,
    left: u64,
    written: Vec<u8>,
    read: usize,
}

impl Traffic {
    pub(super) fn new(seed: u64, packets: u64) -> Self {
        let mut written = Vec::with_capacity(CHUNK + 4096);
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAP_LENGTH as u32, 1] {
            written.extend(u32::to_le_bytes(word));
        }
        Self {
            random: Random(seed),
            connections: Vec::new(),
            train: (0, 0),
            opened: 0,
            truth: Truth::default(),
            time: 1_700_000_000_000_000,
            left: packets,
            written,
            read: 0,
        }
    }

    /// Writes the whole capture; returns what was put in.
    pub(super) fn write(mut self, mut file: impl Write) -> io::Result<Truth> {
        io::copy(&mut self, &mut file)?;
        file.flush()?;
        Ok(self.truth)
    }

    fn packet(&mut self) -> Planned {
        loop {
            if self.connections.len() < AT_ONCE {
                self.connections.push(Connection::new(self.opened, &mut self.random));
                self.opened += 1;
            }
            if self.train.1 == 0 {
                let chosen = self.random.below(self.connections.len() as u32) as usize;
                self.train = (chosen, 1 + self.random.below(LONGEST_TRAIN));
            }
            match self.connections[self.train.0].next(&mut self.random) {
                Some(planned) => {
                    self.train.1 -= 1;
                    return planned;
                }
                None => {
                    self.connections.swap_remove(self.train.0);
                    self.train.1 = 0;
                }
            }
        }
    }

    fn record(&mut self, planned: &Planned) -> io::Result<()> {
        self.time += u64::from(1 + self.random.below(2 * STEP - 1));
        let mut builder = PacketBuilder::new(planned.source, planned.destination)
            .flags(planned.flags)
            .sequence(planned.sequence)
            .acknowledgement(planned.acknowledgement)
            .window(2048)
            // Left to the device, as a capture on the host shows it.
            .checksum(ChecksumMode::Partial)
            .payload(&PAYLOAD[..planned.payload as usize]);
        if planned.flags.contains(Flags::SYN) {
            builder = builder
                .option(TcpOption::MaximumSegmentSize(1440))
                .option(TcpOption::SackPermitted)
                .option(TcpOption::WindowScale(8));
        } else {
            let value = (self.time / 1000) as u32;
            builder = builder.no_operation().no_operation().option(TcpOption::Timestamps {
                value,
                echo_reply: value.wrapping_sub(20),
            });
        }
        if let Some(option) = planned.option {
            builder = builder.mptcp(option);
        }
        let mut frame = [0; 2048];
        let length = builder.build(&mut frame).map_err(io::Error::other)?;
        let captured = &frame[..length.min(SNAP_LENGTH)];
        let (seconds, microseconds) = (self.time / 1_000_000, self.time % 1_000_000);
        for word in [
            seconds as u32,
            microseconds as u32,
            captured.len() as u32,
            length as u32,
        ] {
            self.written.extend(word.to_le_bytes());
        }
        self.written.extend(captured);
        Ok(())
    }
}

impl Read for Traffic {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.written.len() {
            self.written.clear();
            self.read = 0;
        }
        while self.left > 0 && self.written.len() < CHUNK {
            let planned = self.packet();
            self.truth.count(&planned);
            self.record(&planned)?;
            self.left -= 1;
        }
        let length = (&self.written[self.read..]).read(buffer)?;
        self.read += length;
        Ok(length)
    }
}
