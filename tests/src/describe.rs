//! Builds packets from descriptions.

use crate::hosts::{HandshakeStage, Hosts, Peer};
use mptcp_wire::{
    AddressId, DataSequenceNumber, PacketBuilder, SequenceNumber, SubflowSequenceNumber, WireDataSequenceNumber,
    builder::ChecksumMode,
    ethernet::VlanTag,
    list::List,
    mptcp::{
        AddAddrForm, CapableKeys, Dss, Mapping, MpFail, MpFastclose, MpPrio, MpTcprst, MptcpOption, RemoveAddr,
        ResetReason, UnknownSubtype,
    },
    tcp::{Flags, SackBlock, TcpOption},
};
use serde::Deserialize;

/// The kind of a packet; determines flags, numbers and the usual options.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SYN.
    Syn,
    /// SYN-ACK.
    SynAck,
    /// The opener's first ACK.
    ThirdAck,
    /// An ACK without payload.
    #[default]
    Ack,
    /// An ACK with 100 bytes, unless said otherwise.
    Data,
    /// FIN with ACK.
    Fin,
    /// RST, without ACK.
    Rst,
}

/// A packet. Everything has a default: the usual packet of its kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Packet {
    /// The sender.
    pub from: Peer,
    /// 0: the initial subflow, 1: the joined one.
    pub subflow: usize,
    /// What it is.
    pub is: Kind,
    /// TCP options as text, see `options_of`; absent: the usual ones.
    pub options: Option<Vec<String>>,
    /// Bytes of payload.
    pub payload: Option<usize>,
    /// Added to the next sequence number; if it is not 0, the sender's state does not advance.
    pub sequence: i64,
    /// Added to the right acknowledgement number.
    pub acknowledgement: i64,
    /// The window field.
    pub window: Option<u16>,
    /// VLAN tags, outermost first.
    pub vlan: Vec<u16>,
    /// IPv4 options as hexadecimal digits; left out at IPv6.
    pub ip_options: String,
    /// Kinds of IPv6 extension headers; left out at IPv4.
    pub extensions: Vec<u8>,
    /// Differentiated services code point.
    pub dscp: u8,
    /// ECN field: 0 to 3.
    pub ecn: u8,
    /// The checksum field holds only the sum over the pseudo-header.
    pub partial: bool,
    /// Makes it a fragment: offset in bytes; "more fragments" is set for offset 0.
    pub fragment: Option<u16>,
    /// Bytes to overwrite afterwards: offset in the TCP header and hexadecimal digits. Checksums stay as they were.
    pub patch: Vec<(usize, String)>,
    /// Bytes of padding after the IP packet, as in short Ethernet frames.
    pub trailer: usize,
    /// Wire segments that it stands for (tc only).
    pub segments: u32,
    /// Payload of each of them; 0: not set, so that the kernel does not treat the packet as an aggregate.
    pub segment_size: u32,
    /// Milliseconds to wait before it is sent.
    pub wait_ms: u64,
}

impl Packet {
    /// A usual packet of this kind on the initial subflow.
    pub fn new(from: Peer, is: Kind) -> Self {
        Self {
            from,
            is,
            ..Self::default()
        }
    }

    /// On another subflow.
    pub fn on(mut self, subflow: usize) -> Self {
        self.subflow = subflow;
        self
    }

