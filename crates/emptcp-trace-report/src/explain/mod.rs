//! The story of one connection in plain sentences: what people open a capture for.
//!
//! [`Collector`] reads the events of one watched connection and keeps what matters, in bounded memory: handshakes
//! (`handshake.rs`), address signalling (`addresses.rs`), retransmissions and reinjections grouped in time
//! (`bursts.rs`), and the rare moments (`collector.rs`). When the connection is over, each chapter writes its
//! sentences: `opening.rs`, `joining.rs`, `addresses.rs`, `moving.rs` (data: hand-overs, stalls, copies),
//! `trouble.rs` (fallback, resets, warnings), `ending.rs` and `verdict.rs`. `words.rs` has numbers with units,
//! `text.rs` the layout for people.

mod addresses;
mod bursts;
mod collector;
mod ending;
mod handshake;
mod joining;
mod moving;
mod opening;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod trouble;
mod verdict;
pub(crate) mod words;

pub use collector::Collector;
pub use text::write_text;

use emptcp_trace::record::Connection;
use emptcp_trace::{PacketNumber, Span, SubflowId, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SentenceKind {
    /// What the capture lacks.
    Capture,
    /// How the connection was opened.
    Opened,
    /// A subflow: how it was opened, or why not.
    Subflow,
    /// ADD_ADDR, REMOVE_ADDR.
    Address,
    /// MP_PRIO.
    Priority,
    /// The data moved to another subflow.
    Handover,
    /// The data stood still.
    Stall,
    /// Nothing was sent at all.
    Silence,
    /// Payload sent again on the same subflow.
    Retransmission,
    /// Payload sent again on another subflow.
    Reinjection,
    /// It stopped being Multipath TCP.
    Fallback,
    /// A subflow was reset or closed.
    Closed,
    /// Something that should not happen.
    Warning,
    /// How the connection ended.
    End,
    /// What to think of it all.
    Verdict,
}

/// One sentence of the story, or two or three that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// When it begins, after the first SYN of the connection.
    pub t: Span,
    /// The first and the last packet that show it.
    pub packets: Option<[PacketNumber; 2]>,
    /// The subflow, when it is about one.
    pub subflow: Option<SubflowId>,
    /// What happened.
    pub text: String,
    /// What kind of thing that is.
    pub kind: SentenceKind,
}

/// A moment, and the packet that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) t: Timestamp,
    pub(crate) packet: PacketNumber,
}

/// Where the chapters write.
struct Pages<'a> {
    connection: &'a Connection,
    sentences: Vec<Sentence>,
    /// Resets and FINs that a sentence about something else has told already.
    told: BTreeSet<PacketNumber>,
}

impl Pages<'_> {
    fn since_start(&self, t: Timestamp) -> Span {
        t - self.connection.t0
    }

    /// A time since the start, as it stands in a sentence.
    fn clock(&self, t: Timestamp) -> String {
        words::duration(self.since_start(t))
    }

    fn write(&mut self, kind: SentenceKind, from: At, to: At, subflow: Option<SubflowId>, text: String) {
        let packets = Some([from.packet.min(to.packet), from.packet.max(to.packet)]);
        let t = self.since_start(from.t);
        self.sentences.push(Sentence {
            t,
            packets,
            subflow,
            text,
            kind,
        });
    }

    /// A sentence that no packet shows.
    fn remark(&mut self, kind: SentenceKind, t: Timestamp, text: String) {
        let t = self.since_start(t);
        self.sentences.push(Sentence {
            t,
            packets: None,
            subflow: None,
            text,
            kind,
        });
    }
}

/// The first items of a list that may be long, and how many more there were.
#[derive(Clone, Debug)]
struct Capped<T> {
    items: Vec<T>,
    more: u64,
}

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            more: 0,
        }
    }
}

impl<T> Capped<T> {
    /// Moments of one kind that are told one by one.
    const LIMIT: usize = 48;

    fn push(&mut self, item: T) {
        if self.items.len() < Self::LIMIT {
            self.items.push(item);
        } else {
            self.more += 1;
        }
    }
}
