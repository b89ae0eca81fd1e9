//! Two captures that are made up, and the sentences about them.

use super::{ComparisonReport, findings};
use emptcp_trace::Timestamp;
use emptcp_trace::compare::{CompareSettings, Comparison, compare};
use emptcp_trace::source::Packets;
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpCapable, MpJoin};
use mptcp_wire::tcp::Flags;
use mptcp_wire::tcp::option::TcpOption;
use mptcp_wire::{AddressId, Key, LinkType, Nonce, PacketBuilder, Version};

/// What lies between the two points.
#[derive(Clone, Copy)]
struct Between {
    client: &'static str,
    shift: u32,
    keeps_options: bool,
}

const NOTHING: Between = Between {
    client: "10.0.0.1:4000",
    shift: 0,
    keeps_options: true,
};

fn add(to: &mut Packets, milliseconds: i64, packet: &PacketBuilder<'_>) {
    let mut bytes = vec![0; packet.buffer_length()];
    let length = packet.build(&mut bytes).unwrap();
    bytes.truncate(length);
    to.push(Timestamp(milliseconds * 1_000_000), bytes);
}

fn capable(keys: CapableKeys) -> MpCapable {
    MpCapable {
        version: Version::V1,
        flags: CapableFlags::HMAC,
        keys,
    }
}

/// A handshake and three data packets; the second of these is lost once between the points, 10 ms apart.
fn compared(between: Between) -> Comparison {
    let [mut a, mut b] = ["a", "b"].map(|name| Packets::new(name, LinkType::Ethernet));
    for (at_b, capture) in [(false, &mut a), (true, &mut b)] {
        let client = if at_b { between.client } else { NOTHING.client };
        let (client, server) = (client.parse().unwrap(), "10.0.9.9:80".parse().unwrap());
        let shift = if at_b { between.shift } else { 0 };
        let late = if at_b { 10 } else { 0 };
        let mut syn = PacketBuilder::new(client, server)
            .flags(Flags::SYN)
            .sequence(1000_u32.wrapping_add(shift));
        if !at_b || between.keeps_options {
            syn = syn.mptcp(capable(CapableKeys::None));
        }
        add(capture, late, &syn);
        let answer = PacketBuilder::new(server, client)
            .flags(Flags::SYN | Flags::ACK)
            .sequence(5000)
            .acknowledgement(1001_u32.wrapping_add(shift))
            .mptcp(capable(CapableKeys::Sender(Key([9; 8]))));
        add(capture, 30 - late, &answer);
        for (time, sequence, arrives) in [
            (60, 1001, true),
            (61, 1101, false),
            (300, 1101, true),
            (400, 1201, true),
        ] {
            if at_b && !arrives {
                continue;
            }
            let data = PacketBuilder::new(client, server)
                .flags(Flags::ACK)
                .sequence(shift.wrapping_add(sequence))
                .acknowledgement(5001)
                // Copies of the same bytes differ in their timestamps.
                .option(TcpOption::Timestamps {
                    value: time as u32,
                    echo_reply: 0,
                })
                .payload(&[7; 100]);
            add(capture, time + late, &data);
        }
    }
    compare(a, b, CompareSettings::default()).unwrap()
}

#[test]
fn a_removed_option_and_a_lost_copy_are_described_in_sentences() {
    let findings = findings(&compared(Between {
        keeps_options: false,
        ..NOTHING
    }));
    let expected = "The SYN of subflow 0 of connection 0 left the client with MP_CAPABLE (packet 1) and arrived at the server without \
                    it (packet 1): something between removed the option.";
    assert_eq!(findings[0], expected);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[1].starts_with("1 packet of 5 (20.00 %)"), "{findings:?}");
}

