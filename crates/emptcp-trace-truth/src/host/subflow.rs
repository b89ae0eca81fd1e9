//! The state of one subflow at one host: a TCP connection after RFC 9293, with NewReno (RFC 6582) and the timer of
//! RFC 6298.

use emptcp_trace::{Span, Timestamp};
use mptcp_wire::mptcp::Mapping;
use mptcp_wire::{AddressId, Nonce};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// The least retransmission timeout, as Linux has it; RFC 6298 says a second.
const LEAST_TIMEOUT: i64 = 200_000_000;
/// The timeout before a round trip was measured.
const FIRST_TIMEOUT: i64 = 1_000_000_000;
const FIRST_WINDOW: u64 = 10;
const MOST_WINDOW: u64 = 48;

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A SYN was sent.
    Connecting,
    /// A SYN was answered.
    Answering,
    /// The handshake is over.
    Open,
    /// Reset, or given up.
    Gone,
}

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Syn,
    Data,
    Fin,
}

/// A segment that was sent and is not acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) use_: Use,
    /// Relative sequence number; 0 is the SYN.
    pub(super) at: u64,
    pub(super) length: u32,
    /// The place in the data of the connection.
    pub(super) data: Option<u64>,
    /// The mapping that it carries.
    pub(super) mapping: Option<Mapping>,
    pub(super) sent: Timestamp,
    pub(super) times: u32,
}

impl Segment {
    /// The relative sequence number after it.
    pub(super) fn end(&self) -> u64 {
        match self.use_ {
            Use::Data => self.at + u64::from(self.length),
            Use::Syn | Use::Fin => self.at + 1,
        }
    }
}

/// A mapping that was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapped {
    /// Relative sequence number of its first byte.
    pub(super) at: u64,
    pub(super) length: u64,
    /// The place in the data of the connection.
    pub(super) data: u64,
    /// As received, to verify the checksum.
    pub(super) option: Mapping,
}

/// One subflow.
#[derive(Clone, Debug)]
pub(super) struct Subflow {
    pub(super) path: usize,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) is_join: bool,
    pub(super) is_opener: bool,
    pub(super) state: State,
    /// MPTCP options are in use on it.
    pub(super) mptcp: bool,
    /// Fully established, as Linux calls it: the peer has shown that it got the third ACK.
    pub(super) fully: bool,
    pub(super) local_isn: u32,
    pub(super) remote_isn: u32,
    pub(super) address_id: AddressId,
    pub(super) peer_address_id: AddressId,
    pub(super) nonces: [Nonce; 2],
    pub(super) backup: bool,

    pub(super) next: u64,
    pub(super) una: u64,
    pub(super) queue: VecDeque<Segment>,
    pub(super) fin_sent: bool,
    pub(super) timer: Option<Timestamp>,
    pub(super) backoff: u32,
    smoothed: Option<i64>,
    variation: i64,
    pub(super) window: u64,
    threshold: u64,
    duplicates: u32,
    recover: Option<u64>,

    pub(super) expected: u64,
    pub(super) held: BTreeMap<u64, Vec<u8>>,
    pub(super) fin_at: Option<u64>,
    pub(super) fin_received: bool,
    pub(super) mappings: VecDeque<Mapped>,
    /// Bytes in order that are not given to the connection yet.
    pub(super) pending: VecDeque<u8>,
    pub(super) ack_at: Option<Timestamp>,
    pub(super) unacked_segments: u32,
    pub(super) ts_recent: u32,
    /// A right checksum was seen.
    pub(super) checksum_seen: bool,
    pub(super) data_fin_sent: Option<Timestamp>,
}

impl Subflow {
    pub(super) fn new(path: usize, local: SocketAddr, remote: SocketAddr, local_isn: u32) -> Self {
        Self {
            path,
            local,
            remote,
            is_join: false,
            is_opener: false,
            state: State::Connecting,
            mptcp: true,
            fully: false,
            local_isn,
            remote_isn: 0,
            address_id: AddressId(0),
            peer_address_id: AddressId(0),
            nonces: [Nonce(0); 2],
            backup: false,
            next: 0,
            una: 0,
            queue: VecDeque::new(),
            fin_sent: false,
            timer: None,
            backoff: 0,
            smoothed: None,
            variation: 0,
            window: FIRST_WINDOW,
            threshold: MOST_WINDOW,
            duplicates: 0,
            recover: None,
            expected: 0,
            held: BTreeMap::new(),
            fin_at: None,
            fin_received: false,
            mappings: VecDeque::new(),
            pending: VecDeque::new(),
            ack_at: None,
            unacked_segments: 0,
            ts_recent: 0,
            checksum_seen: false,
            data_fin_sent: None,
        }
    }

