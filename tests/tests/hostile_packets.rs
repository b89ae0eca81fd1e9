//! Invalid packets: they pass unchanged, unless a policy may act on them, and cause no fault.

use emptcp_packet::{require, testing::is_root, testrun::Verdict};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet, hex},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone, direction, policy},
};
use mptcp_wire::{LinkType, Segment, Version, tcp::Flags};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    net::SocketAddr,
};

const HOOKS: [Hook; 3] = [Hook::TcIngress, Hook::TcEgress, Hook::Xdp];

/// All actors that edit, in one chain, for every packet of a subflow.
fn editors(hook: Hook) -> String {
    let mut actors = vec![
        "set_backup",
        "rate_limit rate=80kbit mode=window ramp=no",
        "hold_add_addr",
    ];
    if hook != Hook::Xdp {
        actors.push("mark dscp=46 fwmark=9");
    }
    let selectors =
        "(packet is ack or packet is syn|rst|fin or not packet has dss) and (dsn in +0..+1 or not dsn in +0..+1)";
    policy("edit", direction(hook), selectors, &actors)
}

/// A place with an established connection of two subflows, in each IP version.
fn established(hook: Hook) -> (Place, Vec<Hosts>) {
    let mut place = Place::new(
        hook,
        Peer::Client,
        &policy("none", direction(hook), "ip.src == 192.0.2.255", &["count"]),
    );
    let mut all = vec![Hosts::new(4, Version::V1), Hosts::new(6, Version::V0)];
    for hosts in &mut all {
        for subflow in 0..2 {
            for packet in hosts.handshake(subflow) {
                place.send(hosts, &packet);
            }
        }
    }
    place.switch(&editors(hook));
    (place, all)
}

fn test(body: impl FnOnce() + Send) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(body);
}

/// The packet must pass, bit for bit.
fn untouched(place: &Place, frame: &[u8], what: &str) {
    let Some(output) = place.any_frame(Peer::Client, frame) else {
        return;
    };
    assert_eq!(
        output.verdict,
        Verdict::Pass,
        "{what} at {:?}: {frame:02x?}",
        place.hook
    );
    assert!(
        output.packet == frame,
        "{what} at {:?} was changed:\n{frame:02x?}\n{:02x?}",
        place.hook,
        output.packet
    );
    assert_eq!(place.core()["chain_broken"], 0, "{what}");
}

/// Packets of an established subflow in many shapes.
fn shapes(hosts: &mut Hosts) -> Vec<(Packet, Vec<u8>)> {
    let packet = |is| Packet::new(Peer::Client, is);
    let mut shapes = vec![
        packet(Kind::Ack),
        packet(Kind::Ack).with(&[]),
        packet(Kind::Data),
        packet(Kind::Data).with(&[
            "nop",
            "nop",
            "timestamps",
            "dss ack64 map",
            "nop",
            "nop",
            "nop",
            "nop",
            "nop",
            "nop",
        ]),
        packet(Kind::Ack).with(&["nop", "dss ack", "nop", "mp_prio backup"]),
        packet(Kind::Ack).with(&["add_addr 4 2001:db8::9 80"]),
        packet(Kind::Ack).with(&["nop", "nop", "timestamps", "sack 3"]),
        packet(Kind::Fin).payload(10),
        packet(Kind::Syn),
        packet(Kind::Syn).on(1),
        packet(Kind::ThirdAck),
        packet(Kind::ThirdAck).on(1),
    ];
    for at in 0..3 {
        let mut tagged = shapes[at].clone();
        tagged.vlan = vec![5];
        shapes.push(tagged.clone());
        tagged.vlan = vec![5, 6];
        tagged.ip_options = "94040000010101".to_owned();
        tagged.extensions = vec![0, 43, 60];
        shapes.push(tagged);
    }
    shapes
        .into_iter()
        .map(|shape| {
            let frame = shape.clone().sequence(-1).build(hosts);
            (shape, frame)
        })
        .collect()
}

#[test]
fn a_packet_cut_off_anywhere_passes_bit_for_bit() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                for (shape, frame) in shapes(hosts) {
                    for length in 15..frame.len() {
                        untouched(&place, &frame[..length], &format!("{length} bytes of {shape:?}"));
                    }
                }
            }
        }
    });
}

