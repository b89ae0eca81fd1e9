//! One of the two captures: its TCP segments in the order of time.

use super::packet::Packet;
use crate::record::{Encapsulated, Skipped};
use crate::{Limits, Next, Result, Source, Timestamp};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Totals of a capture.
#[derive(Clone, Debug, Serialize)]
pub struct Capture {
    /// Its name.
    pub name: Arc<str>,
    /// Packets read.
    pub packets: u64,
    /// TCP segments.
    pub tcp: u64,
    /// TCP segments in tags, labels and tunnels.
    pub encapsulated: Encapsulated,
    /// Packets left out.
    pub skipped: Skipped,
    /// Packets that came too late to be sorted by time.
    pub late: u64,
    /// The first packet, by its own clock.
    pub first: Option<Timestamp>,
    /// The last packet.
    pub last: Option<Timestamp>,
}

/// Reads a source; sorts packets by time if the source may be unordered.
pub(super) struct Reader<S> {
    source: S,
    /// Packets by time, then by number.
    held: BTreeMap<(Timestamp, u64), Packet>,
    /// Whether packets may be out of order; this may become true while reading.
    unordered: bool,
    newest: Timestamp,
    given: Option<Timestamp>,
    ended: bool,
    /// The next packet, read ahead.
    ahead: Option<Packet>,
    pub(super) capture: Capture,
}

impl<S: Source> Reader<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            capture: Capture {
                name: source.name(),
                packets: 0,
                tcp: 0,
                encapsulated: Encapsulated::default(),
                skipped: Skipped::default(),
                late: 0,
                first: None,
                last: None,
            },
            source,
            held: BTreeMap::new(),
            unordered: false,
            newest: Timestamp(i64::MIN),
            given: None,
            ended: false,
            ahead: None,
        }
    }

    /// The time of the next packet; none at the end.
    pub(super) fn next_time(&mut self) -> Result<Option<Timestamp>> {
        if self.ahead.is_none() {
            self.ahead = self.read()?;
        }
        Ok(self.ahead.as_ref().map(|packet| packet.time))
    }

    /// The next packet; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Packet>> {
        self.next_time()?;
        Ok(self.ahead.take())
    }

    fn read(&mut self) -> Result<Option<Packet>> {
        let limits = Limits::default();
        let (most, span) = (limits.reorder_packets, limits.reorder_span);
        loop {
            let due = match self.held.first_key_value() {
                Some((&(time, _), _)) => self.ended || self.held.len() > most || self.newest - time > span,
                None if self.ended => return Ok(None),
                None => false,
            };
            if due {
                let packet = self.held.pop_first().map(|(_, packet)| packet);
                let time = packet.as_ref().map(|packet| packet.time);
                if time < self.given {
                    self.capture.late += 1;
                }
                self.given = self.given.max(time);
                return Ok(packet);
            }
            match self.parse_next()? {
                Some(packet) => {
                    self.unordered |= self.source.may_be_unordered();
                    if !self.unordered {
                        self.given = Some(packet.time);
                        return Ok(Some(packet));
                    }
                    self.newest = self.newest.max(packet.time);
                    self.held.insert((packet.time, packet.number.0), packet);
                }
                None => self.ended = true,
            }
        }
    }

    fn parse_next(&mut self) -> Result<Option<Packet>> {
        loop {
            let frame = match self.source.next()? {
                Next::Frame(frame) => frame,
                // Ignore live quiet times: only packets advance the comparison.
                Next::Quiet(_) => continue,
                Next::End => return Ok(None),
            };
            let capture = &mut self.capture;
            capture.packets += 1;
            capture.first = capture
                .first
                .map(Reverse)
                .max(Some(Reverse(frame.time)))
                .map(|first| first.0);
            capture.last = capture.last.max(Some(frame.time));
            if let Some(packet) = Packet::parse(&frame, &mut capture.skipped, &mut capture.encapsulated) {
                capture.tcp += 1;
                return Ok(Some(packet));
            }
        }
    }
}
