//! Packets in the order of time, from a source that mixes several interfaces or files.

use crate::{Limits, PacketNumber, Timestamp};
use std::collections::BTreeMap;

/// Packets that wait until no earlier packet is expected.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    waiting: BTreeMap<(Timestamp, PacketNumber), T>,
    released: Option<Timestamp>,
}

impl<T> Default for Reorder<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            released: None,
        }
    }
}

impl<T> Reorder<T> {
    /// Adds a packet. Returns it if it is late: later packets have been passed on already.
    pub(crate) fn push(&mut self, time: Timestamp, number: PacketNumber, packet: T) -> Option<T> {
        if self.released.is_some_and(|released| time < released) {
            return Some(packet);
        }
        self.waiting.insert((time, number), packet);
        None
    }

    /// The next packet, once enough later packets have come.
    pub(crate) fn pop(&mut self, limits: &Limits) -> Option<T> {
        let (first, last) = (self.waiting.first_key_value()?, self.waiting.last_key_value()?);
        let ripe = last.0.0 - first.0.0 >= limits.reorder_span || self.waiting.len() > limits.reorder_packets;
        if ripe { self.pop_any() } else { None }
    }

    /// Whether no packet waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next packet, at the end of the source.
    pub(crate) fn pop_any(&mut self) -> Option<T> {
        let ((time, _), packet) = self.waiting.pop_first()?;
        self.released = Some(time);
        Some(packet)
    }
}