#[test]
fn fragments_pass_bit_for_bit_first_and_later() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                for offset in [0, 8, 16, 1480, 65_528] {
                    for mut packet in [
                        Packet::new(Peer::Client, Kind::Ack),
                        Packet::new(Peer::Client, Kind::Data),
                    ] {
                        packet.fragment = Some(offset);
                        let before = place.core()["fragment"];
                        untouched(&place, &packet.build(hosts), "a fragment");
                        assert_eq!(place.core()["fragment"], before + 1);
                    }
                }
                // Offset and "more fragments" both set; "don't fragment" alone is not a fragment and not tested here.
                if hosts.subflows[0].ends[0].is_ipv4() {
                    let mut frame = Packet::new(Peer::Client, Kind::Ack).build(hosts);
                    for bits in [[0x20, 0x00], [0x3f, 0xff], [0x00, 0x01], [0x60, 0x00], [0x40, 0x01]] {
                        frame[20..22].copy_from_slice(&bits);
                        untouched(&place, &frame, "fragment bits");
                    }
                }
            }
        }
    });
}

#[test]
fn data_offsets_that_cannot_be_pass_bit_for_bit() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                for offset in (0..5).chain(11..16) {
                    let mut packet = Packet::new(Peer::Client, Kind::Ack);
                    packet.patch = vec![(12, format!("{offset:x}0"))];
                    let before = place.core()["malformed"];
                    untouched(&place, &packet.build(hosts), &format!("data offset {offset}"));
                    assert_eq!(place.core()["malformed"], before + 1, "data offset {offset}");
                }
            }
        }
    });
}

#[test]
fn option_lengths_0_and_1_and_past_the_header_never_let_an_option_be_added() {
    test(|| {
        for hook in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp] {
            let mut place = established(hook).0;
            place.switch(&policy(
                "edit",
                direction(hook),
                "",
                &["set_backup times=1000", "hold_add_addr"],
            ));
            let mut all = [Hosts::new(4, Version::V1), Hosts::new(6, Version::V0)];
            for hosts in &mut all {
                for kind in [2, 3, 5, 8, 30, 77, 253, 255] {
                    for length in [0, 1, 5, 6, 13, 40, 255] {
                        let broken = format!("hex {kind:02x}{length:02x}0000");
                        untouched(
                            &place,
                            &Packet::new(Peer::Client, Kind::Ack)
                                .with(&["dss ack", &broken])
                                .build(hosts),
                            &broken,
                        );
                    }
                    let last = format!("hex 010101{kind:02x}");
                    untouched(
                        &place,
                        &Packet::new(Peer::Client, Kind::Ack)
                            .with(&["dss ack", &last])
                            .build(hosts),
                        &last,
                    );
                }
            }
        }
    });
}

#[test]
fn wrong_version_nibbles_and_other_protocols_pass_bit_for_bit() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                let frame = Packet::new(Peer::Client, Kind::Ack).build(hosts);
                let is_v4 = hosts.subflows[0].ends[0].is_ipv4();
                for nibble in (0..16_u8).filter(|&nibble| nibble != if is_v4 { 4 } else { 6 }) {
                    let mut frame = frame.clone();
                    frame[14] = nibble << 4 | frame[14] & 15;
                    untouched(&place, &frame, &format!("version {nibble}"));
                }
                for header in 0..5_u8 {
                    let mut frame = frame.clone();
                    frame[14] = frame[14] & 0xf0 | header;
                    if is_v4 {
                        untouched(&place, &frame, &format!("header length {header}"));
                    }
                }
                for protocol in (0..=255_u8).filter(|&protocol| protocol != 6) {
                    let mut frame = frame.clone();
                    frame[if is_v4 { 23 } else { 20 }] = protocol;
                    untouched(&place, &frame, &format!("protocol {protocol}"));
                }
                for ether_type in [
                    0x0000_u16,
                    0x05dc,
                    0x0806,
                    0x8100,
                    0x88a8,
                    0x8847,
                    0x8863,
                    0x8864,
                    if is_v4 { 0x86dd } else { 0x0800 },
                ] {
                    let mut frame = frame.clone();
                    frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
                    untouched(&place, &frame, &format!("EtherType {ether_type:#06x}"));
                }
            }
        }
    });
}

