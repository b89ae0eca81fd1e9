//! Parses a whole frame and locates its TCP segment, in one call.

mod descend;

use crate::bytes::{head, tail};
use crate::checksum;
use crate::encapsulation::{Encapsulation, Encapsulations};
use crate::error::{Error, Result};
use crate::ethernet::{EtherType, VlanTags};
use crate::link::{LinkType, ethernet_at};
use crate::mptcp::MptcpOption;
use crate::tcp::{self, Options};
use crate::types::{AddressPair, IpVersion};
use crate::{ipv4, ipv6};
use core::net::SocketAddr;
use core::ops::Range;

/// The IP header of a segment.
#[derive(Clone, Copy, Debug)]
pub enum Network<'a> {
    /// IPv4.
    V4(ipv4::View<'a>),
    /// IPv6.
    V6(ipv6::View<'a>),
}

/// An IP packet that is no fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpPacket<'a> {
    network: Network<'a>,
    addresses: AddressPair,
    /// What it carries.
    pub(crate) protocol: u8,
    /// Where that begins in the packet.
    pub(crate) offset: usize,
    /// The available bytes of that, limited by the IP length.
    pub(crate) transport: &'a [u8],
    /// Its length by the IP header.
    length: usize,
}

/// Reads an IP packet of this type.
// On the path of every packet, where a call and the copy of its result are a measurable part of the work.
#[inline(always)]
pub(crate) fn ip_packet(packet: &[u8], ether_type: EtherType) -> Result<IpPacket<'_>> {
    match ether_type {
        EtherType::IPV4 => {
            let view = ipv4::View::new_checked(packet)?;
            if view.is_fragment() {
                return Err(Error::Fragment {
                    offset: view.fragment_offset(),
                    more: view.more_fragments(),
                });
            }
            Ok(IpPacket {
                network: Network::V4(view),
                addresses: AddressPair::V4 {
                    source: view.source(),
                    destination: view.destination(),
                },
                protocol: view.protocol(),
                offset: view.header_length(),
                transport: view.payload(),
                length: view.payload_length(),
            })
        }
        EtherType::IPV6 => {
            let view = ipv6::View::new_checked(packet)?;
            let upper = view.upper_layer()?;
            if let Some(fragment) = upper.fragment.filter(|fragment| !fragment.is_atomic()) {
                return Err(Error::Fragment {
                    offset: fragment.offset,
                    more: fragment.more,
                });
            }
            Ok(IpPacket {
                network: Network::V6(view),
                addresses: AddressPair::V6 {
                    source: view.source(),
                    destination: view.destination(),
                },
                protocol: upper.protocol,
                offset: upper.offset,
                transport: tail(view.packet(), upper.offset),
                length: view.total_length().saturating_sub(upper.offset),
            })
        }
        EtherType(ether_type) => Err(Error::NotIp { ether_type }),
    }
}

/// A TCP segment in a frame. Headers are complete; the payload may be truncated.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    frame: &'a [u8],
    vlan_tags: VlanTags,
    encapsulations: Encapsulations,
    network_offset: usize,
    network: Network<'a>,
    addresses: AddressPair,
    transport_offset: usize,
    /// TCP header and payload, limited by the IP length.
    transport_length: usize,
    tcp: tcp::View<'a>,
}

impl<'a> Segment<'a> {
    /// Finds the TCP segment in `frame`.
    ///
    /// Errors: [`Error::NotIp`], [`Error::NotTcp`], [`Error::Fragment`] (every fragment, also the first), or a
    /// malformed or truncated header. Malformed TCP options are no error here; the iterator over the options reports
    /// them. A truncated payload is no error; see [`Segment::is_truncated`].
    ///
    /// ```
    /// use mptcp_wire::mptcp::MptcpOption;
    /// use mptcp_wire::{Error, LinkType, Segment};
    ///
    /// /// The subtypes of the MPTCP options in a frame as a capture has it, the malformed ones counted.
    /// fn subtypes(frame: &[u8]) -> Result<(Vec<&'static str>, usize), Error> {
    ///     let segment = Segment::parse(frame, LinkType::Ethernet)?;
    ///     let (good, bad): (Vec<_>, Vec<_>) = segment.mptcp_options().partition(Result::is_ok);
    ///     let name = |option: MptcpOption| option.subtype().name();
    ///     Ok((good.into_iter().flatten().map(name).collect(), bad.len()))
    /// }
    /// # use mptcp_wire::{PacketBuilder, mptcp::MpPrio};
    /// # let mut frame = [0; 128];
    /// # let length = PacketBuilder::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
    /// #     .mptcp(MpPrio { backup: true, address_id: None }).build(&mut frame).unwrap();
    /// assert_eq!(subtypes(&frame[..length]), Ok((vec!["MP_PRIO"], 0)));
    /// assert!(matches!(subtypes(&frame[..20]), Err(Error::Truncated { .. })));
    /// ```
    pub fn parse(frame: &'a [u8], link: LinkType) -> Result<Self> {
        let located = match link {
            LinkType::Ethernet => ethernet_at(frame, 0)?,
            _ => link.locate(frame)?,
        };
        let packet = ip_packet(tail(frame, located.network_offset), located.ether_type)?;
        if packet.protocol != checksum::PROTOCOL_TCP {
            return Err(Error::NotTcp {
                protocol: packet.protocol,
            });
        }
        let mut segment = Self::of(frame, located.network_offset, &packet)?;
        if !located.vlan_tags.is_empty() {
            segment.set_around(located.vlan_tags, Encapsulations::only(Encapsulation::Vlan));
        }
        Ok(segment)
    }

