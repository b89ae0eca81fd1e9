//! The initial subflow, keys, and values derived from them.

use crate::peers::{DOWN, Peers, UP, analyse, at, side};
use emptcp_trace::record::{End, Fallback, Hash, MarkKind};
use emptcp_trace::{Settings, Span};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, MpCapable};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Key, TruncatedHmac, Version, WireDataSequenceNumber};

#[test]
fn a_connection_of_either_version_is_complete_with_its_third_ack() {
    for (version, hash) in [(Version::V0, Hash::Sha1), (Version::V1, Hash::Sha256)] {
        let mut peers = Peers::new(version, 1);
        peers.connect();
        let connection = peers.connection();
        assert!(connection.complete && !connection.partial && !connection.dsn_relative);
        assert_eq!(
            (connection.version, connection.hash, connection.end),
            (version, hash, End::Eot)
        );
        let tokens = [UP, DOWN].map(|way| Some(peers.token(way, version)));
        assert_eq!(connection.tokens, tokens);
        assert_eq!(
            (connection.sf_att, connection.sf_est, connection.sf_max_conc),
            (1, 1, 1)
        );
        assert_eq!((connection.t0, connection.t_end), (at(0), at(2)));
        assert_eq!(connection.subflows[0].hs_rtt, [Some(1.0), Some(1.0)]);
        assert_eq!(connection.options.get("MP_CAPABLE"), Some(&3));
        assert!(connection.fallback.is_empty());
    }
}

#[test]
fn without_a_third_ack_a_connection_is_incomplete() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn().syn_ack();
    let analysed = peers.analysed();
    assert_eq!((analysed.totals.connections, analysed.totals.complete), (1, 0));
    let connection = analysed.only();
    assert!(!connection.complete);
    assert_eq!(connection.sf_est, 0);
    assert_eq!(connection.fallback, [Fallback::Incomplete].into());
}

#[test]
fn a_capture_may_begin_with_the_third_ack() {
    for version in [Version::V0, Version::V1] {
        let mut peers = Peers::new(version, 1);
        peers
            .connect()
            .data(0, UP, 0, 100)
            .data(0, DOWN, 0, 300)
            .finish(100, 300);
        peers.sent.drain(..2);
        let connection = peers.connection();
        assert!(connection.partial && connection.complete, "{connection:?}");
        assert_eq!((connection.data.0, connection.end), ([100, 300], End::DataFin));
        assert_eq!(connection.tokens, [UP, DOWN].map(|way| Some(peers.token(way, version))));
        assert_eq!(connection.subflows[0].hs_rtt, [None, None]);
        assert_eq!(connection.sf_est, 1);
    }
}

#[test]
fn a_syn_that_is_sent_again_is_no_new_connection_and_spoils_the_time_of_the_handshake() {
    let mut peers = Peers::new(Version::V1, 1);
    let capable = peers.capable(UP, 0);
    peers.syn();
    peers.packet(0, UP).flags(Flags::SYN).option(capable).start(0).send();
    peers.syn_ack().third_ack();
    let analysed = peers.analysed();
    assert_eq!(analysed.totals.connections, 1);
    assert_eq!(analysed.marks(MarkKind::SynRetransmission), [(Some(0), UP, 0, None)]);
    let connection = analysed.only();
    assert_eq!(connection.subflows[0].syn_retx, 1);
    assert_eq!(connection.subflows[0].hs_rtt, [None, Some(1.0)]);
    assert_eq!((connection.retx_pkts.total(), connection.pkts.total()), (0, 4));
}

#[test]
fn the_version_is_that_of_the_syn_ack() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn();
    peers.version = Version::V0;
    peers.syn_ack().third_ack();
    let connection = peers.connection();
    assert_eq!((connection.version, connection.hash), (Version::V0, Hash::Sha1));
    assert_eq!(
        connection.tokens,
        [UP, DOWN].map(|way| Some(peers.token(way, Version::V0)))
    );
}

