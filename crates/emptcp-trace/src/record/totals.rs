//! Totals of a capture, and packets that were not analysed.

use crate::Timestamp;
use serde::Serialize;

/// Packets that were read and not analysed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Not TCP.
    pub not_tcp: u64,
    /// IP fragments.
    pub fragments: u64,
    /// An unknown link type.
    pub link_type: u64,
    /// Headers cut off or malformed.
    pub malformed: u64,
}

/// Memory limits that were reached; the affected connections are marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capped {
    /// Connections that were ended early, because there were too many.
    pub connections: u64,
    /// Subflows that were not followed, because their connection had too many.
    pub subflows: u64,
    /// MP_JOIN without a connection that were forgotten early.
    pub orphans: u64,
    /// Intervals of data sequence numbers forgotten early.
    pub intervals: u64,
    /// Mappings forgotten early.
    pub mappings: u64,
    /// Segments that were not timed.
    pub rtt: u64,
    /// Packets that came too late to be sorted by time.
    pub late: u64,
}

/// The whole capture.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Packets read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// TCP segments.
    pub tcp: u64,
    /// TCP segments with an MPTCP option.
    pub mptcp: u64,
    /// MPTCP options that are malformed or cut off.
    pub malformed_options: u64,
    /// Packets that were captured twice (or more often); the copies are in no other figure but `packets`, `bytes`.
    pub captured_twice: u64,
    /// Times at which the clock of the capture went back.
    pub clock_back: u64,
    /// SYNs with MP_CAPABLE, repetitions not counted, and connections whose SYN was not captured.
    pub connections: u64,
    /// Connections that the capture has from their middle on.
    pub mid_stream: u64,
    /// Connections that are complete.
    pub complete: u64,
    /// Joins that belong to no known connection, also where the SYN was not captured.
    pub orphan_joins: u64,
    /// MP_JOIN SYNs that found their connection.
    pub joins: u64,
    /// Packets left out.
    pub skipped: Skipped,
    /// Limits met.
    pub capped: Capped,
}

impl Totals {
    /// Adds the totals of another capture.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            packets,
            bytes,
            first,
            last,
            tcp,
            mptcp,
            malformed_options,
            captured_twice,
            clock_back,
            connections,
            mid_stream,
            complete,
            orphan_joins,
            joins,
            skipped,
            capped,
        } = *other;
        self.packets += packets;
        self.bytes += bytes;
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = self.last.max(last);
        self.tcp += tcp;
        self.mptcp += mptcp;
        self.malformed_options += malformed_options;
        self.captured_twice += captured_twice;
        self.clock_back += clock_back;
        self.connections += connections;
        self.mid_stream += mid_stream;
        self.complete += complete;
        self.orphan_joins += orphan_joins;
        self.joins += joins;
        self.skipped.merge(skipped);
        self.capped.merge(capped);
    }
}

impl Skipped {
    fn merge(&mut self, other: Self) {
        let Self {
            not_tcp,
            fragments,
            link_type,
            malformed,
        } = other;
        self.not_tcp += not_tcp;
        self.fragments += fragments;
        self.link_type += link_type;
        self.malformed += malformed;
    }
}

impl Capped {
    fn merge(&mut self, other: Self) {
        let Self {
            connections,
            subflows,
            orphans,
            intervals,
            mappings,
            rtt,
            late,
        } = other;
        self.connections += connections;
        self.subflows += subflows;
        self.orphans += orphans;
        self.intervals += intervals;
        self.mappings += mappings;
        self.rtt += rtt;
        self.late += late;
    }
}