    /// Finds the TCP segment in `frame`, also inside tags, labels and tunnels: [`Segment::encapsulations`] are those
    /// that it was in. A frame that [`Segment::parse`] reads costs no more here.
    ///
    /// Errors: as [`Segment::parse`], of the innermost packet that was reached; [`Error::TooDeep`].
    ///
    /// ```
    /// use mptcp_wire::{LinkType, PacketBuilder, Segment, encapsulation::Encapsulation};
    ///
    /// // A packet of IPv6 in one of IPv4.
    /// let (client, server) = ("[2001:db8::1]:4000".parse().unwrap(), "[2001:db8::2]:80".parse().unwrap());
    /// let inner = PacketBuilder::new(client, server).raw_ip();
    /// let mut frame = [0; 128];
    /// let length = 20 + inner.build(&mut frame[20..]).unwrap();
    /// frame[..4].copy_from_slice(&[0x45, 0, 0, length as u8]);
    /// frame[9] = 41;
    ///
    /// assert!(Segment::parse(&frame[..length], LinkType::RawIp).is_err());
    /// let segment = Segment::parse_innermost(&frame[..length], LinkType::RawIp).unwrap();
    /// assert_eq!(segment.source().port(), 4000);
    /// assert!(segment.encapsulations().contains(Encapsulation::IpInIp));
    /// ```
    #[inline]
    pub fn parse_innermost(frame: &'a [u8], link: LinkType) -> Result<Self> {
        match Self::parse(frame, link) {
            Err(Error::NotIp { .. } | Error::NotTcp { .. }) => descend::descend(frame, link),
            result => result,
        }
    }

    /// The segment of the IP packet at `network_offset` of `frame`.
    #[inline(always)]
    pub(crate) fn of(frame: &'a [u8], network_offset: usize, packet: &IpPacket<'a>) -> Result<Self> {
        Ok(Self {
            frame,
            vlan_tags: VlanTags::new(),
            encapsulations: Encapsulations::NONE,
            network_offset,
            network: packet.network,
            addresses: packet.addresses,
            transport_offset: network_offset.saturating_add(packet.offset),
            transport_length: packet.length,
            tcp: tcp::View::new_checked(packet.transport)?,
        })
    }

    /// Sets what is around the IP packet.
    pub(crate) fn set_around(&mut self, vlan_tags: VlanTags, encapsulations: Encapsulations) {
        self.vlan_tags = vlan_tags;
        self.encapsulations = encapsulations;
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// The headers around the IP packet, except for the link header.
    #[must_use]
    pub fn encapsulations(&self) -> Encapsulations {
        self.encapsulations
    }

    /// The VLAN tags of the frame, outermost first, at most two; none except on Ethernet.
    #[must_use]
    pub fn vlan_tags(&self) -> &VlanTags {
        &self.vlan_tags
    }

    /// The IP header.
    #[must_use]
    pub fn network(&self) -> Network<'a> {
        self.network
    }

    /// Offset of the IP header in the frame.
    #[must_use]
    pub fn network_offset(&self) -> usize {
        self.network_offset
    }

