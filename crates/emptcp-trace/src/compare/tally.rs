//! Counts of one direction of a subflow, by observation point. Which capture is nearer to the sender becomes known only
//! later.

use super::Point;
use super::delay::Samples;
use super::option::OptionName;
use super::packet::{Packet, PayloadMatch, Stage};
use super::{Example, FieldChange};
use std::collections::BTreeMap;

/// The compared header fields: the possible values of [`FieldChange::field`] in
/// [`ComparedDirection::fields`](super::ComparedDirection::fields).
pub mod field {
    /// The receive window of the TCP header, unscaled.
    pub const WINDOW: &str = "window";
    /// The flags of the TCP header.
    pub const FLAGS: &str = "flags";
    /// The acknowledgement number of the TCP header.
    pub const ACKNOWLEDGEMENT: &str = "acknowledgement number";
    /// The urgent pointer of the TCP header.
    pub const URGENT: &str = "urgent pointer";
    /// The six bits of Differentiated Services (RFC 2474).
    pub const DSCP: &str = "DSCP";
    /// The two bits of Explicit Congestion Notification (RFC 3168).
    pub const ECN: &str = "ECN";
    /// The identification of the IPv4 header.
    pub const IDENTIFICATION: &str = "IP identification";
}

/// Packets without a counterpart.
#[derive(Clone, Debug, Default)]
pub(super) struct Single {
    pub(super) packets: u64,
    /// How many of them carry payload.
    pub(super) data_packets: u64,
    pub(super) bytes: u64,
    pub(super) resets: u64,
    /// The first SYN or SYN+ACK among them.
    pub(super) handshake: Option<crate::PacketNumber>,
    pub(super) first: Option<crate::PacketNumber>,
    pub(super) first_reset: Option<crate::PacketNumber>,
    /// Outside the time of the other capture.
    pub(super) outside: u64,
}

/// An option in packets of one stage.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionTally {
    pub(super) seen: [u64; 2],
    /// Pairs in which only the copy at this point has it.
    pub(super) only: [u64; 2],
    pub(super) first_only: [Option<Example>; 2],
    pub(super) changed: u64,
    pub(super) fields: BTreeMap<&'static str, FieldChange>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) packets: [u64; 2],
    pub(super) data_packets: [u64; 2],
    pub(super) bytes: [u64; 2],
    pub(super) single: [Single; 2],
    /// Pairs of the same segment.
    pub(super) exact: u64,
    /// Pairs of segments that share only some bytes.
    pub(super) pieces: u64,
    pub(super) samples: Samples,
    pub(super) order: [OrderTally; 2],
    pub(super) hops: Option<(i16, i16)>,
    pub(super) options: BTreeMap<(OptionName, Stage), OptionTally>,
    pub(super) fields: BTreeMap<&'static str, FieldChange>,
    pub(super) payload_compared: u64,
    pub(super) payload_changed: u64,
    pub(super) first_changed: Option<(Example, PayloadMatch)>,
}

impl Tally {
    /// Counts a packet of one capture.
    pub(super) fn seen(&mut self, point: Point, packet: &Packet) {
        let at = point.index();
        self.packets[at] += 1;
        self.data_packets[at] += u64::from(packet.payload_length > 0);
        self.bytes[at] += u64::from(packet.payload_length);
        let stage = packet.stage();
        for name in packet
            .options()
            .map_while(Result::ok)
            .filter_map(|option| OptionName::of(&option))
        {
            self.options.entry((name, stage)).or_default().seen[at] += 1;
        }
    }

    /// Counts a packet, or `bytes` of it, that is not in the other capture.
    pub(super) fn single(&mut self, point: Point, packet: &Packet, bytes: u64, touched: bool, outside: bool) {
        let single = &mut self.single[point.index()];
        if outside {
            single.outside += 1;
            return;
        }
        single.bytes += bytes;
        // The missing part of a segment that arrived in part.
        if touched {
            return;
        }
        single.packets += 1;
        single.data_packets += u64::from(packet.payload_length > 0);
        single.first.get_or_insert(packet.number);
        match packet.stage() {
            Stage::Rst => {
                single.resets += 1;
                single.first_reset.get_or_insert(packet.number);
            }
            Stage::Syn | Stage::SynAck => {
                single.handshake.get_or_insert(packet.number);
            }
            Stage::Ack | Stage::Data => {}
        }
    }
}

/// Reordering on the path to one point (RFC 4737: a packet is late when one sent after it arrived before it).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderTally {
    highest: u64,
    arrived: u64,
    pub(super) late: u64,
    /// The most packets that were sent after a packet and arrived before it.
    pub(super) extent: u64,
    early: u64,
}

impl OrderTally {
    /// Adds a packet that was sent as number `sent` and arrived as number `received`, both from 1.
    pub(super) fn note(&mut self, sent: u64, received: u64) {
        if sent >= self.highest {
            (self.highest, self.arrived) = (sent, received);
            self.early = received;
        } else if received > self.arrived {
            self.late += 1;
            self.extent = self.extent.max(received - self.early);
        }
    }
}

impl Tally {
    /// Adds the counts of `other` at `point`.
    pub(super) fn absorb(&mut self, other: &Self, point: Point) {
        let at = point.index();
        self.packets[at] += other.packets[at];
        self.data_packets[at] += other.data_packets[at];
        self.bytes[at] += other.bytes[at];
        self.single[at] = other.single[at].clone();
        for (name, options) in &other.options {
            self.options.entry(*name).or_default().seen[at] += options.seen[at];
        }
    }
}
