//! Keeps what the story needs, event by event.

use super::addresses::Addresses;
use super::artefacts::Artefacts;
use super::bursts::{Bursts, Copies, Key};
use super::handshake::Handshake;
use super::way::Run;
use super::{
    ALL, At, Capped, Sentence, SentenceKind, StoryWriter, addresses, capture, closing, copies, ending, fallback,
    joining, moving, opening, verdict, warnings,
};
use emptcp_trace::record::{Connection, Detail, Mark, MarkKind, Subflow};
use emptcp_trace::{ConnectionId, Direction, Event, PacketEvent, PerDirection, Piece, Span, SubflowId};
use mptcp_wire::mptcp::MptcpOption;
use std::collections::{BTreeMap, BTreeSet};

/// Subflows whose handshake gets a sentence.
const SUBFLOWS: usize = 256;
/// The shortest silence that gets a sentence, and the most silences that do (the longest ones).
const SILENCE: Span = Span::from_seconds(2);
/// The same while data waits for its acknowledgement: a sender repeats it sooner.
const SILENCE_WAITING: Span = Span(900_000_000);
const SILENCES: usize = 5;

/// Reads the events of one connection and writes its story. Memory does not grow with the capture.
#[derive(Clone, Debug)]
pub struct Collector {
    watched: ConnectionId,
    pub(super) facts: Facts,
}

/// What was kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) handshakes: BTreeMap<SubflowId, Handshake>,
    pub(super) addresses: Addresses,
    pub(super) bursts: Bursts,
    /// Rare events, by kind.
    pub(super) moments: BTreeMap<MarkKind, Capped<Moment>>,
    pub(super) artefacts: Artefacts,
    /// Packets of the capture whose headers are cut off: any of them may be of this connection.
    pub(super) headers_cut: u64,
    /// The first packet, and the last.
    pub(super) first: Option<At>,
    pub(super) last: Option<At>,
    /// The longest times without any packet.
    pub(super) silences: Vec<Quiet>,
    /// How many there were.
    pub(super) silence_count: u64,
    /// The subflow that last carried the oldest byte that is not acknowledged.
    carriers: PerDirection<Option<Carrier>>,
    /// The highest DATA_ACK for the data of each direction, up to the packet before the last.
    pub(super) data_acks: PerDirection<u64>,
    /// Data that was sent again on the same subflow although a DATA_ACK for it had been captured.
    pub(super) unheard: PerDirection<Option<Run>>,
    /// The end of the data of each direction that was seen.
    data_ends: PerDirection<u64>,
    /// The same, up to the last packet. Marks of a packet, such as the end of a stall, refer to the state before it.
    pending: Option<(Direction, u64)>,
}

/// A time without packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    pub(super) from: At,
    pub(super) to: At,
    /// A SYN or data waited for its answer.
    pub(super) waits: bool,
    /// Sequence numbers moved meanwhile.
    pub(super) jumps: bool,
    /// It ends with the acknowledgement of what waited: no timer of the sender expired in between.
    pub(super) resumed_by_ack: bool,
}

impl Quiet {
    /// Whether a step ahead of the clock made it long: both sides show soon after it that less time has passed.
    pub(super) fn has_step(&self, step: &Moment) -> bool {
        let mark = &step.mark;
        let is_ahead = matches!(mark.detail, Some(Detail::Step(by)) if by.0 > 0 && by <= self.to.t - self.from.t);
        is_ahead && self.to.packet <= mark.packet && mark.t - self.to.t < Span::from_seconds(1)
    }
}

/// A mark, and the state at that moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) mark: Mark,
    /// The subflow that carried the byte which ended a stall.
    pub(super) carrier: Option<Carrier>,
}

/// A packet that carried a missing byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrier {
    pub(super) at: At,
    pub(super) subflow: SubflowId,
    pub(super) piece: Piece,
}

impl Moment {
    pub(super) fn at(&self) -> At {
        At {
            t: self.mark.t,
            packet: self.mark.packet,
        }
    }
}

impl Facts {
    fn silence(&mut self, quiet: Quiet) {
        self.silence_count += 1;
        self.silences.push(quiet);
        if self.silences.len() > SILENCES {
            let lengths = self
                .silences
                .iter()
                .enumerate()
                .map(|(index, quiet)| (quiet.to.t - quiet.from.t, index));
            if let Some((_, shortest)) = lengths.min() {
                self.silences.remove(shortest);
            }
        }
    }

