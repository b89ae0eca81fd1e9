//! Packets of one direction that wait for their copy in the other capture.
//!
//! A segment is matched by its bytes, not by its borders: segmentation offload splits segments that the other capture
//! has as one, and receive offload joins them. Retransmissions of the same bytes are distinguished by the timestamps
//! option and the IP identification, otherwise matched in their order.

use super::Point;
use super::packet::Packet;
use mptcp_wire::tcp::Flags;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// A packet with sequence numbers that both captures share.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) packet: Packet,
    /// Sequence number, from that of the SYN, in 64 bits.
    pub(super) start: u64,
    /// Acknowledgement number, likewise, in 32 bits; 0 without ACK.
    pub(super) acknowledged: u32,
    /// Its position among the packets of its direction in its capture, from 1.
    pub(super) order: u64,
    /// The ranges without a copy yet.
    left: SmallVec<[(u64, u64); 1]>,
    /// A part of it has a copy.
    pub(super) touched: bool,
}

impl Item {
    pub(super) fn new(packet: Packet, start: u64, acknowledged: u32, order: u64) -> Self {
        let end = start + u64::from(packet.sequence_length());
        Self {
            packet,
            start,
            acknowledged,
            order,
            left: SmallVec::from_slice(&[(start, end)]),
            touched: false,
        }
    }

    fn end(&self) -> u64 {
        self.start + u64::from(self.packet.sequence_length())
    }

    /// Bytes of payload without a copy.
    pub(super) fn payload_left(&self) -> u64 {
        let first = self.start + u64::from(self.packet.has(Flags::SYN));
        let last = first + u64::from(self.packet.payload_length);
        self.left
            .iter()
            .map(|&(from, to)| to.min(last).saturating_sub(from.max(first)))
            .sum()
    }

    /// Removes `range` from the remaining ranges; returns the part that was there.
    fn take(&mut self, range: (u64, u64)) -> SmallVec<[(u64, u64); 1]> {
        let (mut taken, mut left) = (SmallVec::new(), SmallVec::new());
        for &(from, to) in &self.left {
            let (begin, end) = (from.max(range.0), to.min(range.1));
            if begin >= end {
                left.push((from, to));
                continue;
            }
            taken.push((begin, end));
            left.extend([(from, begin), (end, to)].into_iter().filter(|(from, to)| from < to));
        }
        self.left = left;
        taken
    }
}

/// The key of a waiting item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A packet with a length in sequence numbers: its start.
    Range(u64, u64),
    /// A packet without: its sequence and acknowledgement numbers.
    Empty(u64, u32, u64),
}

/// Two copies of a segment, or of a part of it.
pub(super) struct Pair<'a> {
    /// Of A and B.
    pub(super) items: [&'a Item; 2],
    /// The whole segment, with the same borders in both captures.
    pub(super) exact: bool,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    ranges: BTreeMap<(u64, u64), Item>,
    empties: BTreeMap<(u64, u32, u64), Item>,
    /// The longest item so far.
    longest: u64,
}

/// The packets of one direction that wait, by the capture that has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    lanes: [Lane; 2],
    serial: u64,
}