#[test]
fn translated_addresses_and_shifted_sequence_numbers_are_described_in_sentences() {
    let findings = findings(&compared(Between {
        client: "192.0.2.7:61000",
        shift: 3_000_000_000,
        ..NOTHING
    }));
    for part in ["translates addresses", "shifted by 3000000000"] {
        assert!(findings.iter().any(|finding| finding.contains(part)), "{findings:?}");
    }
}

#[test]
fn losses_are_called_upper_bounds_when_packets_were_given_up_early() {
    let mut comparison = compared(NOTHING);
    comparison.exceeded = 3;
    let findings = findings(&comparison);
    assert!(
        findings.iter().any(|finding| finding.contains("upper bounds")),
        "{findings:?}"
    );
}

#[test]
fn a_report_is_one_object_that_begins_with_the_findings() {
    let json = serde_json::to_string(&ComparisonReport::from(compared(NOTHING))).unwrap();
    assert!(
        json.starts_with(r#"{"findings":["Nothing was changed on the way"#),
        "{json}"
    );
    assert!(json.contains(r#"],"clock":{"#), "{json}");
}

/// A connection with an initial subflow and a join; each capture has those that `at_a` and `at_b` name.
fn on_paths(at_a: [bool; 2], at_b: [bool; 2], answered: bool) -> Vec<String> {
    let [mut a, mut b] = ["a", "b"].map(|name| Packets::new(name, LinkType::Ethernet));
    let server = "10.0.9.9:80".parse().unwrap();
    let token = mptcp_wire::crypto::derive(Version::V1, Key([9; 8])).token;
    for (has, capture, late) in [(at_a, &mut a, 0), (at_b, &mut b, 10)] {
        for (path, _) in has.into_iter().enumerate().filter(|(_, has)| *has) {
            let client = format!("10.0.{path}.1:4000").parse().unwrap();
            let start = 100 * path as i64;
            let initial = 1000 + 7000 * path as u32;
            let syn = PacketBuilder::new(client, server).flags(Flags::SYN).sequence(initial);
            let syn = match path {
                0 => syn.mptcp(capable(CapableKeys::None)),
                _ => syn.mptcp(MpJoin::Syn {
                    backup: false,
                    address_id: AddressId(1),
                    token,
                    nonce: Nonce(7),
                }),
            };
            add(capture, start + late, &syn);
            let answer = PacketBuilder::new(server, client)
                .flags(Flags::SYN | Flags::ACK)
                .sequence(5000)
                .acknowledgement(initial + 1);
            let answer = match path {
                0 => answer.mptcp(capable(CapableKeys::Sender(Key([9; 8])))),
                _ => answer,
            };
            if path == 0 || answered {
                add(capture, start + 30 - late, &answer);
            }
        }
    }
    findings(&compare(a, b, CompareSettings::default()).unwrap())
}

#[test]
fn a_capture_of_one_path_is_named_and_what_both_have_is_compared() {
    for (at_a, at_b, without, with) in [
        ([true, true], [true, false], "B", "A"),
        ([true, false], [true, true], "A", "B"),
    ] {
        let found = on_paths(at_a, at_b, true);
        let first = format!(
            "{without} does not have subflow 1 (10.0.1.1:4000 to 10.0.9.9:80) of connection 0, of which {with} has packets in \
             both directions: {without} was captured on some of the paths only. Compared is the subflow that both have."
        );
        assert_eq!(found[0], first);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

#[test]
fn an_unanswered_subflow_in_one_capture_has_two_possible_reasons() {
    let found = on_paths([true, true], [true, false], false);
    assert_eq!(
        found[1],
        "Subflow 1 of connection 0 (10.0.1.1:4000 to 10.0.9.9:80) is only in A, from packet 3 on: none of its packets \
         arrived, or B was captured on another path."
    );
}

#[test]
fn captures_of_different_paths_have_nothing_to_compare() {
    let found = on_paths([true, false], [false, true], true);
    let expected = "A and B have different subflows of connection 0: each was captured on another path, so there is nothing to \
                    compare.";
    assert_eq!(found, [expected]);
}
