//! A complete frame: Ethernet with or without VLAN tags, IPv4 or IPv6, TCP with options, correct checksums.

use crate::bytes::{Writer, set_u16_at};
use crate::checksum::{self, PROTOCOL_TCP};
use crate::error::{Error, Result};
use crate::ethernet::{self, EtherType, MacAddress, VlanTag, VlanTags};
use crate::list::List;
use crate::sequence::SequenceNumber;
use crate::tcp::{self, Area, CHECKSUM_OFFSET, Flags, TcpOption};
use crate::types::AddressPair;
use crate::{ipv4, ipv6};
use core::net::SocketAddr;

/// The content of the TCP checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumMode {
    /// The right checksum.
    #[default]
    Complete,
    /// Only the sum of the pseudo-header, as Linux leaves it to the device (CHECKSUM_PARTIAL).
    Partial,
    /// This value, right or wrong.
    Fixed(u16),
}

#[derive(Clone, Copy, Debug, Default)]
struct Extension<'a> {
    kind: u8,
    content: &'a [u8],
}

impl Extension<'_> {
    fn length(&self) -> usize {
        self.content.len().saturating_add(2).next_multiple_of(8)
    }
}

/// Builds a TCP packet into a caller's buffer.
///
/// Defaults: Ethernet between two locally administered addresses, TTL 64, window 65535, no flags, no options, no
/// payload. Calls can be chained, because [`PacketBuilder::build`] reports all errors (too many options, mixed IP
/// versions).
///
/// ```
/// use mptcp_wire::{Key, PacketBuilder, Version, mptcp, tcp::{Flags, TcpOption}};
///
/// let mut buffer = [0; 256];
/// let length = PacketBuilder::new("[2001:db8::1]:4000".parse().unwrap(), "[2001:db8::2]:80".parse().unwrap())
///     .flags(Flags::SYN)
///     .option(TcpOption::MaximumSegmentSize(1440))
///     .mptcp(mptcp::MpCapable {
///         version: Version::V1,
///         flags: mptcp::CapableFlags::HMAC,
///         keys: mptcp::CapableKeys::None,
///     })
///     .build(&mut buffer)
///     .unwrap();
/// assert_eq!(length, 14 + 40 + 20 + 8);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PacketBuilder<'a> {
    source: SocketAddr,
    destination: SocketAddr,
    ethernet: Option<(MacAddress, MacAddress)>,
    vlan_tags: VlanTags,
    time_to_live: u8,
    traffic_class: u8,
    identification: u16,
    dont_fragment: bool,
    more_fragments: bool,
    fragment_offset: u16,
    ipv4_options: List<u8, 40>,
    extensions: List<Extension<'a>, 4>,
    tcp: tcp::Repr,
    payload: &'a [u8],
    checksum: ChecksumMode,
    // The first error; `build` returns it.
    error: Option<Error>,
}