#[test]
fn flags_of_either_side_count() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.syn();
    peers.flags = CapableFlags::HMAC | CapableFlags::CHECKSUM_REQUIRED | CapableFlags::NO_JOIN_TO_THIS_ADDRESS;
    peers.syn_ack().third_ack();
    let connection = peers.connection();
    assert!(connection.flag_a && connection.flag_c);
}

#[test]
fn the_first_key_counts_and_a_second_is_reported() {
    let mut peers = Peers::new(Version::V0, 1);
    let expected = [UP, DOWN].map(|way| Some(peers.token(way, Version::V0)));
    peers.connect();
    peers.keys[side(UP)] = Key([7; 8]);
    peers.third_ack();
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::KeyChanged).len(), 1);
    let connection = analysed.only();
    assert_eq!(connection.tokens, expected);
    assert!(connection.events.contains(&MarkKind::KeyChanged));
}

#[test]
fn data_in_the_syn_is_the_first_of_the_connection() {
    for version in [Version::V0, Version::V1] {
        let mut peers = Peers::new(version, 1);
        let option = peers.capable(UP, usize::from(version == Version::V0));
        peers.packet(0, UP).flags(Flags::SYN).option(option).length(50).send();
        peers.syn_ack().third_ack().data(0, UP, 50, 100).finish(150, 0);
        let connection = peers.connection();
        assert_eq!(
            (connection.data.0, connection.unmapped.0),
            ([150, 0], [0, 0]),
            "{version:?}"
        );
        assert_eq!(connection.end, End::DataFin);
        assert_eq!(connection.dacked.0, [151, 1]);
    }
}

#[test]
fn a_third_ack_with_data_maps_it_itself() {
    for checksum in [None, Some(0)] {
        let mut peers = Peers::new(Version::V1, 1);
        peers.syn().syn_ack();
        let option = MpCapable {
            keys: CapableKeys::BothWithData {
                sender: peers.keys[0],
                receiver: peers.keys[1],
                data_length: 80,
                checksum,
            },
            ..peers.capable(UP, 2)
        };
        peers.packet(0, UP).option(option).length(80).send();
        peers.acknowledge(0, DOWN, 80).data(0, UP, 80, 20).finish(100, 0);
        let connection = peers.connection();
        assert!(connection.complete);
        assert_eq!((connection.data.0, connection.unmapped.0), ([100, 0], [0, 0]));
        assert_eq!((connection.end, connection.sf_est), (End::DataFin, 1));
        assert_eq!(connection.retx.total() + connection.same_dsn.total(), 0);
    }
}

#[test]
fn ports_that_are_used_again_make_a_new_connection() {
    let mut first = Peers::new(Version::V1, 1);
    first.connect().data(0, UP, 0, 100);
    let mut second = Peers::new(Version::V1, 1);
    second.keys = [Key([50; 8]), Key([51; 8])];
    second.paths[0].isn = [77, 88];
    second.at(1000).connect().data(0, UP, 0, 30).finish(30, 0);
    let analysed = analyse(&[&first, &second], Settings::default());
    let data: Vec<_> = analysed
        .connections
        .iter()
        .map(|connection| connection.data[UP])
        .collect();
    let mut ends: Vec<_> = analysed
        .connections
        .iter()
        .map(|connection| (connection.conn_id.0, connection.end))
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, [(0, End::Eot), (1, End::DataFin)]);
    assert_eq!(data.iter().sum::<u64>(), 130);
}

#[test]
fn version_1_with_the_hash_of_version_0_shows_by_the_first_data() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    // Numbers by SHA-1 from now on.
    peers.version = Version::V0;
    peers.data(0, UP, 0, 100).data(0, DOWN, 0, 40).finish(100, 40);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::V1WithSha1).len(), 1);
    let connection = analysed.only();
    assert_eq!((connection.version, connection.hash), (Version::V1, Hash::Sha1));
    assert_eq!((connection.data.0, connection.dacked.0), ([100, 40], [101, 41]));
    assert_eq!(connection.loss.total(), 0);
}

