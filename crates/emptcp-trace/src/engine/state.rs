//! The state of a connection and of its subflows while they are open.

use crate::record::{Answer, End, Fallback, Hash, Kind, MarkKind, Opener};
use crate::stream::{DssChecksum, Mappings, Owners, RttQueue, RttStatistics, SeenRanges, Unwrapper};
use crate::{ConnectionId, Direction, Limits, PacketNumber, PerDirection, Span, SubflowId, Timestamp};
use mptcp_wire::mptcp::{Mapping, MpTcprst, MptcpOption, Subtype};
use mptcp_wire::{AddressId, DataSequenceNumber, JoinHmac, Key, Nonce, Token, TruncatedHmac, Version};
use smallvec::SmallVec;
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use super::clock::Stamps;
use super::out::At;
use crate::packet::{FlowKey, Packet};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) t0: Timestamp,
    pub(super) t_last: Timestamp,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) version: Version,
    pub(super) hash: Hash,
    pub(super) flag_a: bool,
    pub(super) flag_c: bool,
    pub(super) complete: bool,
    pub(super) partial: bool,
    /// Nothing of the first handshake was captured.
    pub(super) mid_stream: bool,
    pub(super) continued: bool,
    pub(super) truncated: bool,
    pub(super) watched: bool,
    /// An MP_JOIN has shown which hash makes the tokens.
    pub(super) hash_is_sure: bool,
    pub(super) end: Option<End>,
    pub(super) fallback: BTreeSet<Fallback>,
    pub(super) event_kinds: EventKinds,
    pub(super) options: OptionCounts,
    pub(super) subflows: Vec<Subflow>,
    pub(super) attempted: u32,
    pub(super) open: u32,
    pub(super) most_open: u32,
    pub(super) halves: PerDirection<DataHalf>,
    pub(super) t_last_data_ack: Option<Timestamp>,
    pub(super) malformed_options: PerDirection<u64>,
    pub(super) clock_steps: u32,
    /// Steps back of the clock, up to its last packet.
    pub(super) clock_seen: u32,
    /// The last step forward: when, and by how much.
    pub(super) last_step: Option<(Timestamp, Span)>,
}

/// One direction at the data level.
#[derive(Debug)]
pub(super) struct DataHalf {
    /// Key of the sender.
    pub(super) key: Option<Key>,
    /// Data sequence number of the first byte: IDSN + 1.
    pub(super) base: Option<DataSequenceNumber>,
    /// The base is the first number seen, because the key is unknown.
    pub(super) relative: bool,
    /// That number had 32 bits: the upper ones, which a checksum covers too (RFC 8684, 3.3.1), are not known.
    pub(super) is_short: bool,
    pub(super) owners: Owners,
    /// Data before this belongs to an earlier record.
    pub(super) skipped: u64,
    pub(super) data: u64,
    /// The data sequence number of the DATA_FIN, as an offset.
    pub(super) fin: Option<u64>,
    /// The highest DATA_ACK of the other side, as an offset.
    pub(super) acknowledged: u64,
    pub(super) rtt_queue: RttQueue,
    pub(super) rtt: RttStatistics,
    /// When data began to wait for its DATA_ACK without progress.
    pub(super) waiting_since: Option<Timestamp>,
    pub(super) longest_stall: Span,
    pub(super) out_of_order: u64,
    pub(super) out_of_order_packets: u64,
    /// ADD_ADDR that the sender of this direction made, at most 256 of them.
    pub(super) announced: Vec<Announced>,
    pub(super) remove_addr: u64,
    pub(super) mp_prio: u64,
    /// Segments of this direction, on all subflows, whose mapping has not come yet.
    pub(super) waiting: usize,
    /// What other segments carried meanwhile: a mapping that comes late may show that they were not the first.
    pub(super) carried: VecDeque<Carry>,
}

/// Data that a segment carried, as offsets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) subflow: SubflowId,
    pub(super) packet: PacketNumber,
    pub(super) time: Timestamp,
}

/// An address that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) id: AddressId,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) echoed: bool,
    pub(super) joined: bool,
}

