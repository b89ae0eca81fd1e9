//! Headers between the link header and the IP packet that carries the TCP segment: tags, labels and tunnels.
//!
//! One file per header: `vlan.rs`, `mpls.rs`, `pppoe.rs` (with `ppp.rs`), `llc.rs`, `gre.rs`, `udp.rs` (which port has
//! which tunnel) with `vxlan.rs`, `geneve.rs` and `gtp.rs`. Each opens one header: it gives the offset and the type of
//! what follows. `segment/descend.rs` opens one after the other, up to the TCP segment.

mod geneve;
pub(crate) mod gre;
mod gtp;
pub(crate) mod llc;
pub(crate) mod mpls;
pub(crate) mod ppp;
pub(crate) mod pppoe;
pub(crate) mod udp;
pub(crate) mod vlan;
mod vxlan;

use crate::ethernet::EtherType;
use core::fmt;

/// A kind of header around the IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Encapsulation {
    /// IEEE 802.1Q, 802.1ad, or the older tags 0x9100 and 0x9200.
    Vlan,
    /// MPLS labels, RFC 3032, also with an Ethernet pseudowire inside (RFC 4448).
    Mpls,
    /// PPP over Ethernet, RFC 2516.
    Pppoe,
    /// IP in IP: IPv4 or IPv6 in either of them (RFC 2003, 2473, 4213).
    IpInIp,
    /// GRE, RFC 2784 and 2890, also with Ethernet (NVGRE, ERSPAN) inside.
    Gre,
    /// VXLAN, RFC 7348, and VXLAN-GPE.
    Vxlan,
    /// Geneve, RFC 8926.
    Geneve,
    /// GTP-U, 3GPP TS 29.281.
    GtpU,
}

impl Encapsulation {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Vlan,
        Self::Mpls,
        Self::Pppoe,
        Self::IpInIp,
        Self::Gre,
        Self::Vxlan,
        Self::Geneve,
        Self::GtpU,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlan => "VLAN",
            Self::Mpls => "MPLS",
            Self::Pppoe => "PPPoE",
            Self::IpInIp => "IP in IP",
            Self::Gre => "GRE",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "Geneve",
            Self::GtpU => "GTP-U",
        }
    }

    fn bit(self) -> u16 {
        1_u16.wrapping_shl(u32::from(self as u8))
    }
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The kinds of headers around a segment; how often each occurs is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encapsulations(u16);

impl Encapsulations {
    /// No header.
    pub const NONE: Self = Self(0);

    /// This kind alone.
    #[must_use]
    pub fn only(kind: Encapsulation) -> Self {
        Self(kind.bit())
    }

    /// Adds a kind.
    pub fn insert(&mut self, kind: Encapsulation) {
        self.0 |= kind.bit();
    }

    /// Whether this kind is there.
    #[must_use]
    pub fn contains(self, kind: Encapsulation) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in the order of [`Encapsulation::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Encapsulation> {
        Encapsulation::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// An Ethernet header.
    Ethernet,
    /// By EtherType.
    Type(EtherType),
}

/// An opened header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// Where the payload begins, from the beginning of the header.
    pub(crate) offset: usize,
    pub(crate) payload: Payload,
}

impl Inner {
    pub(crate) fn new(offset: usize, payload: Payload) -> Self {
        Self { offset, payload }
    }

    fn of_type(offset: usize, ether_type: u16) -> Self {
        Self::new(offset, Payload::Type(EtherType(ether_type)))
    }
}

/// The type of an IP packet by its version; 0 when it is neither.
pub(crate) fn ip_type(first: Option<&u8>) -> EtherType {
    match first.map(|byte| byte >> 4) {
        Some(4) => EtherType::IPV4,
        Some(6) => EtherType::IPV6,
        _ => EtherType(0),
    }
}
