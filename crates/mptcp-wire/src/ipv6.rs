//! IPv6 (RFC 8200) with its extension headers.

use crate::bytes::{Writer, array_at, head, tail, u8_at, u16_at, u32_at};
use crate::error::{Error, Header, Result};
use core::net::Ipv6Addr;

/// Offsets, and the fixed header's length.
mod field {
    pub(super) const VERSION_CLASS_LABEL: usize = 0;
    pub(super) const PAYLOAD_LENGTH: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;
    pub(super) const LENGTH: usize = 40;

    // In an extension header.
    pub(super) const EXTENSION_NEXT: usize = 0;
    pub(super) const EXTENSION_LENGTH: usize = 1;
    pub(super) const FRAGMENT: usize = 2;
}

/// Protocol numbers of the extension headers that can come before TCP.
pub mod extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header (RFC 4302); counts its length in other units.
    pub const AUTHENTICATION: u8 = 51;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
    /// Mobility header (RFC 6275).
    pub const MOBILITY: u8 = 135;
}

/// A fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in the fragmentable part, bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

impl Fragment {
    /// A fragment that is the whole packet (RFC 6946).
    #[must_use]
    pub fn is_atomic(self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// The header after the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer {
    /// IP protocol number.
    pub protocol: u8,
    /// Its offset from the start of the IPv6 header.
    pub offset: usize,
    /// The fragment header, if there is one. Unless it is atomic, the following bytes are not a complete upper-layer
    /// packet.
    pub fragment: Option<Fragment>,
}

/// An IPv6 packet whose fixed header is inside the bytes. The payload may be cut off by a capture.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Checks length and version.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self> {
        Header::Ipv6.within(bytes, field::LENGTH)?;
        match u8_at(bytes, field::VERSION_CLASS_LABEL) >> 4 {
            6 => Ok(Self { bytes }),
            value => Err(Error::Field {
                header: Header::Ipv6,
                field: "version",
                value: value.into(),
                expected: "6",
            }),
        }
    }

    /// DSCP and ECN.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        let [first, second] = array_at(self.bytes, field::VERSION_CLASS_LABEL);
        (first << 4) | (second >> 4)
    }

    /// The flow label, 20 bits.
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        u32_at(self.bytes, field::VERSION_CLASS_LABEL) & 0x000f_ffff
    }

    /// Bytes after the fixed header, by the header. 0: jumbogram, or captured before segmentation offload.
    #[must_use]
    pub fn payload_length(&self) -> u16 {
        u16_at(self.bytes, field::PAYLOAD_LENGTH)
    }

    /// The type of what follows the fixed header.
    #[must_use]
    pub fn next_header(&self) -> u8 {
        u8_at(self.bytes, field::NEXT_HEADER)
    }

    /// Hop limit.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        u8_at(self.bytes, field::HOP_LIMIT)
    }

    /// Source.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        array_at::<16>(self.bytes, field::SOURCE).into()
    }

    /// Destination.
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        array_at::<16>(self.bytes, field::DESTINATION).into()
    }

    /// The available bytes of the packet, without padding of the link layer.
    #[must_use]
    pub fn packet(&self) -> &'a [u8] {
        head(self.bytes, self.total_length())
    }

    /// The length of the packet by the header.
    #[must_use]
    pub fn total_length(&self) -> usize {
        match self.payload_length() {
            0 => self.bytes.len(),
            length => field::LENGTH.saturating_add(length.into()),
        }
    }

    /// Parses the extension headers up to the upper-layer header, or up to a fragment.
    ///
    /// Fails when an extension header extends beyond the packet.
    pub fn upper_layer(&self) -> Result<UpperLayer> {
        let packet = self.packet();
        let mut upper = UpperLayer {
            protocol: self.next_header(),
            offset: field::LENGTH,
            fragment: None,
        };
        // The loop ends: every extension header has at least 8 bytes, and leaving the packet is an error.
        loop {
            let header = tail(packet, upper.offset);
            let units = usize::from(u8_at(header, field::EXTENSION_LENGTH));
            let length = match upper.protocol {
                extension::HOP_BY_HOP | extension::ROUTING | extension::DESTINATION | extension::MOBILITY => {
                    units.saturating_add(1).saturating_mul(8)
                }
                extension::AUTHENTICATION => units.saturating_add(2).saturating_mul(4),
                extension::FRAGMENT => 8,
                _ => return Ok(upper),
            };
            Header::Ipv6Extension.within(header, length)?;
            if upper.protocol == extension::FRAGMENT {
                let word = u16_at(header, field::FRAGMENT);
                upper.fragment = Some(Fragment {
                    offset: word & 0xfff8,
                    more: word & 1 != 0,
                });
            }
            upper.protocol = u8_at(header, field::EXTENSION_NEXT);
            upper.offset = upper.offset.saturating_add(length);
            if upper.fragment.is_some_and(|fragment| !fragment.is_atomic()) {
                return Ok(upper);
            }
        }
    }
}

