//! Any bytes as a frame of any link type, with tunnels and without: everything located is inside the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mptcp_wire::{LinkType, Segment};

const LINKS: [LinkType; 9] = [
    LinkType::Ethernet,
    LinkType::RawIp,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Loopback,
    LinkType::Ppp,
    LinkType::Ieee80211,
    LinkType::Radiotap,
    LinkType::Erf,
];

fuzz_target!(|input: &[u8]| {
    let Some((choice, frame)) = input.split_first() else {
        return;
    };
    let link = LINKS[usize::from(*choice) % LINKS.len()];
    let outer = Segment::parse(frame, link);
    let Ok(segment) = Segment::parse_innermost(frame, link) else {
        assert!(outer.is_err());
        return;
    };
    if let Ok(outer) = outer {
        assert_eq!(outer.transport_offset(), segment.transport_offset());
    }
    assert_eq!(&frame[segment.option_range()], segment.tcp().option_bytes());
    assert_eq!(&frame[segment.payload_range()], segment.payload());
    assert!(segment.option_range().end <= segment.payload_range().start);
    assert!(segment.payload_length() >= segment.payload().len());
    let _ = (
        segment.checksum_is_valid(),
        segment.checksum_is_partial(),
        segment.is_pure_ack(),
    );
    let _ = (
        segment.source(),
        segment.destination(),
        segment.traffic_class(),
        segment.link_header(),
        segment.encapsulations().iter().count(),
    );
    for option in segment.mptcp_options().flatten() {
        let _ = option.subtype();
    }
});
