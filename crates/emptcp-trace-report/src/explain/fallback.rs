//! Where it stopped being Multipath TCP: options that vanish, MP_FAIL, infinite mappings, data without a mapping.

use super::collector::{Facts, Moment};
use super::handshake::Handshake;
use super::way::{Run, Way};
use super::weigh::{Weighed, Weighing};
use super::{About, At, SentenceKind, StoryWriter, unmapped, words};
use emptcp_trace::record::{Cause, Connection, Detail, End, Fallback, Mark, MarkKind, Subflow};
use emptcp_trace::{Direction, Span, SubflowId};

const FALLBACK: SentenceKind = SentenceKind::Fallback;
/// Acknowledgements without DATA_ACK, of data that waits for one, which are no accident.
const BARE_ACKS: u64 = 3;
/// A DATA_FIN that is repeated so long was not heard.
const LONG: Span = Span::from_seconds(1);

/// The options of one sender ceased on one subflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vanished {
    pub(super) subflow: SubflowId,
    pub(super) direction: Direction,
    /// The packets without option.
    pub(super) run: Run,
    /// Those with payload that has no mapping.
    data: Option<Run>,
    /// The last DSS of the other side, when it comes after that.
    goes_on: Option<At>,
}

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let gone = vanished(facts, writer.connection);
    for moment in facts.moments(MarkKind::Fallback) {
        if let Some(Detail::Fallback(class)) = moment.mark.detail {
            write_class(class, moment, facts, writer);
        }
    }
    write_mirrored(facts, writer);
    write_fail(facts, writer);
    for (index, one) in gone.iter().enumerate() {
        let earlier = gone.iter().take(index).any(|other| other.subflow == one.subflow);
        write_vanished(one, earlier, facts, writer);
    }
    unmapped::write(facts, writer);
}

/// Where options ceased, in the order of time. A sender that has told so (MP_FAIL, an infinite mapping) is left out.
pub(super) fn vanished(facts: &Facts, connection: &Connection) -> Vec<Vanished> {
    let told = facts.told();
    let mut found: Vec<_> = connection
        .subflows
        .iter()
        .filter_map(|subflow| Some((subflow, facts.handshakes.get(&subflow.sf_id)?)))
        .filter(|(subflow, handshake)| handshake.is_open(subflow) && handshake.bare_syn.is_none())
        .flat_map(|(subflow, handshake)| {
            Direction::BOTH.map(|direction| one_vanished(facts, connection, subflow, handshake, direction))
        })
        .flatten()
        .filter(|one| told.is_none_or(|told| one.run.first < told))
        .collect();
    found.sort_by_key(|one| one.run.first);
    found
}

fn one_vanished(
    facts: &Facts,
    connection: &Connection,
    subflow: &Subflow,
    handshake: &Handshake,
    direction: Direction,
) -> Option<Vanished> {
    let (way, other) = (&handshake.ways[direction], &handshake.ways[direction.reverse()]);
    let run = way.bare?;
    let data = way.unmapped.filter(|data| data.first >= run.first);
    // The other side's data is acknowledged by TCP, and not at the data level.
    let behind = connection.data[direction.reverse()] > facts.data_acks[direction.reverse()]
        || other.last_data >= Some(run.first);
    let repeats = connection.end == End::Eot && facts.over().is_some_and(|over| other.last_dss > Some(over));
    let silent = run.packets >= BARE_ACKS && (behind && way.acked_since(run.first, other) || repeats);
    if data.is_none() && !silent {
        return None;
    }
    // After a DATA_FIN that was heard, options may be absent.
    let heard = connection.end != End::Eot || run.packets < BARE_ACKS || run.last.t - run.first.t < LONG;
    if facts
        .over()
        .is_some_and(|over| run.first > over && facts.ended_properly() && heard)
    {
        return None;
    }
    Some(Vanished {
        subflow: subflow.sf_id,
        direction,
        run,
        data,
        goes_on: other.last_dss.filter(|at| at.t > run.first.t),
    })
}

impl Way {
    /// Whether this direction's packets have acknowledged new data of the other one since then.
    fn acked_since(&self, since: At, other: &Self) -> bool {
        other.last_acked.is_some_and(|at| at >= since) && self.packets > 0
    }
}

impl Facts {
    /// When a host told that it falls back.
    fn told(&self) -> Option<At> {
        let infinite = self
            .moments(MarkKind::Fallback)
            .iter()
            .filter(|moment| moment.mark.detail == Some(Detail::Fallback(Fallback::InfiniteMapping)));
        self.moments(MarkKind::MpFail)
            .iter()
            .chain(infinite)
            .map(Moment::at)
            .min()
    }

