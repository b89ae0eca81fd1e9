//! A captured TCP segment, decoded: the fields that the analysis needs, without borrowing from the capture.

use crate::record::{Encapsulated, Skipped, Totals};
use crate::{Frame, PacketNumber, Timestamp};
use mptcp_wire::checksum::Sum;
use mptcp_wire::mptcp::MptcpOption;
use mptcp_wire::segment::Network;
use mptcp_wire::tcp::{Flags, TcpOption};
use mptcp_wire::{Error, Segment, SequenceNumber};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// Two endpoints in an order that does not depend on the sender: both directions of a TCP connection have the same key.
/// IPv4 addresses are mapped to IPv6 addresses that never occur on the wire (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    low: u128,
    high: u128,
    ports: u32,
}

/// A segment.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) number: PacketNumber,
    pub(crate) time: Timestamp,
    pub(crate) flow: FlowKey,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) sequence: SequenceNumber,
    pub(crate) acknowledgement: SequenceNumber,
    pub(crate) flags: Flags,
    pub(crate) window: u16,
    /// The shift count of a SYN or SYN+ACK.
    pub(crate) window_scale: Option<u8>,
    /// Bytes of payload on the wire, which the capture need not have.
    pub(crate) payload: u32,
    /// Bytes from the IP header on.
    pub(crate) ip_length: u32,
    /// The sum of the payload, where all of it was captured.
    pub(crate) payload_sum: Option<u16>,
    /// MP_CAPABLE, MP_JOIN or SYN: never on data of an established subflow.
    pub(crate) handshake: bool,
    /// MPTCP options that are well-formed.
    pub(crate) options: SmallVec<[MptcpOption; 2]>,
    /// MPTCP options that are not, or are cut off.
    pub(crate) malformed_options: u32,
}

fn widened(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FlowKey {
    pub(crate) fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let from = (widened(source.ip()), source.port());
        let to = (widened(destination.ip()), destination.port());
        let (low, high) = if from <= to { (from, to) } else { (to, from) };
        Self {
            low: low.0,
            high: high.0,
            ports: u32::from(low.1) << 16 | u32::from(high.1),
        }
    }
}

impl Packet {
    /// An empty packet to decode into: packets are large, so one is reused for all frames.
    pub(crate) fn empty() -> Self {
        let nowhere = SocketAddr::from(([0; 4], 0));
        Self {
            number: PacketNumber(0),
            time: Timestamp(0),
            flow: FlowKey::new(nowhere, nowhere),
            source: nowhere,
            destination: nowhere,
            sequence: SequenceNumber(0),
            acknowledgement: SequenceNumber(0),
            flags: Flags::default(),
            window: 0,
            window_scale: None,
            payload: 0,
            ip_length: 0,
            payload_sum: None,
            handshake: false,
            options: SmallVec::new(),
            malformed_options: 0,
        }
    }

    /// Counts a frame and decodes it into this packet. Returns whether it is a TCP segment; otherwise `totals` counts
    /// the reason.
    pub(crate) fn decode(&mut self, frame: &Frame<'_>, totals: &mut Totals) -> bool {
        totals.packets += 1;
        totals.bytes += u64::from(frame.original_length);
        totals.first = Some(totals.first.map_or(frame.time, |first| first.min(frame.time)));
        totals.last = Some(totals.last.map_or(frame.time, |last| last.max(frame.time)));
        match segment_of(frame, &mut totals.skipped, &mut totals.encapsulated) {
            Some(segment) => {
                self.fill(frame, &segment);
                true
            }
            None => false,
        }
    }

    fn fill(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) {
        let tcp = segment.tcp();
        self.number = frame.number;
        self.time = frame.time;
        self.source = segment.source();
        self.destination = segment.destination();
        self.flow = FlowKey::new(self.source, self.destination);
        self.sequence = tcp.sequence();
        self.acknowledgement = tcp.acknowledgement();
        self.flags = tcp.flags();
        self.window = tcp.window();
        self.handshake = self.flags.contains(Flags::SYN);
        self.window_scale = self.handshake.then(|| window_scale(segment)).flatten();
        self.options.clear();
        self.malformed_options = 0;
        for option in segment.mptcp_options() {
            match option {
                Ok(option) => {
                    self.handshake |= matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_));
                    self.options.push(option);
                }
                Err(_) => self.malformed_options += 1,
            }
        }
        let captured = segment.payload();
        self.payload = payload_length(frame, segment);
        let ip_header = segment.transport_offset().saturating_sub(segment.network_offset());
        let headers = u32::try_from(ip_header + tcp.header_length()).unwrap_or(u32::MAX);
        self.ip_length = headers.saturating_add(self.payload);
        let whole = self.payload > 0 && u32::try_from(captured.len()) == Ok(self.payload);
        self.payload_sum = whole.then(|| {
            let mut sum = Sum::default();
            sum.add(captured);
            sum.partial()
        });
    }

    /// A SYN that opens.
    pub(crate) fn is_syn(&self) -> bool {
        self.flags.contains(Flags::SYN) && !self.flags.contains(Flags::ACK) && !self.flags.contains(Flags::RST)
    }

    /// A SYN that answers.
    pub(crate) fn is_syn_ack(&self) -> bool {
        self.flags.contains(Flags::SYN | Flags::ACK) && !self.flags.contains(Flags::RST)
    }
}

/// The TCP segment of a frame, also inside of tunnels; otherwise `skipped` counts the reason.
#[inline]
pub(crate) fn segment_of<'a>(
    frame: &Frame<'a>,
    skipped: &mut Skipped,
    encapsulated: &mut Encapsulated,
) -> Option<Segment<'a>> {
    let link = match frame.link {
        Ok(link) => link,
        Err(unknown) => {
            skipped.unknown_link(unknown);
            return None;
        }
    };
    match Segment::parse_innermost(frame.bytes, link) {
        Ok(segment) => {
            if !segment.encapsulations().is_empty() {
                encapsulated.count(segment.encapsulations());
            }
            Some(segment)
        }
        Err(error) => {
            match error {
                Error::NotIp { .. } | Error::NotTcp { .. } => skipped.not_tcp += 1,
                Error::Fragment { .. } => skipped.fragments += 1,
                _ => skipped.malformed += 1,
            }
            None
        }
    }
}

/// The length in the IP header. If it is 0, as in packets before segmentation (BIG TCP), the length of the frame.
fn payload_length(frame: &Frame<'_>, segment: &Segment<'_>) -> u32 {
    let unset = match segment.network() {
        Network::V4(header) => header.total_length() == 0,
        Network::V6(header) => header.payload_length() == 0,
    };
    if unset {
        let headers = segment.transport_offset() + segment.tcp().header_length();
        return u32::try_from(headers).map_or(0, |headers| frame.original_length.saturating_sub(headers));
    }
    u32::try_from(segment.payload_length()).unwrap_or(u32::MAX)
}

fn window_scale(segment: &Segment<'_>) -> Option<u8> {
    segment.options().parsed().find_map(|option| match option {
        // RFC 7323, 2.3: a shift above 14 is taken as 14.
        Ok(TcpOption::WindowScale(shift)) => Some(shift.min(14)),
        _ => None,
    })
}