impl Pending {
    /// Adds a packet of one capture: matches it with copies in the other one; the rest of it waits. `strict`: the
    /// timestamps option is not changed on the path, so copies must have equal ones.
    pub(super) fn offer(
        &mut self,
        point: Point,
        mut item: Item,
        strict: bool,
        mut found: impl FnMut(Pair<'_>),
    ) -> Option<Key> {
        let mut pair = |own: &Item, other: &Item, exact| {
            let items = match point {
                Point::A => [own, other],
                Point::B => [other, own],
            };
            found(Pair { items, exact });
        };
        let compatible = |own: &Packet, other: &Packet| match (own.timestamp, other.timestamp) {
            (Some(own), Some(other)) => !strict || own == other,
            _ => true,
        };
        let other = &mut self.lanes[point.other().index()];
        if item.packet.sequence_length() == 0 {
            let (start, acknowledged) = (item.start, item.acknowledged);
            let same = other
                .empties
                .range((start, acknowledged, 0)..=(start, acknowledged, u64::MAX));
            let best = same
                .filter(|(_, copy)| {
                    copy.packet.has(Flags::RST) == item.packet.has(Flags::RST) && compatible(&item.packet, &copy.packet)
                })
                .min_by_key(|(key, copy)| (likeness(&item.packet, &copy.packet), key.2))
                .map(|(&key, _)| key);
            if let Some(copy) = best.and_then(|key| other.empties.remove(&key)) {
                pair(&item, &copy, true);
                return None;
            }
        } else {
            let (start, end) = (item.start, item.end());
            let whole = other.ranges.range((start, 0)..=(start, u64::MAX));
            let best = whole
                .filter(|(_, copy)| {
                    !copy.touched && same_borders(&item.packet, &copy.packet) && compatible(&item.packet, &copy.packet)
                })
                .min_by_key(|(key, copy)| (likeness(&item.packet, &copy.packet), key.1))
                .map(|(&key, _)| key);
            if let Some(copy) = best.and_then(|key| other.ranges.remove(&key)) {
                pair(&item, &copy, true);
                return None;
            }
            let near = other.ranges.range((start.saturating_sub(other.longest), 0)..(end, 0));
            let mut parts: SmallVec<[(u64, u64); 8]> = near
                .filter(|(_, copy)| copy.end() > start && compatible(&item.packet, &copy.packet))
                .filter(|(_, copy)| copy.packet.has(Flags::SYN) == item.packet.has(Flags::SYN))
                .map(|(&key, _)| key)
                .collect();
            parts.sort_unstable_by_key(|key| key.1);
            for key in parts {
                let Some(copy) = other.ranges.get_mut(&key) else {
                    continue;
                };
                let wanted = item.left.clone();
                let mut any = false;
                for range in wanted {
                    for taken in copy.take(range) {
                        item.take(taken);
                        any = true;
                    }
                }
                if !any {
                    continue;
                }
                (copy.touched, item.touched) = (true, true);
                pair(&item, copy, false);
                if copy.left.is_empty() {
                    other.ranges.remove(&key);
                }
                if item.left.is_empty() {
                    return None;
                }
            }
        }
        Some(self.wait(point, item))
    }

    /// Removes a packet that waited too long.
    pub(super) fn remove(&mut self, point: Point, key: Key) -> Option<Item> {
        let lane = &mut self.lanes[point.index()];
        match key {
            Key::Range(start, serial) => lane.ranges.remove(&(start, serial)),
            Key::Empty(start, acknowledged, serial) => lane.empties.remove(&(start, acknowledged, serial)),
        }
    }

    /// Whether it still waits.
    pub(super) fn waits(&self, point: Point, key: Key) -> bool {
        let lane = &self.lanes[point.index()];
        match key {
            Key::Range(start, serial) => lane.ranges.contains_key(&(start, serial)),
            Key::Empty(start, acknowledged, serial) => lane.empties.contains_key(&(start, acknowledged, serial)),
        }
    }

    /// Everything that waits at one point, in the order of its capture.
    pub(super) fn drain(&mut self, point: Point) -> Vec<Item> {
        let lane = std::mem::take(&mut self.lanes[point.index()]);
        let mut items: Vec<Item> = lane.ranges.into_values().chain(lane.empties.into_values()).collect();
        items.sort_unstable_by_key(|item| item.order);
        items
    }

    fn wait(&mut self, point: Point, item: Item) -> Key {
        self.serial += 1;
        let lane = &mut self.lanes[point.index()];
        match item.packet.sequence_length() {
            0 => {
                let key = (item.start, item.acknowledged, self.serial);
                lane.empties.insert(key, item);
                Key::Empty(key.0, key.1, key.2)
            }
            length => {
                lane.longest = lane.longest.max(length.into());
                let key = (item.start, self.serial);
                lane.ranges.insert(key, item);
                Key::Range(key.0, key.1)
            }
        }
    }
}

fn same_borders(own: &Packet, other: &Packet) -> bool {
    let borders = (Flags::SYN | Flags::FIN | Flags::RST).bits();
    own.payload_length == other.payload_length && (own.flags.bits() ^ other.flags.bits()) & borders == 0
}

/// A distance of two possible copies: smaller means more similar.
fn likeness(own: &Packet, other: &Packet) -> u8 {
    let differs = |different: bool, weight| if different { weight } else { 0 };
    differs(own.timestamp != other.timestamp, 4)
        + differs(own.identification != other.identification, 2)
        + differs(own.window != other.window, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::testing::packet;

    fn offer(pending: &mut Pending, point: Point, start: u64, length: usize, timestamp: u32) -> Vec<(u64, u64, bool)> {
        let mut pairs = Vec::new();
        let packet = packet(start as u32, length, timestamp);
        pending.offer(point, Item::new(packet, start, 0, 1), true, |pair| {
            pairs.push((pair.items[0].start, pair.items[1].start, pair.exact));
        });
        pairs
    }

    #[test]
    fn a_retransmitted_copy_is_distinguished_from_the_first() {
        let mut pending = Pending::default();
        assert_eq!(offer(&mut pending, Point::A, 1000, 100, 1), []);
        assert_eq!(offer(&mut pending, Point::A, 1000, 100, 2), []);
        assert_eq!(offer(&mut pending, Point::B, 1000, 100, 2), [(1000, 1000, true)]);
        let left = pending.drain(Point::A);
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].packet.timestamp, left[0].payload_left()), (Some(1), 100));
    }

    #[test]
    fn an_aggregate_is_found_in_the_pieces_that_it_was_cut_into_but_for_the_lost_one() {
        let mut pending = Pending::default();
        assert_eq!(offer(&mut pending, Point::A, 1000, 3000, 1), []);
        assert_eq!(offer(&mut pending, Point::B, 1000, 1000, 1), [(1000, 1000, false)]);
        assert_eq!(offer(&mut pending, Point::B, 3000, 1000, 1), [(1000, 3000, false)]);
        let left = pending.drain(Point::A);
        assert_eq!(left.iter().map(Item::payload_left).sum::<u64>(), 1000);
        assert!(pending.drain(Point::B).is_empty());
    }

    #[test]
    fn pieces_that_were_joined_are_found_in_the_aggregate() {
        let mut pending = Pending::default();
        for start in [1000, 2000, 3000] {
            assert_eq!(offer(&mut pending, Point::A, start, 1000, 1), []);
        }
        let pairs = offer(&mut pending, Point::B, 1500, 2500, 1);
        assert_eq!(pairs, [(1000, 1500, false), (2000, 1500, false), (3000, 1500, false)]);
        assert_eq!(pending.drain(Point::A).iter().map(Item::payload_left).sum::<u64>(), 500);
        assert!(pending.drain(Point::B).is_empty());
    }
}