    /// The TCP header and payload.
    #[must_use]
    pub fn tcp(&self) -> tcp::View<'a> {
        self.tcp
    }

    /// Offset of the TCP header in the frame.
    #[must_use]
    pub fn transport_offset(&self) -> usize {
        self.transport_offset
    }

    /// Both addresses.
    #[must_use]
    pub fn addresses(&self) -> AddressPair {
        self.addresses
    }

    /// Address and port of the sender.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.addresses.source(), self.tcp.source_port())
    }

    /// Address and port of the receiver.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.addresses.destination(), self.tcp.destination_port())
    }

    /// DSCP and ECN.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        match self.network {
            Network::V4(view) => view.type_of_service(),
            Network::V6(view) => view.traffic_class(),
        }
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        self.tcp.options()
    }

    /// Only the MPTCP options, read; see [`Options::mptcp`].
    pub fn mptcp_options(&self) -> impl Iterator<Item = Result<MptcpOption>> + 'a {
        self.tcp.options().mptcp()
    }

    /// Range of the option area in the frame.
    #[must_use]
    pub fn option_range(&self) -> Range<usize> {
        let end = self.transport_offset.saturating_add(self.tcp.header_length());
        end.saturating_sub(self.tcp.option_bytes().len())..end
    }

    /// Range of the available payload in the frame.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        let start = self.transport_offset.saturating_add(self.tcp.header_length());
        start..start.saturating_add(self.tcp.payload().len())
    }

    /// The available payload.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.tcp.payload()
    }

    /// The length of the payload by the IP header.
    #[must_use]
    pub fn payload_length(&self) -> usize {
        self.transport_length.saturating_sub(self.tcp.header_length())
    }

    /// Whether the frame is shorter than its IP length: the capture truncated it.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.tcp.bytes().len() < self.transport_length
    }

    /// Whether the TCP checksum is right. `false` for a truncated segment, whose checksum cannot be checked.
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        !self.is_truncated() && checksum::tcp_is_valid(&self.addresses, self.tcp.bytes())
    }

    /// Whether the checksum field has only the sum of the pseudo-header, as Linux leaves it for the device
    /// (CHECKSUM_PARTIAL).
    #[must_use]
    pub fn checksum_is_partial(&self) -> bool {
        let length = u32::try_from(self.transport_length).unwrap_or(u32::MAX);
        let sum = checksum::pseudo_header(&self.addresses, checksum::PROTOCOL_TCP, length);
        self.tcp.checksum() == sum.partial()
    }

    /// Whether this is an ACK without payload, SYN, FIN or RST.
    #[must_use]
    pub fn is_pure_ack(&self) -> bool {
        use tcp::Flags;
        let flags = self.tcp.flags();
        let ends = Flags::SYN | Flags::FIN | Flags::RST;
        flags.contains(Flags::ACK) && flags.bits() & ends.bits() == 0 && self.payload_length() == 0
    }

    /// The version of IP.
    #[must_use]
    pub fn ip_version(&self) -> IpVersion {
        self.addresses.source().into()
    }

    /// The link header, with its tags.
    #[must_use]
    pub fn link_header(&self) -> &'a [u8] {
        head(self.frame, self.network_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PacketBuilder;
    use crate::tcp::Flags;

    fn frame(buffer: &mut [u8]) -> usize {
        PacketBuilder::new("10.0.0.1:1000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
            .flags(Flags::ACK)
            .payload(b"0123456789")
            .build(buffer)
            .unwrap()
    }

    #[test]
    fn a_cut_off_payload_is_located_and_its_true_length_known() {
        let mut buffer = [0; 100];
        let length = frame(&mut buffer);
        let segment = Segment::parse(&buffer[..length - 4], LinkType::Ethernet).unwrap();
        assert!(segment.is_truncated() && !segment.checksum_is_valid());
        assert_eq!((segment.payload(), segment.payload_length()), (&b"012345"[..], 10));
    }

    #[test]
    fn padding_after_the_ip_packet_is_not_payload() {
        let mut buffer = [0xee; 100];
        frame(&mut buffer);
        let segment = Segment::parse(&buffer, LinkType::Ethernet).unwrap();
        assert!(segment.checksum_is_valid());
        assert_eq!(&buffer[segment.payload_range()], b"0123456789");
    }

    #[test]
    fn fragments_other_protocols_and_other_ether_types_are_told_apart() {
        let mut buffer = [0; 100];
        let length = frame(&mut buffer);
        let error_of = |frame: &[u8]| Segment::parse(frame, LinkType::Ethernet).unwrap_err();
        buffer[20] |= 0x20;
        assert_eq!(error_of(&buffer[..length]), Error::Fragment { offset: 0, more: true });
        buffer[20..22].copy_from_slice(&[0, 1]);
        assert_eq!(error_of(&buffer[..length]), Error::Fragment { offset: 8, more: false });
        buffer[20..22].fill(0);
        buffer[23] = 17;
        assert_eq!(error_of(&buffer[..length]), Error::NotTcp { protocol: 17 });
        buffer[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(error_of(&buffer[..length]), Error::NotIp { ether_type: 0x0806 });
    }
}