/// A subflow.
#[derive(Debug)]
pub(super) struct Subflow {
    pub(super) id: SubflowId,
    pub(super) kind: Kind,
    pub(super) opened_by: Opener,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    /// The client is the lower end of the flow's key.
    pub(super) client_is_low: bool,
    pub(super) address_ids: [Option<AddressId>; 2],
    pub(super) t_syn: Timestamp,
    pub(super) t_syn_ack: Option<Timestamp>,
    pub(super) t_est: Option<Timestamp>,
    pub(super) t_last: Timestamp,
    /// The third packet of the handshake was seen.
    pub(super) answered: bool,
    pub(super) established: bool,
    pub(super) closed: bool,
    pub(super) backup: bool,
    /// The SYN+ACK had the option; none before it was seen.
    pub(super) answered_with_option: Option<bool>,
    pub(super) syn_retransmissions: u32,
    /// Payload in the SYN (TCP Fast Open).
    pub(super) syn_payload: u32,
    pub(super) syn_again: bool,
    pub(super) syn_ack_again: bool,
    pub(super) hs_rtt: [Option<f64>; 2],
    pub(super) join: Option<Box<Join>>,
    pub(super) reset: Option<MpTcprst>,
    pub(super) answer: Option<Answer>,
    /// The MPTCP option of its SYN.
    pub(super) syn_option: Option<MptcpOption>,
    /// The first ACK of the opener has neither the option that it should have, nor another that shows that an earlier
    /// ACK had it.
    pub(super) plain_third_ack: Option<Box<At>>,
    /// The first FIN or RST.
    pub(super) t_closed: Option<Timestamp>,
    /// The last MP_PRIO that made it backup.
    pub(super) t_backup: Option<Timestamp>,
    /// A packet acknowledged the other direction.
    pub(super) acknowledges: bool,
    /// After MP_FAIL: data goes on without mappings.
    pub(super) infinite: bool,
    pub(super) halves: PerDirection<SubflowHalf>,
}

/// The authentication of an MP_JOIN.
#[derive(Debug, Default)]
pub(super) struct Join {
    pub(super) syn_nonce: Option<Nonce>,
    pub(super) syn_ack_nonce: Option<Nonce>,
    pub(super) syn_ack_hmac: Option<TruncatedHmac>,
    pub(super) ack_hmac: Option<JoinHmac>,
    pub(super) hmac_ok: Option<bool>,
}

/// One direction of a subflow. What few of them have is boxed: connections linger by the thousand.
#[derive(Debug)]
pub(super) struct SubflowHalf {
    /// None before the SYN of this direction, or the first acknowledgement of it.
    pub(super) numbers: Option<Unwrapper>,
    pub(super) window_scale: u8,
    pub(super) seen: SeenRanges,
    /// The highest payload byte seen, plus one.
    pub(super) next: u64,
    pub(super) acknowledged: u64,
    pub(super) mappings: Mappings,
    /// Where the last mapping ends: subflow sequence number and data offset.
    pub(super) mapped_to: Option<(u64, u64)>,
    /// The last mapping with a checksum.
    pub(super) checked: Option<Box<Checked>>,
    pub(super) rtt_queue: RttQueue,
    pub(super) rtt: RttStatistics,
    /// Payload whose mapping has not come yet.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) counters: Counters,
    pub(super) t_first_data: Option<Timestamp>,
    /// The packet of that time.
    pub(super) first_data: PacketNumber,
    pub(super) t_last_data: Option<Timestamp>,
    /// Time of the last payload that was new to the subflow.
    pub(super) t_last_new: Option<Timestamp>,
    /// Time of the last acknowledgement that this direction's sender received.
    pub(super) t_last_ack: Option<Timestamp>,
    /// Bytes reinjected on it in the first five seconds after its first data.
    pub(super) reinjected_early: u64,
    pub(super) fin: bool,
    pub(super) reset: bool,
    /// The last packet with an MPTCP option, and how many packets had one.
    pub(super) last_option: Option<(PacketNumber, Timestamp)>,
    pub(super) options: u64,
    /// The packets since then, if there are any.
    pub(super) plain: Option<Box<Plain>>,
    /// The last packet with a mapping.
    pub(super) last_mapping: Option<PacketNumber>,
    /// The first payload that was given up as unmapped after that packet.
    pub(super) unmapped_from: Option<Box<Waiting>>,
    /// The maximum segment size that the sender of this direction announced for the other one.
    pub(super) maximum_segment: Option<u16>,
    pub(super) stamps: Option<Stamps>,
    /// Of the last packet (IPv4), and whether two packets have had the same.
    pub(super) identification: u16,
    pub(super) has_fixed_identification: bool,
    /// The packet with the last payload that was new to the subflow.
    pub(super) last_new: PacketNumber,
    /// Payload below this was looked at for what was not captured.
    pub(super) counted_to: u64,
    /// When payload last came that had been seen before, on this subflow or on another.
    pub(super) t_last_again: Option<Timestamp>,
    /// The first acknowledgement of payload that had not been captured before it.
    pub(super) unseen_ack: Option<Box<(PacketNumber, Timestamp)>>,
    /// What its packets show was judged, at its end.
    pub(super) judged: bool,
}

