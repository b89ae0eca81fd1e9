//! Which subflows carried the data of one direction of a connection: reinjections.

use super::intervals::{Intervals, Lookup};
use super::ranges::SeenRanges;
use crate::SubflowId;
use smallvec::SmallVec;

/// The relation of a run of data to the subflow that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimKind {
    /// No subflow carried it before.
    New,
    /// Another subflow carried it first, and this one carries it for the first time.
    Reinjection {
        /// The subflow that carried it first.
        of: SubflowId,
    },
    /// This subflow carried it before.
    SameSubflow,
    /// Unknown: its owner has been dropped.
    Forgotten,
}

/// A run of data of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Data sequence number of the first byte, as it was given to [`Owners::carry`].
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// What it is.
    pub(crate) kind: ClaimKind,
}

/// For the data of one direction of a connection: the subflow that carried it first, and those that carried it later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    first: Intervals<SubflowId>,
    // Data that a subflow carried after another one. It is rare, so it is stored separately: intervals need no sets of
    // subflows, and the number of subflows is not limited.
    copies: Vec<(SubflowId, SeenRanges)>,
    highest: u64,
}

impl Owners {
    /// `subflow` carries `length` bytes from data sequence number `dsn`, at TCP sequence numbers that are new there (a
    /// TCP retransmission does not come here). Appends their kinds to `out`, in order.
    #[inline]
    pub(crate) fn carry(&mut self, subflow: SubflowId, dsn: u64, length: u64, out: &mut SmallVec<[Claim; 2]>) {
        let end = dsn.saturating_add(length);
        if dsn == end {
            return;
        }
        let copies = &mut self.copies;
        let from = out.len();
        self.highest = self.highest.max(end);
        self.first.fill(dsn, end, subflow, |range, found| {
            let mut push = |start, end, kind| push(out, from, start, end, kind);
            match found {
                Lookup::Nothing => push(range.start, range.end, ClaimKind::New),
                Lookup::Forgotten => push(range.start, range.end, ClaimKind::Forgotten),
                Lookup::Value(of) if of == subflow => push(range.start, range.end, ClaimKind::SameSubflow),
                Lookup::Value(of) => {
                    let mut cursor = range.start;
                    let mut gaps = SmallVec::new();
                    copies_of(copies, subflow).insert(range.start, range.end, &mut gaps);
                    for gap in gaps {
                        push(cursor, gap.start, ClaimKind::SameSubflow);
                        push(gap.start, gap.end, ClaimKind::Reinjection { of });
                        cursor = gap.end;
                    }
                    push(cursor, range.end, ClaimKind::SameSubflow);
                }
            }
        });
    }

    /// `earlier` turns out to have carried the data from `start` to before `end` before `later`, which was taken for
    /// the first.
    pub(crate) fn correct(&mut self, start: u64, end: u64, earlier: SubflowId, later: SubflowId) {
        self.first.replace(start, end, earlier);
        copies_of(&mut self.copies, later).insert(start, end, &mut SmallVec::new());
    }

    /// Drops the owners of data below `dsn`.
    #[inline]
    pub(crate) fn forget_below(&mut self, dsn: u64) {
        self.first.forget_below(dsn);
        if !self.copies.is_empty() {
            self.copies.retain_mut(|(_, seen)| {
                seen.forget_below(dsn);
                !seen.is_empty()
            });
        }
    }

    /// Drops the lowest intervals beyond `limit`; the copies on all subflows together have the same limit. Returns how
    /// many were dropped: data carried there later is [`ClaimKind::Forgotten`].
    #[inline]
    pub(crate) fn shrink(&mut self, limit: usize) -> usize {
        let copies: usize = self.copies.iter().map(|(_, seen)| seen.len()).sum();
        if self.first.len() <= limit && copies <= limit {
            return 0;
        }
        self.shrink_to(limit, copies)
    }

    fn shrink_to(&mut self, limit: usize, copies: usize) -> usize {
        let mut dropped = self.first.shrink(limit);
        let mut floor = self.first.floor();
        if copies > limit {
            let share = limit / self.copies.len().max(1);
            for (_, seen) in &mut self.copies {
                dropped += seen.shrink(share);
                floor = floor.max(seen.floor());
            }
        }
        // All lists must have the same floor.
        self.forget_below(floor);
        dropped
    }

    /// The end of the highest data ever carried.
    #[inline]
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }
}

fn copies_of(copies: &mut Vec<(SubflowId, SeenRanges)>, subflow: SubflowId) -> &mut SeenRanges {
    let index = copies.iter().position(|(id, _)| *id == subflow).unwrap_or_else(|| {
        copies.push((subflow, SeenRanges::new()));
        copies.len() - 1
    });
    &mut copies[index].1
}

