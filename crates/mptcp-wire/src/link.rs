//! Link headers of captures: the position of the IP packet.

use crate::bytes::{array_at, tail, u16_at};
use crate::encapsulation::{ip_type, ppp as point_to_point};
use crate::error::{Header, Result};
use crate::ethernet::{self, EtherType, VlanTags};
use crate::link_name::NAMES;
use crate::{erf, wireless};
use core::fmt;

/// The header before the IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II, up to two VLAN tags.
    Ethernet,
    /// Nothing: the frame is the IP packet.
    RawIp,
    /// Linux cooked capture (the "any" device), 16 bytes.
    LinuxSll,
    /// Linux cooked capture version 2, 20 bytes.
    LinuxSll2,
    /// BSD loopback: 4 bytes of address family, in either byte order.
    Loopback,
    /// Point-to-point protocol, RFC 1661, with or without the address and control bytes of RFC 1662, and with a
    /// protocol field of one or two bytes. Also Cisco's HDLC, which has the same number in captures of serial lines.
    Ppp,
    /// IEEE 802.11 without a header before it.
    Ieee80211,
    /// IEEE 802.11 after a radiotap header.
    Radiotap,
    /// A record of Endace's Extensible Record Format, with Ethernet, PPP or IP.
    Erf,
}

/// The number of a link type that this crate does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownLink(pub u32);

impl UnknownLink {
    /// What it is (tcpdump.org/linktypes), for the more common ones.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let found = NAMES.iter().find(|(number, _)| *number == self.0);
        found.map(|(_, name)| *name)
    }
}

impl fmt::Display for UnknownLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "{} ({name})", self.0),
            None => write!(formatter, "{}", self.0),
        }
    }
}

/// Offsets and values in the cooked, loopback and PPP headers.
mod field {
    pub(super) const SLL_PROTOCOL: usize = 14;
    pub(super) const SLL_LENGTH: usize = 16;
    pub(super) const SLL2_PROTOCOL: usize = 0;
    pub(super) const SLL2_LENGTH: usize = 20;
    pub(super) const LOOPBACK_LENGTH: usize = 4;
    /// All stations, unnumbered information: RFC 1662, section 3.1.
    pub(super) const PPP_ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
    /// Unicast and multicast.
    pub(super) const CISCO_HDLC: [[u8; 2]; 2] = [[0x0f, 0x00], [0x8f, 0x00]];
    pub(super) const CISCO_HDLC_LENGTH: usize = 4;
}

/// The parsed link header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The type of the payload by the link header; for raw IP and loopback, by the IP version.
    pub ether_type: EtherType,
    /// Offset of the payload.
    pub network_offset: usize,
    /// The tags, outermost first.
    pub vlan_tags: VlanTags,
}

impl LinkType {
    /// From the number in a pcap or pcapng file (tcpdump.org/linktypes). `None`: not supported.
    #[must_use]
    pub fn from_pcap(number: u32) -> Option<Self> {
        match number {
            0 | 108 => Some(Self::Loopback),
            1 => Some(Self::Ethernet),
            9 | 50 | 104 => Some(Self::Ppp),
            // 12 and 14: numbers of the raw type before it was assigned 101.
            12 | 14 | 101 | 228 | 229 => Some(Self::RawIp),
            105 => Some(Self::Ieee80211),
            113 => Some(Self::LinuxSll),
            127 => Some(Self::Radiotap),
            197 => Some(Self::Erf),
            276 => Some(Self::LinuxSll2),
            _ => None,
        }
    }

    /// Reads the link header. Fails only when the frame is shorter than it.
    pub fn locate(self, frame: &[u8]) -> Result<Located> {
        match self {
            Self::Ethernet => ethernet_at(frame, 0),
            Self::RawIp => Ok(untagged(ip_type(frame.first()), 0)),
            Self::LinuxSll => cooked(frame, field::SLL_PROTOCOL, field::SLL_LENGTH),
            Self::LinuxSll2 => cooked(frame, field::SLL2_PROTOCOL, field::SLL2_LENGTH),
            Self::Loopback => {
                Header::Loopback.within(frame, field::LOOPBACK_LENGTH)?;
                let family: [u8; 4] = array_at(frame, 0);
                // AF_INET is 2 everywhere; AF_INET6 is 24, 28 or 30, by operating system.
                let of = |number| match number {
                    2 => Some(EtherType::IPV4),
                    24 | 28 | 30 => Some(EtherType::IPV6),
                    _ => None,
                };
                let ether_type = of(u32::from_le_bytes(family)).or_else(|| of(u32::from_be_bytes(family)));
                Ok(untagged(ether_type.unwrap_or(EtherType(0)), field::LOOPBACK_LENGTH))
            }
            Self::Ppp => ppp(frame, 0),
            Self::Ieee80211 => {
                let (ether_type, offset) = wireless::frame(frame, false)?;
                Ok(untagged(ether_type, offset))
            }
            Self::Radiotap => {
                let (ether_type, offset) = wireless::radiotap(frame)?;
                Ok(untagged(ether_type, offset))
            }
            Self::Erf => {
                let (content, offset) = erf::open(frame)?;
                match content {
                    erf::Content::Ethernet => ethernet_at(frame, offset),
                    erf::Content::Ppp => ppp(frame, offset),
                    erf::Content::Ip => Ok(untagged(ip_type(frame.get(offset)), offset)),
                    erf::Content::Other => Ok(untagged(EtherType(0), offset)),
                }
            }
        }
    }
}