/// Packets of one direction of a subflow since the last one with an MPTCP option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// The first of them.
    pub(super) packet: PacketNumber,
    pub(super) time: Timestamp,
    /// How many of them acknowledge payload.
    pub(super) acknowledging: u32,
    /// How many packets with options the other direction had before.
    pub(super) others: u64,
    /// An option was overwritten in one of them.
    pub(super) is_erased: bool,
}

/// Payload without a mapping yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) packet: PacketNumber,
    pub(super) time: Timestamp,
}

/// A mapping whose checksum is being computed.
#[derive(Debug)]
pub(super) struct Checked {
    start: u64,
    end: u64,
    sum: DssChecksum,
}

/// Counts for each direction of a subflow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) packets: u64,
    pub(super) ip_bytes: u64,
    pub(super) payload: u64,
    pub(super) new_dsn: u64,
    pub(super) retransmitted: u64,
    pub(super) retransmitted_packets: u64,
    pub(super) reinjected: u64,
    pub(super) reinjected_packets: u64,
    pub(super) reinjection_caused: u64,
    pub(super) same_dsn: u64,
    pub(super) unmapped: u64,
    pub(super) captured_twice: u64,
    pub(super) not_captured: u64,
    pub(super) cut_short: u64,
    pub(super) aggregates: u64,
}

/// Kinds of events that occurred, as a bit set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EventKinds(u32);

/// MPTCP options by subtype.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OptionCounts(pub(super) [u32; 16]);

impl OptionCounts {
    #[inline]
    pub(super) fn count(&mut self, subtype: Subtype) {
        let count = &mut self.0[usize::from(subtype.number() & 0xf)];
        *count = count.saturating_add(1);
    }
}

impl EventKinds {
    /// The kinds that the column `events` lists. Excluded are kinds that every connection has, or that have a separate
    /// column.
    const NOTABLE: [MarkKind; 19] = [
        MarkKind::Rst,
        MarkKind::AddAddr,
        MarkKind::RemoveAddr,
        MarkKind::MpPrio,
        MarkKind::MpFail,
        MarkKind::MpFastclose,
        MarkKind::MpTcprst,
        MarkKind::BreakBeforeMake,
        MarkKind::MakeBeforeBreak,
        MarkKind::Stall,
        MarkKind::KeyChanged,
        MarkKind::V1WithSha1,
        MarkKind::WrongHmac,
        MarkKind::StreamCorruptionSuspected,
        MarkKind::SynRetransmission,
        MarkKind::OptionsStopped,
        MarkKind::MalformedOption,
        MarkKind::NotCaptured,
        MarkKind::ClockStep,
    ];

    pub(super) fn insert(&mut self, kind: MarkKind) {
        if let Some(bit) = Self::NOTABLE.iter().position(|notable| *notable == kind) {
            self.0 |= 1 << bit;
        }
    }

    pub(super) fn kinds(self) -> BTreeSet<MarkKind> {
        let kinds = Self::NOTABLE.iter().enumerate();
        kinds
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, kind)| *kind)
            .collect()
    }
}

