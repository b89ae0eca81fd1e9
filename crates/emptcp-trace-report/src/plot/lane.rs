//! The data of one subflow in one direction.

use super::grid::{Extent, Grid, Merge};
use emptcp_trace::{PacketEvent, Piece, Run, Span};
use smallvec::{SmallVec, smallvec};

/// A range of data sequence numbers.
pub(super) type Range = (u64, u64);

/// The most ranges in one cell of time. When there are more, the two closest ones are merged.
const RANGES: usize = 4;

/// Ranges of data sequence numbers in the order of their beginnings.
#[derive(Clone, Debug)]
pub(super) struct Ranges(pub(super) SmallVec<[Range; 2]>);

impl Ranges {
    pub(super) fn of(dsn: u64, length: u32) -> Self {
        Self(smallvec![(dsn, dsn.saturating_add(length.into()))])
    }

    fn insert(&mut self, range: Range) {
        let place = self.0.partition_point(|(from, _)| *from < range.0);
        self.0.insert(place, range);
        let touching = |ranges: &[Range]| {
            ranges
                .windows(2)
                .position(|pair| matches!(pair, [(_, to), (from, _)] if from <= to))
        };
        while let Some(index) = touching(&self.0) {
            self.join(index);
        }
        while self.0.len() > RANGES {
            let nearest = self
                .0
                .windows(2)
                .enumerate()
                .filter_map(|(index, pair)| match pair {
                    [(_, to), (from, _)] => Some((from.saturating_sub(*to), index)),
                    _ => None,
                })
                .min();
            let Some((_, index)) = nearest else { break };
            self.join(index);
        }
    }

    fn join(&mut self, index: usize) {
        if index + 1 >= self.0.len() {
            return;
        }
        let (_, end) = self.0.remove(index + 1);
        if let Some((_, to)) = self.0.get_mut(index) {
            *to = end.max(*to);
        }
    }
}

impl Merge for Ranges {
    fn merge(&mut self, later: Self) {
        for range in later.0 {
            self.insert(range);
        }
    }
}

/// One subflow in one direction of data.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    pub(super) new: Grid<Ranges>,
    pub(super) retransmitted: Grid<Ranges>,
    pub(super) reinjected: Grid<Ranges>,
    pub(super) repeated: Grid<Ranges>,
    /// All payload.
    pub(super) payload: Grid<u64>,
    /// Seconds.
    pub(super) rtt: Grid<Extent>,
    pub(super) in_flight: Grid<Extent>,
    pub(super) window: Grid<Extent>,
}

impl Lane {
    /// A packet with data of this lane.
    pub(super) fn data(&mut self, t: Span, packet: &PacketEvent) {
        for run in &packet.runs {
            self.run(t, run);
        }
        if packet.payload > 0 {
            self.payload.add(t, packet.payload.into());
        }
        self.in_flight.add(t, Extent::of(packet.in_flight as f64));
    }

    /// A packet of the other direction, which acknowledges data of this lane.
    pub(super) fn acknowledgement(&mut self, t: Span, packet: &PacketEvent) {
        if let Some(rtt) = packet.rtt {
            self.rtt.add(t, Extent::of(rtt.seconds()));
        }
        let handshake = packet.flags.contains(mptcp_wire::tcp::Flags::SYN);
        let reset = packet.flags.contains(mptcp_wire::tcp::Flags::RST);
        if !handshake && !reset {
            self.window.add(t, Extent::of(packet.window as f64));
        }
    }

    fn run(&mut self, t: Span, run: &Run) {
        let Some(dsn) = run.dsn else { return };
        let ranges = Ranges::of(dsn, run.length);
        match run.piece {
            Piece::New => self.new.add(t, ranges),
            Piece::Retransmission => self.retransmitted.add(t, ranges),
            Piece::Reinjection { .. } => self.reinjected.add(t, ranges),
            Piece::SameSubflow => self.repeated.add(t, ranges),
            Piece::Unmapped => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one_and_there_are_never_many() {
        let mut ranges = Ranges::of(100, 50);
        ranges.merge(Ranges::of(150, 50));
        assert_eq!(ranges.0.as_slice(), [(100, 200)]);
        ranges.merge(Ranges::of(0, 10));
        assert_eq!(ranges.0.as_slice(), [(0, 10), (100, 200)]);
        for dsn in [1000, 2000, 3000, 3100] {
            ranges.merge(Ranges::of(dsn, 10));
        }
        assert_eq!(
            ranges.0.as_slice(),
            [(0, 200), (1000, 1010), (2000, 2010), (3000, 3110)]
        );
        ranges.merge(Ranges::of(0, 5000));
        assert_eq!(ranges.0.as_slice(), [(0, 5000)]);
    }
}