    /// Whether a SYN or data waits for its answer.
    pub(super) fn waits(&self) -> bool {
        let behind = |direction: Direction| {
            let pending = self
                .pending
                .filter(|(of, _)| *of == direction)
                .map_or(0, |(_, data_ack)| data_ack);
            // Only where DATA_ACKs are known at all.
            let known = self.data_acks[direction].max(pending);
            known > 0 && self.data_ends[direction] > known
        };
        if Direction::BOTH.into_iter().any(behind) {
            return true;
        }
        self.handshakes.values().any(|handshake| {
            let open = handshake.first_reset().is_none();
            let half_open = handshake.syn_ack.is_some() && handshake.ack.is_none();
            open && (handshake.unanswered_syn() || half_open || handshake.ways.0.iter().any(|way| way.waits()))
        })
    }

    /// Whether no subflow is left: each was reset, or closed by both sides.
    pub(super) fn is_cut_off(&self) -> bool {
        self.handshakes
            .values()
            .all(|handshake| handshake.first_reset().is_some() || handshake.fin.0.iter().all(Option::is_some))
    }

    /// Whether the capture lacks packets in the middle, or cannot be read in part.
    pub(super) fn is_incomplete(&self, connection: &Connection) -> bool {
        let has_gaps = |handshake: &Handshake| {
            let absent = handshake
                .one_direction()
                .is_some_and(|seen| handshake.speaks(seen.reverse()));
            absent || handshake.ways.0.iter().any(|way| way.unseen.is_some())
        };
        self.headers_cut > 0
            || self.moments.contains_key(&MarkKind::NotCaptured)
            || connection.lossy_capture
            || self.handshakes.values().any(has_gaps)
    }

    /// Whether a subflow came about.
    pub(super) fn is_open(&self, subflow: &Subflow) -> bool {
        self.handshakes
            .get(&subflow.sf_id)
            .map_or(subflow.established, |handshake| handshake.is_open(subflow))
    }

    /// The marks of one kind.
    pub(super) fn moments(&self, kind: MarkKind) -> &[Moment] {
        self.moments.get(&kind).map_or(&[], |moments| moments.items.as_slice())
    }
}

impl Collector {
    /// For one connection, the one that is watched.
    #[must_use]
    pub fn new(watched: ConnectionId) -> Self {
        Self {
            watched,
            facts: Facts::default(),
        }
    }