impl Checked {
    /// `ssn` is the 64-bit relative number at which the mapping begins; its last number may be a DATA_FIN.
    pub(super) fn begin(ssn: u64, dsn: DataSequenceNumber, mapping: &Mapping, checksum: u16, fin: bool) -> Self {
        let sum = DssChecksum::begin(dsn.0, mapping.subflow_sequence.0, mapping.length, checksum);
        let data = u64::from(mapping.length) - u64::from(fin && mapping.length > 0);
        Self {
            start: ssn,
            end: ssn + data,
            sum: if fin { sum.with_data_fin() } else { sum },
        }
    }

    /// Adds payload inside the mapping. Returns whether the checksum is right, once all payload was added.
    pub(super) fn feed(&mut self, start: u64, length: u32, sum: u16) -> Option<bool> {
        if start < self.start || start + u64::from(length) > self.end {
            return None;
        }
        self.sum.feed(start - self.start, length, sum);
        self.sum.verdict()
    }
}

impl DataHalf {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            key: None,
            base: None,
            relative: false,
            is_short: false,
            owners: Owners::default(),
            skipped: 0,
            data: 0,
            fin: None,
            acknowledged: 0,
            rtt_queue: RttQueue::new(limits.rtt),
            rtt: RttStatistics::default(),
            waiting_since: None,
            longest_stall: Span::default(),
            out_of_order: 0,
            out_of_order_packets: 0,
            announced: Vec::new(),
            remove_addr: 0,
            mp_prio: 0,
            waiting: 0,
            carried: VecDeque::new(),
        }
    }

    /// The offset of a data sequence number from the first byte; none when it is before the first byte, or the base is
    /// unknown.
    pub(super) fn offset(&self, number: DataSequenceNumber) -> Option<u64> {
        u64::try_from(self.base?.distance_to(number)).ok()
    }

    /// The highest number seen, to extend short ones.
    pub(super) fn reference(&self) -> Option<DataSequenceNumber> {
        let highest = self.owners.highest().max(self.acknowledged);
        Some(self.base?.after(highest))
    }
}

impl SubflowHalf {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            numbers: None,
            window_scale: 0,
            seen: SeenRanges::default(),
            next: 0,
            acknowledged: 0,
            mappings: Mappings::default(),
            mapped_to: None,
            checked: None,
            rtt_queue: RttQueue::new(limits.rtt),
            rtt: RttStatistics::default(),
            waiting: VecDeque::new(),
            counters: Counters::default(),
            t_first_data: None,
            first_data: PacketNumber(0),
            t_last_data: None,
            t_last_new: None,
            t_last_ack: None,
            reinjected_early: 0,
            fin: false,
            reset: false,
            last_option: None,
            options: 0,
            plain: None,
            last_mapping: None,
            unmapped_from: None,
            maximum_segment: None,
            stamps: None,
            identification: 0,
            has_fixed_identification: false,
            last_new: PacketNumber(0),
            counted_to: 0,
            t_last_again: None,
            unseen_ack: None,
            judged: false,
        }
    }

    /// The relative sequence number of the next new payload byte: the end of the bytes in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.next.saturating_sub(self.acknowledged.max(1))
    }
}

impl Subflow {
    pub(super) fn opener(&self) -> Direction {
        match self.opened_by {
            Opener::Client => Direction::ClientToServer,
            Opener::Server => Direction::ServerToClient,
        }
    }

    /// The key of its flow.
    pub(super) fn flow(&self) -> FlowKey {
        FlowKey::new(self.client, self.server).0
    }

    /// The direction of a packet of its flow.
    #[inline]
    pub(super) fn direction(&self, packet: &Packet) -> Direction {
        if packet.from_low == self.client_is_low {
            Direction::ClientToServer
        } else {
            Direction::ServerToClient
        }
    }
}

/// Possible tokens of both keys: by the hash of their version, and by SHA-1, which some version 1 stacks use.
pub(super) type Tokens = SmallVec<[(Token, Direction, Hash); 4]>;