#[test]
fn tunnels_are_not_looked_into() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                let inner = Packet::new(Peer::Client, Kind::Ack).build(hosts);
                for (protocol, header) in [
                    (4_u8, ""),
                    (41, ""),
                    (47, "00000800"),
                    (17, "0868086800480000 3000000000000001"),
                    (17, "12b512b5005a0000 0800000000000100"),
                ] {
                    let mut payload = hex(header);
                    payload.extend(&inner[14..]);
                    let mut frame = hex("020000000002 020000000001 0800 45000000 00004000 40000000 c6336411 c6336412");
                    frame[23] = protocol;
                    let total = (20 + payload.len()) as u16;
                    frame[16..18].copy_from_slice(&total.to_be_bytes());
                    frame.extend(&payload);
                    untouched(&place, &frame, &format!("protocol {protocol}"));
                }
            }
        }
    });
}

#[test]
fn ipv6_extension_chains_that_are_too_long_or_lie_pass_bit_for_bit() {
    test(|| {
        for hook in HOOKS {
            let (place, _) = established(hook);
            let mut hosts = Hosts::new(6, Version::V0);
            let plain = Packet::new(Peer::Client, Kind::Ack).build(&mut hosts);
            let (head, tcp) = plain.split_at(54);
            for headers in [
                vec![(60_u8, 0_u8); 7],
                vec![(0, 0); 12],
                vec![(60, 255)],
                vec![(43, 60)],
                vec![(51, 255)],
                vec![(0, 1)],
                vec![(135, 0)],
                vec![(59, 0)],
                vec![(44, 0)],
                vec![(60, 0), (44, 0), (60, 0)],
            ] {
                let mut frame = head.to_vec();
                frame[20] = headers[0].0;
                let nexts = headers.iter().skip(1).map(|header| header.0).chain([6]);
                for (&(_, length), next) in headers.iter().zip(nexts) {
                    frame.extend([next, length, 0, 0, 0, 0, 0, 0]);
                }
                frame.extend(tcp);
                let payload = (frame.len() - 54) as u16;
                frame[18..20].copy_from_slice(&payload.to_be_bytes());
                untouched(&place, &frame, &format!("{headers:?}"));
            }
        }
    });
}

#[test]
fn ip_lengths_that_lie_pass_bit_for_bit() {
    test(|| {
        for hook in HOOKS {
            let (place, mut all) = established(hook);
            for hosts in &mut all {
                let frame = Packet::new(Peer::Client, Kind::Ack).build(hosts);
                let is_v4 = hosts.subflows[0].ends[0].is_ipv4();
                let (field, right) = if is_v4 {
                    (16, frame.len() - 14)
                } else {
                    (18, frame.len() - 54)
                };
                let shortest = if is_v4 { 20 + 40 } else { 40 };
                for length in (1..shortest).chain(right + 1..right + 20).chain([65_535]) {
                    let mut frame = frame.clone();
                    frame[field..field + 2].copy_from_slice(&(length as u16).to_be_bytes());
                    untouched(&place, &frame, &format!("length {length} for {right}"));
                }
            }
        }
    });
}

/// A packet that makes another record: from then on policies may act on its addresses and ports.
fn opens(frame: &[u8]) -> Option<[SocketAddr; 2]> {
    let segment = Segment::parse(frame, LinkType::Ethernet).ok()?;
    let opens = segment
        .options()
        .flatten()
        .filter(|option| option.kind() == 30)
        .any(|option| match *option.bytes() {
            [_, _, subtype, ..] if subtype >> 4 < 2 => segment.tcp().flags().contains(Flags::SYN),
            [_, _, subtype, flags, ..] if subtype >> 4 == 2 => flags & 4 != 0 && segment.payload_length() > 0,
            _ => false,
        });
    opens.then(|| [segment.source(), segment.destination()])
}

