//! Frequent events, grouped in time.

use super::At;
use emptcp_trace::{Direction, Span, SubflowId};
use std::collections::BTreeMap;

/// Groups kept per key while reading. When there are more, the two that are closest in time are merged.
const KEPT: usize = 48;
/// The most keys; for a connection with more, only totals are kept.
const KEYS: usize = 512;

/// What is grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Copies {
    /// At the same TCP sequence number.
    Retransmission,
    /// First carried by this subflow.
    Reinjection(SubflowId),
    /// On the same subflow at a new TCP sequence number.
    SameSubflow,
}

impl Copies {
    /// The most groups of one key that get a sentence each: retransmissions are common.
    fn most_sentences(self) -> usize {
        match self {
            Self::Retransmission => 3,
            Self::Reinjection(_) | Self::SameSubflow => 6,
        }
    }
}

/// Only events with the same key are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) copies: Copies,
    pub(crate) subflow: SubflowId,
    /// Whether it goes to the client.
    to_client: bool,
}

impl Key {
    pub(crate) fn new(copies: Copies, subflow: SubflowId, direction: Direction) -> Self {
        let to_client = direction == Direction::ServerToClient;
        Self {
            copies,
            subflow,
            to_client,
        }
    }

    pub(crate) fn direction(self) -> Direction {
        if self.to_client {
            Direction::ServerToClient
        } else {
            Direction::ClientToServer
        }
    }
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) first: At,
    pub(crate) last: At,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Burst {
    /// Payload whose mapping came late is marked after later payload, with its own time.
    fn absorb(&mut self, later: &Self) {
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.packets += later.packets;
        self.bytes += later.bytes;
    }

    fn gap_to(&self, later: &Self) -> Span {
        later.first.t - self.last.t
    }
}

/// All groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bursts {
    groups: BTreeMap<Key, Vec<Burst>>,
}

impl Bursts {
    pub(crate) fn push(&mut self, key: Key, at: At, bytes: u64) {
        if self.groups.len() >= KEYS && !self.groups.contains_key(&key) {
            return;
        }
        let group = self.groups.entry(key).or_default();
        let burst = Burst {
            first: at,
            last: at,
            packets: 1,
            bytes,
        };
        match group.last_mut() {
            // Events within a few round trips are one burst, however long the capture is.
            Some(last) if last.gap_to(&burst) < Span(200_000_000) => last.absorb(&burst),
            _ => group.push(burst),
        }
        if group.len() > KEPT {
            merge_nearest(group);
        }
    }

    /// The groups: at least `apart` from each other, at most [`Copies::most_sentences`] per key, and at most `most` in
    /// all (or one per key, when there are more keys).
    pub(crate) fn groups(&self, apart: Span, most: usize) -> Vec<(Key, Burst)> {
        let mut groups = self.groups.clone();
        for (key, group) in &mut groups {
            while group.len() > key.copies.most_sentences() || nearest(group).is_some_and(|(_, gap)| gap < apart) {
                merge_nearest(group);
            }
        }
        while groups.values().map(Vec::len).sum::<usize>() > most {
            // Shorten the longest list.
            match groups.values_mut().max_by_key(|group| group.len()) {
                Some(group) if group.len() > 1 => merge_nearest(group),
                _ => break,
            }
        }
        groups
            .into_iter()
            .flat_map(|(key, group)| group.into_iter().map(move |burst| (key, burst)))
            .collect()
    }
}

fn nearest(group: &[Burst]) -> Option<(usize, Span)> {
    group
        .windows(2)
        .enumerate()
        .filter_map(|(index, pair)| match pair {
            [earlier, later] => Some((index, earlier.gap_to(later))),
            _ => None,
        })
        .min_by_key(|(_, gap)| *gap)
}

fn merge_nearest(group: &mut Vec<Burst>) {
    let Some((index, _)) = nearest(group) else { return };
    let later = group.remove(index + 1);
    if let Some(earlier) = group.get_mut(index) {
        earlier.absorb(&later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_trace::{PacketNumber, Timestamp};

    fn key() -> Key {
        Key::new(Copies::Retransmission, SubflowId(0), Direction::ServerToClient)
    }

    fn at(milliseconds: i64) -> At {
        At {
            t: Timestamp(milliseconds * 1_000_000),
            packet: PacketNumber(milliseconds.unsigned_abs()),
        }
    }

    #[test]
    fn events_that_are_near_become_one_group_and_far_ones_another() {
        let mut bursts = Bursts::default();
        for time in [10, 20, 30, 9_000] {
            bursts.push(key(), at(time), 100);
        }
        let groups = bursts.groups(Span::from_seconds(1), 10);
        let figures: Vec<_> = groups.iter().map(|(_, burst)| (burst.packets, burst.bytes)).collect();
        assert_eq!(figures, [(3, 300), (1, 100)]);
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_lost_from_the_sums() {
        let mut bursts = Bursts::default();
        for second in 0..100_000 {
            bursts.push(key(), at(second * 1000), 1);
        }
        assert!(bursts.groups.values().all(|group| group.len() <= KEPT));
        let groups = bursts.groups(Span(0), 5);
        assert_eq!(groups.len(), 3);
        assert_eq!(groups.iter().map(|(_, burst)| burst.bytes).sum::<u64>(), 100_000);
    }
}
