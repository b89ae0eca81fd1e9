//! A record, its two sides, a connection. The page calls every field by the same name.

use mptcp_wire::Side;

/// The largest window that there can be.
pub const WINDOW_LARGEST: u32 = 1 << 30;
/// The smallest window that the check of sequence numbers allows.
pub const WINDOW_LEAST: u32 = 66_000;
/// Ranges that a side keeps.
pub const RANGES: usize = 4;
/// Segments of a run that counts.
pub const RUN: u8 = 8;

/// The state of a subflow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// First seen in mid-stream.
    Adopting,
    /// SYN seen.
    Syn,
    /// Acceptable SYN-ACK seen.
    SynAck,
    /// Handshake complete, or adopted.
    Established,
    /// One FIN acknowledged.
    Closing,
    /// Both FINs acknowledged, or a reset: the record is removed.
    Closed,
}

/// The state of a side's FIN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fin {
    /// None.
    #[default]
    None,
    /// Sent.
    Sent,
    /// Sent, and acknowledged.
    Acknowledged,
}

/// The sequence numbers of a side that is `started`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Numbers {
    /// Highest end of a segment.
    pub end: u32,
    /// Everything from `base` up to here was seen.
    pub contiguous: u32,
    /// Where that begins.
    pub base: u32,
    /// Ranges above, in order.
    pub ranges: Vec<(u32, u32)>,
}

/// A round-trip sample that runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// When it began, ns.
    pub sent_ns: u64,
    /// The acknowledgement that ends it.
    pub end: u32,
    /// TSval of the segment that began it; 0 without.
    pub timestamp: u32,
}

/// Unacceptable segments that a side has just sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Run {
    /// Where they begin.
    pub begin: u32,
    /// One past their end.
    pub end: u32,
    /// How many.
    pub count: u8,
}

/// One side.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// Wire segments.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Its last acceptable segment, or the reset that is suspected, ns.
    pub last_ns: u64,
    /// Sequence numbers, once it is started.
    pub numbers: Option<Numbers>,
    /// `acknowledgement` and `sack_edge`, once it acknowledges.
    pub acknowledged: Option<(u32, u32)>,
    /// Window of its last acceptable segment, bytes.
    pub window: u32,
    /// The largest that may be in use.
    pub window_max: u32,
    /// Shift; unknown when the SYN was not seen.
    pub window_scale: Option<u8>,
    /// Initial sequence number; 0 when the SYN was not seen.
    pub isn: u32,
    /// MPTCP address id.
    pub address_id: u8,
    /// Its FIN.
    pub fin: Fin,
    /// One past the last FIN.
    pub fin_end: u32,
    /// Segments seen before in part.
    pub retransmissions: u32,
    /// Segments for which that is unknown.
    pub uncertain: u32,
    /// Segments refused.
    pub unacceptable: u32,
    /// Number of resynchronisations.
    pub reanchored: u32,
    /// The run of those.
    pub run: Run,
    /// The sample that runs.
    pub sample: Option<Sample>,
    /// Smoothed, microseconds.
    pub rtt_us: u32,
    /// Least.
    pub rtt_min_us: u32,
    /// How many.
    pub rtt_samples: u32,
    /// Initial data sequence number.
    pub idsn: Option<u64>,
    /// Lowest data sequence number and one past the highest.
    pub dsn: Option<(u64, u64)>,
    /// Asked to be a backup.
    pub backup: bool,
    /// A reset in its name is suspected.
    pub reset_suspected: bool,
}

/// A subflow.
#[derive(Clone, Debug)]
pub struct Record {
    /// First segment, ns.
    pub first_ns: u64,
    /// Last one, ns.
    pub last_ns: u64,
    /// What it is.
    pub state: State,
    /// Opened by MP_CAPABLE.
    pub initial: bool,
    /// Opened by MP_JOIN.
    pub joined: bool,
    /// Handshake not seen.
    pub partial: bool,
    /// Only one side's segments pass here.
    pub one_direction: bool,
    /// Peer sent the SYN.
    pub opener: Option<Side>,
    /// Address ids are known.
    pub address_ids: bool,
    /// DSS checksums are required.
    pub checksum: bool,
    /// MPTCP version.
    pub version: Option<u8>,
    /// Its connection.
    pub connection: Option<u64>,
    /// Tokens, by side.
    pub token: [Option<u32>; 2],
    /// Both sides.
    pub sender: [Sender; 2],
    /// One past a mapping of this side that is far from what is known.
    pub jump: Option<(Side, u64)>,
}

impl Record {
    /// Whether anybody who sends segments in one side's name can have created it.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.one_direction || self.partial && !self.initial && !self.joined
    }

    /// A record as the first segment finds it.
    #[must_use]
    pub fn new(now: u64) -> Self {
        let sender = Sender {
            window_max: WINDOW_LARGEST,
            ..Sender::default()
        };
        Self {
            first_ns: now,
            last_ns: now,
            state: State::Adopting,
            initial: false,
            joined: false,
            partial: false,
            one_direction: false,
            opener: None,
            address_ids: false,
            checksum: false,
            version: None,
            connection: None,
            token: [None; 2],
            sender: [sender.clone(), sender],
            jump: None,
        }
    }

    /// Nothing is known of windows.
    pub fn windows_unknown(&mut self) {
        for sender in &mut self.sender {
            sender.window_max = WINDOW_LARGEST;
        }
    }

    /// What a SYN said is not about the subflow that runs: the record is one that was met in mid-stream.
    pub fn forget_handshake(&mut self) {
        self.state = State::Adopting;
        (self.initial, self.joined, self.partial) = (false, false, true);
        (self.one_direction, self.address_ids, self.checksum) = (false, false, false);
        (self.opener, self.version, self.connection, self.jump) = (None, None, None, None);
        self.token = [None; 2];
        for sender in &mut self.sender {
            *sender = Sender {
                packets: sender.packets,
                bytes: sender.bytes,
                last_ns: sender.last_ns,
                window: sender.window,
                window_max: WINDOW_LARGEST,
                retransmissions: sender.retransmissions,
                uncertain: sender.uncertain,
                unacceptable: sender.unacceptable,
                reanchored: sender.reanchored,
                run: sender.run,
                rtt_us: sender.rtt_us,
                rtt_min_us: sender.rtt_min_us,
                rtt_samples: sender.rtt_samples,
                fin_end: sender.fin_end,
                ..Sender::default()
            };
        }
    }

    /// The sides of a segment: its sender, and the other one.
    pub fn pair(&mut self, side: Side) -> (&mut Sender, &mut Sender) {
        let [local, remote] = &mut self.sender;
        match side {
            Side::Local => (local, remote),
            Side::Remote => (remote, local),
        }
    }
}

/// A connection. Pairs are by [`Side`].
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Both tokens.
    pub id: u64,
    /// First segment, ns.
    pub first_ns: u64,
    /// Last one, ns.
    pub last_ns: u64,
    /// Wire segments.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Retransmitted segments.
    pub retransmissions: u64,
    /// Initial data sequence numbers.
    pub idsn: [u64; 2],
    /// Highest DATA_ACK of each side.
    pub data_ack: [Option<u64>; 2],
    /// One past the highest DSN of each side.
    pub dsn_next: [Option<u64>; 2],
    /// Tokens.
    pub token: [u32; 2],
    /// Largest windows.
    pub window_max: [u32; 2],
    /// Subflows ever established.
    pub subflows: u32,
    /// MPTCP version.
    pub version: u8,
}
