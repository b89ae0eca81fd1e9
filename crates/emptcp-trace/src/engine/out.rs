//! The queue of events.

use crate::record::{Detail, Evidence, Mark, MarkKind, Stray};
use crate::{ConnectionId, Direction, Event, PacketNumber, SubflowId, Timestamp};
use std::collections::VecDeque;

/// The queue that the analyzer empties.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) queue: VecDeque<Event>,
    pub(super) marks: bool,
}

/// Where something happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) conn_id: ConnectionId,
    pub(super) sf_id: Option<SubflowId>,
    pub(super) dir: Direction,
    pub(super) packet: PacketNumber,
    pub(super) t: Timestamp,
}

/// The fields of a mark besides its kind and its location.
#[derive(Debug, Default)]
pub(super) struct MarkFields {
    pub(super) bytes: u64,
    pub(super) other_sf: Option<SubflowId>,
    pub(super) detail: Option<Detail>,
    pub(super) evidence: Evidence,
}

impl From<Detail> for MarkFields {
    fn from(detail: Detail) -> Self {
        Self {
            detail: Some(detail),
            ..Self::default()
        }
    }
}

impl From<u64> for MarkFields {
    fn from(bytes: u64) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }
}

impl From<()> for MarkFields {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl Out {
    pub(super) fn stray(&mut self, stray: Option<Stray>) {
        if let Some(stray) = stray.filter(|_| self.marks) {
            self.queue.push_back(Event::Stray(Box::new(stray)));
        }
    }

    pub(super) fn mark(&mut self, at: At, kind: MarkKind, what: impl Into<MarkFields>) {
        if !self.marks {
            return;
        }
        let MarkFields {
            bytes,
            other_sf,
            detail,
            evidence,
        } = what.into();
        self.queue.push_back(Event::Mark(Mark {
            conn_id: at.conn_id,
            sf_id: at.sf_id,
            t: at.t,
            packet: at.packet,
            dir: at.dir,
            kind,
            bytes,
            other_sf,
            detail,
            evidence,
        }));
    }
}
