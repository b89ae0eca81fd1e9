//! The story of one connection in sentences.
//!
//! ```
//! use emptcp_trace::{Analyzer, ConnectionId, Event, Settings, Watch, source};
//! use emptcp_trace_report::explain::{Collector, Detail, SentenceKind, write_text};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../emptcp-trace/tests/captures/reuse.pcap.zst");
//! let id = ConnectionId(1);
//! let settings = Settings {
//!     watch: Watch::Connection(id),
//!     ..Settings::default()
//! };
//! let mut collector = Collector::new(id);
//! for event in Analyzer::with_settings(source::open([path])?, settings) {
//!     let event = event?;
//!     collector.observe(&event);
//!     if let Event::Connection(connection) = event
//!         && connection.conn_id == id
//!     {
//!         let story = collector.story(&connection);
//!         assert!(story.iter().any(|sentence| sentence.kind == SentenceKind::Opened));
//!         write_text(&mut std::io::stdout(), &connection, &story, 100, Detail::Why)?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Collector`] reads the events of one watched connection and keeps what matters, in bounded memory: handshakes
//! (`handshake.rs`), what each direction of a subflow shows (`way.rs`), the state of the capture itself
//! (`artefacts.rs`), address signalling (`addresses.rs`), retransmissions and reinjections grouped in time
//! (`bursts.rs`), and rare events (`collector.rs`). When the connection is over, each chapter writes its
//! sentences: `capture.rs`, `opening.rs`, `joining.rs`, `addresses.rs`, `moving.rs` (handovers, stalls, silences),
//! `copies.rs` (data sent again), `fallback.rs`, `unmapped.rs`, `closing.rs` (subflows that end), `warnings.rs`,
//! `ending.rs` and `verdict.rs`. `weigh.rs` decides which causes of an observation remain; `words.rs` has numbers with
//! units, `text.rs` the layout for people, `why.rs` that of the evidence.

mod addresses;
mod artefacts;
mod bursts;
mod capture;
mod closing;
mod collector;
mod copies;
mod ending;
#[cfg(test)]
mod evidence_tests;
mod fallback;
mod handshake;
mod joining;
mod moving;
mod opening;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod unmapped;
mod verdict;
mod warnings;
mod way;
mod weigh;
mod why;
pub(crate) mod words;

pub use collector::Collector;
pub use text::{Detail, write_text};
pub use weigh::Reason;

use emptcp_trace::record::{Connection, Evidence};
use emptcp_trace::{Direction, PacketNumber, Span, SubflowId, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;
use weigh::Weighed;

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SentenceKind {
    /// What the capture lacks.
    Capture,
    /// How the connection was opened.
    Opened,
    /// A subflow: how it was opened, or why it failed.
    Subflow,
    /// ADD_ADDR, REMOVE_ADDR.
    Address,
    /// MP_PRIO.
    Priority,
    /// The data moved to another subflow.
    Handover,
    /// Data waited without progress.
    Stall,
    /// Nothing was sent on any subflow.
    Silence,
    /// Payload sent again on the same subflow.
    Retransmission,
    /// Payload sent again on another subflow.
    Reinjection,
    /// Payload that came out of order.
    Reordering,
    /// It stopped being Multipath TCP.
    Fallback,
    /// A subflow was reset or closed.
    Closed,
    /// A warning.
    Warning,
    /// How the connection ended.
    End,
    /// The assessment.
    Verdict,
}

/// A sentence of the story, or two or three sentences about the same thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// When it begins, seconds after the first SYN of the connection.
    pub t: Span,
    /// The first and the last packet that show it.
    pub packets: Option<[PacketNumber; 2]>,
    /// The subflow, when it is about one.
    pub subflow: Option<SubflowId>,
    /// The direction whose sender or path it is about, where that matters.
    pub direction: Option<Direction>,
    /// The sentence.
    pub text: String,
    /// What it is about.
    pub kind: SentenceKind,
    /// What it rests on.
    pub evidence: Evidence,
    /// The same in words: the causes that remain, then why the others do not.
    pub reasons: Vec<Reason>,
}

/// The subflow and the direction that a sentence is about.
#[derive(Clone, Copy, Debug, Default)]
struct About {
    subflow: Option<SubflowId>,
    direction: Option<Direction>,
}

/// The connection.
const ALL: About = About {
    subflow: None,
    direction: None,
};

impl From<SubflowId> for About {
    fn from(subflow: SubflowId) -> Self {
        Self {
            subflow: Some(subflow),
            direction: None,
        }
    }
}

impl From<Direction> for About {
    fn from(direction: Direction) -> Self {
        Self {
            subflow: None,
            direction: Some(direction),
        }
    }
}

impl From<(SubflowId, Direction)> for About {
    fn from((subflow, direction): (SubflowId, Direction)) -> Self {
        Self {
            subflow: Some(subflow),
            direction: Some(direction),
        }
    }
}

/// A moment, and the packet that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) t: Timestamp,
    pub(crate) packet: PacketNumber,
}

/// Collects the sentences of the chapters.
struct StoryWriter<'a> {
    connection: &'a Connection,
    sentences: Vec<Sentence>,
    /// Resets and FINs that an earlier sentence has described.
    described: BTreeSet<PacketNumber>,
}

impl StoryWriter<'_> {
    fn since_start(&self, t: Timestamp) -> Span {
        t - self.connection.t0
    }

    /// A time since the start, as a sentence has it.
    fn clock(&self, t: Timestamp) -> String {
        words::duration(self.since_start(t))
    }

    /// A sentence with what it rests on. The causes that remain follow the text.
    fn say(
        &mut self,
        kind: SentenceKind,
        about: impl Into<About>,
        [from, to]: [At; 2],
        text: impl Into<String>,
        weighed: Weighed,
    ) {
        let packets = Some([from.packet.min(to.packet), from.packet.max(to.packet)]);
        self.push(kind, about.into(), from.t.min(to.t), packets, text.into(), weighed);
    }

    /// A sentence about what its first packet shows.
    fn note(&mut self, kind: SentenceKind, about: impl Into<About>, span: [At; 2], text: impl Into<String>) {
        let weighed = Weighed::observed([span[0].packet]);
        self.say(kind, about, span, text, weighed);
    }

    /// A sentence without packet numbers.
    fn remark(&mut self, kind: SentenceKind, t: Timestamp, text: impl Into<String>, weighed: Weighed) {
        self.push(kind, ALL, t, None, text.into(), weighed);
    }

    fn push(
        &mut self,
        kind: SentenceKind,
        about: About,
        t: Timestamp,
        packets: Option<[PacketNumber; 2]>,
        text: String,
        weighed: Weighed,
    ) {
        let t = self.since_start(t);
        let text = text + &weighed.sentence();
        let Weighed { evidence, reasons, .. } = weighed;
        self.sentences.push(Sentence {
            t,
            packets,
            subflow: about.subflow,
            direction: about.direction,
            text,
            kind,
            evidence,
            reasons,
        });
    }
}

/// The first items of a list, and the number of further ones.
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
    /// The most marks of one kind that get a sentence each.
    const LIMIT: usize = 48;

    fn push(&mut self, item: T) {
        if self.items.len() < Self::LIMIT {
            self.items.push(item);
        } else {
            self.more += 1;
        }
    }
}
