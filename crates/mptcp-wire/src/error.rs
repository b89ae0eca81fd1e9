//! Errors of parsing and of building packets.

use core::fmt;

/// The result of fallible functions of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// A header, as named in an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// Linux cooked capture, version 1 or 2.
    LinuxCooked,
    /// BSD loopback ("null").
    Loopback,
    /// PPP, RFC 1661, or Cisco HDLC.
    PointToPoint,
    /// Ethernet II.
    Ethernet,
    /// IEEE 802.1Q or 802.1ad tag.
    Vlan,
    /// LLC, IEEE 802.2.
    Llc,
    /// Radiotap.
    Radiotap,
    /// IEEE 802.11.
    Ieee80211,
    /// Extensible Record Format.
    Erf,
    /// MPLS label, RFC 3032.
    Mpls,
    /// PPP over Ethernet, RFC 2516.
    Pppoe,
    /// GRE, RFC 2784.
    Gre,
    /// UDP, RFC 768.
    Udp,
    /// VXLAN, RFC 7348.
    Vxlan,
    /// Geneve, RFC 8926.
    Geneve,
    /// GTP-U, 3GPP TS 29.281.
    GtpU,
    /// RFC 791.
    Ipv4,
    /// RFC 8200.
    Ipv6,
    /// An IPv6 extension header.
    Ipv6Extension,
    /// RFC 9293.
    Tcp,
}

impl Header {
    /// That `bytes` hold the `needed` ones of this header; [`Error::Truncated`] when they do not.
    pub(crate) fn within(self, bytes: &[u8], needed: usize) -> Result<()> {
        let available = bytes.len();
        if available < needed {
            return Err(Error::Truncated {
                header: self,
                needed,
                available,
            });
        }
        Ok(())
    }
}

impl fmt::Display for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LinuxCooked => "Linux cooked-mode header",
            Self::Loopback => "BSD loopback header",
            Self::PointToPoint => "PPP header",
            Self::Ethernet => "Ethernet header",
            Self::Vlan => "VLAN tag",
            Self::Llc => "LLC header",
            Self::Radiotap => "radiotap header",
            Self::Ieee80211 => "802.11 header",
            Self::Erf => "ERF header",
            Self::Mpls => "MPLS label",
            Self::Pppoe => "PPPoE header",
            Self::Gre => "GRE header",
            Self::Udp => "UDP header",
            Self::Vxlan => "VXLAN header",
            Self::Geneve => "Geneve header",
            Self::GtpU => "GTP-U header",
            Self::Ipv4 => "IPv4 header",
            Self::Ipv6 => "IPv6 header",
            Self::Ipv6Extension => "IPv6 extension header",
            Self::Tcp => "TCP header",
        })
    }
}

/// Why bytes could not be parsed or built. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header extends beyond the end of the bytes.
    #[error("{header}: {needed} bytes needed, {available} available")]
    Truncated {
        /// Which header.
        header: Header,
        /// Its length.
        needed: usize,
        /// Available bytes.
        available: usize,
    },
    /// A field of a header has an invalid value.
    #[error("{header}: {field} is {value}, expected {expected}")]
    Field {
        /// Which header.
        header: Header,
        /// Which field, by its RFC name.
        field: &'static str,
        /// Its value.
        value: u32,
        /// Allowed values.
        expected: &'static str,
    },
    /// The frame contains neither IPv4 nor IPv6.
    #[error("not IP: EtherType {ether_type:#06x}")]
    NotIp {
        /// EtherType, or 0 if the link header has none.
        ether_type: u16,
    },
    /// The IP packet does not contain TCP.
    #[error("not TCP: IP protocol {protocol}")]
    NotTcp {
        /// IP protocol number.
        protocol: u8,
    },
    /// An IP fragment: not a TCP segment, or only the first part of one.
    #[error("IP fragment at offset {offset} (more fragments: {more})")]
    Fragment {
        /// Offset in the unfragmented payload, bytes.
        offset: u16,
        /// More fragments follow.
        more: bool,
    },
    /// More headers around each other than are opened.
    #[error("more than {most} headers around each other")]
    TooDeep {
        /// How many are opened.
        most: usize,
    },
    /// A TCP option ends before its length byte.
    #[error("TCP option {kind}: no length byte before the end of the option area")]
    OptionCut {
        /// Option kind.
        kind: u8,
    },
    /// A TCP option's length is below 2, or reaches past the data offset.
    #[error("TCP option {kind}: length {length}, expected 2 to {room}")]
    OptionOverrun {
        /// Option kind.
        kind: u8,
        /// Its length byte.
        length: u8,
        /// Bytes from the option's start to the end of the option area.
        room: usize,
    },
    /// An option has a length that its RFC does not define.
    #[error("{option}: length {length}, expected {expected}")]
    OptionLength {
        /// Which option.
        option: &'static str,
        /// Its length.
        length: usize,
        /// Allowed lengths.
        expected: &'static str,
    },
    /// A field of an option has a value that its RFC does not define.
    #[error("{option}: {field} is {value}, expected {expected}")]
    OptionValue {
        /// Which option.
        option: &'static str,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u32,
        /// Allowed values.
        expected: &'static str,
    },
    /// More TCP options than the 40 bytes that a TCP header can hold.
    #[error("TCP options: {needed} bytes needed, {room} of 40 left")]
    OptionsFull {
        /// Bytes that the next option needs.
        needed: usize,
        /// Bytes left.
        room: usize,
    },
    /// More elements than the list can hold.
    #[error("{length} elements given, at most {capacity} fit")]
    ListFull {
        /// Elements given.
        length: usize,
        /// Elements that fit.
        capacity: usize,
    },
    /// The caller's buffer is too small.
    #[error("buffer too small: {needed} bytes needed, {available} available")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes available.
        available: usize,
    },
    /// The packet is larger than the maximum in its IP header.
    #[error("packet too large: {length} bytes after the link header, at most 65535")]
    PacketTooLarge {
        /// Its length without the link header.
        length: usize,
    },
    /// Source and destination are not of the same IP version.
    #[error("source and destination address are of different IP versions")]
    MixedAddresses,
}
