//! Tags, labels and tunnels of every kind around IPv4 and IPv6: what is found inside is what was put in, and what
//! tshark finds.

use crate::tshark_agreement::compare_all;
use crate::wrap::{WAYS, ip4, pcap};
use mptcp_wire::encapsulation::Encapsulation;
use mptcp_wire::tcp::{Flags, TcpOption};
use mptcp_wire::{Error, Key, LinkType, PacketBuilder, Segment, UnknownLink, Version, mptcp};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Inner packets of IPv4 and IPv6: a SYN with MP_CAPABLE, and data with DSS.
fn packets() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for [source, destination] in [["10.1.0.1:4000", "10.1.0.2:80"], ["[fd00::1]:4000", "[fd00::2]:80"]] {
        let new = || PacketBuilder::new(source.parse().unwrap(), destination.parse().unwrap()).raw_ip();
        let syn = new()
            .flags(Flags::SYN)
            .sequence(7)
            .option(TcpOption::MaximumSegmentSize(1300));
        let capable = mptcp::MpCapable {
            version: Version::V1,
            flags: mptcp::CapableFlags::HMAC,
            keys: mptcp::CapableKeys::Both {
                sender: Key([1; 8]),
                receiver: Key([2; 8]),
            },
        };
        let data = new()
            .flags(Flags::ACK | Flags::PSH)
            .sequence(8)
            .acknowledgement(9)
            .mptcp(capable)
            .payload(b"twelve bytes");
        for builder in [syn, data] {
            let mut bytes = vec![0; builder.buffer_length()];
            builder.build(&mut bytes).unwrap();
            packets.push(bytes);
        }
    }
    packets
}

fn link(number: u32) -> LinkType {
    LinkType::from_pcap(number).unwrap()
}

#[test]
fn the_segment_inside_is_the_one_that_was_put_in() {
    for way in WAYS {
        for ip in packets() {
            let frame = (way.wrap)(&ip);
            let inner = Segment::parse(&ip, LinkType::RawIp).unwrap();
            let found = Segment::parse_innermost(&frame, link(way.link)).unwrap_or_else(|error| {
                panic!("{}: {error}", way.name);
            });
            assert_eq!(found.tcp().bytes(), inner.tcp().bytes(), "{}", way.name);
            assert_eq!(found.addresses(), inner.addresses(), "{}", way.name);
            assert_eq!(found.network_offset(), frame.len() - ip.len(), "{}", way.name);
            assert_eq!(&frame[found.payload_range()], inner.payload(), "{}", way.name);
            assert!(found.checksum_is_valid() && !found.is_truncated(), "{}", way.name);
        }
    }
}

#[test]
fn the_kinds_around_it_are_told() {
    use Encapsulation::*;
    let ip = &packets()[1];
    let kinds: BTreeMap<_, Vec<_>> = WAYS
        .iter()
        .map(|way| {
            let frame = (way.wrap)(ip);
            let segment = Segment::parse_innermost(&frame, link(way.link)).unwrap();
            (way.name, segment.encapsulations().iter().collect())
        })
        .collect();
    for (name, expected) in [
        ("no tag", vec![]),
        ("802.1Q", vec![Vlan]),
        ("4 tags", vec![Vlan]),
        ("802.3 with SNAP", vec![]),
        ("MPLS in a tag", vec![Vlan, Mpls]),
        ("PPPoE", vec![Pppoe]),
        ("IP in IPv6", vec![IpInIp]),
        ("Ethernet in GRE", vec![Vlan, Gre]),
        ("VXLAN in GRE in MPLS", vec![Mpls, Gre, Vxlan]),
        ("Geneve with options", vec![Geneve]),
        ("GTP-U", vec![GtpU]),
        ("ERF with an extension header and a tag", vec![Vlan]),
    ] {
        assert_eq!(kinds[name], expected, "{name}");
    }
}

#[test]
fn a_frame_that_is_cut_anywhere_gives_an_error_or_the_same_segment() {
    for way in WAYS {
        for ip in packets() {
            let frame = (way.wrap)(&ip);
            let whole = Segment::parse_innermost(&frame, link(way.link)).unwrap();
            for end in 0..frame.len() {
                if let Ok(cut) = Segment::parse_innermost(&frame[..end], link(way.link)) {
                    assert_eq!(cut.source(), whole.source(), "{} cut at {end}", way.name);
                    assert_eq!(
                        cut.payload_length(),
                        whole.payload_length(),
                        "{} cut at {end}",
                        way.name
                    );
                }
            }
        }
    }
}

#[test]
fn headers_around_each_other_have_a_bound() {
    let mut frame = packets()[0].clone();
    for _ in 0..12 {
        frame = ip4(4, &frame);
    }
    assert!(Segment::parse_innermost(&frame, LinkType::RawIp).is_ok());
    for _ in 0..12 {
        frame = ip4(4, &frame);
    }
    let error = Segment::parse_innermost(&frame, LinkType::RawIp).unwrap_err();
    assert_eq!(error, Error::TooDeep { most: 16 });
}

#[test]
fn a_link_type_that_is_not_read_has_its_number_and_its_name() {
    assert_eq!(LinkType::from_pcap(189), None);
    assert_eq!(UnknownLink(189).to_string(), "189 (Linux USB)");
    assert_eq!(UnknownLink(9999).to_string(), "9999");
    for number in 0..300 {
        assert!(
            LinkType::from_pcap(number).is_none() || UnknownLink(number).name().is_none(),
            "{number}"
        );
    }
}

#[test]
fn every_kind_agrees_with_tshark() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for way in WAYS {
        let frames = packets().into_iter().map(|ip| (way.wrap)(&ip));
        files.entry(way.link).or_default().extend(frames);
    }
    let total = files.values().map(Vec::len).sum();
    let written = files.into_iter().map(|(link, frames)| {
        let path = folder.path().join(format!("{link}.pcap"));
        std::fs::write(&path, pcap(link, &frames)).unwrap();
        path
    });
    compare_all(&written.collect::<Vec<_>>(), total);
}

#[test]
fn every_packet_of_the_shared_captures_of_link_types_agrees_with_tshark() {
    let Some(mut captures) = crate::common::shared("cases/trace") else {
        return;
    };
    captures.retain(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("lt_"))
    });
    compare_all(&captures, 8 * 19);
}

proptest! {
    #[test]
    fn any_bytes_in_the_headers_are_survived(
        which in 0..WAYS.len(),
        version in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let way = &WAYS[which];
        let mut frame = (way.wrap)(&packets()[version]);
        for (index, value) in changes {
            let at = index.index(frame.len());
            frame[at] = value;
        }
        for end in [frame.len(), cut.index(frame.len())] {
            if let Ok(segment) = Segment::parse_innermost(&frame[..end], link(way.link)) {
                prop_assert_eq!(&frame[segment.payload_range()], segment.payload());
                prop_assert_eq!(&frame[segment.option_range()], segment.tcp().option_bytes());
                prop_assert!(segment.payload_length() >= segment.payload().len());
                prop_assert!(segment.link_header().len() == segment.network_offset());
            }
        }
    }
}
