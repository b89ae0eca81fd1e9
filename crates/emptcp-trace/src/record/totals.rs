//! Totals of a capture, and packets that were not analysed.

use crate::Timestamp;
use mptcp_wire::UnknownLink;
use mptcp_wire::encapsulation::{Encapsulation, Encapsulations};
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
    /// Those of them that the capture has only in part.
    pub cut: u64,
    /// The link types of the packets under `link_type`, by their numbers (tcpdump.org/linktypes).
    pub link_types: LinkTypes,
}

/// Numbers of link types that are not read, and the packets of each; beyond four, the packets count for the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTypes([Option<(u32, u64)>; 4]);

impl LinkTypes {
    /// The link types, in the order of their first packets.
    pub fn iter(&self) -> impl Iterator<Item = (UnknownLink, u64)> + '_ {
        self.0
            .iter()
            .flatten()
            .map(|(number, packets)| (UnknownLink(*number), *packets))
    }

    fn add(&mut self, link: UnknownLink, packets: u64) {
        let last = self.0.len() - 1;
        for (position, entry) in self.0.iter_mut().enumerate() {
            match entry {
                Some((number, count)) if *number == link.0 || position == last => *count += packets,
                Some(_) => continue,
                None => *entry = Some((link.0, packets)),
            }
            return;
        }
    }
}

impl Serialize for LinkTypes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(link, packets)| (link.0, packets)))
    }
}

/// TCP segments that were inside of tags, labels and tunnels, by the kind of header. A segment in several kinds counts
/// for each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Encapsulated {
    /// VLAN tags: IEEE 802.1Q, 802.1ad, 0x9100, 0x9200.
    pub vlan: u64,
    /// MPLS labels.
    pub mpls: u64,
    /// PPP over Ethernet.
    pub pppoe: u64,
    /// IP in IP.
    pub ip_in_ip: u64,
    /// GRE.
    pub gre: u64,
    /// VXLAN.
    pub vxlan: u64,
    /// Geneve.
    pub geneve: u64,
    /// GTP-U.
    pub gtp_u: u64,
}

impl Encapsulated {
    /// The figure of a kind.
    #[must_use]
    pub fn of(&self, kind: Encapsulation) -> u64 {
        let mut copy = *self;
        *copy.place(kind)
    }

    fn place(&mut self, kind: Encapsulation) -> &mut u64 {
        match kind {
            Encapsulation::Vlan => &mut self.vlan,
            Encapsulation::Mpls => &mut self.mpls,
            Encapsulation::Pppoe => &mut self.pppoe,
            Encapsulation::IpInIp => &mut self.ip_in_ip,
            Encapsulation::Gre => &mut self.gre,
            Encapsulation::Vxlan => &mut self.vxlan,
            Encapsulation::Geneve => &mut self.geneve,
            Encapsulation::GtpU => &mut self.gtp_u,
        }
    }

    /// Counts a segment in these kinds.
    #[cold]
    pub(crate) fn count(&mut self, kinds: Encapsulations) {
        for kind in kinds.iter() {
            *self.place(kind) += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for kind in Encapsulation::ALL {
            *self.place(kind) += other.of(kind);
        }
    }
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
    /// SYNs with MP_CAPABLE, repetitions not counted, and third ACKs without a captured SYN.
    pub connections: u64,
    /// Connections that the capture has from their middle on.
    pub mid_stream: u64,
    /// Connections that are complete.
    pub complete: u64,
    /// Joins that belong to no known connection, also where the SYN was not captured.
    pub orphan_joins: u64,
    /// MP_JOIN SYNs that found their connection.
    pub joins: u64,
    /// TCP segments in tags, labels and tunnels.
    pub encapsulated: Encapsulated,
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
            encapsulated,
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
        self.encapsulated.merge(&encapsulated);
        self.skipped.merge(skipped);
        self.capped.merge(capped);
    }
}

impl Skipped {
    /// Counts a packet of a link type that is not read.
    #[cold]
    pub(crate) fn unknown_link(&mut self, link: UnknownLink) {
        self.link_type += 1;
        self.link_types.add(link, 1);
    }

    fn merge(&mut self, other: Self) {
        let Self {
            not_tcp,
            fragments,
            link_type,
            malformed,
            cut,
            link_types,
        } = other;
        self.not_tcp += not_tcp;
        self.fragments += fragments;
        self.link_type += link_type;
        self.malformed += malformed;
        self.cut += cut;
        for (link, packets) in link_types.iter() {
            self.link_types.add(link, packets);
        }
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
