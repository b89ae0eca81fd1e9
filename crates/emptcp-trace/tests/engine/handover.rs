//! Data that moves from one subflow to another.

use crate::peers::{DOWN, Peers, UP, at};
use emptcp_trace::Span;
use emptcp_trace::record::{Detail, MarkKind};
use mptcp_wire::Version;

fn two(late: bool) -> Peers {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers.connect();
    if !late {
        peers.join(path);
    }
    peers.data(0, DOWN, 0, 1000).acknowledge(0, UP, 1000);
    if late {
        peers.at(3000).join(path);
    }
    peers.at(4000).data(path, DOWN, 1000, 1000).acknowledge(path, UP, 2000);
    peers
}

#[test]
fn to_a_subflow_that_stood_ready_it_is_make_before_break() {
    let peers = two(false);
    let analysed = peers.analysed();
    let mark = analysed
        .marks
        .iter()
        .find(|mark| mark.kind == MarkKind::MakeBeforeBreak)
        .unwrap();
    let (to, from) = (mark.sf_id.map(|id| id.0), mark.other_sf.map(|id| id.0));
    assert_eq!((to, from, mark.t), (Some(1), Some(0), at(4000)));
    let Some(Detail::Gap(Span(gap))) = mark.detail else {
        panic!("{mark:?}");
    };
    assert_eq!(gap, (4000 - 6) * 1_000_000);
    let connection = analysed.only();
    assert_eq!(connection.handovers, 1);
    assert!(connection.events.contains(&MarkKind::MakeBeforeBreak));
}

#[test]
fn to_a_subflow_that_was_opened_when_the_other_was_silent_it_is_break_before_make() {
    let analysed = two(true).analysed();
    assert_eq!(analysed.marks(MarkKind::BreakBeforeMake), [(Some(1), DOWN, 0, Some(0))]);
    assert!(analysed.only().events.contains(&MarkKind::BreakBeforeMake));
}

#[test]
fn what_was_reinjected_soon_belongs_to_it() {
    let mut peers = two(true);
    peers.data(1, DOWN, 0, 400);
    assert_eq!(
        peers.analysed().marks(MarkKind::BreakBeforeMake),
        [(Some(1), DOWN, 400, Some(0))]
    );
}

#[test]
fn while_both_carry_data_there_is_none() {
    let mut peers = two(false);
    peers.data(0, DOWN, 2000, 1000);
    assert_eq!(peers.connection().handovers, 0);
}

#[test]
fn a_short_end_on_another_subflow_is_none() {
    let mut peers = Peers::new(Version::V1, 1);
    let path = peers.path("10.0.2.2:2000", "10.0.1.1:80");
    peers.connect().join(path).at(1000).data(0, DOWN, 0, 1000);
    peers.at(1900).data(path, DOWN, 1000, 100);
    assert_eq!(peers.connection().handovers, 0);
    peers.at(2100).data(path, DOWN, 1100, 100);
    assert_eq!(peers.connection().handovers, 1);
}