/// The fields of the fixed IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub destination: Ipv6Addr,
    /// The type of what follows.
    pub next_header: u8,
    /// Bytes that follow: extension headers and payload.
    pub payload_length: usize,
    /// Hop limit.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// The flow label; the lower 20 bits count.
    pub flow_label: u32,
}

impl Repr {
    /// Reads all fields.
    #[must_use]
    pub fn parse(view: &View<'_>) -> Self {
        Self {
            source: view.source(),
            destination: view.destination(),
            next_header: view.next_header(),
            payload_length: view.payload_length().into(),
            hop_limit: view.hop_limit(),
            traffic_class: view.traffic_class(),
            flow_label: view.flow_label(),
        }
    }

    /// The length of the fixed header: 40.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        field::LENGTH
    }

    /// Writes the fixed header and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let total = field::LENGTH.saturating_add(self.payload_length);
        let payload_length = u16::try_from(self.payload_length).map_err(|_| Error::PacketTooLarge { length: total })?;
        let mut writer = Writer::new(buffer, field::LENGTH)?;
        writer.put_u32(0x6000_0000 | (u32::from(self.traffic_class) << 20) | (self.flow_label & 0x000f_ffff));
        writer.put_u16(payload_length);
        writer.put_u8(self.next_header);
        writer.put_u8(self.hop_limit);
        writer.put(&self.source.octets());
        writer.put(&self.destination.octets());
        Ok(field::LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn packet(next_header: u8, rest: &[u8]) -> Vec<u8> {
        let repr = Repr {
            source: Ipv6Addr::LOCALHOST,
            destination: Ipv6Addr::LOCALHOST,
            next_header,
            payload_length: rest.len(),
            hop_limit: 64,
            traffic_class: 0,
            flow_label: 0,
        };
        let mut packet = vec![0; 40];
        repr.emit(&mut packet).unwrap();
        packet.extend_from_slice(rest);
        packet
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_to_the_same(
            addresses in any::<([u8; 16], [u8; 16])>(),
            header in any::<(u8, u16, u8, u8)>(),
            flow_label in 0_u32..0x10_0000,
        ) {
            let repr = Repr {
                source: addresses.0.into(),
                destination: addresses.1.into(),
                next_header: header.0,
                payload_length: header.1.into(),
                hop_limit: header.2,
                traffic_class: header.3,
                flow_label,
            };
            let mut buffer = [0; 40];
            repr.emit(&mut buffer).unwrap();
            prop_assert_eq!(Repr::parse(&View::new_checked(&buffer).unwrap()), repr);
            prop_assert!(View::new_checked(&buffer[..39]).is_err());
        }

        #[test]
        fn the_walk_ends_inside_the_packet_whatever_the_headers(next in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..80)) {
            let packet = packet(next, &rest);
            if let Ok(upper) = View::new_checked(&packet).unwrap().upper_layer() {
                prop_assert!(upper.offset <= packet.len());
            }
        }
    }

    #[test]
    fn every_extension_header_before_tcp_is_stepped_over() {
        let mut rest = vec![0; 16 + 8 + 12 + 8];
        rest[0] = extension::ROUTING;
        rest[1] = 1;
        rest[16] = extension::AUTHENTICATION;
        rest[24] = extension::DESTINATION;
        rest[25] = 1;
        rest[36] = 6;
        let packet = packet(extension::HOP_BY_HOP, &rest);
        let upper = View::new_checked(&packet).unwrap().upper_layer().unwrap();
        assert_eq!(
            upper,
            UpperLayer {
                protocol: 6,
                offset: 84,
                fragment: None
            }
        );
    }

    #[test]
    fn the_walk_stops_at_a_fragment_but_passes_an_atomic_one() {
        let fragment = |word: u16| {
            let mut rest = vec![extension::DESTINATION, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
            rest[2..4].copy_from_slice(&word.to_be_bytes());
            View::new_checked(&packet(extension::FRAGMENT, &rest))
                .unwrap()
                .upper_layer()
                .unwrap()
        };
        assert_eq!(fragment(0).protocol, 6);
        let first = fragment(1);
        assert_eq!((first.protocol, first.offset), (extension::DESTINATION, 48));
        assert_eq!(first.fragment, Some(Fragment { offset: 0, more: true }));
        assert_eq!(
            fragment(0x0100).fragment,
            Some(Fragment {
                offset: 256,
                more: false
            })
        );
    }

    #[test]
    fn an_extension_header_past_the_packet_is_an_error() {
        let packet = packet(extension::HOP_BY_HOP, &[6, 1, 0, 0, 0, 0, 0, 0]);
        let error = View::new_checked(&packet).unwrap().upper_layer().unwrap_err();
        assert_eq!(
            error,
            Error::Truncated {
                header: Header::Ipv6Extension,
                needed: 16,
                available: 8
            }
        );
    }
}
