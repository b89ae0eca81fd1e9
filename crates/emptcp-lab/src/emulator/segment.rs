//! The work of a network card on transmission: completes checksums and cuts aggregates into segments.
//!
//! A packet socket delivers frames as the sending stack left them: with a partial TCP checksum (only the pseudo header
//! is summed) and, with segmentation offload, up to 64 kB long. The virtio header before the frame has the position of
//! the checksum and the length of the segments (virtio 1.2, 5.1.6 "Device Operation").

/// Length of the virtio header (`struct virtio_net_hdr`).
pub(crate) const VIRTIO_HEADER: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
/// Flag in the type: the aggregate has CWR set (RFC 3168), which only its first segment may keep.
const GSO_ECN: u8 = 0x80;

/// Offset of the checksum in a UDP header, which distinguishes UDP from TCP (16).
const UDP_CHECKSUM: usize = 6;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The virtio header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offload {
    needs_checksum: bool,
    segmentation: u8,
    segment_size: usize,
    checksum_start: usize,
    checksum_offset: usize,
}

impl Offload {
    /// Splits the data of a packet socket into the virtio header and the frame. `None` if it is too short.
    pub(crate) fn split(delivered: &mut [u8]) -> Option<(Self, &mut [u8])> {
        let (header, frame) = delivered.split_at_mut_checked(VIRTIO_HEADER)?;
        // Packet sockets use the byte order of the machine.
        let field = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
        let offload = Self {
            needs_checksum: header[0] & NEEDS_CHECKSUM != 0,
            segmentation: header[1] & !GSO_ECN,
            segment_size: field(4),
            checksum_start: field(6),
            checksum_offset: field(8),
        };
        Some((offload, frame))
    }

    /// Completes the checksum of the frame, if the stack left it partial.
    pub(crate) fn complete(&self, frame: &mut [u8]) {
        let field = self.checksum_start + self.checksum_offset;
        if !self.needs_checksum || field + 2 > frame.len() {
            return;
        }
        // The field holds the sum of the pseudo header, so the sum over all bytes includes it.
        let checksum = !fold(sum(&frame[self.checksum_start..]));
        // In UDP 0 means "no checksum", so a sum of 0 is sent as its other form (RFC 768); in TCP it stays 0.
        let udp = self.checksum_offset == UDP_CHECKSUM;
        let checksum = if checksum == 0 && udp { 0xffff } else { checksum };
        frame[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Calls `emit` with every packet in the frame, each complete.
    pub(crate) fn segments(&self, frame: &mut [u8], mut emit: impl FnMut(&[u8])) {
        let tcp = matches!(self.segmentation, GSO_TCPV4 | GSO_TCPV6);
        match Headers::of(frame, self.checksum_start).filter(|_| tcp && self.segment_size > 0) {
            Some(headers) if frame.len() - headers.length > self.segment_size => {
                headers.segments(frame, self.segment_size, emit);
            }
            _ => {
                self.complete(frame);
                emit(frame);
            }
        }
    }
}

/// Offsets of the headers of an aggregate of TCP segments.
#[derive(Clone, Copy)]
struct Headers {
    /// Offset of the IP header.
    ip: usize,
    /// Offset of the TCP header.
    tcp: usize,
    /// Length of all headers: the offset of the payload.
    length: usize,
    version: u8,
}

impl Headers {
    fn of(frame: &[u8], tcp: usize) -> Option<Self> {
        let mut ip = 14;
        // 802.1Q and 802.1ad tags (4 bytes each) come before the type of the payload.
        while matches!(frame.get(ip - 2..ip)?, [0x81, 0x00] | [0x88, 0xa8]) {
            ip += 4;
        }
        let version = frame.get(ip)? >> 4;
        let least = match version {
            4 => 20,
            6 => 40,
            _ => return None,
        };
        let length = tcp + usize::from(frame.get(tcp + 12)? >> 4) * 4;
        (tcp >= ip + least && length >= tcp + 20 && length <= frame.len()).then_some(Self {
            ip,
            tcp,
            length,
            version,
        })
    }

    fn segments(self, frame: &[u8], size: usize, mut emit: impl FnMut(&[u8])) {
        let (headers, payload) = frame.split_at(self.length);
        let first_sequence = read32(headers, self.tcp + 4);
        let first_identification = u16::from_be_bytes([headers[self.ip + 4], headers[self.ip + 5]]);
        let last = payload.len().div_ceil(size) - 1;
        let mut packet = Vec::with_capacity(self.length + size);
        for (index, part) in payload.chunks(size).enumerate() {
            packet.clear();
            packet.extend_from_slice(headers);
            packet.extend_from_slice(part);
            let sequence = first_sequence.wrapping_add((index * size) as u32);
            packet[self.tcp + 4..self.tcp + 8].copy_from_slice(&sequence.to_be_bytes());
            let flags = &mut packet[self.tcp + TCP_FLAGS];
            if index != last {
                *flags &= !(FIN | PSH);
            }
            if index != 0 {
                *flags &= !CWR;
            }
            self.finish_ip(&mut packet, first_identification.wrapping_add(index as u16));
            self.finish_tcp(&mut packet);
            emit(&packet);
        }
    }

    /// Length, identification and header checksum of IP.
    fn finish_ip(self, packet: &mut [u8], identification: u16) {
        let length = packet.len() - self.ip;
        let ip = &mut packet[self.ip..self.tcp];
        if self.version == 4 {
            ip[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            ip[4..6].copy_from_slice(&identification.to_be_bytes());
            ip[10..12].fill(0);
            let checksum = !fold(sum(ip));
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            ip[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        }
    }

    /// The whole TCP checksum, pseudo header included (RFC 9293, 3.1; RFC 8200, 8.1).
    fn finish_tcp(self, packet: &mut [u8]) {
        packet[self.tcp + 16..self.tcp + 18].fill(0);
        let addresses = if self.version == 4 {
            self.ip + 12..self.ip + 20
        } else {
            self.ip + 8..self.ip + 40
        };
        let length = (packet.len() - self.tcp) as u32;
        let total = sum(&packet[addresses]) + sum(&packet[self.tcp..]) + 6 + u64::from(length);
        packet[self.tcp + 16..self.tcp + 18].copy_from_slice(&(!fold(total)).to_be_bytes());
    }
}

/// Sum of the big-endian 16-bit words of `bytes`, an odd last byte padded with zero (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    let mut total = 0;
    for word in &mut words {
        total += u64::from(read32(word, 0));
    }
    let mut rest = [0; 4];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    total + u64::from(read32(&rest, 0))
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

fn read32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