impl<'a> PacketBuilder<'a> {
    /// A packet from `source` to `destination`.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source,
            destination,
            ethernet: Some((MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]))),
            vlan_tags: VlanTags::new(),
            time_to_live: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ipv4_options: List::new(),
            extensions: List::new(),
            tcp: tcp::Repr {
                source_port: source.port(),
                destination_port: destination.port(),
                window: u16::MAX,
                ..tcp::Repr::default()
            },
            payload: &[],
            checksum: ChecksumMode::Complete,
            error: None,
        }
    }

    /// With these hardware addresses.
    #[must_use]
    pub fn ethernet(mut self, source: MacAddress, destination: MacAddress) -> Self {
        self.ethernet = Some((source, destination));
        self
    }

    /// Without a link header: the frame is the IP packet.
    #[must_use]
    pub fn raw_ip(mut self) -> Self {
        self.ethernet = None;
        self
    }

    /// Adds a VLAN tag inside those given before; at most 2, only on Ethernet.
    #[must_use]
    pub fn vlan(mut self, tag: VlanTag) -> Self {
        let result = self.vlan_tags.push(tag);
        self.note(result)
    }

    /// TTL or hop limit.
    #[must_use]
    pub fn time_to_live(mut self, time_to_live: u8) -> Self {
        self.time_to_live = time_to_live;
        self
    }

    /// DSCP and ECN (the whole byte).
    #[must_use]
    pub fn traffic_class(mut self, traffic_class: u8) -> Self {
        self.traffic_class = traffic_class;
        self
    }

    /// IPv4 identification.
    #[must_use]
    pub fn identification(mut self, identification: u16) -> Self {
        self.identification = identification;
        self
    }

    /// Makes the packet an IPv4 fragment at `offset` bytes, and clears DF. For IPv6 use
    /// [`PacketBuilder::extension`].
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.dont_fragment = false;
        self.fragment_offset = offset;
        self.more_fragments = more;
        self
    }

    /// IPv4 option bytes, at most 40.
    #[must_use]
    pub fn ipv4_options(mut self, options: &[u8]) -> Self {
        let result = List::from_slice(options).map(|options| self.ipv4_options = options);
        self.note(result)
    }

    /// Adds an IPv6 extension header after those given before; at most 4. `content` is what follows the next-header
    /// and the length byte; it is padded with zeros (Pad1) to a multiple of 8 bytes.
    #[must_use]
    pub fn extension(mut self, kind: u8, content: &'a [u8]) -> Self {
        let result = self.extensions.push(Extension { kind, content });
        self.note(result)
    }

    /// TCP flags.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.tcp.flags = flags;
        self
    }

    /// Sequence number.
    #[must_use]
    pub fn sequence(mut self, sequence: u32) -> Self {
        self.tcp.sequence = SequenceNumber(sequence);
        self
    }

    /// Acknowledgement number; does not set [`Flags::ACK`].
    #[must_use]
    pub fn acknowledgement(mut self, acknowledgement: u32) -> Self {
        self.tcp.acknowledgement = SequenceNumber(acknowledgement);
        self
    }

    /// Window before scaling.
    #[must_use]
    pub fn window(mut self, window: u16) -> Self {
        self.tcp.window = window;
        self
    }

    /// Urgent pointer; does not set [`Flags::URG`].
    #[must_use]
    pub fn urgent(mut self, urgent: u16) -> Self {
        self.tcp.urgent = urgent;
        self
    }

    /// Adds a TCP option.
    #[must_use]
    pub fn option(mut self, option: impl Into<TcpOption>) -> Self {
        let result = self.tcp.options.push(&option.into());
        self.note(result)
    }

    /// Adds an MPTCP option: short for [`PacketBuilder::option`] with
    /// [`TcpOption::Mptcp`].
    #[must_use]
    pub fn mptcp(self, option: impl Into<crate::mptcp::MptcpOption>) -> Self {
        self.option(TcpOption::Mptcp(option.into()))
    }

    /// Adds a NOP.
    #[must_use]
    pub fn no_operation(self) -> Self {
        self.option(TcpOption::NoOperation)
    }

    /// Adds option bytes unchanged, well-formed or not.
    #[must_use]
    pub fn option_bytes(mut self, bytes: &[u8]) -> Self {
        let result = self.tcp.options.push_bytes(bytes);
        self.note(result)
    }

    /// Replaces all options by this option area.
    #[must_use]
    pub fn options(mut self, options: Area) -> Self {
        self.tcp.options = options;
        self
    }

    /// TCP payload.
    #[must_use]
    pub fn payload(mut self, payload: &'a [u8]) -> Self {
        self.payload = payload;
        self
    }

    /// The content of the TCP checksum field.
    #[must_use]
    pub fn checksum(mut self, mode: ChecksumMode) -> Self {
        self.checksum = mode;
        self
    }

    /// The length of the frame.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        self.link_length()
            .saturating_add(self.network_length())
            .saturating_add(self.transport_length())
    }

    /// Writes the frame to the start of `buffer` and returns its length.
    pub fn build(&self, buffer: &mut [u8]) -> Result<usize> {
        match self.error {
            Some(error) => return Err(error),
            None => self.check_room(buffer.len())?,
        }
        let addresses = AddressPair::new(self.source.ip(), self.destination.ip())?;
        let (link, rest) = split(buffer, self.link_length())?;
        self.emit_link(&addresses, link)?;
        let (network, rest) = split(rest, self.network_length())?;
        self.emit_network(&addresses, network)?;
        let (transport, _) = split(rest, self.transport_length())?;
        self.emit_transport(&addresses, transport)?;
        Ok(self.buffer_length())
    }

    fn note(mut self, result: Result<()>) -> Self {
        self.error = self.error.or(result.err());
        self
    }

    fn check_room(&self, available: usize) -> Result<()> {
        match self.buffer_length() {
            needed if needed > available => Err(Error::BufferTooSmall { needed, available }),
            _ => Ok(()),
        }
    }

    fn link_length(&self) -> usize {
        match self.ethernet {
            Some(_) => self.ethernet_repr(EtherType::default()).buffer_length(),
            None => 0,
        }
    }

    fn network_length(&self) -> usize {
        match self.source {
            SocketAddr::V4(_) => 20_usize.saturating_add(self.ipv4_options.len().next_multiple_of(4)),
            SocketAddr::V6(_) => 40_usize.saturating_add(self.extensions.iter().map(Extension::length).sum()),
        }
    }

    fn transport_length(&self) -> usize {
        self.tcp.buffer_length().saturating_add(self.payload.len())
    }

    fn ethernet_repr(&self, ether_type: EtherType) -> ethernet::Repr {
        let (source, destination) = self.ethernet.unwrap_or_default();
        ethernet::Repr {
            destination,
            source,
            vlan_tags: self.vlan_tags,
            ether_type,
        }
    }

    fn emit_link(&self, addresses: &AddressPair, buffer: &mut [u8]) -> Result<()> {
        if self.ethernet.is_none() {
            return Ok(());
        }
        let ether_type = match addresses {
            AddressPair::V4 { .. } => EtherType::IPV4,
            AddressPair::V6 { .. } => EtherType::IPV6,
        };
        self.ethernet_repr(ether_type).emit(buffer).map(|_| ())
    }

    fn emit_network(&self, addresses: &AddressPair, buffer: &mut [u8]) -> Result<()> {
        match *addresses {
            AddressPair::V4 { source, destination } => {
                let repr = ipv4::Repr {
                    source,
                    destination,
                    protocol: PROTOCOL_TCP,
                    payload_length: self.transport_length(),
                    type_of_service: self.traffic_class,
                    identification: self.identification,
                    dont_fragment: self.dont_fragment,
                    more_fragments: self.more_fragments,
                    fragment_offset: self.fragment_offset,
                    time_to_live: self.time_to_live,
                    options: self.ipv4_options,
                };
                repr.emit(buffer).map(|_| ())
            }
            AddressPair::V6 { source, destination } => {
                let next_header = self.extensions.first().map_or(PROTOCOL_TCP, |extension| extension.kind);
                let extensions: usize = self.extensions.iter().map(Extension::length).sum();
                let repr = ipv6::Repr {
                    source,
                    destination,
                    next_header,
                    payload_length: extensions.saturating_add(self.transport_length()),
                    hop_limit: self.time_to_live,
                    traffic_class: self.traffic_class,
                    flow_label: 0,
                };
                let length = repr.emit(buffer)?;
                let (_, rest) = split(buffer, length)?;
                self.emit_extensions(rest)
            }
        }
    }

    fn emit_extensions(&self, mut buffer: &mut [u8]) -> Result<()> {
        for (number, extension) in self.extensions.iter().enumerate() {
            let length = extension.length();
            let (place, rest) = split(buffer, length)?;
            place.fill(0);
            let next = self
                .extensions
                .get(number.saturating_add(1))
                .map_or(PROTOCOL_TCP, |next| next.kind);
            // Units after the first: 8 bytes, but 4 and one more in the authentication header; none in a fragment's.
            let units = match extension.kind {
                ipv6::extension::FRAGMENT => 0,
                ipv6::extension::AUTHENTICATION => (length / 4).saturating_sub(2),
                _ => (length / 8).saturating_sub(1),
            };
            let too_large = Error::ListFull {
                length: extension.content.len(),
                capacity: 2046,
            };
            let units = u8::try_from(units).map_err(|_| too_large)?;
            let mut writer = Writer::new(place, length)?;
            writer.put(&[next, units]);
            writer.put(extension.content);
            buffer = rest;
        }
        Ok(())
    }

    fn emit_transport(&self, addresses: &AddressPair, buffer: &mut [u8]) -> Result<()> {
        let header = self.tcp.emit(buffer)?;
        Writer::new(split(buffer, header)?.1, self.payload.len())?.put(self.payload);
        let checksum = match self.checksum {
            ChecksumMode::Complete => checksum::tcp(addresses, buffer),
            ChecksumMode::Partial => {
                let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
                checksum::pseudo_header(addresses, PROTOCOL_TCP, length).partial()
            }
            ChecksumMode::Fixed(value) => value,
        };
        set_u16_at(buffer, CHECKSUM_OFFSET, checksum);
        Ok(())
    }
}

fn split(buffer: &mut [u8], at: usize) -> Result<(&mut [u8], &mut [u8])> {
    let available = buffer.len();
    buffer
        .split_at_mut_checked(at)
        .ok_or(Error::BufferTooSmall { needed: at, available })
}

#[cfg(test)]
mod tests;
