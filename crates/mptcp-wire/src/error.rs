//! What can be wrong with bytes, or with a request to make some.

use core::fmt;

/// The result of everything in this crate that can fail.
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
            Self::Ipv4 => "IPv4 header",
            Self::Ipv6 => "IPv6 header",
            Self::Ipv6Extension => "IPv6 extension header",
            Self::Tcp => "TCP header",
        })
    }
}

/// Why bytes were refused, or why none could be made. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header goes on past the end of the bytes.
    #[error("{header}: {needed} bytes needed, {available} there")]
    Truncated {
        /// Which header.
        header: Header,
        /// Its length.
        needed: usize,
        /// What is there.
        available: usize,
    },
    /// A field of a header has a value that no packet of that kind has.
    #[error("{header}: {field} is {value}, expected {expected}")]
    Field {
        /// Which header.
        header: Header,
        /// Which field, by its RFC name.
        field: &'static str,
        /// What it says.
        value: u32,
        /// What it could say.
        expected: &'static str,
    },
    /// The frame carries something other than IPv4 or IPv6.
    #[error("not IP: EtherType {ether_type:#06x}")]
    NotIp {
        /// EtherType, or 0 where the link names none.
        ether_type: u16,
    },
    /// The IP packet carries something other than TCP.
    #[error("not TCP: IP protocol {protocol}")]
    NotTcp {
        /// IP protocol number.
        protocol: u8,
    },
    /// An IP fragment: its bytes must not be read as a TCP segment, and the first one is not all of it.
    #[error("IP fragment at offset {offset} (more fragments: {more})")]
    Fragment {
        /// Offset in the unfragmented payload, bytes.
        offset: u16,
        /// More fragments follow.
        more: bool,
    },
    /// A TCP option starts but has no room for its own length byte.
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
    /// An option's length is none of those that its RFC names.
    #[error("{option}: length {length}, expected {expected}")]
    OptionLength {
        /// Which option.
        option: &'static str,
        /// Its length.
        length: usize,
        /// The lengths that it can have.
        expected: &'static str,
    },
    /// A field of an option has a value that its RFC does not name.
    #[error("{option}: {field} is {value}, expected {expected}")]
    OptionValue {
        /// Which option.
        option: &'static str,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: u32,
        /// What it could say.
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
    #[error("buffer too small: {needed} bytes needed, {available} there")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The packet is larger than its IP header can say.
    #[error("packet too large: {length} bytes after the link header, at most 65535")]
    PacketTooLarge {
        /// Its length without the link header.
        length: usize,
    },
    /// Source and destination are not of the same IP version.
    #[error("source and destination address are of different IP versions")]
    MixedAddresses,
}