    /// Whether MP_FASTCLOSE or a DATA_FIN has ended it: options may be absent after that.
    fn ended_properly(&self) -> bool {
        [MarkKind::MpFastclose, MarkKind::DataFin]
            .into_iter()
            .any(|kind| !self.moments(kind).is_empty())
    }
}

fn write_class(class: Fallback, moment: &Moment, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let mark = &moment.mark;
    let packet = mark.packet;
    let (sender, peer) = (words::sender(mark.dir), words::receiver(mark.dir));
    let subflow = mark.sf_id.unwrap_or(SubflowId(0));
    let mut about = About::from((subflow, mark.dir));
    let span = [moment.at(), moment.at()];
    let (text, weighed) = match class {
        Fallback::MpFail => {
            // It is about the data that the sender of MP_FAIL got.
            about = About::from((subflow, mark.dir.reverse()));
            (
                format!("Fallback to TCP: {sender} sent MP_FAIL (packet {packet})."),
                weigh_fail(facts, writer.connection, moment),
            )
        }
        Fallback::InfiniteMapping => {
            let asked = facts
                .moments(MarkKind::MpFail)
                .iter()
                .any(|fail| fail.mark.dir != mark.dir && fail.at() <= moment.at());
            let text = format!(
                "Fallback to TCP: {sender} announced an infinite mapping (packet {packet}); from there on its data goes on \
                 as plain TCP on this subflow."
            );
            // After an MP_FAIL of the other side it only complies.
            let weighed = if asked {
                Weighed::observed([packet])
            } else {
                Weighing::of([packet])
                    .may(Cause::HostFellBack, format!("{sender} fell back"))
                    .weigh()
                    .unsaid()
            };
            (text, weighed)
        }
        Fallback::SynAckWithoutOption => {
            let handshake = facts.handshakes.get(&SubflowId(0));
            if handshake.is_some_and(|handshake| handshake.bare_syn.is_some_and(|syn| syn <= moment.at())) {
                return;
            }
            // The option may have vanished on the way there or back.
            about = About::from(subflow);
            (
                format!("It is plain TCP: the SYN+ACK (packet {packet}) has no MP_CAPABLE."),
                Weighing::of([packet])
                    .unless(
                        Cause::NotSupported,
                        format!("{sender} does not speak Multipath TCP"),
                        erased(mark, Cause::NotSupported),
                    )
                    .may(
                        Cause::OptionRemoved,
                        "something on the path removed the option from the SYN or from its answer (a capture at the other \
                         end would show it)",
                    )
                    .weigh(),
            )
        }
        Fallback::SynAgainWithoutOption => {
            let Some(handshake) = facts.handshakes.get(&SubflowId(0)) else {
                return;
            };
            about = About::from(subflow);
            (
                syn_again(handshake, &sender, packet),
                weigh_syn_again(handshake, &sender, &peer, moment),
            )
        }
        Fallback::WrongChecksum => (
            format!(
                "The DSS checksum of data from {sender} is wrong (packet {packet}): RFC 8684 lets {peer} refuse it."
            ),
            weigh_checksum(facts, moment, &sender),
        ),
        // From the packets themselves: `write_mirrored`, `vanished` and `unmapped.rs`.
        Fallback::SynAckMirrored
        | Fallback::AckWithoutOption
        | Fallback::DssDisappeared
        | Fallback::OneSided
        | Fallback::Incomplete => return,
    };
    writer.say(FALLBACK, about, span, text, weighed);
}

/// Why a host cannot be the cause, where its packets have no-operation options in place of the one that is missing.
fn erased(mark: &Mark, cause: Cause) -> Option<&'static str> {
    let is_out = mark.evidence.excluded.contains(cause);
    is_out.then_some("no-operation options stand in place of the option, more in a row than a host writes")
}

fn syn_again(handshake: &Handshake, sender: &str, packet: emptcp_trace::PacketNumber) -> String {
    let before = handshake.syns_with_option;
    let text = format!(
        "It is plain TCP: after {} with MP_CAPABLE that {} not answered, {sender} sent one without it (packet {packet})",
        words::counted(before, "SYN"),
        words::was(before)
    );
    match handshake.syn_ack.filter(|_| !handshake.syn_ack_option) {
        Some(answer) => format!("{text}; the SYN+ACK (packet {}) answers in kind.", answer.packet),
        None => format!("{text}."),
    }
}