#[inline(always)]
pub(crate) fn ethernet_at(frame: &[u8], offset: usize) -> Result<Located> {
    let view = ethernet::View::new_checked(tail(frame, offset))?;
    Ok(Located {
        ether_type: view.ether_type(),
        network_offset: offset.saturating_add(view.header_length()),
        vlan_tags: view.vlan_tags(),
    })
}

fn ppp(frame: &[u8], offset: usize) -> Result<Located> {
    let bytes = tail(frame, offset);
    Header::PointToPoint.within(bytes, 2)?;
    let first: [u8; 2] = array_at(bytes, 0);
    if field::CISCO_HDLC.contains(&first) {
        Header::PointToPoint.within(bytes, field::CISCO_HDLC_LENGTH)?;
        let network_offset = offset.saturating_add(field::CISCO_HDLC_LENGTH);
        return Ok(untagged(EtherType(u16_at(bytes, 2)), network_offset));
    }
    let at: usize = if first == field::PPP_ADDRESS_CONTROL { 2 } else { 0 };
    let (ether_type, length) = point_to_point::protocol(tail(bytes, at))?;
    Ok(untagged(ether_type, offset.saturating_add(at).saturating_add(length)))
}

fn cooked(frame: &[u8], protocol: usize, length: usize) -> Result<Located> {
    Header::LinuxCooked.within(frame, length)?;
    Ok(untagged(EtherType(u16_at(frame, protocol)), length))
}

fn untagged(ether_type: EtherType, network_offset: usize) -> Located {
    Located {
        ether_type,
        network_offset,
        vlan_tags: VlanTags::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn each_link_type_says_where_ip_begins() {
        let mut frame = [0_u8; 40];
        frame[0..2].copy_from_slice(&[0x08, 0x00]);
        let located = LinkType::LinuxSll2.locate(&frame).unwrap();
        assert_eq!((located.ether_type, located.network_offset), (EtherType::IPV4, 20));
        frame[14..16].copy_from_slice(&[0x86, 0xdd]);
        let located = LinkType::LinuxSll.locate(&frame).unwrap();
        assert_eq!((located.ether_type, located.network_offset), (EtherType::IPV6, 16));
        let located = LinkType::RawIp.locate(&[0x60]).unwrap();
        assert_eq!((located.ether_type, located.network_offset), (EtherType::IPV6, 0));
    }

    #[test]
    fn a_loopback_family_is_read_in_either_byte_order() {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            assert_eq!(LinkType::Loopback.locate(&family).unwrap().ether_type, EtherType::IPV4);
        }
        for family in [[30, 0, 0, 0], [0, 0, 0, 24]] {
            assert_eq!(LinkType::Loopback.locate(&family).unwrap().ether_type, EtherType::IPV6);
        }
    }

    #[test]
    fn ppp_is_read_with_and_without_address_control_and_compressed_protocol() {
        let cases: [(&[u8], EtherType, usize); 8] = [
            (&[0xff, 0x03, 0x00, 0x21], EtherType::IPV4, 4),
            (&[0xff, 0x03, 0x57], EtherType::IPV6, 3),
            (&[0x00, 0x57], EtherType::IPV6, 2),
            (&[0x21, 0x45], EtherType::IPV4, 1),
            (&[0xff, 0x03, 0xc0, 0x21], EtherType(0), 4),
            (&[0x0f, 0x00, 0x08, 0x00], EtherType::IPV4, 4),
            (&[0x8f, 0x00, 0x86, 0xdd], EtherType::IPV6, 4),
            (&[0x00, 0x21], EtherType::IPV4, 2),
        ];
        for (frame, ether_type, offset) in cases {
            let located = LinkType::Ppp.locate(frame).unwrap();
            assert_eq!(
                (located.ether_type, located.network_offset),
                (ether_type, offset),
                "{frame:?}"
            );
        }
        for short in [
            &[][..],
            &[0x21],
            &[0xff, 0x03],
            &[0xff, 0x03, 0x00],
            &[0x0f, 0x00, 0x08],
        ] {
            assert!(LinkType::Ppp.locate(short).is_err(), "{short:?}");
        }
    }

    #[test]
    fn a_frame_shorter_than_its_link_header_is_truncated() {
        let error = LinkType::LinuxSll.locate(&[0; 15]);
        assert_eq!(
            error,
            Err(Error::Truncated {
                header: Header::LinuxCooked,
                needed: 16,
                available: 15
            })
        );
    }
}
