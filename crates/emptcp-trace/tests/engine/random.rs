//! Random traffic, captured in part: nothing is counted twice, and nothing is lost.

use crate::peers::{DOWN, Peers, UP, analyse_frames, at};
use emptcp_trace::record::{Connection, Subflow};
use emptcp_trace::{Direction, Limits, Order, PerDirection, Settings, Span};
use mptcp_wire::mptcp::{MpFail, MpFastclose};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{DataSequenceNumber, Version};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// New bytes of a subflow, mapped to this place.
    Data(usize, bool, u64, u16),
    /// Bytes at this place of a subflow, mapped to that.
    Again(usize, bool, u64, u64, u16),
    /// Bytes without mapping.
    Bare(usize, bool, u16),
    Acknowledge(usize, bool, u64),
    DataFin(usize, bool, u64),
    Join(usize, bool),
    Flags(usize, bool, u8),
    Fail(usize, bool),
    Fastclose(bool),
    Pause(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let path = 0..4_usize;
    prop_oneof![
        8 => (path.clone(), any::<bool>(), 0..4000_u64, 0..400_u16).prop_map(|(a, b, c, d)| Step::Data(a, b, c, d)),
        4 => (path.clone(), any::<bool>(), 1..3000_u64, 0..4000_u64, 0..400_u16)
            .prop_map(|(a, b, c, d, e)| Step::Again(a, b, c, d, e)),
        2 => (path.clone(), any::<bool>(), 1..400_u16).prop_map(|(a, b, c)| Step::Bare(a, b, c)),
        4 => (path.clone(), any::<bool>(), 0..5000_u64).prop_map(|(a, b, c)| Step::Acknowledge(a, b, c)),
        1 => (path.clone(), any::<bool>(), 0..5000_u64).prop_map(|(a, b, c)| Step::DataFin(a, b, c)),
        3 => (1..4_usize, any::<bool>()).prop_map(|(a, b)| Step::Join(a, b)),
        1 => (path.clone(), any::<bool>(), any::<u8>()).prop_map(|(a, b, c)| Step::Flags(a, b, c)),
        1 => (path, any::<bool>()).prop_map(|(a, b)| Step::Fail(a, b)),
        1 => any::<bool>().prop_map(Step::Fastclose),
        1 => (0..100_000_i64).prop_map(Step::Pause),
    ]
}

fn way(up: bool) -> Direction {
    if up { UP } else { DOWN }
}

/// All that the hosts send.
fn sent(version: Version, steps: &[Step]) -> Peers {
    let mut peers = Peers::new(version, 1);
    for number in 1..4 {
        peers.path(&format!("10.0.2.{number}:2000"), "10.0.1.1:80");
    }
    peers.connect();
    let mut now = 10;
    for step in steps {
        now += 10;
        peers.at(now);
        match *step {
            Step::Data(path, up, dsn, length) => peers.data(path, way(up), dsn, length),
            Step::Again(path, up, ssn, dsn, length) => peers.again(path, way(up), ssn, dsn, length),
            Step::Bare(path, up, length) => peers.packet(path, way(up)).length(length.into()).send(),
            Step::Acknowledge(path, up, dsn) => peers.acknowledge(path, way(up), dsn),
            Step::DataFin(path, up, dsn) => peers.data_fin(path, way(up), dsn),
            Step::Join(path, up) => peers.join_by(path, way(up)),
            Step::Flags(path, up, flags) => peers.packet(path, way(up)).flags(Flags::from_bits(flags.into())).send(),
            Step::Fail(path, up) => {
                let data_sequence = DataSequenceNumber(peers.number(way(up), 0).0);
                peers.packet(path, way(up)).option(MpFail { data_sequence }).send()
            }
            Step::Fastclose(up) => {
                let receiver_key = peers.keys[usize::from(up)];
                peers.packet(0, way(up)).option(MpFastclose { receiver_key }).send()
            }
            Step::Pause(milliseconds) => {
                now += milliseconds;
                &mut peers
            }
        };
    }
    peers
}

fn adds_up(connection: &Connection) {
    for way in Direction::BOTH {
        let sum = |of: fn(&Subflow) -> PerDirection<u64>| -> u64 {
            connection.subflows.iter().map(|subflow| of(subflow)[way]).sum()
        };
        assert_eq!(sum(|subflow| subflow.new_dsn), connection.data[way], "{connection:?}");
        assert_eq!(
            sum(|subflow| subflow.reinj),
            sum(|subflow| subflow.reinj_caused),
            "{connection:?}"
        );
        if connection.truncated || connection.continued {
            continue;
        }
        for subflow in &connection.subflows {
            let parts = subflow.new_dsn[way] + subflow.reinj[way] + subflow.same_dsn[way] + subflow.unmapped[way];
            assert_eq!(parts, subflow.payload[way], "{subflow:?}");
        }
    }
    assert_eq!(connection.size, connection.data.total() + connection.fin.total());
    assert!(connection.sf_max_conc <= connection.sf_est && connection.sf_est <= connection.sf_att);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_parts_add_up(
        old in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        late in prop::collection::vec((any::<prop::sample::Index>(), -3000..3000_i64), 0..10),
        tight in any::<bool>(),
        ordered in any::<bool>(),
    ) {
        let version = if old { Version::V0 } else { Version::V1 };
        let mut frames = sent(version, &steps).sent;
        for (index, milliseconds) in late {
            let frame = index.get(&frames).clone();
            let time = frame.time + (at(milliseconds) - at(0));
            // It comes twice.
            frames.push(crate::peers::Sent { time, ..frame });
        }
        for index in lost {
            if frames.len() > 1 {
                frames.remove(index.index(frames.len()));
            }
        }
        let mut settings = Settings {
            idle: Span::from_seconds(30),
            order: if ordered { Order::ByTime } else { Order::AsCaptured },
            ..Settings::default()
        };
        if tight {
            settings.limits = Limits {
                connections: 1,
                subflows: 3,
                orphans: 1,
                intervals: 2,
                history: 500,
                mappings: 1,
                rtt: 1,
                reorder_packets: 5,
                reorder_span: Span::from_seconds(1),
            };
        }
        let packets = frames.len() as u64;
        let analysed = analyse_frames(frames, settings);
        prop_assert_eq!(analysed.totals.tcp + analysed.totals.captured_twice, packets);
        for connection in &analysed.connections {
            adds_up(connection);
        }
    }
}