fn weigh_syn_again(handshake: &Handshake, sender: &str, peer: &str, moment: &Moment) -> Weighed {
    let proof = [handshake.syn, Some(moment.at()), handshake.syn_ack]
        .into_iter()
        .flatten();
    let answered = handshake.syn_ack.is_some();
    Weighing::of(proof.map(|at| at.packet))
        .not(
            Cause::NotCaptured,
            format!("{sender} repeated its SYN, so no answer had reached it"),
        )
        .unless(
            Cause::NotSupported,
            String::new(),
            Some(format!(
                "a {} that does not know the option answers a SYN with it, and leaves it out",
                peer.trim_start_matches("the ")
            )),
        )
        .unless(
            Cause::HostGone,
            format!("{peer} did not answer"),
            answered.then(|| format!("{peer} answered the SYN without it at once")),
        )
        .may(
            Cause::PacketsLost,
            "these SYNs or their answers were lost one after the other",
        )
        .may(Cause::OptionBlocked, "something on the path drops SYNs with MP_CAPABLE")
        .weigh()
}

/// A checksum that is wrong where it was captured.
fn weigh_checksum(facts: &Facts, moment: &Moment, sender: &str) -> Weighed {
    let before = facts.data_acks[moment.mark.dir];
    Weighing::of([moment.mark.packet])
        .not(Cause::CutShort, "the whole payload was captured")
        .unless(
            Cause::Violation,
            format!("{sender} computed it wrong"),
            (before > 0).then(|| format!("{} with checksums of {sender} had been accepted", words::bytes(before))),
        )
        .may(
            Cause::PayloadChanged,
            "something before the capture point changed the payload or its mapping",
        )
        .weigh()
}

/// Why a host sent MP_FAIL.
fn weigh_fail(facts: &Facts, connection: &Connection, moment: &Moment) -> Weighed {
    let mark = &moment.mark;
    let (data, peer) = (mark.dir.reverse(), words::receiver(mark.dir));
    let wrong = facts
        .moments(MarkKind::Fallback)
        .iter()
        .find(|other| other.mark.dir == data && other.mark.detail == Some(Detail::Fallback(Fallback::WrongChecksum)));
    let proof = [wrong.map(|wrong| wrong.mark.packet), Some(mark.packet)]
        .into_iter()
        .flatten();
    let accepted = facts.data_acks[data];
    let weighing = Weighing::of(proof);
    if connection.flag_a {
        return weighing
            .unless(
                Cause::Violation,
                format!("{peer} computes checksums wrong"),
                (accepted > 0)
                    .then(|| format!("{} with checksums of {peer} had been accepted", words::bytes(accepted))),
            )
            .may(
                Cause::PayloadChanged,
                format!("the payload of {peer} was changed on the path, so that its checksum did not fit"),
            )
            .weigh();
    }
    let gone = facts
        .handshakes
        .values()
        .find_map(|handshake| handshake.ways[data].bare.filter(|run| run.first < moment.at()));
    weighing
        .not(Cause::PayloadChanged, "checksums are not in use")
        .unless(
            Cause::HostFellBack,
            format!("{peer} had stopped to send mappings"),
            None::<String>,
        )
        .may(
            Cause::OptionRemoved,
            match gone {
                Some(run) => format!(
                    "the mappings of {peer} were removed on the path (from packet {} on)",
                    run.first.packet
                ),
                None => format!("the mappings of {peer} were removed on the path after the capture point"),
            },
        )
        .weigh()
}

/// The SYN+ACK of the initial subflow repeats the option of the SYN.
fn write_mirrored(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let Some(handshake) = facts.handshakes.get(&SubflowId(0)) else {
        return;
    };
    let (Some(at), Some((syn, _))) = (handshake.mirrored, handshake.span()) else {
        return;
    };
    let opener = handshake.direction.unwrap_or(Direction::ClientToServer);
    let peer = words::receiver(opener);
    let what = if handshake.syn_ack == Some(at) {
        format!(
            "the SYN+ACK (packet {}) repeats the MP_CAPABLE of the SYN, where {peer} would put its own key",
            at.packet
        )
    } else {
        let who = words::sender(opener);
        format!(
            "{who} gives its own key as that of {peer} (packet {}): it got its own option back",
            at.packet
        )
    };
    let text = format!("It is plain TCP: {what}.");
    let weighed = Weighing::of([syn.packet, at.packet])
        .not(
            Cause::NotSupported,
            "a host that does not know the option leaves it out",
        )
        .may(
            Cause::OptionMirrored,
            format!("something on the path, or {peer} itself, sends options back as it got them"),
        )
        .weigh();
    writer.say(FALLBACK, (SubflowId(0), opener.reverse()), [syn, at], text, weighed);
}

