use super::*;
use crate::ipv6::extension;
use crate::segment::{Network, Segment};
use crate::types::AddressId;
use crate::{LinkType, mptcp};
use proptest::prelude::*;
use std::vec::Vec;

fn v4() -> PacketBuilder<'static> {
    PacketBuilder::new("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap())
}

fn v6() -> PacketBuilder<'static> {
    PacketBuilder::new("[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:2".parse().unwrap())
}

fn built(builder: &PacketBuilder<'_>) -> Vec<u8> {
    let mut frame = std::vec![0xa5; builder.buffer_length()];
    assert_eq!(builder.build(&mut frame), Ok(frame.len()));
    frame
}

#[test]
fn tags_ip_options_and_extension_headers_come_back_from_the_parser() {
    let option = mptcp::MpPrio {
        backup: true,
        address_id: Some(AddressId(3)),
    };
    let tagged = v4()
        .vlan(VlanTag::service(7))
        .vlan(VlanTag::new(9))
        .ipv4_options(&[1, 1, 1])
        .mptcp(option);
    let frame = built(&tagged);
    let segment = Segment::parse(&frame, LinkType::Ethernet).unwrap();
    assert_eq!(
        segment
            .vlan_tags()
            .iter()
            .map(|tag| tag.identifier())
            .collect::<Vec<_>>(),
        [7, 9]
    );
    assert!(matches!(segment.network(), Network::V4(view) if view.header_length() == 24));
    assert_eq!((segment.network_offset(), segment.transport_offset()), (22, 46));
    assert_eq!(segment.mptcp_options().next(), Some(Ok(option.into())));

    let extended = v6()
        .raw_ip()
        .extension(extension::HOP_BY_HOP, &[])
        .extension(extension::AUTHENTICATION, &[0; 22])
        .extension(extension::FRAGMENT, &[0; 6])
        .mptcp(option)
        .payload(b"data");
    let frame = built(&extended);
    let segment = Segment::parse(&frame, LinkType::RawIp).unwrap();
    assert_eq!(
        (segment.transport_offset(), segment.payload()),
        (40 + 8 + 24 + 8, &b"data"[..])
    );
    assert!(segment.checksum_is_valid());
}

#[test]
fn a_fragment_made_on_purpose_is_recognised() {
    let frame = built(&v4().fragment(64, true));
    let error = Segment::parse(&frame, LinkType::Ethernet).unwrap_err();
    assert_eq!(error, Error::Fragment { offset: 64, more: true });
    let frame = built(&v6().extension(extension::FRAGMENT, &[0, 0x41, 0, 0, 0, 0]));
    let error = Segment::parse(&frame, LinkType::Ethernet).unwrap_err();
    assert_eq!(error, Error::Fragment { offset: 64, more: true });
}

