//! Parses a frame to the fields that a record uses.

use mptcp_wire::{
    FourTuple, Key, LinkType, Segment, Side, WireDataSequenceNumber,
    mptcp::{CapableFlags, CapableKeys, Dss, MpCapable, MpJoin, MpPrio, Subtype, View},
    tcp::{Flags, TcpOption, option::kind},
};

/// MP_CAPABLE.
#[derive(Clone, Copy, Debug)]
pub struct Capable {
    /// As the option has it.
    pub version: u8,
    /// The sender asks for DSS checksums.
    pub checksum: bool,
    /// The sender's key and the receiver's, when the option has both.
    pub keys: Option<[Key; 2]>,
    /// Length of the data on it, when the option has one.
    pub data_length: Option<u16>,
}

/// MP_JOIN of a SYN or SYN-ACK.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// The B bit.
    pub backup: bool,
    /// The sender's address id.
    pub address_id: u8,
    /// The receiver's token: only a SYN has it.
    pub token: Option<u32>,
}

/// A mapping.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The first data sequence number.
    pub dsn: WireDataSequenceNumber,
    /// Data-level length.
    pub length: u16,
}

/// A TCP segment. An option counts as present by its subtype; its content counts only if its length is one that the RFC
/// allows. Of several options of one kind the first counts; of DSS, SACK and timestamps the last.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its subflow.
    pub key: FourTuple,
    /// Peer sent it.
    pub side: Side,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number, with the ACK flag.
    pub acknowledgement: Option<u32>,
    /// SYN flag.
    pub syn: bool,
    /// FIN flag.
    pub fin: bool,
    /// RST flag.
    pub rst: bool,
    /// PSH flag.
    pub psh: bool,
    /// The window field.
    pub window: u16,
    /// Bytes of payload.
    pub payload: u32,
    /// Number of wire segments in it.
    pub segments: u32,
    /// TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// The shift of the window scale option.
    pub window_scale: Option<u8>,
    has_window_scale: bool,
    /// Highest right edge of SACK.
    pub sack_edge: Option<u32>,
    /// Any MPTCP option.
    pub mptcp: bool,
    /// MP_CAPABLE.
    pub capable: Option<Capable>,
    /// MP_JOIN is there.
    pub join: bool,
    /// Its content, in a SYN or SYN-ACK.
    pub joining: Option<Join>,
    /// DSS is there.
    pub dss: bool,
    /// DATA_ACK.
    pub data_ack: Option<WireDataSequenceNumber>,
    /// Mapping of DSS.
    pub mapping: Option<Mapping>,
    /// DATA_FIN of DSS.
    pub data_fin: bool,
    /// MP_PRIO: the B bit, and the address id that version 0 may name.
    pub priority: Option<(bool, Option<u8>)>,
    has_priority: bool,
}

impl Packet {
    /// Reads a frame from its Ethernet header on; `None` when it is no TCP segment that can be read.
    #[must_use]
    pub fn read(frame: &[u8], side: Side, segments: u32) -> Option<Self> {
        let segment = Segment::parse(frame, LinkType::Ethernet).ok()?;
        if segment.is_truncated() {
            return None;
        }
        let (tcp, source, destination) = (segment.tcp(), segment.source(), segment.destination());
        let key = match side {
            Side::Local => FourTuple::new(source, destination),
            Side::Remote => FourTuple::new(destination, source),
        };
        let flags = tcp.flags();
        let payload = segment.payload_length() as u32;
        let ack = flags.contains(Flags::ACK);
        let mut packet = Self {
            key,
            side,
            sequence: tcp.sequence().0,
            acknowledgement: ack.then_some(tcp.acknowledgement().0),
            syn: flags.contains(Flags::SYN),
            fin: flags.contains(Flags::FIN),
            rst: flags.contains(Flags::RST),
            psh: flags.contains(Flags::PSH),
            window: tcp.window(),
            payload,
            segments: if payload > 0 { segments.max(1) } else { 1 },
            timestamps: None,
            window_scale: None,
            has_window_scale: false,
            sack_edge: None,
            mptcp: false,
            capable: None,
            join: false,
            joining: None,
            dss: false,
            data_ack: None,
            mapping: None,
            data_fin: false,
            priority: None,
            has_priority: false,
        };
        for option in tcp.options() {
            // Bytes after an option that does not fit into the header are not read.
            let Ok(option) = option else { break };
            packet.option(option.bytes());
        }
        Some(packet)
    }