    /// With these options in place of the usual ones.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options = Some(options.iter().map(|&option| option.to_owned()).collect());
        self
    }

    /// With this many bytes of payload.
    pub fn payload(mut self, bytes: usize) -> Self {
        self.payload = Some(bytes);
        self
    }

    /// With an offset to the next sequence number.
    pub fn sequence(mut self, offset: i64) -> Self {
        self.sequence = offset;
        self
    }

    /// With an offset to the right acknowledgement number.
    pub fn acknowledgement(mut self, offset: i64) -> Self {
        self.acknowledgement = offset;
        self
    }

    /// The frame; `hosts` advances as if it had been sent and received.
    ///
    /// # Panics
    /// When the description cannot be a packet.
    pub fn build(&self, hosts: &mut Hosts) -> Vec<u8> {
        let payload_length = self.payload.unwrap_or(if self.is == Kind::Data { 100 } else { 0 });
        let (from, to) = (self.from as usize, self.from.other() as usize);
        let words = self.options.clone().unwrap_or_else(|| usual_options(self.is));
        let mut options = Vec::new();
        for word in &words {
            options.extend(options_of(word, self, payload_length, hosts));
        }
        let subflow = &mut hosts.subflows[self.subflow];
        let sequence = shifted(subflow.next[from], self.sequence);
        let acknowledgement = if matches!(self.is, Kind::Syn | Kind::Rst) {
            0
        } else {
            shifted(subflow.next[to], self.acknowledgement)
        };
        let flags = match self.is {
            Kind::Syn => Flags::SYN,
            Kind::SynAck => Flags::SYN | Flags::ACK,
            Kind::ThirdAck | Kind::Ack => Flags::ACK,
            Kind::Data => Flags::ACK | Flags::PSH,
            Kind::Fin => Flags::FIN | Flags::ACK,
            Kind::Rst => Flags::RST,
        };
        let payload: Vec<u8> = (0..payload_length).map(|at| (at * 7 + 1) as u8).collect();
        let mut builder = PacketBuilder::new(subflow.ends[from], subflow.ends[to])
            .flags(flags)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .window(self.window.unwrap_or(500))
            .traffic_class(self.dscp << 2 | self.ecn)
            .payload(&payload);
        for option in options {
            builder = match option {
                Piece::Option(option) => builder.option(option),
                Piece::Bytes(bytes) => builder.option_bytes(&bytes),
            };
        }
        for &tag in &self.vlan {
            builder = builder.vlan(VlanTag::new(tag));
        }
        let is_v4 = subflow.ends[0].is_ipv4();
        // Where the TCP header will begin.
        let mut network = 14 + 4 * self.vlan.len();
        if is_v4 {
            let ip_options = hex(&self.ip_options);
            network += 20 + ip_options.len().next_multiple_of(4);
            builder = builder.ipv4_options(&ip_options);
        } else {
            network += 40 + 8 * (self.extensions.len() + usize::from(self.fragment.is_some()));
            for &kind in &self.extensions {
                builder = builder.extension(kind, &[0; 6]);
            }
        }
        let fragment_header;
        if let Some(offset) = self.fragment {
            if is_v4 {
                builder = builder.fragment(offset, offset == 0);
            } else {
                let field = (offset & !7) | u16::from(offset == 0);
                fragment_header = [field.to_be_bytes()[0], field.to_be_bytes()[1], 0, 0, 0, 9];
                builder = builder.extension(44, &fragment_header);
            }
        }
        if self.partial {
            builder = builder.checksum(ChecksumMode::Partial);
        }
        let mut frame = vec![0; builder.buffer_length()];
        let length = builder
            .build(&mut frame)
            .unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert_eq!(length, frame.len());
        for (offset, digits) in &self.patch {
            let bytes = hex(digits);
            let at = network + offset;
            frame[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        frame.resize(frame.len() + self.trailer, 0xee);
        if self.sequence == 0 {
            let flag = u32::from(matches!(self.is, Kind::Syn | Kind::SynAck | Kind::Fin));
            subflow.next[from] = sequence.wrapping_add(payload_length as u32).wrapping_add(flag);
        }
        frame
    }
}

impl Hosts {
    /// The handshake of a subflow.
    pub fn handshake(&self, subflow: usize) -> [Packet; 3] {
        use Kind::{Syn, SynAck, ThirdAck};
        [(Peer::Client, Syn), (Peer::Server, SynAck), (Peer::Client, ThirdAck)]
            .map(|(from, kind)| Packet::new(from, kind).on(subflow))
    }
}

fn shifted(number: u32, offset: i64) -> u32 {
    number.wrapping_add(offset as u32)
}

/// The options that Linux sends on a packet of this kind, with timestamps.
fn usual_options(kind: Kind) -> Vec<String> {
    let words: &[&str] = match kind {
        Kind::Syn => &[
            "mss 1460",
            "sack_permitted",
            "timestamps",
            "nop",
            "window_scale 7",
            "handshake",
        ],
        Kind::SynAck => &[
            "mss 1460",
            "sack_permitted",
            "timestamps",
            "nop",
            "window_scale 9",
            "handshake",
        ],
        Kind::ThirdAck => &["nop", "nop", "timestamps", "handshake"],
        Kind::Ack => &["nop", "nop", "timestamps", "dss ack"],
        Kind::Data => &["nop", "nop", "timestamps", "dss ack map"],
        Kind::Fin => &["nop", "nop", "timestamps", "dss ack"],
        Kind::Rst => &[],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// An option, or bytes in its place.
enum Piece {
    Option(TcpOption),
    Bytes(Vec<u8>),
}

/// One option in words:
///
/// `nop`, `end`, `mss N`, `window_scale N`, `sack_permitted`, `sack N` (blocks), `timestamps`, `handshake` (MP_CAPABLE
/// or MP_JOIN as the packet's place wants it), `mp_capable`, `mp_capable data` (both keys and the length of the
/// payload), `mp_join`, `dss` with any of `ack`, `ack64`, `map`, `map64`, `fin`, `length=N`, `checksum`;
/// `add_addr ID ADDRESS [PORT]`, `add_addr_echo ID ADDRESS`, `remove_addr ID...`, `mp_prio backup|regular [ID]`,
/// `mp_fail`, `mp_fastclose`, `mp_tcprst`, `mp_experimental`, or `hex DIGITS`.
///
/// # Panics
/// For any other word.
fn options_of(text: &str, packet: &Packet, payload: usize, hosts: &mut Hosts) -> Vec<Piece> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |index: usize| -> u32 {
        words
            .get(index)
            .and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("`{text}`: a number is missing"))
    };
    let stage = match packet.is {
        Kind::Syn => HandshakeStage::Syn,
        Kind::SynAck => HandshakeStage::SynAck,
        _ => HandshakeStage::ThirdAck,
    };
    let mptcp = |option: MptcpOption| vec![Piece::Option(TcpOption::Mptcp(option))];
    let plain = |option: TcpOption| vec![Piece::Option(option)];
    match words[0] {
        "nop" => plain(TcpOption::NoOperation),
        "end" => plain(TcpOption::EndOfList),
        "mss" => plain(TcpOption::MaximumSegmentSize(number(1) as u16)),
        "window_scale" => plain(TcpOption::WindowScale(number(1) as u8)),
        "sack_permitted" => plain(TcpOption::SackPermitted),
        "sack" => {
            // Of data that came twice (RFC 2883): the only blocks that need no gap.
            let acknowledged = hosts.subflows[packet.subflow].next[packet.from.other() as usize];
            let mut blocks = List::new();
            for block in 0..number(1) {
                let left = acknowledged.wrapping_sub(1000 + block * 1000);
                let block = SackBlock {
                    left: SequenceNumber(left),
                    right: SequenceNumber(left.wrapping_add(500)),
                };
                blocks.push(block).expect("at most 4 blocks");
            }
            plain(TcpOption::Sack(blocks))
        }
        "timestamps" => {
            let subflow = &mut hosts.subflows[packet.subflow];
            let from = packet.from as usize;
            // As if one tick passed with every byte: increasing, and the echo is the peer's last.
            let value = subflow.next[from].wrapping_sub(subflow.isn[from]).wrapping_add(1000);
            subflow.stamps[from] = value;
            let echo_reply = if packet.is == Kind::Syn {
                0
            } else {
                subflow.stamps[packet.from.other() as usize]
            };
            plain(TcpOption::Timestamps { value, echo_reply })
        }
        "handshake" if packet.subflow == 0 => mptcp(hosts.capable(stage).into()),
        "handshake" => mptcp(hosts.join(packet.subflow, stage).into()),
        "mp_capable" if words.get(1) == Some(&"data") => {
            let from = packet.from as usize;
            let mut capable = hosts.capable(stage);
            capable.keys = CapableKeys::BothWithData {
                sender: hosts.keys[from],
                receiver: hosts.keys[packet.from.other() as usize],
                data_length: payload as u16,
                checksum: None,
            };
            hosts.data_next[from] = hosts.data_next[from].wrapping_add(payload as u64);
            mptcp(capable.into())
        }
        "mp_capable" => mptcp(hosts.capable(stage).into()),
        "mp_join" => mptcp(hosts.join(packet.subflow, stage).into()),
        "dss" => mptcp(dss(&words[1..], packet, payload, hosts).into()),
        "add_addr" => {
            let port = (words.len() > 3).then(|| number(3) as u16);
            mptcp(
                hosts
                    .add_addr(
                        packet.from,
                        number(1) as u8,
                        words[2].parse().expect("an address"),
                        port,
                    )
                    .into(),
            )
        }
        "add_addr_echo" => {
            let mut echo = hosts.add_addr(
                packet.from,
                number(1) as u8,
                words[2].parse().expect("an address"),
                None,
            );
            echo.form = AddAddrForm::Echo;
            mptcp(echo.into())
        }
        "remove_addr" => {
            let ids: Vec<_> = (1..words.len()).map(|index| AddressId(number(index) as u8)).collect();
            mptcp(RemoveAddr::new(&ids).expect("ids").into())
        }
        "mp_prio" => {
            let address_id = (words.len() > 2).then(|| AddressId(number(2) as u8));
            assert!(matches!(words[1], "backup" | "regular"), "`{text}`");
            mptcp(
                MpPrio {
                    backup: words[1] == "backup",
                    address_id,
                }
                .into(),
            )
        }
        "mp_fail" => mptcp(
            MpFail {
                data_sequence: DataSequenceNumber(hosts.data_next[packet.from as usize]),
            }
            .into(),
        ),
        "mp_fastclose" => mptcp(
            MpFastclose {
                receiver_key: hosts.keys[packet.from.other() as usize],
            }
            .into(),
        ),
        "mp_tcprst" => mptcp(
            MpTcprst {
                transient: false,
                reason: ResetReason::UNSPECIFIED,
            }
            .into(),
        ),
        "mp_experimental" => mptcp(UnknownSubtype::new(0xf, 0, &[1, 2, 3]).expect("an option").into()),
        "hex" => vec![Piece::Bytes(hex(&words[1..].concat()))],
        _ => panic!("`{text}` is no option"),
    }
}

fn dss(words: &[&str], packet: &Packet, payload: usize, hosts: &mut Hosts) -> Dss {
    let (from, to) = (packet.from as usize, packet.from.other() as usize);
    let wire = |long: bool, value: u64| {
        if long {
            WireDataSequenceNumber::Long(value)
        } else {
            WireDataSequenceNumber::Short(value as u32)
        }
    };
    let (mut dss, mut length, mut checksum) = (Dss::default(), payload as u16, None);
    for word in words {
        match *word {
            "ack" | "ack64" => dss.data_ack = Some(wire(*word == "ack64", hosts.data_next[to])),
            "fin" => dss.data_fin = true,
            "map" | "map64" | "checksum" => {}
            _ => match word.split_once('=') {
                Some(("length", number)) => length = number.parse().expect("a length"),
                _ => panic!("`{word}` is no part of DSS"),
            },
        }
        if *word == "checksum" {
            checksum = Some(0x1234);
        }
    }
    if words.iter().any(|word| word.starts_with("map")) {
        let subflow = &hosts.subflows[packet.subflow];
        let relative = shifted(subflow.next[from], packet.sequence).wrapping_sub(subflow.isn[from]);
        let length = length + u16::from(dss.data_fin);
        dss.mapping = Some(Mapping {
            data_sequence: wire(
                words.contains(&"map64"),
                hosts.data_next[from].wrapping_add_signed(packet.sequence),
            ),
            subflow_sequence: SubflowSequenceNumber(relative),
            length,
            checksum,
        });
        if packet.sequence == 0 {
            hosts.data_next[from] = hosts.data_next[from].wrapping_add(length.into());
        }
    }
    dss
}

/// Bytes from hexadecimal digits; blanks are allowed.
///
/// # Panics
/// When they are something else.
pub fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("`{pair}` is not hexadecimal")))
        .collect()
}
