//! Which subflows were open before the capture began.

use crate::{Frame, Next, Result, Source};
use hashbrown::HashSet;
use mptcp_wire::Segment;
use mptcp_wire::mptcp::Subtype;
use mptcp_wire::tcp::Flags;
use std::net::SocketAddr;
use std::sync::Arc;

/// Subflows that are remembered.
const MOST: usize = 1 << 16;

/// Passes on the packets of another source, and counts subflows without a SYN: their payload cannot be assigned to a
/// connection.
#[derive(Debug)]
pub struct Starts<S> {
    source: S,
    /// By addresses and ports, the smaller first.
    known: HashSet<(SocketAddr, SocketAddr)>,
    missed: u64,
}

impl<S: Source> Starts<S> {
    /// Wraps `source`.
    pub fn new(source: S) -> Self {
        Self {
            source,
            known: HashSet::new(),
            missed: 0,
        }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Subflows with MPTCP options whose SYN was not seen. With more than 65536 subflows at a time, some may be counted
    /// again.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// Examines a frame. Returns whether it belongs to an MPTCP subflow that is not among the `known` ones.
fn note(known: &mut HashSet<(SocketAddr, SocketAddr)>, frame: &Frame<'_>) -> bool {
    let Ok(Ok(segment)) = frame.link.map(|link| Segment::parse_innermost(frame.bytes, link)) else {
        return false;
    };
    let (source, destination) = (segment.source(), segment.destination());
    let ends = (source.min(destination), source.max(destination));
    if known.contains(&ends) {
        return false;
    }
    let flags = segment.tcp().flags();
    let options = segment.options().map_while(std::result::Result::ok);
    let (mut starts, mut missed) = (flags.contains(Flags::SYN), false);
    for view in options.filter_map(|option| option.mptcp()?.ok()) {
        match view.subtype() {
            // A third ACK with both keys starts a connection, as a SYN does.
            Subtype::MpCapable => starts = true,
            _ => missed = true,
        }
    }
    let missed = missed && !starts && !flags.contains(Flags::RST);
    if starts || missed {
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(ends);
    }
    missed
}

impl<S: Source> Source for Starts<S> {
    fn next(&mut self) -> Result<Next<'_>> {
        let next = self.source.next()?;
        if let Next::Frame(frame) = &next {
            self.missed += u64::from(note(&mut self.known, frame));
        }
        Ok(next)
    }

    fn name(&self) -> Arc<str> {
        self.source.name()
    }

    fn may_be_unordered(&self) -> bool {
        self.source.may_be_unordered()
    }
}
