//! A captured TCP segment, decoded: the fields that the analysis needs, without borrowing from the capture.

use crate::record::{Encapsulated, Malformed, Skipped, Totals};
use crate::{Frame, PacketNumber, Timestamp};
use mptcp_wire::checksum::Sum;
use mptcp_wire::mptcp::{MptcpOption, Subtype, View};
use mptcp_wire::segment::Network;
use mptcp_wire::tcp::Flags;
use mptcp_wire::tcp::option::kind;
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
    pub(crate) malformed: Vec<Malformed>,
    /// The maximum segment size in a SYN or SYN+ACK.
    pub(crate) maximum_segment: Option<u16>,
    /// TSval of the timestamps option (RFC 7323, 3).
    pub(crate) timestamp: Option<u32>,
    /// The identification in an IPv4 header; 0 in IPv6.
    pub(crate) identification: u16,
    /// Over all bytes that a copy of the packet has too: those from the IP header on, without TTL and header checksum,
    /// and of the payload its sum.
    pub(crate) fingerprint: u64,
    /// The capture has only a part of the packet.
    pub(crate) is_cut: bool,
    /// No-operation options in a row, at most. Hosts align with one to three; a box that erases options writes more.
    pub(crate) padding: u8,
}

/// Mixes a word into a fingerprint. Fast, and good enough for bytes that nobody chose to collide: a collision drops one
/// packet of the same flow within a moment.
const fn mix(fingerprint: u64, word: u64) -> u64 {
    (fingerprint.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

fn widened(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FlowKey {
    /// Of no flow.
    pub(crate) const NONE: Self = Self {
        low: 0,
        high: 0,
        ports: 0,
    };

    /// Whether this end is the lower one of the key.
    pub(crate) fn is_low(&self, end: SocketAddr) -> bool {
        (widened(end.ip()), u32::from(end.port())) == (self.low, self.ports >> 16)
    }

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

/// Both addresses of a packet, for its fingerprint.
fn addresses(source: &SocketAddr, destination: &SocketAddr) -> u64 {
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits())
        }
        (source, destination) => [source, destination]
            .into_iter()
            .map(widened)
            .fold(0, |print, address| {
                mix(mix(print, address as u64), (address >> 64) as u64)
            }),
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
            malformed: Vec::new(),
            maximum_segment: None,
            timestamp: None,
            identification: 0,
            fingerprint: 0,
            is_cut: false,
            padding: 0,
        }
    }

    /// Whether it has no MPTCP option, not even a malformed one.
    pub(crate) fn is_plain(&self) -> bool {
        self.options.is_empty() && self.malformed.is_empty()
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
        self.read_options(segment);
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
        self.is_cut = self.payload > 0 && !whole;
        self.take_fingerprint(segment);
    }

    fn read_options(&mut self, segment: &Segment<'_>) {
        self.window_scale = None;
        self.maximum_segment = None;
        self.timestamp = None;
        self.options.clear();
        self.malformed.clear();
        self.padding = 0;
        let mut rest = segment.tcp().option_bytes();
        // Most segments begin so (RFC 7323, appendix A).
        if let [
            kind::NO_OPERATION,
            kind::NO_OPERATION,
            kind::TIMESTAMPS,
            10,
            a,
            b,
            c,
            d,
            _,
            _,
            _,
            _,
            others @ ..,
        ] = rest
        {
            self.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d]));
            rest = others;
        }
        let mut run = 0;
        while let [kind, tail @ ..] = rest {
            match *kind {
                kind::END_OF_LIST => break,
                kind::NO_OPERATION => {
                    run += 1;
                    self.padding = self.padding.max(run);
                    rest = tail;
                    continue;
                }
                _ => run = 0,
            }
            let length = tail.first().map_or(0, |length| usize::from(*length));
            if length < 2 || length > rest.len() {
                let (kind, room) = (*kind, rest.len());
                let error = match tail.first() {
                    Some(&length) => Error::OptionOverrun { kind, length, room },
                    None => Error::OptionCut { kind },
                };
                self.malformed.push(malformed(&error, rest));
                break;
            }
            let (option, others) = rest.split_at(length);
            rest = others;
            self.read_option(option);
        }
        let opens = |option: &MptcpOption| matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_));
        self.handshake |= self.options.iter().any(opens);
    }

    fn read_option(&mut self, option: &[u8]) {
        match option {
            [kind::MPTCP, ..] => match View::new_checked(option).and_then(|view| MptcpOption::parse(&view)) {
                Ok(option) => self.options.push(option),
                Err(error) => self.malformed.push(malformed(&error, option)),
            },
            [kind::TIMESTAMPS, 10, a, b, c, d, ..] => self.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d])),
            // RFC 7323, 2.3: a shift above 14 is taken as 14.
            [kind::WINDOW_SCALE, 3, shift] if self.handshake => self.window_scale = Some((*shift).min(14)),
            [kind::MAXIMUM_SEGMENT_SIZE, 4, high, low] if self.handshake => {
                self.maximum_segment = Some(u16::from_be_bytes([*high, *low]));
            }
            _ => {}
        }
    }

    fn take_fingerprint(&mut self, segment: &Segment<'_>) {
        self.identification = match segment.network() {
            Network::V4(header) => header.identification(),
            Network::V6(_) => 0,
        };
        let words = [
            u64::from(self.source.port()) << 48
                | u64::from(self.destination.port()) << 32
                | u64::from(self.window) << 16
                | u64::from(self.identification),
            u64::from(self.sequence.0) << 32 | u64::from(self.acknowledgement.0),
            u64::from(self.flags.bits()) << 32 | u64::from(self.payload),
            self.payload_sum.map_or(0, |sum| u64::from(sum) | 1 << 32),
        ];
        let fields = words.into_iter().fold(addresses(&self.source, &self.destination), mix);
        // Apart from the fields, so that a processor does both at once.
        let (chunks, rest) = segment.tcp().option_bytes().as_chunks::<8>();
        let options = chunks
            .iter()
            .fold(0, |print, chunk| mix(print, u64::from_ne_bytes(*chunk)));
        let (chunks, rest) = rest.as_chunks::<4>();
        let options = chunks
            .iter()
            .fold(options, |print, chunk| mix(print, u32::from_ne_bytes(*chunk).into()));
        let options = rest.iter().fold(options, |print, byte| mix(print, u64::from(*byte)));
        let fingerprint = mix(fields, options);
        // The upper bits depend on all others; the lower ones choose a place.
        self.fingerprint = fingerprint ^ fingerprint >> 32;
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
                _ => {
                    skipped.malformed += 1;
                    skipped.cut += u64::from(frame.bytes.len() < frame.original_length as usize);
                }
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

/// What is wrong with an option; `bytes` begin with it.
fn malformed(error: &Error, bytes: &[u8]) -> Malformed {
    let is_mptcp = bytes.first() == Some(&kind::MPTCP);
    let length = bytes.get(1).copied();
    let subtype = bytes
        .get(2)
        .filter(|_| is_mptcp && length != Some(2))
        .map(|byte| byte >> 4);
    let option = match subtype.map(Subtype::from_number) {
        Some(subtype) => subtype.name(),
        None if is_mptcp => "MPTCP option",
        None => "TCP option",
    };
    let expected = match *error {
        Error::OptionLength { expected, .. } => expected.to_owned(),
        Error::OptionOverrun { room, .. } => format!("2 to {room}"),
        Error::OptionCut { .. } => "a length byte".to_owned(),
        Error::OptionValue {
            field, value, expected, ..
        } => format!("{field} {expected}, not {value}"),
        ref other => other.to_string(),
    };
    Malformed {
        option,
        subtype,
        length,
        expected,
    }
}