/// MP_FAIL that is not described as the fallback.
fn write_fail(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let described: Vec<_> = facts
        .moments(MarkKind::Fallback)
        .iter()
        .map(|moment| moment.mark.packet)
        .collect();
    for direction in Direction::BOTH {
        let mut fails = facts
            .moments(MarkKind::MpFail)
            .iter()
            .filter(|moment| moment.mark.dir == direction);
        let Some(first) = fails.next() else { continue };
        let last = fails.next_back().unwrap_or(first);
        if described.contains(&first.mark.packet) {
            continue;
        }
        let about = (first.mark.sf_id.unwrap_or(SubflowId(0)), direction);
        let span = [first.at(), last.at()];
        let who = words::sentence(&words::sender(direction));
        let answer = facts
            .moments(MarkKind::MpFail)
            .iter()
            .any(|moment| moment.mark.dir != direction && moment.mark.t < first.mark.t);
        if answer {
            let text = format!("{who} also answered with MP_FAIL: both continue as plain TCP.");
            writer.note(FALLBACK, about, span, text);
        } else {
            let weighed = weigh_fail(facts, writer.connection, first);
            let about = (about.0, direction.reverse());
            writer.say(FALLBACK, about, span, format!("{who} sent MP_FAIL."), weighed);
        }
    }
}

fn write_vanished(one: &Vanished, follows: bool, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let (who, peer) = (words::sender(one.direction), words::receiver(one.direction));
    let name = words::subflow(one.subflow);
    let mut text = format!(
        "From packet {} on nothing that comes from {who} on {name} has an MPTCP option ({}",
        one.run.first.packet,
        words::counted(one.run.packets, "packet")
    );
    if let Some(data) = one.data {
        text.push_str(&format!(", {} without a mapping", words::bytes(data.bytes)));
    }
    text.push(')');
    match one.goes_on {
        Some(at) => text.push_str(&format!("; {peer} goes on with DSS (packet {}).", at.packet)),
        None if follows => text.push_str(", as before of the other side: both go on as plain TCP."),
        None => text.push('.'),
    }
    let weighed = weigh_vanished(one, follows, facts, writer.connection);
    let last = one.goes_on.map_or(one.run.last, |at| at.max(one.run.last));
    let never = facts
        .handshakes
        .get(&one.subflow)
        .is_none_or(|handshake| handshake.ways[one.direction].last_dss.is_none());
    let about = About {
        subflow: Some(one.subflow),
        // Either way may be at fault where the handshake is in question.
        direction: (!never).then_some(one.direction),
    };
    writer.say(FALLBACK, about, [one.run.first, last], text, weighed);
}

/// Marks that exclude that the host fell back by itself.
fn erasure(facts: &Facts, one: &Vanished) -> Option<&'static str> {
    let kinds = [MarkKind::Fallback, MarkKind::OptionsStopped];
    let mut marks = kinds
        .into_iter()
        .flat_map(|kind| facts.moments(kind))
        .map(|moment| &moment.mark);
    marks.find_map(|mark| {
        let same = (mark.sf_id, mark.dir) == (Some(one.subflow), one.direction);
        erased(mark, Cause::HostFellBack).filter(|_| same)
    })
}

fn weigh_vanished(one: &Vanished, follows: bool, facts: &Facts, connection: &Connection) -> Weighed {
    let (who, peer) = (words::sender(one.direction), words::receiver(one.direction));
    let first = one.run.first;
    let handshake = facts.handshakes.get(&one.subflow);
    let others = facts.handshakes.iter().filter(|(subflow, _)| **subflow != one.subflow);
    let still = others
        .filter_map(|(subflow, other)| {
            Some((
                *subflow,
                other.ways[one.direction].last_dss.filter(|at| at.t > first.t)?,
            ))
        })
        .next();
    let other = handshake.and_then(|handshake| handshake.ways[one.direction].other_option.filter(|at| *at > first));
    let acked = one.data.is_some() && connection.loss[one.direction] > 0 && one.goes_on.is_some();
    let host = if let Some((subflow, at)) = still {
        Some(format!(
            "{who} goes on with DSS on {} (packet {})",
            words::subflow(subflow),
            at.packet
        ))
    } else if let Some(at) = other {
        Some(format!("{who} sent another MPTCP option later (packet {})", at.packet))
    } else if acked {
        Some(format!(
            "{peer} acknowledges this data at the data level: it had its mappings"
        ))
    } else {
        erasure(facts, one).map(str::to_owned)
    };
    let proof = [Some(first), Some(one.run.last), one.goes_on].into_iter().flatten();
    let weighing = Weighing::of(proof.map(|at| at.packet)).not(
        Cause::NotCaptured,
        "these packets are in the capture, and have no option",
    );
    if follows {
        return weighing
            .not(Cause::OptionRemoved, format!("the options of {peer} ceased before"))
            .weigh();
    }
    weighing
        .unless(Cause::HostFellBack, format!("{who} has fallen back to TCP"), host)
        .may(
            Cause::OptionRemoved,
            format!("something between {who} and the capture point removes its options"),
        )
        .weigh()
}
