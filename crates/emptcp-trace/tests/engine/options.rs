//! Options that are missing, malformed, sent back, or about other subflows.

use crate::peers::{Analysed, DOWN, Peers, UP, side};
use emptcp_trace::record::{Answer, Cause, Causes, Certainty, Detail, End, Fallback, Malformed, MarkKind};
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpCapable, MpJoin, MpPrio, MpTcprst, ResetReason};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Version};

const SYN_ACK: fn() -> Flags = || Flags::SYN | Flags::ACK;

fn connected(version: Version) -> Peers {
    let mut peers = Peers::new(version, 1);
    peers.connect();
    peers
}

fn malformed(analysed: &Analysed) -> Vec<(u64, &'static str, Option<u8>, String)> {
    let details = analysed.marks.iter().filter_map(|mark| match &mark.detail {
        Some(Detail::Malformed(Malformed {
            option,
            length,
            expected,
            ..
        })) => Some((mark.packet.0, *option, *length, expected.clone())),
        _ => None,
    });
    details.collect()
}

#[test]
fn a_syn_that_a_reset_answers_was_refused() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn();
    peers.packet(0, DOWN).flags(Flags::RST | Flags::ACK).send();
    let analysed = peers.analysed();
    assert_eq!(
        analysed.evidence(MarkKind::End).causes,
        Causes::of(&[Cause::Refused, Cause::ResetInjected])
    );
    let connection = analysed.only();
    assert_eq!((connection.end, connection.fallback.len()), (End::Refused, 0));
    assert_eq!(connection.subflows[0].answer, Some(Answer::Rst));
}

#[test]
fn a_join_that_a_reset_answers_was_refused_and_the_connection_goes_on() {
    let mut peers = connected(Version::V1);
    let path = peers.path("10.0.2.1:2000", "10.0.1.1:80");
    let token = peers.token(DOWN, Version::V1);
    peers.join_syn(path, UP, token);
    let reset = MpTcprst {
        transient: true,
        reason: ResetReason(3),
    };
    peers
        .packet(path, DOWN)
        .flags(Flags::RST | Flags::ACK)
        .option(reset)
        .send();
    peers.finish(0, 0);
    let connection = peers.connection();
    assert_eq!((connection.end, connection.sf_est), (End::DataFin, 1));
    let subflow = &connection.subflows[1];
    assert_eq!((subflow.answer, subflow.established), (Some(Answer::Rst), false));
    assert_eq!(
        (subflow.rst_transient, subflow.rst_reason),
        (Some(true), Some(ResetReason(3)))
    );
}

#[test]
fn a_syn_ack_with_the_option_of_the_syn_is_no_multipath_tcp() {
    for version in [Version::V0, Version::V1] {
        let mut peers = Peers::new(version, 1);
        peers.syn();
        let option = peers.capable(UP, usize::from(version == Version::V0));
        peers.packet(0, DOWN).flags(SYN_ACK()).option(option).send();
        peers.packet(0, UP).send();
        peers.packet(0, UP).length(3).send();
        let analysed = peers.analysed();
        assert!(malformed(&analysed).is_empty());
        let evidence = analysed.evidence(MarkKind::Fallback);
        assert_eq!(
            (evidence.certainty, evidence.causes),
            (Certainty::Certain, Causes::of(&[Cause::OptionMirrored]))
        );
        let connection = analysed.only();
        assert_eq!(connection.fallback, [Fallback::SynAckMirrored].into());
        assert_eq!(
            (connection.complete, connection.sf_est, connection.tokens[1]),
            (false, 0, None)
        );
    }
}

#[test]
fn a_join_whose_option_comes_back_is_not_established() {
    let mut peers = connected(Version::V1);
    let path = peers.path("10.0.2.1:2000", "10.0.1.1:80");
    let token = peers.token(DOWN, Version::V1);
    peers.join_syn(path, UP, token);
    let option = MpJoin::Syn {
        backup: false,
        address_id: AddressId(path as u8),
        token,
        nonce: peers.paths[path].nonces[side(UP)],
    };
    peers.packet(path, DOWN).flags(SYN_ACK()).option(option).send();
    peers.packet(path, UP).send();
    let subflow = &peers.connection().subflows[1];
    assert_eq!(
        (subflow.answer, subflow.established),
        (Some(Answer::SynAckMirrored), false)
    );
}

#[test]
fn a_join_without_the_proof_is_not_established_until_it_comes() {
    let mut peers = connected(Version::V1);
    let path = peers.path("10.0.2.1:2000", "10.0.1.1:80");
    let token = peers.token(DOWN, Version::V1);
    let keys = [peers.keys[side(DOWN)], peers.keys[side(UP)]];
    peers.join_syn(path, UP, token).join_answer(path, UP, keys);
    let handshake = peers.clone();
    peers.packet(path, UP).send();
    assert!(!peers.connection().subflows[1].established);
    peers.join_proof(path, UP);
    assert!(peers.connection().subflows[1].established);
    // The third ACK is not in the capture: a DSS from the opener shows that the handshake was complete.
    let mut lost = handshake;
    lost.data(path, UP, 0, 100);
    assert!(lost.connection().subflows[1].established);
}

#[test]
fn a_mapping_that_was_not_captured_is_no_fallback() {
    let mut peers = connected(Version::V1);
    peers.data(0, UP, 0, 100);
    // The mapping of 2000 bytes was on the first of two segments, which the capture does not have.
    peers.packet(0, UP).length(1000).start(1101).send();
    peers.acknowledge(0, DOWN, 2100).data(0, UP, 2100, 500);
    let connection = peers.connection();
    assert_eq!(
        (
            connection.fallback.len(),
            connection.unmapped.0,
            connection.not_captured.0
        ),
        (0, [1000, 0], [1000, 0])
    );
}

