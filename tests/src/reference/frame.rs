//! Builds a segment with arbitrary fields, without checksums, which the programs do not read.

use mptcp_wire::tcp::TcpOption;
use std::net::{IpAddr, SocketAddr};

/// TCP flags as they lie in the header.
pub mod flag {
    /// FIN.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// RST.
    pub const RST: u8 = 4;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;
}

/// Bytes before the IP header.
pub const LINK: usize = 14;

/// A segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Peer sends it, and to whom.
    pub ends: [SocketAddr; 2],
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Bits of [`flag`].
    pub flags: u8,
    /// The window field.
    pub window: u16,
    /// The options as they lie in the header.
    pub options: Vec<u8>,
    /// Bytes of payload.
    pub payload: usize,
}

/// Options as bytes; options without room in the header are left out.
pub fn option_bytes(options: &[TcpOption]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        let mut buffer = [0; 40];
        let length = option.emit(&mut buffer).expect("an option has at most 40 bytes");
        if bytes.len() + length <= 40 {
            bytes.extend(&buffer[..length]);
        }
    }
    bytes
}

impl Segment {
    /// The frame.
    pub fn build(&self) -> Vec<u8> {
        let [source, destination] = self.ends;
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4).min(40), 1);
        let transport = 20 + options.len() + self.payload;
        let mut frame = vec![2; 12];
        match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend([0x08, 0x00, 0x45, 0]);
                frame.extend(((20 + transport) as u16).to_be_bytes());
                frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
            }
            (source, destination) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend((transport as u16).to_be_bytes());
                frame.extend([6, 64]);
                for end in [source, destination] {
                    let IpAddr::V6(end) = end else {
                        panic!("ends of two kinds")
                    };
                    frame.extend(end.octets());
                }
            }
        }
        frame.extend(source.port().to_be_bytes());
        frame.extend(destination.port().to_be_bytes());
        frame.extend(self.sequence.to_be_bytes());
        frame.extend(self.acknowledgement.to_be_bytes());
        frame.extend([(((20 + options.len()) / 4) << 4) as u8, self.flags]);
        frame.extend(self.window.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(options);
        frame.resize(frame.len() + self.payload, 0);
        frame
    }
}

/// Where the TCP header of a frame from [`Segment::build`] begins.
pub fn transport(frame: &[u8]) -> usize {
    if frame[12] == 0x08 { LINK + 20 } else { LINK + 40 }
}
