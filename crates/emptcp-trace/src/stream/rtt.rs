//! Unacknowledged segments: round-trip times.

use super::intervals::give_back;
use crate::{Span, Timestamp};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
struct Segment {
    end: u64,
    sent: Timestamp,
}

/// In place of the time of a segment of which a byte was retransmitted: it is ambiguous which copy is acknowledged
/// (Karn: RFC 6298, 3). Before all times; an `Option` would take half as much memory again.
const AMBIGUOUS: Timestamp = Timestamp(i64::MIN);

/// The unacknowledged segments of one direction of a subflow, by their ends. A segment extends down to the one before
/// it, so untimed bytes count with the segment after them.
#[derive(Clone, Debug)]
pub(crate) struct RttQueue {
    segments: VecDeque<Segment>,
    acknowledged: u64,
    untimed: u64,
    limit: usize,
}

impl RttQueue {
    /// Empty; times at most `limit` segments at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            acknowledged: 0,
            untimed: 0,
            limit,
        }
    }

    /// A segment that brings only new bytes and ends before offset `end` passed at `time`.
    #[inline]
    pub(crate) fn sent(&mut self, end: u64, time: Timestamp) {
        if end <= self.acknowledged || self.segments.len() >= self.limit {
            self.untimed += 1;
            return;
        }
        let segment = Segment { end, sent: time };
        if self.segments.back().is_none_or(|last| last.end < end) {
            self.segments.push_back(segment);
            return;
        }
        let index = self.beyond(end);
        if index
            .checked_sub(1)
            .and_then(|before| self.segments.get(before))
            .is_some_and(|before| before.end == end)
        {
            self.untimed += 1;
        } else {
            self.segments.insert(index, segment);
        }
    }

    /// The bytes from offset `start` to before `end` were sent again.
    pub(crate) fn retransmitted(&mut self, start: u64, end: u64) {
        let start = start.max(self.acknowledged);
        if start >= end {
            return;
        }
        let index = self.beyond(start);
        for segment in self.segments.iter_mut().skip(index) {
            segment.sent = AMBIGUOUS;
            if segment.end >= end {
                break;
            }
        }
    }

    /// An acknowledgement of everything below offset `ack` passed at `time`. Returns the round-trip time if `ack` is
    /// the end of a segment, and no acknowledged byte was sent twice or later than that segment. (Otherwise the
    /// acknowledgement waited for a hole to be filled, which is no round trip; tcptrace leaves it out too.)
    #[inline]
    pub(crate) fn acknowledged(&mut self, ack: u64, time: Timestamp) -> Option<Span> {
        if ack <= self.acknowledged {
            return None;
        }
        self.acknowledged = ack;
        let mut last = None;
        let mut latest = AMBIGUOUS;
        let mut clean = true;
        while let Some(segment) = self.segments.front().filter(|segment| segment.end <= ack) {
            clean &= segment.sent != AMBIGUOUS;
            latest = latest.max(segment.sent);
            last = Some(*segment);
            self.segments.pop_front();
        }
        let last = last?;
        give_back(&mut self.segments);
        // Packets out of order in time could give a negative value.
        let span = time - last.sent;
        (clean && last.end == ack && last.sent == latest && span >= Span::default()).then_some(span)
    }

    /// The first segment that is not acknowledged yet: its end, and when it was sent unless it was sent again.
    pub(crate) fn oldest(&self) -> Option<(u64, Option<Timestamp>)> {
        let first = self.segments.front()?;
        Some((first.end, (first.sent != AMBIGUOUS).then_some(first.sent)))
    }

    /// Segments that could not be timed: too many at once, or acknowledged before they were seen.
    pub(crate) fn untimed(&self) -> u64 {
        self.untimed
    }

    /// The first segment that ends after `offset`.
    fn beyond(&self, offset: u64) -> usize {
        self.segments.partition_point(|segment| segment.end <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(time: i64) -> Timestamp {
        Timestamp(time)
    }

    #[test]
    fn an_acknowledgement_of_several_segments_times_the_last() {
        let mut queue = RttQueue::new(10);
        queue.sent(101, at(0));
        queue.sent(201, at(10));
        assert_eq!(queue.acknowledged(201, at(50)), Some(Span(40)));
        assert_eq!(queue.acknowledged(201, at(60)), None);
    }

    #[test]
    fn an_acknowledgement_within_a_segment_or_after_a_retransmission_times_nothing() {
        let mut queue = RttQueue::new(10);
        queue.sent(101, at(0));
        queue.sent(201, at(10));
        queue.sent(301, at(20));
        assert_eq!(queue.acknowledged(150, at(50)), None);
        queue.retransmitted(150, 201);
        assert_eq!(queue.acknowledged(301, at(60)), None);
        queue.sent(401, at(70));
        queue.retransmitted(1, 301);
        assert_eq!(queue.acknowledged(401, at(80)), Some(Span(10)));
    }

    #[test]
    fn what_waited_for_a_hole_to_be_filled_times_nothing() {
        let mut queue = RttQueue::new(10);
        queue.sent(201, at(0));
        queue.sent(101, at(40));
        assert_eq!(queue.acknowledged(201, at(50)), None);
        queue.sent(401, at(60));
        queue.sent(301, at(70));
        assert_eq!(queue.acknowledged(301, at(75)), Some(Span(5)));
        assert_eq!(queue.acknowledged(401, at(80)), Some(Span(20)));
    }

    #[test]
    fn segments_beyond_the_limit_are_counted() {
        let mut queue = RttQueue::new(1);
        queue.sent(101, at(0));
        queue.sent(201, at(0));
        assert_eq!(queue.untimed(), 1);
        assert_eq!(queue.acknowledged(201, at(10)), None);
        queue.sent(201, at(20));
        assert_eq!(queue.untimed(), 2);
    }

    #[test]
    fn time_that_goes_back_gives_no_sample() {
        let mut queue = RttQueue::new(1);
        queue.sent(101, at(5));
        assert_eq!(queue.acknowledged(101, at(4)), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Sent(u64),
        Again(u64, u64),
        Acknowledged(u64),
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn samples_are_those_of_a_table_of_all_bytes(
            steps in prop::collection::vec(
                prop_oneof![
                    5 => (1_u64..30).prop_map(Step::Sent),
                    2 => (0_u64..60, 0_u64..30).prop_map(|(back, length)| Step::Again(back, length)),
                    4 => (0_u64..60).prop_map(Step::Acknowledged),
                ],
                1..80,
            ),
        ) {
            let mut queue = RttQueue::new(20);
            // End, time, marked; in any order.
            let mut model: Vec<(u64, i64, bool)> = Vec::new();
            let (mut acknowledged, mut highest, mut untimed) = (0_u64, 1_u64, 0_u64);
            for (now, step) in (0_i64..).map(|step| step * 7).zip(steps) {
                match step {
                    Step::Sent(length) => {
                        // Occasional holes, which are filled later.
                        let end = match length {
                            29 => highest + 50,
                            28 => highest.saturating_sub(20),
                            _ => highest + length,
                        };
                        highest = highest.max(end);
                        queue.sent(end, at(now));
                        if end <= acknowledged || model.len() >= 20 || model.iter().any(|segment| segment.0 == end) {
                            untimed += 1;
                        } else {
                            model.push((end, now, false));
                        }
                    }
                    Step::Again(back, length) => {
                        let start = highest.saturating_sub(back);
                        queue.retransmitted(start, start + length);
                        for byte in (start..start + length).filter(|byte| *byte >= acknowledged) {
                            if let Some(segment) = model.iter_mut().filter(|segment| segment.0 > byte).min() {
                                segment.2 = true;
                            }
                        }
                    }
                    Step::Acknowledged(back) => {
                        let ack = if back < 20 { model.iter().map(|segment| segment.0).max().unwrap_or(0) }
                            else { highest.saturating_sub(back - 20) };
                        let sample = queue.acknowledged(ack, at(now));
                        let mut popped: Vec<_> = model.extract_if(.., |segment| segment.0 <= ack).collect();
                        popped.sort_unstable();
                        let latest = popped.iter().map(|segment| segment.1).max();
                        let clean = popped.iter().all(|segment| !segment.2)
                            && popped.last().map(|last| last.1) == latest;
                        let want = popped.last().filter(|last| last.0 == ack && clean && ack > acknowledged);
                        prop_assert_eq!(sample, want.map(|last| Span(now - last.1)));
                        acknowledged = acknowledged.max(ack);
                    }
                }
                prop_assert_eq!(queue.untimed(), untimed);
                prop_assert_eq!(queue.segments.len(), model.len());
            }
        }
    }
}