    fn option(&mut self, bytes: &[u8]) {
        if bytes.first() == Some(&kind::MPTCP) {
            if let Ok(view) = View::new_checked(bytes) {
                self.mptcp_option(&view);
            }
            return;
        }
        if bytes.first() == Some(&kind::WINDOW_SCALE) && bytes.len() > 2 && !self.has_window_scale {
            self.has_window_scale = true;
            self.window_scale = (bytes.len() == 3).then(|| bytes[2]);
        }
        match TcpOption::parse(bytes) {
            Ok(TcpOption::Timestamps { value, echo_reply }) => self.timestamps = Some((value, echo_reply)),
            Ok(TcpOption::Sack(blocks)) => {
                let edges = blocks.iter().map(|block| block.right.0);
                self.sack_edge = edges.reduce(|highest, edge| if after(edge, highest) { edge } else { highest });
            }
            _ => {}
        }
    }

    fn mptcp_option(&mut self, view: &View<'_>) {
        self.mptcp = true;
        match view.subtype() {
            Subtype::MpCapable => {
                let read = MpCapable::parse(view).ok();
                let (keys, data_length) = match read.map(|read| read.keys) {
                    Some(CapableKeys::Both { sender, receiver }) => (Some([sender, receiver]), None),
                    Some(CapableKeys::BothWithData {
                        sender,
                        receiver,
                        data_length,
                        ..
                    }) => (Some([sender, receiver]), Some(data_length)),
                    _ => (None, None),
                };
                self.capable.get_or_insert(Capable {
                    version: view.nibble(),
                    checksum: read.is_some_and(|read| read.flags.contains(CapableFlags::CHECKSUM_REQUIRED)),
                    keys,
                    data_length,
                });
            }
            Subtype::MpJoin if self.join => {}
            Subtype::MpJoin => {
                self.join = true;
                self.joining = match MpJoin::parse(view) {
                    Ok(MpJoin::Syn {
                        backup,
                        address_id,
                        token,
                        ..
                    }) => Some(Join {
                        backup,
                        address_id: address_id.0,
                        token: Some(token.0),
                    }),
                    Ok(MpJoin::SynAck { backup, address_id, .. }) => Some(Join {
                        backup,
                        address_id: address_id.0,
                        token: None,
                    }),
                    _ => None,
                };
            }
            Subtype::Dss => {
                self.dss = true;
                (self.data_ack, self.mapping, self.data_fin) = (None, None, false);
                if let Ok(dss) = Dss::parse(view) {
                    self.data_ack = dss.data_ack;
                    self.data_fin = dss.data_fin;
                    self.mapping = dss.mapping.map(|mapping| Mapping {
                        dsn: mapping.data_sequence,
                        length: mapping.length,
                    });
                }
            }
            Subtype::MpPrio if !self.has_priority => {
                self.has_priority = true;
                let read = MpPrio::parse(view).ok();
                self.priority = read.map(|read| (read.backup, read.address_id.map(|id| id.0)));
            }
            _ => {}
        }
    }

    /// SYN without ACK. A segment with RST is a reset, whatever else it has.
    #[must_use]
    pub fn is_syn(&self) -> bool {
        self.syn && self.acknowledgement.is_none() && !self.rst
    }

    /// SYN with ACK.
    #[must_use]
    pub fn is_syn_ack(&self) -> bool {
        self.syn && self.acknowledgement.is_some() && !self.rst
    }

    /// Whether its mapping covers payload, or a DATA_FIN alone.
    #[must_use]
    pub fn maps_something(&self) -> bool {
        let alone = |mapping: Mapping| self.data_fin && mapping.length == 1;
        self.mapping.is_some_and(|mapping| self.payload > 0 || alone(mapping))
    }

    /// Its length in sequence numbers.
    #[must_use]
    pub fn takes(&self) -> u32 {
        self.payload + u32::from(self.syn) + u32::from(self.fin)
    }

    /// One past the last of them.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.takes())
    }

    /// The first one of payload: the number after a SYN.
    #[must_use]
    pub fn begin(&self) -> u32 {
        self.sequence.wrapping_add(u32::from(self.syn))
    }
}

/// The distance from `b` to `a`, modulo 2^32 (RFC 9293 section 3.4).
#[must_use]
pub fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Whether `a` is the later of two sequence numbers. Of two that are 2^31 apart none is.
#[must_use]
pub fn after(a: u32, b: u32) -> bool {
    distance(a, b) > 0
}
