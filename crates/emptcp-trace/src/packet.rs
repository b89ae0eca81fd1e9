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
    /// Its sender is the lower end of the key.
    pub(crate) from_low: bool,
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
    /// Of the flow and the direction.
    pub(crate) flow_print: u64,
    /// Over all bytes that a copy of the packet has too: those from the IP header on, without TTL and header checksum,
    /// and of the payload its sum.
    pub(crate) fingerprint: u64,
    /// The capture has only a part of the packet.
    pub(crate) is_cut: bool,
    /// No-operation options in a row, at most. Hosts align with one to three; a box that erases options writes more.
    pub(crate) padding: u8,
}

/// Mixes two words. Fast, and good enough for bytes that nobody chose to collide: a collision drops one packet within a
/// moment.
const fn mix(one: u64, other: u64) -> u64 {
    // Digits of pi: without them, a word 0 would hide the other.
    let product = (one ^ 0x243f_6a88_85a3_08d3) as u128 * (other ^ 0x1319_8a2e_0370_7344) as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The options, whose length is a multiple of 4.
#[inline]
fn mixed(options: &[u8]) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let (chunks, rest) = options.as_chunks::<16>();
    let mut print = options.len() as u64;
    for chunk in chunks {
        if let (Some(first), Some(last)) = (chunk.first_chunk(), chunk.last_chunk()) {
            print = print.rotate_left(23) ^ mix(word(first), word(last));
        }
    }
    match (rest.first_chunk(), rest.last_chunk(), rest.first_chunk()) {
        // The two overlap.
        (Some(first), Some(last), _) => print.rotate_left(23) ^ mix(word(first), word(last)),
        (None, None, Some(four)) => print.rotate_left(23) ^ mix(u32::from_ne_bytes(*four).into(), 0),
        _ => print,
    }
}

fn widened(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FlowKey {
    /// The key of a packet, and whether its sender is the lower end.
    pub(crate) fn new(source: SocketAddr, destination: SocketAddr) -> (Self, bool) {
        let from = (widened(source.ip()), source.port());
        let to = (widened(destination.ip()), destination.port());
        let from_low = from <= to;
        let (low, high) = if from_low { (from, to) } else { (to, from) };
        let key = Self {
            low: low.0,
            high: high.0,
            ports: u32::from(low.1) << 16 | u32::from(high.1),
        };
        (key, from_low)
    }

    /// A hash of the key.
    pub(crate) fn print(&self) -> u64 {
        let addresses = mix(
            self.low as u64 ^ (self.high as u64).rotate_left(32),
            (self.low >> 64) as u64 ^ ((self.high >> 64) as u64).rotate_left(32),
        );
        addresses ^ u64::from(self.ports) << 1
    }
}

impl Packet {
    /// An empty packet to decode into: packets are large, so one is reused for all frames.
    pub(crate) fn empty() -> Self {
        let nowhere = SocketAddr::from(([0; 4], 0));
        Self {
            number: PacketNumber(0),
            time: Timestamp(0),
            flow: FlowKey::new(nowhere, nowhere).0,
            from_low: true,
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
            flow_print: 0,
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
        // The usual frame first, where it is: a segment is large, and moving it is a measurable part of the work.
        if let Ok(link) = frame.link
            && let Ok(segment) = &Segment::parse(frame.bytes, link)
        {
            if !segment.encapsulations().is_empty() {
                totals.encapsulated.count(segment.encapsulations());
            }
            self.fill(frame, segment);
            return true;
        }
        self.decode_other(frame, totals)
    }

    /// A frame that has its segment inside of a tunnel, or has none.
    #[cold]
    fn decode_other(&mut self, frame: &Frame<'_>, totals: &mut Totals) -> bool {
        let segment = segment_of(frame, &mut totals.skipped, &mut totals.encapsulated);
        if let Some(segment) = &segment {
            self.fill(frame, segment);
        }
        segment.is_some()
    }

    #[inline]
    fn fill(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) {
        let tcp = segment.tcp();
        self.number = frame.number;
        self.time = frame.time;
        self.source = segment.source();
        self.destination = segment.destination();
        (self.flow, self.from_low) = FlowKey::new(self.source, self.destination);
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
        self.flow_print = self.flow.print() ^ u64::from(self.from_low);
        let numbers = u64::from(self.sequence.0) << 32 | u64::from(self.acknowledgement.0);
        let header = u64::from(self.flags.bits()) << 32 | u64::from(self.window) << 16 | u64::from(self.identification);
        let sum = self.payload_sum.map_or(0, |sum| u64::from(sum) | 1 << 16);
        let payload = u64::from(self.payload) << 32 | sum;
        let fields = mix(numbers, header) ^ mix(self.flow_print, payload).rotate_left(17);
        self.fingerprint = mix(fields, mixed(segment.tcp().option_bytes()));
    }

    /// Its acknowledgement counts: a RST may be forged.
    #[inline]
    pub(crate) fn acknowledges(&self) -> bool {
        self.flags.bits() & (Flags::ACK | Flags::RST).bits() == Flags::ACK.bits()
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