#[test]
fn a_third_ack_that_was_not_captured_is_no_fallback() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn().syn_ack();
    peers.packet(0, UP).send();
    peers.data(0, UP, 0, 100).acknowledge(0, DOWN, 100);
    let connection = peers.connection();
    assert!(connection.fallback.is_empty() && connection.sf_est == 1);
}

#[test]
fn a_mapping_shorter_than_the_payload_leaves_the_rest_unmapped() {
    let mut peers = connected(Version::V1);
    let option = peers.mapping(UP, 0, 1, 60);
    peers.packet(0, UP).option(option).length(100).send();
    peers.acknowledge(0, DOWN, 60);
    let connection = peers.connection();
    assert_eq!(
        (connection.fallback.len(), connection.unmapped.0, connection.data.0),
        (0, [40, 0], [60, 0])
    );
}

#[test]
fn options_of_one_side_that_stop_are_told_with_the_packet_and_the_side_that_goes_on() {
    for erased in [true, false] {
        let mut peers = connected(Version::V1);
        peers.data(0, UP, 0, 100).acknowledge(0, DOWN, 100);
        for number in 1..6 {
            peers.data(0, UP, number * 100, 100);
            let plain = peers.packet(0, DOWN);
            if erased {
                plain.erased().send()
            } else {
                plain.send()
            };
        }
        let analysed = peers.analysed();
        let stopped = analysed
            .marks
            .iter()
            .find(|mark| mark.kind == MarkKind::OptionsStopped)
            .unwrap();
        assert_eq!((stopped.packet.0, stopped.dir), (7, DOWN));
        assert_eq!(stopped.evidence.certainty == Certainty::Certain, erased);
        assert!(stopped.evidence.causes.contains(Cause::OptionRemoved));
        let one_sided = analysed
            .marks
            .iter()
            .find(|mark| mark.kind == MarkKind::Fallback)
            .unwrap();
        assert_eq!(one_sided.detail, Some(Detail::Fallback(Fallback::OneSided)));
        assert_eq!(one_sided.dir, UP);
    }
}

#[test]
fn acknowledgements_without_options_after_the_end_are_nothing() {
    let mut peers = connected(Version::V1);
    peers.data(0, UP, 0, 100).finish(100, 0);
    peers.packet(0, UP).flags(Flags::FIN | Flags::ACK).send();
    for _ in 0..4 {
        peers.packet(0, DOWN).send();
    }
    let analysed = peers.analysed();
    assert!(analysed.marks(MarkKind::OptionsStopped).is_empty());
    assert!(analysed.only().fallback.is_empty());
}

#[test]
fn a_priority_of_version_0_is_about_the_subflows_of_its_address() {
    let mut peers = connected(Version::V0);
    let path = peers.path("10.0.2.1:2000", "10.0.1.1:80");
    peers.join(path);
    // By the client, on the initial subflow, about its address 1; then about one that has no subflow.
    for id in [1, 5] {
        let option = MpPrio {
            backup: true,
            address_id: Some(AddressId(id)),
        };
        peers.packet(0, UP).option(option).send();
    }
    let analysed = peers.analysed();
    let prio = |sf, other| (sf, UP, 0, other);
    assert_eq!(
        analysed.marks(MarkKind::MpPrio),
        [prio(Some(1), Some(0)), prio(None, Some(0))]
    );
    let connection = analysed.only();
    assert_eq!([0, 1].map(|index| connection.subflows[index].backup), [false, true]);
    assert_eq!(connection.mp_prio.0, [2, 0]);
}

#[test]
fn a_priority_with_an_address_is_not_allowed_in_version_1() {
    let mut peers = connected(Version::V1);
    let option = MpPrio {
        backup: true,
        address_id: Some(AddressId(0)),
    };
    peers.packet(0, UP).option(option).send();
    let analysed = peers.analysed();
    assert_eq!(
        malformed(&analysed),
        [(4, "MP_PRIO", Some(4), "3 in version 1".to_owned())]
    );
    assert!(!analysed.only().subflows[0].backup);
}

#[test]
fn the_form_without_checksum_is_not_allowed_where_checksums_are_required() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.flags = CapableFlags::HMAC | CapableFlags::CHECKSUM_REQUIRED;
    peers.syn().syn_ack();
    let [sender, receiver] = peers.keys;
    let keys = CapableKeys::BothWithData {
        sender,
        receiver,
        data_length: 100,
        checksum: None,
    };
    let option = MpCapable {
        keys,
        ..peers.capable(UP, 2)
    };
    peers.packet(0, UP).option(option).length(100).send();
    peers.data(0, UP, 100, 50);
    let analysed = peers.analysed();
    let required = |length| format!("{length}: checksums are required");
    assert_eq!(
        malformed(&analysed),
        [
            (3, "MP_CAPABLE", Some(22), required(24)),
            (4, "DSS", Some(18), required(20))
        ]
    );
    assert_eq!(analysed.only().malformed_options.0, [2, 0]);
}

#[test]
fn options_in_the_wrong_place_are_told() {
    let mut peers = Peers::new(Version::V1, 1);
    let two = peers.capable(UP, 2);
    peers.packet(0, UP).flags(Flags::SYN).option(two).send();
    let reset = MpTcprst {
        transient: false,
        reason: ResetReason(0),
    };
    peers.packet(0, DOWN).option(reset).send();
    let analysed = peers.analysed();
    let expected = [
        (1, "MP_CAPABLE", Some(20), "4 in a version 1 SYN".to_owned()),
        (2, "MP_TCPRST", Some(4), "a packet with RST".to_owned()),
    ];
    assert_eq!(malformed(&analysed), expected);
    assert_eq!(analysed.only().subflows[0].rst_reason, None);
}