/// Adds a claim unless it is empty. Merges it with the previous one if that is from the same call (index `from` or
/// later).
fn push(out: &mut SmallVec<[Claim; 2]>, from: usize, start: u64, end: u64, kind: ClaimKind) {
    if start >= end {
        return;
    }
    let length = end - start;
    match out.get_mut(from..).and_then(<[Claim]>::last_mut) {
        Some(last) if last.kind == kind => last.length += length,
        _ => out.push(Claim { start, length, kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    const A: SubflowId = SubflowId(0);
    const B: SubflowId = SubflowId(1);
    const C: SubflowId = SubflowId(900);

    fn carry(owners: &mut Owners, subflow: SubflowId, dsn: u64, length: u64) -> Vec<(u64, u64, ClaimKind)> {
        let mut out = SmallVec::new();
        owners.carry(subflow, dsn, length, &mut out);
        out.iter()
            .map(|claim| (claim.start, claim.length, claim.kind))
            .collect()
    }

    #[test]
    fn each_further_subflow_reinjects_once_and_the_first_carrier_caused_it() {
        let mut owners = Owners::default();
        let of_a = ClaimKind::Reinjection { of: A };
        assert_eq!(carry(&mut owners, A, 0, 100), [(0, 100, ClaimKind::New)]);
        assert_eq!(carry(&mut owners, B, 0, 100), [(0, 100, of_a)]);
        assert_eq!(carry(&mut owners, B, 0, 100), [(0, 100, ClaimKind::SameSubflow)]);
        assert_eq!(carry(&mut owners, C, 0, 100), [(0, 100, of_a)]);
        assert_eq!(carry(&mut owners, A, 0, 100), [(0, 100, ClaimKind::SameSubflow)]);
    }

    #[test]
    fn partial_overlaps_are_reported_byte_by_byte() {
        let mut owners = Owners::default();
        carry(&mut owners, A, 0, 100);
        carry(&mut owners, B, 50, 100);
        assert_eq!(
            carry(&mut owners, C, 80, 100),
            [
                (80, 20, ClaimKind::Reinjection { of: A }),
                (100, 50, ClaimKind::Reinjection { of: B }),
                (150, 30, ClaimKind::New)
            ]
        );
        assert_eq!(
            carry(&mut owners, B, 0, 120),
            [
                (0, 50, ClaimKind::Reinjection { of: A }),
                (50, 70, ClaimKind::SameSubflow)
            ]
        );
    }

    #[test]
    fn what_is_below_the_floor_is_forgotten_and_the_highest_stays() {
        let mut owners = Owners::default();
        carry(&mut owners, A, 0, 100);
        owners.forget_below(200);
        assert_eq!(owners.highest(), 100);
        assert_eq!(
            carry(&mut owners, B, 150, 100),
            [(150, 50, ClaimKind::Forgotten), (200, 50, ClaimKind::New)]
        );
        assert_eq!(owners.highest(), 250);
    }

    #[test]
    fn two_subflows_that_take_turns_or_run_side_by_side_need_one_interval_for_each_run() {
        let mut owners = Owners::default();
        for step in 0..100 {
            carry(&mut owners, A, step * 10, 10);
            carry(&mut owners, B, 10_000 + step * 10, 10);
        }
        assert_eq!(owners.first.len(), 2);
        assert!(owners.copies.is_empty());
    }

    #[test]
    fn the_end_of_the_number_space_holds() {
        let mut owners = Owners::default();
        assert_eq!(
            carry(&mut owners, A, u64::MAX - 5, 100),
            [(u64::MAX - 5, 5, ClaimKind::New)]
        );
        assert_eq!(carry(&mut owners, A, u64::MAX, 100), []);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Carry(u32, u64, u64),
        Forget(u64),
        Shrink(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            20 => (0_u32..4, 0_u64..150, 0_u64..30).prop_map(|(subflow, dsn, length)| Step::Carry(subflow, dsn, length)),
            1 => (0_u64..100).prop_map(Step::Forget),
            1 => (1_usize..10).prop_map(Step::Shrink),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn every_byte_is_reported_as_in_a_table_of_all_bytes(steps in steps()) {
            let mut owners = Owners::default();
            let mut first: HashMap<u64, SubflowId> = HashMap::new();
            let mut carried: HashSet<(u64, SubflowId)> = HashSet::new();
            let (mut floor, mut highest) = (0, 0);
            for step in steps {
                match step {
                    Step::Carry(subflow, dsn, length) => {
                        let subflow = SubflowId(subflow * 40);
                        highest = if length > 0 { highest.max(dsn + length) } else { highest };
                        let want: Vec<_> = (dsn..dsn + length).map(|byte| {
                            let again = !carried.insert((byte, subflow));
                            let of = *first.entry(byte).or_insert(subflow);
                            (byte, match () {
                                () if byte < floor => ClaimKind::Forgotten,
                                () if again => ClaimKind::SameSubflow,
                                () if of == subflow => ClaimKind::New,
                                () => ClaimKind::Reinjection { of },
                            })
                        }).collect();
                        let claims = carry(&mut owners, subflow, dsn, length);
                        prop_assert!(claims.windows(2).all(|pair| pair[0].2 != pair[1].2));
                        let told: Vec<_> = claims.iter().flat_map(|(start, length, kind)| {
                            (*start..start + length).map(move |byte| (byte, *kind))
                        }).collect();
                        prop_assert_eq!(told, want);
                    }
                    Step::Forget(below) => {
                        owners.forget_below(below);
                        floor = floor.max(below);
                    }
                    Step::Shrink(limit) => {
                        let dropped = owners.shrink(limit);
                        prop_assert!(owners.first.len() <= limit);
                        prop_assert_eq!(dropped > 0, owners.first.floor() > floor);
                        floor = owners.first.floor();
                    }
                }
                prop_assert_eq!(owners.first.floor(), floor);
                prop_assert_eq!(owners.highest(), highest);
            }
        }
    }
}
