//! A packet built from any values parses to these values, with right checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mptcp_wire::ethernet::VlanTag;
use mptcp_wire::tcp::Flags;
use mptcp_wire::{LinkType, PacketBuilder, Segment};
use std::net::{IpAddr, SocketAddr};

fuzz_target!(|input: (bool, [u8; 16], [u8; 16], [u16; 4], [u32; 2], u8, &[u8])| {
    let (ipv6, source, destination, words, numbers, shape, rest) = input;
    let address = |bytes: [u8; 16]| match ipv6 {
        true => IpAddr::from(bytes),
        false => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
    };
    let from = SocketAddr::new(address(source), words[0]);
    let to = SocketAddr::new(address(destination), words[1]);
    let (options, payload) = rest.split_at(rest.len().min(usize::from(shape) % 41));
    let mut builder = PacketBuilder::new(from, to);
    for _ in 0..shape % 3 {
        builder = builder.vlan(VlanTag::new(words[3]));
    }
    let builder = builder
        .sequence(numbers[0])
        .acknowledgement(numbers[1])
        .window(words[2])
        .flags(Flags::from_bits(words[3]))
        .option_bytes(options)
        .payload(payload);
    let mut frame = vec![0; builder.buffer_length()];
    if builder.build(&mut frame).is_err() {
        assert!(frame.len() > 65_535, "only a packet that is too large cannot be built");
        return;
    }
    let segment = Segment::parse(&frame, LinkType::Ethernet).expect("what was built parses");
    assert!(segment.checksum_is_valid());
    assert_eq!((segment.source(), segment.destination()), (from, to));
    assert_eq!(
        (segment.tcp().sequence().0, segment.tcp().acknowledgement().0),
        (numbers[0], numbers[1])
    );
    assert_eq!(segment.tcp().flags(), Flags::from_bits(words[3]));
    assert_eq!(&segment.tcp().option_bytes()[..options.len()], options);
    assert_eq!(segment.payload(), payload);
});