    /// Whether new data may go on it.
    pub(super) fn can_send(&self) -> bool {
        self.state == State::Open && !self.fin_sent && (!self.is_join || self.fully)
    }

    /// Whether it seems to work: less than two timeouts in a row.
    pub(super) fn works(&self) -> bool {
        self.backoff < 2
    }

    pub(super) fn has_room(&self) -> bool {
        let data = self.queue.iter().filter(|segment| segment.use_ == Use::Data);
        (data.count() as u64) < self.window
    }

    pub(super) fn round_trip(&self) -> i64 {
        self.smoothed.unwrap_or(FIRST_TIMEOUT)
    }

    /// RFC 6298, section 2.
    pub(super) fn timeout(&self) -> Span {
        let base = match self.smoothed {
            Some(smoothed) => (smoothed + (4 * self.variation).max(LEAST_TIMEOUT)).max(LEAST_TIMEOUT),
            None => FIRST_TIMEOUT,
        };
        Span(base << self.backoff.min(7))
    }

    fn measure(&mut self, span: Span) {
        match self.smoothed {
            None => (self.smoothed, self.variation) = (Some(span.0), span.0 / 2),
            Some(smoothed) => {
                self.variation = (3 * self.variation + (smoothed - span.0).abs()) / 4;
                self.smoothed = Some((7 * smoothed + span.0) / 8);
            }
        }
    }

    /// Puts the timer on, if something waits.
    pub(super) fn restart_timer(&mut self, now: Timestamp) {
        self.timer = (!self.queue.is_empty()).then(|| now + self.timeout());
    }

    /// An acknowledgement of everything before `ack` (relative). Whether the oldest segment is to be sent again.
    pub(super) fn acknowledged(&mut self, ack: u64, is_pure: bool, now: Timestamp) -> bool {
        if ack > self.next {
            return false;
        }
        if ack > self.una {
            self.una = ack;
            let mut sample = None;
            while let Some(first) = self.queue.front() {
                if first.end() > ack {
                    break;
                }
                // Karn's rule.
                sample = (first.times == 1).then(|| now - first.sent);
                self.queue.pop_front();
            }
            if let Some(sample) = sample {
                self.measure(sample);
            }
            self.backoff = 0;
            self.duplicates = 0;
            self.window = match self.window {
                window if window < self.threshold => window + 1,
                window => window,
            }
            .min(MOST_WINDOW);
            let partial = self.recover.is_some_and(|recover| ack < recover);
            if !partial {
                self.recover = None;
            }
            self.restart_timer(now);
            return partial;
        }
        if ack == self.una && is_pure && !self.queue.is_empty() && self.state == State::Open {
            self.duplicates += 1;
            if self.duplicates == 3 && self.recover.is_none() {
                self.recover = Some(self.next);
                self.threshold = (self.window / 2).max(2);
                self.window = self.threshold;
                return true;
            }
        }
        false
    }

    /// The timer has expired.
    pub(super) fn expired(&mut self) {
        self.backoff += 1;
        self.threshold = (self.window / 2).max(2);
        self.window = 1;
        self.duplicates = 0;
        self.recover = Some(self.next);
    }

    /// The 32-bit number of a relative one.
    pub(super) fn wire_sequence(&self, relative: u64) -> u32 {
        self.local_isn.wrapping_add(relative as u32)
    }

    /// The relative number of the peer's 32-bit one, near what is expected.
    pub(super) fn relative(&self, sequence: u32) -> i64 {
        let near = self.remote_isn.wrapping_add(self.expected as u32);
        self.expected as i64 + i64::from(sequence.wrapping_sub(near).cast_signed())
    }

    /// The relative number of an acknowledgement of ours.
    pub(super) fn relative_ack(&self, ack: u32) -> i64 {
        let near = self.wire_sequence(self.una);
        self.una as i64 + i64::from(ack.wrapping_sub(near).cast_signed())
    }
}
