//! Joins, and their connections.

use crate::peers::{DOWN, Peers, UP, analyse, at, side};
use emptcp_trace::record::{Hash, Kind, MarkKind, Opener};
use emptcp_trace::{Settings, Span};
use mptcp_wire::{AddressId, Key, Version};

const CLIENT: &str = "10.0.2.2:2000";
const SERVER: &str = "10.0.1.1:80";

#[test]
fn a_join_of_either_version_is_a_subflow_of_its_connection() {
    for version in [Version::V0, Version::V1] {
        let mut peers = Peers::new(version, 1);
        let path = peers.path(CLIENT, SERVER);
        peers.connect().at(100).join(path).data(path, DOWN, 0, 500);
        let analysed = peers.analysed();
        assert_eq!((analysed.totals.joins, analysed.totals.orphan_joins), (1, 0));
        let connection = analysed.only();
        assert_eq!(
            (connection.sf_att, connection.sf_est, connection.sf_max_conc),
            (2, 2, 2)
        );
        let subflow = &connection.subflows[1];
        assert_eq!(
            (subflow.kind, subflow.opened_by, subflow.hmac_ok),
            (Kind::Join, Opener::Client, Some(true))
        );
        assert_eq!(
            (subflow.client, subflow.server),
            (CLIENT.parse().unwrap(), SERVER.parse().unwrap())
        );
        assert_eq!((subflow.t_syn, subflow.join_delay), (at(100), Span(100_000_000)));
        assert_eq!(subflow.address_ids, [Some(AddressId(1)), Some(AddressId(101))]);
        assert_eq!(subflow.payload.0, [0, 500]);
    }
}

#[test]
fn a_server_can_join_too_and_directions_stay_those_of_the_connection() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, "10.0.1.1:4000");
    peers
        .connect()
        .join_by(path, DOWN)
        .data(path, UP, 0, 70)
        .data(path, DOWN, 0, 700);
    let connection = peers.connection();
    let subflow = &connection.subflows[1];
    assert_eq!(
        (subflow.opened_by, subflow.established, subflow.hmac_ok),
        (Opener::Server, true, Some(true))
    );
    assert_eq!(
        (subflow.client.to_string().as_str(), connection.data.0),
        (CLIENT, [70, 700])
    );
    assert_eq!(subflow.address_ids, [Some(AddressId(101)), Some(AddressId(1))]);
}

#[test]
fn a_join_whose_key_comes_later_waits_for_it() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, SERVER);
    // The third ACK comes late, and the SYN+ACK is not in the capture, so the server's key is unknown before.
    peers.connect().join(path).data(path, DOWN, 0, 500);
    let mut sent = std::mem::take(&mut peers.sent);
    let third_ack = sent.remove(2);
    sent.remove(1);
    sent.push(crate::peers::Sent {
        time: at(5000),
        ..third_ack
    });
    peers.sent = sent;
    let analysed = peers.analysed();
    assert_eq!((analysed.totals.joins, analysed.totals.orphan_joins), (1, 0));
    let connection = analysed.only();
    assert_eq!((connection.sf_att, connection.data.0), (2, [0, 500]));
    assert_eq!(
        (connection.subflows[1].established, connection.subflows[1].hmac_ok),
        (true, Some(true))
    );
}

#[test]
fn a_join_with_an_unknown_token_is_counted_and_is_no_connection() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, SERVER);
    peers.connect().join_syn(path, UP, mptcp_wire::Token(0x1234_5678));
    peers.at(20_000).data(0, UP, 0, 10);
    let analysed = peers.analysed();
    assert_eq!(
        (
            analysed.totals.joins,
            analysed.totals.orphan_joins,
            analysed.totals.connections
        ),
        (0, 1, 1)
    );
    assert_eq!(analysed.totals.capped.orphans, 0);
    assert_eq!(analysed.only().sf_att, 1);
}

#[test]
fn of_two_connections_with_one_token_the_hmac_decides() {
    for answered_by in [0, 1] {
        let mut first = Peers::new(Version::V1, 1);
        let mut second = Peers::new(Version::V1, 2);
        // The same server key gives the same token.
        second.keys[side(DOWN)] = first.keys[side(DOWN)];
        first.connect();
        second.at(10).connect();
        let owner = [&mut first, &mut second].into_iter().nth(answered_by).unwrap();
        let path = owner.path(CLIENT, SERVER);
        owner.at(100).join(path).data(path, DOWN, 0, 500);
        let mut analysed = analyse(&[&first, &second], Settings::default());
        analysed.connections.sort_by_key(|connection| connection.conn_id);
        assert_eq!((analysed.totals.joins, analysed.totals.orphan_joins), (1, 0));
        let attempted: Vec<_> = analysed
            .connections
            .iter()
            .map(|connection| connection.sf_att)
            .collect();
        assert_eq!(attempted, if answered_by == 0 { [2, 1] } else { [1, 2] });
        let connection = &analysed.connections[answered_by];
        assert_eq!(
            (connection.subflows[1].hmac_ok, connection.data.0),
            (Some(true), [0, 500])
        );
    }
}

#[test]
fn a_wrong_hmac_is_reported() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, SERVER);
    peers.connect();
    let token = peers.token(DOWN, Version::V1);
    peers
        .join_syn(path, UP, token)
        .join_answer(path, UP, [Key([1; 8]), Key([2; 8])]);
    let analysed = peers.analysed();
    assert_eq!(analysed.marks(MarkKind::WrongHmac).len(), 1);
    let connection = analysed.only();
    assert_eq!(connection.subflows[1].hmac_ok, Some(false));
    assert!(connection.events.contains(&MarkKind::WrongHmac));
}

#[test]
fn version_1_with_the_hash_of_version_0_shows_by_a_join() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, SERVER);
    peers.connect();
    peers.version = Version::V0;
    peers.join(path).data(path, DOWN, 0, 500);
    let analysed = peers.analysed();
    assert_eq!((analysed.totals.joins, analysed.totals.orphan_joins), (1, 0));
    assert_eq!(analysed.marks(MarkKind::V1WithSha1).len(), 1);
    let connection = analysed.only();
    assert_eq!((connection.hash, connection.data.0), (Hash::Sha1, [0, 500]));
    assert_eq!(connection.subflows[1].hmac_ok, Some(true));
}

#[test]
fn a_join_at_ports_that_are_used_again_is_a_further_subflow() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path(CLIENT, SERVER);
    let again = peers.path(CLIENT, SERVER);
    peers.connect().join(path).data(path, DOWN, 0, 500);
    peers.join(again).data(again, DOWN, 500, 200);
    let connection = peers.connection();
    let payload: Vec<_> = connection
        .subflows
        .iter()
        .map(|subflow| subflow.payload[DOWN])
        .collect();
    assert_eq!((payload, connection.sf_est), (vec![0, 500, 200], 3));
}
