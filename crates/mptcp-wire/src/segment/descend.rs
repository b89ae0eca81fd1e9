//! From header to header, up to the TCP segment.

use super::{IpPacket, Segment, ip_packet};
use crate::bytes::{head, tail};
use crate::checksum::PROTOCOL_TCP;
use crate::encapsulation::{Encapsulation, Encapsulations, Inner, Payload, gre, llc, mpls, pppoe, udp, vlan};
use crate::error::{Error, Result};
use crate::ethernet::{self, EtherType};
use crate::link::LinkType;

/// Headers that are opened in one frame: more than any network stacks. A stack of MPLS labels is one.
const MOST: usize = 16;

/// IP protocol numbers of IP in IP.
const IPV4_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

/// Finds the TCP segment of a frame that [`Segment::parse`] has found none in.
///
/// The error is that of the innermost packet that was reached.
#[cold]
#[inline(never)]
pub(super) fn descend(frame: &[u8], link: LinkType) -> Result<Segment<'_>> {
    let located = link.locate(frame)?;
    let mut kinds = Encapsulations::NONE;
    if !located.vlan_tags.is_empty() {
        kinds.insert(Encapsulation::Vlan);
    }
    let mut payload = Payload::Type(located.ether_type);
    let mut offset = located.network_offset;
    // An outer packet ends where its IP length says.
    let mut within = frame;
    for _ in 0..MOST {
        let bytes = tail(within, offset);
        let (kind, inner) = match payload {
            Payload::Ethernet => {
                let view = ethernet::View::new_checked(bytes)?;
                let tagged = (!view.vlan_tags().is_empty()).then_some(Encapsulation::Vlan);
                (
                    tagged,
                    Inner::new(view.header_length(), Payload::Type(view.ether_type())),
                )
            }
            Payload::Type(EtherType::IPV4 | EtherType::IPV6) => {
                let Payload::Type(ether_type) = payload else { continue };
                let packet = ip_packet(bytes, ether_type)?;
                if packet.protocol == PROTOCOL_TCP {
                    let mut segment = Segment::of(frame, offset, &packet)?;
                    segment.set_around(located.vlan_tags, kinds);
                    return Ok(segment);
                }
                let end = offset
                    .saturating_add(packet.offset)
                    .saturating_add(packet.transport.len());
                within = head(within, end);
                let (kind, inner) = in_ip(&packet)?;
                let start = inner.offset.saturating_add(packet.offset);
                (Some(kind), Inner { offset: start, ..inner })
            }
            Payload::Type(EtherType(ether_type)) => in_link(ether_type, bytes)?,
        };
        if let Some(kind) = kind {
            kinds.insert(kind);
        }
        offset = offset.saturating_add(inner.offset);
        payload = inner.payload;
    }
    Err(Error::TooDeep { most: MOST })
}

/// What an IP packet carries.
fn in_ip(packet: &IpPacket<'_>) -> Result<(Encapsulation, Inner)> {
    let protocol = packet.protocol;
    let found = match protocol {
        IPV4_IN_IP => Some((Encapsulation::IpInIp, Inner::new(0, Payload::Type(EtherType::IPV4)))),
        IPV6_IN_IP => Some((Encapsulation::IpInIp, Inner::new(0, Payload::Type(EtherType::IPV6)))),
        gre::PROTOCOL => gre::open(packet.transport)?.map(|inner| (Encapsulation::Gre, inner)),
        udp::PROTOCOL => udp::open(packet.transport)?,
        _ => None,
    };
    found.ok_or(Error::NotTcp { protocol })
}

/// What follows an EtherType other than those of IP.
fn in_link(ether_type: u16, bytes: &[u8]) -> Result<(Option<Encapsulation>, Inner)> {
    let found = if vlan::is_tag(ether_type) {
        Some((Some(Encapsulation::Vlan), vlan::open(bytes)?))
    } else if mpls::is_mpls(ether_type) {
        mpls::open(bytes)?.map(|inner| (Some(Encapsulation::Mpls), inner))
    } else if ether_type == pppoe::SESSION {
        pppoe::open(bytes)?.map(|inner| (Some(Encapsulation::Pppoe), inner))
    } else if (1..=llc::LARGEST_LENGTH).contains(&ether_type) {
        let inner = Inner::new(llc::LENGTH, Payload::Type(llc::ether_type(bytes)?));
        Some((None, inner))
    } else {
        None
    };
    found.ok_or(Error::NotIp { ether_type })
}
