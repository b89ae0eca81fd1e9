//! Ethernet II with up to two VLAN tags (IEEE 802.1Q, 802.1ad).

use crate::bytes::{Writer, array_at, tail, u16_at};
use crate::error::{Header, Result};
use crate::list::List;

/// The type of the payload of an Ethernet frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// IEEE 802.1Q tag.
    pub const VLAN: Self = Self(0x8100);
    /// IEEE 802.1ad service tag.
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// MPLS, RFC 3032.
    pub const MPLS: Self = Self(0x8847);

    /// Whether a tag follows.
    #[must_use]
    pub fn is_vlan(self) -> bool {
        self == Self::VLAN || self == Self::SERVICE_VLAN
    }
}

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

/// One VLAN tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// [`EtherType::VLAN`] or [`EtherType::SERVICE_VLAN`].
    pub tag_type: EtherType,
    /// Priority (3 bits), drop eligible (1 bit), identifier (12 bits).
    pub control: u16,
}

impl VlanTag {
    /// An 802.1Q tag with priority 0. Only the lower 12 bits of `identifier` count.
    #[must_use]
    pub fn new(identifier: u16) -> Self {
        Self {
            tag_type: EtherType::VLAN,
            control: identifier & 0x0fff,
        }
    }

    /// An 802.1ad service tag with priority 0. Only the lower 12 bits of `identifier` count.
    #[must_use]
    pub fn service(identifier: u16) -> Self {
        Self {
            tag_type: EtherType::SERVICE_VLAN,
            control: identifier & 0x0fff,
        }
    }

    /// The VLAN's number.
    #[must_use]
    pub fn identifier(self) -> u16 {
        self.control & 0x0fff
    }
}

/// The tags of a frame, outermost first.
pub type VlanTags = List<VlanTag, 2>;

/// Offsets.
mod field {
    pub(super) const DESTINATION: usize = 0;
    pub(super) const SOURCE: usize = 6;
    pub(super) const ETHER_TYPE: usize = 12;
    pub(super) const LENGTH: usize = 14;
    pub(super) const TAG_LENGTH: usize = 4;
}

/// An Ethernet frame with its tags inside the bytes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
    tags: usize,
}

impl<'a> View<'a> {
    /// Parses at most two tags; a third one is not parsed.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self> {
        Header::Ethernet.within(bytes, field::LENGTH)?;
        let mut view = View { bytes, tags: 0 };
        for tags in 1..=2_usize {
            if !view.ether_type().is_vlan() {
                break;
            }
            view.tags = tags;
            Header::Vlan.within(bytes, view.header_length())?;
        }
        Ok(view)
    }

    /// Destination.
    #[must_use]
    pub fn destination(&self) -> MacAddress {
        MacAddress(array_at(self.bytes, field::DESTINATION))
    }

    /// Source.
    #[must_use]
    pub fn source(&self) -> MacAddress {
        MacAddress(array_at(self.bytes, field::SOURCE))
    }

    /// The type of the payload, after the tags.
    #[must_use]
    pub fn ether_type(&self) -> EtherType {
        self.type_at(self.tags)
    }

    /// The tags, outermost first.
    #[must_use]
    pub fn vlan_tags(&self) -> VlanTags {
        let mut tags = VlanTags::new();
        for number in 0..self.tags {
            let control = u16_at(self.bytes, tag_offset(number).saturating_add(2));
            // `tags` is at most 2, so that the list cannot be full.
            let _ = tags.push(VlanTag {
                tag_type: self.type_at(number),
                control,
            });
        }
        tags
    }

    /// The length of the header with its tags.
    #[must_use]
    pub fn header_length(&self) -> usize {
        tag_offset(self.tags).saturating_add(2)
    }

    /// The bytes after the header.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        tail(self.bytes, self.header_length())
    }

    fn type_at(&self, tags: usize) -> EtherType {
        EtherType(u16_at(self.bytes, tag_offset(tags)))
    }
}

fn tag_offset(number: usize) -> usize {
    field::ETHER_TYPE.saturating_add(number.saturating_mul(field::TAG_LENGTH))
}

/// The fields of an Ethernet header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repr {
    /// Destination.
    pub destination: MacAddress,
    /// Source.
    pub source: MacAddress,
    /// The tags, outermost first.
    pub vlan_tags: VlanTags,
    /// The type of the payload.
    pub ether_type: EtherType,
}

impl Repr {
    /// Reads all fields.
    #[must_use]
    pub fn parse(view: &View<'_>) -> Self {
        Self {
            destination: view.destination(),
            source: view.source(),
            vlan_tags: view.vlan_tags(),
            ether_type: view.ether_type(),
        }
    }

    /// The length of the header with its tags.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        tag_offset(self.vlan_tags.len()).saturating_add(2)
    }

    /// Writes the header and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.buffer_length();
        let mut writer = Writer::new(buffer, length)?;
        writer.put(&self.destination.0);
        writer.put(&self.source.0);
        for tag in self.vlan_tags.iter() {
            writer.put_u16(tag.tag_type.0);
            writer.put_u16(tag.control);
        }
        writer.put_u16(self.ether_type.0);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use proptest::prelude::*;

    fn repr() -> impl Strategy<Value = Repr> {
        let tag = (any::<bool>(), any::<u16>()).prop_map(|(service, control)| VlanTag {
            tag_type: if service {
                EtherType::SERVICE_VLAN
            } else {
                EtherType::VLAN
            },
            control,
        });
        (
            any::<([u8; 6], [u8; 6])>(),
            prop::collection::vec(tag, 0..=2),
            any::<u16>(),
        )
            .prop_map(|(mac, tags, kind)| {
                // A tag type after the last tag would be one more tag.
                let ether_type = if EtherType(kind).is_vlan() {
                    EtherType::IPV4
                } else {
                    EtherType(kind)
                };
                Repr {
                    destination: MacAddress(mac.0),
                    source: MacAddress(mac.1),
                    vlan_tags: VlanTags::from_slice(&tags).unwrap(),
                    ether_type,
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_to_the_same(repr in repr()) {
            let mut buffer = [0; 22];
            let length = repr.emit(&mut buffer).unwrap();
            prop_assert_eq!(Repr::parse(&View::new_checked(&buffer[..length]).unwrap()), repr);
            prop_assert!(View::new_checked(&buffer[..length - 1]).is_err());
        }
    }

    #[test]
    fn a_third_tag_is_not_looked_into() {
        let mut frame = [0; 40];
        for offset in [12, 16, 20] {
            frame[offset..offset + 2].copy_from_slice(&0x8100_u16.to_be_bytes());
        }
        let view = View::new_checked(&frame).unwrap();
        assert_eq!((view.ether_type(), view.header_length()), (EtherType::VLAN, 22));
    }

    #[test]
    fn a_tag_cut_off_is_named() {
        let mut frame = [0; 15];
        frame[12..14].copy_from_slice(&0x88a8_u16.to_be_bytes());
        let error = View::new_checked(&frame).unwrap_err();
        assert_eq!(
            error,
            Error::Truncated {
                header: Header::Vlan,
                needed: 18,
                available: 15
            }
        );
    }
}