/// Checks the changes that the chain of editing actors may make.
fn check_edit(
    place: &Place,
    known: &HashSet<[SocketAddr; 2]>,
    frame: &[u8],
    output: &[u8],
) -> Result<(), TestCaseError> {
    let Ok(before) = Segment::parse(frame, LinkType::Ethernet) else {
        return Err(TestCaseError::fail("a packet that is not a TCP segment was changed"));
    };
    let ends = [before.source(), before.destination()];
    prop_assert!(
        known.contains(&ends),
        "a packet of an unknown subflow was changed: {ends:?}"
    );
    let after = Segment::parse(output, LinkType::Ethernet).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!([after.source(), after.destination()], ends);
    prop_assert_eq!(after.payload(), before.payload(), "payload");
    prop_assert_eq!(after.link_header(), before.link_header());
    let options = [before.tcp().option_bytes(), after.tcp().option_bytes()];
    prop_assert!(options[1].starts_with(options[0]), "options that were there");
    let more = &options[1][options[0].len()..];
    prop_assert!(
        more.is_empty() || more == [30, 3, 0x51, 1] && before.is_pure_ack(),
        "options added: {:?}",
        more
    );
    prop_assert!(after.tcp().window() <= before.tcp().window(), "a window was raised");
    let numbers = |segment: &Segment<'_>| {
        (
            segment.tcp().sequence(),
            segment.tcp().acknowledgement(),
            segment.tcp().flags(),
            segment.tcp().urgent(),
        )
    };
    prop_assert_eq!(numbers(&after), numbers(&before));
    prop_assert_eq!(after.traffic_class() & 3, before.traffic_class() & 3);
    if before.checksum_is_valid() {
        prop_assert!(after.checksum_is_valid(), "a checksum that was right is wrong");
    }
    prop_assert!(
        place.hook == Hook::Xdp
            || !before.checksum_is_partial()
            || before.checksum_is_valid()
            || !after.checksum_is_valid()
    );
    Ok(())
}

/// A packet and its mutations: overwritten bytes, truncation, extension.
#[derive(Clone, Debug)]
struct Mutation {
    shape: usize,
    ip: usize,
    bytes: Vec<(prop::sample::Index, u8)>,
    headers_only: bool,
    cut: Option<prop::sample::Index>,
    tail: Vec<u8>,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    (
        0_usize..64,
        0_usize..2,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        any::<bool>(),
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
        prop::collection::vec(any::<u8>(), 0..4),
    )
        .prop_map(|(shape, ip, bytes, headers_only, cut, tail)| Mutation {
            shape,
            ip,
            bytes,
            headers_only,
            cut,
            tail,
        })
}

#[test]
fn tens_of_thousands_of_mutated_packets_are_untouched_or_rightly_edited() {
    test(|| {
        for (hook, seed) in HOOKS.into_iter().zip([1_u8, 2, 3]) {
            let (place, mut all) = established(hook);
            let known: RefCell<HashSet<_>> = all
                .iter()
                .flat_map(|hosts| hosts.subflows.iter().map(|subflow| subflow.ends))
                .collect::<HashSet<_>>()
                .into();
            let frames: Vec<Vec<_>> = all.iter_mut().map(shapes).collect();
            let config = Config {
                cases: 12_000,
                failure_persistence: None,
                ..Config::default()
            };
            let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
            let edited = Cell::new(0_u32);
            let result = TestRunner::new_with_rng(config, random).run(&mutation(), |mutation| {
                let frames = &frames[mutation.ip];
                let mut frame = frames[mutation.shape % frames.len()].1.clone();
                for (place, value) in &mutation.bytes {
                    // Half of the time only after the addresses, so that the subflow is still known.
                    let first = if mutation.headers_only { 14 } else { 34 };
                    let at = first + place.index(frame.len() - first);
                    frame[at] = *value;
                }
                if let Some(cut) = mutation.cut {
                    frame.truncate(15 + cut.index(frame.len() - 15));
                }
                frame.extend(&mutation.tail);
                known.borrow_mut().extend(opens(&frame));
                let Some(output) = place.any_frame(Peer::Client, &frame) else {
                    return Ok(());
                };
                prop_assert!(
                    matches!(output.verdict, Verdict::Pass | Verdict::Drop),
                    "{:?}",
                    output.verdict
                );
                if output.verdict == Verdict::Drop || output.packet != frame {
                    edited.set(edited.get() + 1);
                    let packet = if output.verdict == Verdict::Drop {
                        &frame
                    } else {
                        &output.packet
                    };
                    check_edit(&place, &known.borrow(), &frame, packet)?;
                }
                Ok(())
            });
            if let Err(error) = result {
                panic!("{hook:?}: {error}");
            }
            assert!(
                edited.get() > 500,
                "only {} packets were edited: too few for this test",
                edited.get()
            );
            assert_eq!(place.core()["chain_broken"], 0);
        }
    });
}
