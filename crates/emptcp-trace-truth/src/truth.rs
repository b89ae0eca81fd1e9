//! What happened, and the figures: what the analysis should find.

use crate::packet::Packet;
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, PerDirection, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// The cause.
    pub cause: Cause,
    /// The sender that did it, or whose packets it befell; none when both.
    pub direction: Option<Direction>,
    /// The subflow, as an index into [`Truth::subflows`]; none when it concerns more than one.
    pub subflow: Option<usize>,
    /// When it took effect first and last, in true time.
    pub span: [Timestamp; 2],
    /// The numbers of the first and last packet of the capture in that span, of that subflow.
    pub packets: Option<[u64; 2]>,
    /// In words.
    pub what: &'static str,
    /// The planned happening that it belongs to; none for the ordinary, such as the end of a connection.
    pub happening: Option<usize>,
}

/// A subflow as the capture shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SubflowTruth {
    /// The addresses of client and server in the capture; none if no packet of it is there.
    pub addresses: Option<[SocketAddr; 2]>,
    /// Whether the capture has an MPTCP option on it.
    pub is_multipath: bool,
    /// Payload, bytes, each TCP sequence number once.
    pub payload: PerDirection<u64>,
    /// Payload that the capture shows again at the same TCP sequence number, bytes.
    pub retransmitted: PerDirection<u64>,
}

/// The truth about one capture.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Truth {
    /// What happened, planned or not.
    pub facts: Vec<Fact>,
    /// The subflows, in the order in which they were opened.
    pub subflows: Vec<SubflowTruth>,
    /// Payload that a subflow carried after another one, bytes.
    pub reinjected: PerDirection<u64>,
    /// Connections with an MP_CAPABLE of the client in the capture.
    pub connections: u64,
    /// Subflows with the SYN of an MP_JOIN in the capture, and with any MP_JOIN.
    pub joins: [u64; 2],
    /// Options are cut off: figures that need them cannot be had.
    pub headers_cut: bool,
    /// The planned happenings that befell something that leaves a trace: sequence numbers or an option.
    #[serde(skip)]
    pub(crate) weighs: Vec<bool>,
}

/// Takes down what happens while it happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) facts: Vec<Fact>,
    pub(crate) weighs: Vec<bool>,
    /// The client's own port of each subflow, for a path that changes ports.
    pub(crate) ports: BTreeMap<usize, u16>,
}

/// What is known of a fact before it has happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) cause: Cause,
    pub(crate) what: &'static str,
    /// The planned happening.
    pub(crate) happening: Option<usize>,
}

impl Origin {
    /// Nothing planned: what hosts do in an ordinary connection.
    pub(crate) const fn ordinary(cause: Cause, what: &'static str) -> Self {
        Self {
            cause,
            what,
            happening: None,
        }
    }
}

impl Ledger {
    /// It took effect now; once more if it is known already.
    pub(crate) fn note(
        &mut self,
        origin: Origin,
        direction: Option<Direction>,
        subflow: Option<usize>,
        now: Timestamp,
    ) {
        if let Some(happening) = origin.happening {
            self.weigh(happening);
        }
        self.write(origin, direction, subflow, now);
    }

    /// A packet is missing. A pure acknowledgement leaves no trace: the next one says the same.
    pub(crate) fn note_lost(&mut self, origin: Origin, packet: &Packet, now: Timestamp) {
        if let Some(happening) = origin.happening.filter(|_| packet.space() > 0) {
            self.weigh(happening);
        }
        self.write(origin, Some(packet.dir), Some(packet.subflow), now);
    }

    /// It happened; whether that leaves a trace in the capture.
    pub(crate) fn note_if(
        &mut self,
        leaves_trace: bool,
        origin: Origin,
        direction: Option<Direction>,
        subflow: Option<usize>,
        now: Timestamp,
    ) {
        match leaves_trace {
            true => self.note(origin, direction, subflow, now),
            false => self.write(origin, direction, subflow, now),
        }
    }

    fn weigh(&mut self, happening: usize) {
        if self.weighs.len() <= happening {
            self.weighs.resize(happening + 1, false);
        }
        self.weighs[happening] = true;
    }

    fn write(&mut self, origin: Origin, direction: Option<Direction>, subflow: Option<usize>, now: Timestamp) {
        let same = |fact: &&mut Fact| {
            (fact.cause, fact.direction, fact.subflow, fact.happening, fact.what)
                == (origin.cause, direction, subflow, origin.happening, origin.what)
        };
        match self.facts.iter_mut().find(same) {
            Some(fact) => fact.span = [fact.span[0].min(now), fact.span[1].max(now)],
            None => self.facts.push(Fact {
                cause: origin.cause,
                direction,
                subflow,
                span: [now, now],
                packets: None,
                what: origin.what,
                happening: origin.happening,
            }),
        }
    }
}