#[test]
fn without_a_key_numbers_count_from_the_first() {
    // The SYN+ACK, with the key of the server, and the third ACK are missing.
    let mut peers = Peers::new(Version::V1, 1);
    peers
        .syn()
        .syn_ack()
        .third_ack()
        .data(0, DOWN, 500, 100)
        .data(0, DOWN, 600, 100);
    peers.acknowledge(0, UP, 700);
    peers.sent.drain(1..3);
    let connection = peers.connection();
    assert!(connection.dsn_relative && !connection.complete);
    assert_eq!(connection.data.0, [0, 200]);
    assert_eq!((connection.dacked.0, connection.loss.0), ([0, 200], [0, 0]));
}

#[test]
fn lengths_that_the_ip_header_leaves_unset_are_those_of_the_frame() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    let option = peers.mapping(DOWN, 0, 1, 40_000);
    peers
        .packet(0, DOWN)
        .option(option)
        .length(40_000)
        .unset_length()
        .send();
    peers.acknowledge(0, UP, 40_000).finish(0, 40_000);
    let connection = peers.connection();
    assert_eq!((connection.data.0, connection.end), ([0, 40_000], End::DataFin));
}

#[test]
fn announced_addresses_are_counted_with_their_echoes_and_wrong_hmacs_reported() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect().data(0, UP, 0, 10);
    let announced = |form| AddAddr {
        address_id: AddressId(3),
        address: "10.0.9.9".parse().unwrap(),
        port: None,
        form,
    };
    peers
        .packet(0, DOWN)
        .option(announced(AddAddrForm::Announcement(TruncatedHmac(1))))
        .send();
    peers.packet(0, UP).option(announced(AddAddrForm::Echo)).send();
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::WrongHmac).len(), 1);
    let connection = analysed.only();
    assert_eq!((connection.add_addr.0, connection.add_addr_echo.0), ([0, 1], [0, 1]));
    assert_eq!(connection.add_addr_joined.0, [0, 0]);
}

#[test]
fn what_is_never_acknowledged_in_the_capture_is_a_stall_when_it_is_at_last() {
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect().data(0, DOWN, 0, 100).at(3003).acknowledge(0, UP, 100);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::Stall), [(Some(0), DOWN, 100, None)]);
    assert_eq!(analysed.only().longest_stall[DOWN], Span::from_seconds(3));
}

#[test]
fn short_numbers_are_extended_and_may_wrap() {
    // A key whose first number has only a few below the next multiple of 2^32 would be luck: the data is that long.
    let mut peers = Peers::new(Version::V1, 1);
    peers.connect();
    let low = u64::from(peers.number(DOWN, 0).low());
    let before = (1_u64 << 32) - low - 50;
    // Up to there by one jump that the capture has lost, just below the limit of plausible jumps.
    let mut sent = 0;
    for offset in [0, before] {
        let mut option = peers.mapping(DOWN, offset, peers.paths[0].next[1], 100);
        if let Some(mapping) = &mut option.mapping {
            mapping.data_sequence = match offset {
                0 => mapping.data_sequence,
                _ => WireDataSequenceNumber::Long(peers.number(DOWN, offset).0),
            };
        }
        peers.packet(0, DOWN).option(option).length(100).send();
        sent += 100;
    }
    // From here on only 32 bits travel, and they have wrapped.
    let mut option = peers.mapping(DOWN, before + 100, peers.paths[0].next[1], 100);
    if let Some(mapping) = &mut option.mapping {
        mapping.data_sequence = WireDataSequenceNumber::Short(peers.number(DOWN, before + 100).low());
    }
    peers.packet(0, DOWN).option(option).length(100).send();
    sent += 100;
    let option = Dss {
        data_ack: Some(WireDataSequenceNumber::Short(peers.number(DOWN, before + 200).low())),
        mapping: None,
        data_fin: false,
    };
    peers.packet(0, UP).option(option).send();
    let connection = peers.connection();
    assert_eq!(connection.data[DOWN], sent);
    assert_eq!(connection.dacked[DOWN], before + 200);
    assert_eq!(connection.loss[DOWN], before + 200 - sent);
    assert!(connection.lossy_capture && connection.is_lower_bound());
}