    /// Takes note of an event. Those of other connections are ignored; the totals tell what of the capture could not be
    /// read, so that a story is best told after them.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Packet(packet) if packet.conn_id == self.watched => self.packet(packet),
            Event::Mark(mark) if mark.conn_id == self.watched => self.mark(mark),
            Event::End(totals) => self.facts.headers_cut = totals.skipped.cut,
            _ => {}
        }
    }

    fn packet(&mut self, packet: &PacketEvent) {
        let at = At {
            t: packet.t,
            packet: packet.number,
        };
        let facts = &mut self.facts;
        let quiet = facts.last.filter(|last| at.t - last.t >= SILENCE_WAITING);
        let waits = quiet.is_some() && facts.waits();
        let quiet = quiet.filter(|last| waits || at.t - last.t >= SILENCE);
        if let Some((direction, data_ack)) = facts.pending.take() {
            facts.data_acks[direction] = facts.data_acks[direction].max(data_ack);
        }
        facts.pending = packet.data_ack.map(|data_ack| (packet.dir.reverse(), data_ack));
        facts.artefacts.observe(packet, at);
        facts.first.get_or_insert(at);
        facts.last = Some(at);
        if facts.handshakes.len() < SUBFLOWS || facts.handshakes.contains_key(&packet.sf_id) {
            facts.handshakes.entry(packet.sf_id).or_default().observe(packet);
        }
        if let Some(from) = quiet {
            let ways = facts.handshakes.get(&packet.sf_id).map(|handshake| &handshake.ways);
            let answered = ways.is_some_and(|ways| ways[packet.dir.reverse()].last_acked == Some(at));
            let repeats = packet.runs.iter().any(|run| run.piece != Piece::New);
            let quiet = Quiet {
                from,
                to: at,
                waits,
                jumps: ways.is_some_and(|ways| ways.0.iter().any(|way| way.jumped_at(at))),
                resumed_by_ack: waits && answered && !repeats,
            };
            facts.silence(quiet);
        }
        for option in &packet.options {
            match option {
                MptcpOption::AddAddr(option) => facts.addresses.add(packet.dir, at, option),
                MptcpOption::RemoveAddr(option) => facts.addresses.remove(packet.dir, at, option.address_ids()),
                MptcpOption::MpPrio(option) => {
                    let carried = facts
                        .handshakes
                        .get(&packet.sf_id)
                        .map_or(0, |handshake| handshake.carried);
                    facts.addresses.priority(packet.dir, at, packet.sf_id, *option, carried);
                }
                _ => {}
            }
        }
        let ends = packet
            .runs
            .iter()
            .filter_map(|run| Some(run.dsn? + u64::from(run.length)));
        facts.data_ends[packet.dir] = ends.fold(facts.data_ends[packet.dir], u64::max);
        let waited_for = facts.data_acks[packet.dir];
        let again = packet.runs.iter().filter(|run| run.piece == Piece::SameSubflow);
        let again = again.filter(|run| run.dsn.is_some_and(|dsn| dsn + u64::from(run.length) <= waited_for));
        let again: u64 = again.map(|run| u64::from(run.length)).sum();
        if again > 0 {
            Run::add(&mut facts.unheard[packet.dir], at, again);
        }
        for run in &packet.runs {
            if run
                .dsn
                .is_some_and(|dsn| (dsn..dsn.saturating_add(run.length.into())).contains(&waited_for))
            {
                facts.carriers[packet.dir] = Some(Carrier {
                    at,
                    subflow: packet.sf_id,
                    piece: run.piece,
                });
            }
        }
    }

    fn mark(&mut self, mark: &Mark) {
        let facts = &mut self.facts;
        let at = At {
            t: mark.t,
            packet: mark.packet,
        };
        let copies = match mark.kind {
            MarkKind::Retransmission => Some(Copies::Retransmission),
            MarkKind::SameDsn => Some(Copies::SameSubflow),
            MarkKind::Reinjection => mark.other_sf.map(Copies::Reinjection),
            _ => None,
        };
        match (copies, mark.sf_id, mark.kind) {
            (Some(copies), Some(subflow), _) => {
                facts.bursts.push(Key::new(copies, subflow, mark.dir), at, mark.bytes);
            }
            // The packets have more details about these.
            (_, _, MarkKind::Syn | MarkKind::SynRetransmission | MarkKind::AddAddr | MarkKind::AddAddrEcho)
            | (_, _, MarkKind::RemoveAddr | MarkKind::MpPrio | MarkKind::MpTcprst | MarkKind::Established) => {}
            _ => {
                let data = mark.dir;
                let carrier = facts.carriers[data];
                let moment = Moment {
                    mark: mark.clone(),
                    carrier,
                };
                facts.moments.entry(mark.kind).or_default().push(moment);
            }
        }
    }

    /// The story, when the connection is over: in the order of time, the verdict last.
    #[must_use]
    pub fn story(&self, connection: &Connection) -> Vec<Sentence> {
        let mut writer = StoryWriter {
            connection,
            sentences: Vec::new(),
            described: BTreeSet::new(),
        };
        let mut facts = self.facts.clone();
        if let Some((direction, data_ack)) = facts.pending.take() {
            facts.data_acks[direction] = facts.data_acks[direction].max(data_ack);
        }
        let chapters: [fn(&Facts, &mut StoryWriter<'_>); 10] = [
            capture::write,
            opening::write,
            joining::write,
            addresses::write,
            moving::write,
            copies::write,
            fallback::write,
            closing::write,
            warnings::write,
            ending::write,
        ];
        for write in chapters {
            write(&facts, &mut writer);
        }
        let weighed = super::weigh::Weighed::default();
        let text = verdict::text(&facts, connection);
        writer.push(SentenceKind::Verdict, ALL, connection.t_end, None, text, weighed);
        let mut sentences = writer.sentences;
        sentences.sort_by_key(|sentence| (rank(sentence.kind), sentence.t, sentence.kind));
        sentences
    }
}

/// Sentences about the capture come first, the end last.
fn rank(kind: SentenceKind) -> u8 {
    match kind {
        SentenceKind::Capture => 0,
        SentenceKind::End => 2,
        SentenceKind::Verdict => 3,
        _ => 1,
    }
}
