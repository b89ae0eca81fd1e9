//! Flow key, flow record, connection and keys, in the layout of the maps.

use crate::{constants::RANGES, side};
use emptcp_model::{ConnectionId, FlowId, Totals};
use mptcp_wire::{AddressId, DataSequenceNumber, FourTuple, Idsn, Key, Token, Version};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct emptcp_flow_key`: a subflow as seen from one device, network order, IPv4 mapped into IPv6.
#[derive(Clone, Copy, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C, align(4))]
pub struct FlowKey {
    /// Address on this side of the device.
    pub local: [u8; 16],
    /// Address on the other side.
    pub remote: [u8; 16],
    /// Port on this side, network order.
    pub local_port: [u8; 2],
    /// Port on the other side, network order.
    pub remote_port: [u8; 2],
}

/// An address in the layout of the maps: 16 bytes, IPv4 mapped (RFC 4291 section 2.5.5.2).
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address that 16 bytes of a map stand for.
pub fn unmapped(bytes: [u8; 16]) -> IpAddr {
    let v6 = Ipv6Addr::from(bytes);
    v6.to_ipv4_mapped()
        .map_or(IpAddr::V6(v6), |v4: Ipv4Addr| IpAddr::V4(v4))
}

impl FlowKey {
    /// The key of a subflow between two end points.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local: mapped(local.ip()),
            remote: mapped(remote.ip()),
            local_port: local.port().to_be_bytes(),
            remote_port: remote.port().to_be_bytes(),
        }
    }

    /// The subflow's addresses and ports, IPv4 no longer mapped.
    pub fn four_tuple(&self) -> FourTuple {
        FourTuple::new(self.local(), self.remote())
    }

    /// Address and port on this side of the device.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(unmapped(self.local), u16::from_be_bytes(self.local_port))
    }

    /// Address and port on the other side of the device.
    pub fn remote(&self) -> SocketAddr {
        SocketAddr::new(unmapped(self.remote), u16::from_be_bytes(self.remote_port))
    }
}

impl From<FourTuple> for FlowKey {
    fn from(subflow: FourTuple) -> Self {
        Self::new(subflow.local, subflow.remote)
    }
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.four_tuple().fmt(f)
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowKey({self})")
    }
}

/// `struct emptcp_range`: sequence numbers from `begin` to the one before `end`.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Range {
    /// The first.
    pub begin: u32,
    /// One past the last.
    pub end: u32,
}

/// `struct emptcp_sender`: one side of a subflow. `docs/flow-records.md` defines every field.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Sender {
    /// Wire segments.
    pub packets: u64,
    /// TCP payload bytes, retransmissions included.
    pub bytes: u64,
    /// Its last acceptable segment, CLOCK_MONOTONIC, ns; 0 none.
    pub last_ns: u64,
    /// When the segment that times the round trip was sent, ns; 0 none outstanding.
    pub rtt_sent_ns: u64,
    /// One past the highest data sequence number mapped, 0 while none.
    pub dsn_next: DataSequenceNumber,
    /// One past the highest sequence number sent.
    pub end: u32,
    /// Everything from `base` up to here was seen.
    pub contiguous: u32,
    /// Highest acknowledgement number sent.
    pub acknowledgement: u32,
    /// Highest edge of SACK sent, at least `acknowledgement`.
    pub sack_edge: u32,
    /// Window of its last segment, bytes.
    pub window: u32,
    /// The largest window that may be in use, bytes.
    pub window_max: u32,
    /// The acknowledgement that ends the round-trip sample.
    pub rtt_end: u32,
    /// TSval of the segment that began the sample.
    pub rtt_timestamp: u32,
    /// Bits of [`crate::known`].
    pub known: u8,
    /// Ranges in use.
    pub range_count: u8,
    /// Window scale, `SCALE_UNKNOWN` when the SYN was not seen.
    pub window_scale: u8,
    /// MPTCP address id.
    pub address_id: AddressId,
    /// One of [`crate::fin`].
    pub fin: u8,
    /// Segments of the run of unacceptable segments just seen.
    pub run_count: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Lowest 64-bit data sequence number mapped, 0 while none.
    pub dsn_first: DataSequenceNumber,
    /// Initial data sequence number, from the key; 0 unknown.
    pub idsn: Idsn,
    /// Initial sequence number, when the SYN was seen.
    pub isn: u32,
    /// Where `contiguous` began.
    pub base: u32,
    /// Segments of which part had been seen before.
    pub retransmissions: u32,
    /// Segments for which it is unknown whether they had been seen before.
    pub uncertain: u32,
    /// Segments in this side's name with impossible numbers.
    pub unacceptable: u32,
    /// Times that the numbers were replaced.
    pub reanchored: u32,
    /// Smoothed round trip from the device to this side's peer and back, microseconds.
    pub rtt_us: u32,
    /// Least round trip, microseconds.
    pub rtt_min_us: u32,
    /// Round trips measured.
    pub rtt_samples: u32,
    /// One past its FIN.
    pub fin_end: u32,
    /// Where the run of unacceptable segments began.
    pub run_begin: u32,
    /// One past its end.
    pub run_end: u32,
    /// Ranges seen above `contiguous`, in order.
    pub ranges: [Range; RANGES as usize],
}

/// `struct emptcp_resolution`: the policies that match a flow in one direction, for one generation and device.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Resolution {
    /// The generation that the answer belongs to.
    pub generation: u32,
    /// The device that it belongs to.
    pub ifindex: u32,
    /// Bit i: policy i of the set matches the flow.
    pub policies: u64,
}

/// `struct emptcp_passage`: devices on top of each other; the result for the last packet at the device that saw it
/// first.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Passage {
    /// Bit i: policy i of the set has run for it.
    pub ran: u64,
    /// Bits of [`crate::packet_type`] that the core found out.
    pub types: u32,
    /// How long the subflow had been silent, in units of 1024 ns; [`crate::PASSAGE_CLOSED`]: the packet has ended it.
    pub idle: u32,
    /// The policies at the device that sees it next.
    pub other: Resolution,
}

/// `struct emptcp_device_pair`: key of `emptcp_stacked`.
#[derive(
    Clone, Copy, Debug, Default, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, Ord, PartialEq, PartialOrd,
)]
#[repr(C)]
pub struct DevicePair {
    /// Interface index of a device...
    pub upper: u32,
    /// ... that is on top of this one.
    pub lower: u32,
}

/// `struct emptcp_flow`: a subflow's record.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Flow {
    /// Unique while the instance lives.
    pub id: FlowId,
    /// First packet, CLOCK_MONOTONIC, ns.
    pub first_ns: u64,
    /// Last packet, CLOCK_MONOTONIC, ns.
    pub last_ns: u64,
    /// Key in `emptcp_connections`, 0 while unknown.
    pub connection: ConnectionId,
    /// Token of the local host, 0 while unknown.
    pub local_token: Token,
    /// Token of the remote host, 0 while unknown.
    pub remote_token: Token,
    /// Where the flow was first seen; of stacked devices the lowest.
    pub ifindex: u32,
    /// Bits of [`crate::flow_flag`].
    pub flags: u16,
    /// One of [`crate::flow_state`].
    pub state: u8,
    /// MPTCP version: 0, 1, 0xff unknown.
    pub version: u8,
    /// The classifier's answers, by [`crate::direction`].
    pub resolution: [Resolution; 2],
    /// Not 0: every packet takes the slow path.
    pub watch: u64,
    /// Both senders, by [`crate::side`].
    pub sender: [Sender; 2],
    /// Stacked devices, by [`crate::direction`].
    pub passage: [Passage; 2],
    /// One past the mapping that is far from what is known, while `DSN_JUMP_LOCAL` or `DSN_JUMP_REMOTE` is set.
    pub dsn_jump: DataSequenceNumber,
}

impl Flow {
    /// MPTCP version, `None` while unknown.
    pub fn version(&self) -> Option<Version> {
        Version::from_number(self.version)
    }

    /// What the local side sent.
    pub fn local(&self) -> &Sender {
        &self.sender[side::LOCAL as usize]
    }

    /// What the remote side sent.
    pub fn remote(&self) -> &Sender {
        &self.sender[side::REMOTE as usize]
    }
}

/// `struct emptcp_adoption`: what a socket of this host reports about its subflow; input of the core program `adopt`.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Adoption {
    /// The subflow.
    pub key: FlowKey,
    /// Tokens, by [`crate::side`]; 0 unknown.
    pub token: [Token; 2],
    /// Bits of [`crate::flow_flag`].
    pub flags: u16,
    /// MPTCP version.
    pub version: u8,
    /// 1 when an earlier run has made the connection: its subflows are counted now; else 0.
    pub made: u8,
    /// The connection.
    pub connection: ConnectionId,
    /// MPTCP address ids, by [`crate::side`].
    pub address_id: [AddressId; 2],
    /// Window scales, by [`crate::side`]; `SCALE_UNKNOWN` where the host does not know.
    pub window_scale: [u8; 2],
    /// Zero.
    pub reserved: [u8; 4],
}

/// `struct emptcp_connection`: a connection as seen from one side.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Connection {
    /// Its own key.
    pub id: ConnectionId,
    /// First packet, CLOCK_MONOTONIC, ns.
    pub first_ns: u64,
    /// Last packet, CLOCK_MONOTONIC, ns.
    pub last_ns: u64,
    /// Wire segments, both directions, all subflows.
    pub packets: u64,
    /// Payload bytes, both directions, all subflows.
    pub bytes: u64,
    /// Retransmitted segments, both directions, all subflows.
    pub retransmissions: u64,
    /// Initial data sequence numbers, by [`crate::side`]; 0 unknown.
    pub idsn: [Idsn; 2],
    /// Highest DATA_ACK sent by each side; 0 unknown.
    pub data_ack: [DataSequenceNumber; 2],
    /// One past the highest data sequence number mapped, by [`crate::side`], to 2^24; 0 unknown.
    pub dsn_next: [DataSequenceNumber; 2],
    /// Tokens, by [`crate::side`].
    pub token: [Token; 2],
    /// Largest window that a subflow has advertised, by [`crate::side`], bytes.
    pub window_max: [u32; 2],
    /// Subflows ever established.
    pub subflows: u32,
    /// MPTCP version.
    pub version: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Totals of ended subflows.
    pub ended: Totals,
    /// When this entry was made, CLOCK_MONOTONIC, ns: later than `first_ns` if an older one was evicted.
    pub noted_ns: u64,
}

impl Connection {
    /// MPTCP version, `None` while unknown.
    pub fn version(&self) -> Option<Version> {
        Version::from_number(self.version)
    }
}

/// `struct emptcp_token_key`: key of `emptcp_tokens`; the value is a [`ConnectionId`].
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Hash, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct TokenKey {
    /// The token.
    pub token: Token,
    /// Whose token: one of [`crate::side`].
    pub side: u32,
}

/// `struct emptcp_keys`: keys from MP_CAPABLE, by connection. No `Debug`: keys appear in no log by accident.
#[derive(Clone, Copy, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub struct Keys {
    /// Keys, by [`crate::side`], network order.
    pub key: [Key; 2],
}

const _: () = assert!(size_of::<FlowKey>() == 36 && align_of::<FlowKey>() == 4);
const _: () = assert!(size_of::<Sender>() == 176);
const _: () = assert!(size_of::<Resolution>() == 16);
const _: () = assert!(size_of::<Flow>() == 512);
const _: () = assert!(size_of::<Adoption>() == 64);
const _: () = assert!(size_of::<Connection>() == 152);
const _: () = assert!(size_of::<TokenKey>() == 8);
const _: () = assert!(size_of::<Keys>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_key_gives_back_the_addresses_that_it_was_made_from() {
        for (local, remote) in [
            ("10.0.0.1:443", "203.0.113.9:50000"),
            ("[2001:db8::1]:80", "[2001:db8::2]:1"),
        ] {
            let key = FlowKey::new(local.parse().unwrap(), remote.parse().unwrap());
            assert_eq!(key.local().to_string(), local);
            assert_eq!(key.remote().to_string(), remote);
            assert_eq!(key.to_string(), format!("{local} <-> {remote}"));
        }
    }

    #[test]
    fn an_ipv4_address_is_stored_mapped() {
        let key = FlowKey::new("1.2.3.4:5".parse().unwrap(), "6.7.8.9:10".parse().unwrap());
        assert_eq!(key.local, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]);
        assert_eq!(key.local_port, [0, 5]);
    }
}