#[test]
fn build_reports_what_is_impossible() {
    let mut buffer = [0; 200];
    let mixed = PacketBuilder::new("10.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap());
    assert_eq!(mixed.build(&mut buffer), Err(Error::MixedAddresses));
    let full = v4().option_bytes(&[1; 40]).no_operation();
    assert_eq!(full.build(&mut buffer), Err(Error::OptionsFull { needed: 1, room: 0 }));
    let three_tags = v4().vlan(VlanTag::new(1)).vlan(VlanTag::new(2)).vlan(VlanTag::new(3));
    assert_eq!(
        three_tags.build(&mut buffer),
        Err(Error::ListFull { length: 3, capacity: 2 })
    );
    assert_eq!(
        v4().build(&mut buffer[..53]),
        Err(Error::BufferTooSmall {
            needed: 54,
            available: 53
        })
    );
    let large = [0; 65_535];
    let mut buffer = std::vec![0; 70_000];
    assert_eq!(
        v4().payload(&large).build(&mut buffer),
        Err(Error::PacketTooLarge { length: 65_575 })
    );
}

#[test]
fn a_partial_checksum_is_the_sum_of_the_pseudo_header_and_becomes_right_when_the_rest_is_added() {
    let mut frame = built(&v4().payload(b"odd").checksum(ChecksumMode::Partial));
    let segment = Segment::parse(&frame, LinkType::Ethernet).unwrap();
    assert!(segment.checksum_is_partial() && !segment.checksum_is_valid());
    // What a device does: sum the segment, the partial sum in it included.
    let checksum = checksum::internet(&frame[34..]);
    set_u16_at(&mut frame, 34 + CHECKSUM_OFFSET, checksum);
    assert!(Segment::parse(&frame, LinkType::Ethernet).unwrap().checksum_is_valid());
    let frame = built(&v4().checksum(ChecksumMode::Fixed(0x1234)));
    assert_eq!(
        Segment::parse(&frame, LinkType::Ethernet).unwrap().tcp().checksum(),
        0x1234
    );
}

proptest! {
    #[test]
    fn every_packet_built_parses_to_what_was_asked_with_right_checksums(
        ipv6 in any::<bool>(),
        header in any::<(u32, u32, u16, u16, u8, u8)>(),
        flags in 0_u16..0x1000,
        options in prop::collection::vec(any::<u8>(), 0..=40),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        tags in 0_usize..=2,
    ) {
        let mut builder = if ipv6 { v6() } else { v4() };
        for number in 0..tags {
            builder = builder.vlan(VlanTag::new(number as u16));
        }
        let builder = builder
            .sequence(header.0)
            .acknowledgement(header.1)
            .window(header.2)
            .urgent(header.3)
            .time_to_live(header.4)
            .traffic_class(header.5)
            .flags(Flags::from_bits(flags))
            .option_bytes(&options)
            .payload(&payload);
        let frame = built(&builder);
        let segment = Segment::parse(&frame, LinkType::Ethernet).unwrap();
        prop_assert!(segment.checksum_is_valid());
        if let Network::V4(view) = segment.network() {
            prop_assert!(view.checksum_is_valid());
        }
        let tcp = segment.tcp();
        prop_assert_eq!((tcp.sequence().0, tcp.acknowledgement().0, tcp.window()), (header.0, header.1, header.2));
        prop_assert_eq!((tcp.urgent(), segment.traffic_class(), tcp.flags().bits()), (header.3, header.5, flags));
        prop_assert_eq!(&tcp.option_bytes()[..options.len()], &options[..]);
        prop_assert_eq!(&frame[segment.option_range()], tcp.option_bytes());
        prop_assert_eq!(&frame[segment.payload_range()], &payload[..]);
        prop_assert_eq!(segment.vlan_tags().len(), tags);
    }

    #[test]
    fn no_link_type_panics_on_any_bytes_and_nothing_located_lies_outside_the_frame(frame in prop::collection::vec(any::<u8>(), 0..160)) {
        use LinkType::{Ethernet, LinuxSll, LinuxSll2, Loopback, Ppp, RawIp};
        for link in [Ethernet, RawIp, LinuxSll, LinuxSll2, Loopback, Ppp] {
            check_located(&frame, link);
        }
    }

    #[test]
    fn a_valid_packet_with_any_bytes_changed_never_panics(
        ipv6 in any::<bool>(),
        options in prop::collection::vec(any::<u8>(), 0..=40),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let builder = if ipv6 { v6().extension(extension::ROUTING, &[0; 10]) } else { v4().vlan(VlanTag::new(1)) };
        let mut frame = built(&builder.option_bytes(&options).payload(b"payload"));
        for (place, value) in changes {
            let place = place.index(frame.len());
            frame[place] = value;
        }
        check_located(&frame, LinkType::Ethernet);
        check_located(&frame[..cut.index(frame.len())], LinkType::Ethernet);
    }
}

fn check_located(frame: &[u8], link: LinkType) {
    let Ok(segment) = Segment::parse(frame, link) else {
        return;
    };
    assert_eq!(&frame[segment.option_range()], segment.tcp().option_bytes());
    assert_eq!(&frame[segment.payload_range()], segment.payload());
    assert!(segment.payload_length() >= segment.payload().len());
    let _ = segment.checksum_is_valid();
    for option in segment.options().flatten() {
        assert!(option.offset() + option.bytes().len() <= segment.tcp().option_bytes().len());
    }
    segment.mptcp_options().for_each(|option| {
        let Ok(option) = option else { return };
        let mut buffer = [0; 40];
        let length = option.emit(&mut buffer).unwrap();
        let view = mptcp::View::new_checked(&buffer[..length]).unwrap();
        assert_eq!(mptcp::MptcpOption::parse(&view), Ok(option));
    });
}
