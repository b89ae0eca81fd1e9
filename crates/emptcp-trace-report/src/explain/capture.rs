//! What the capture lacks: said first, because it bears on all that follows.

use super::collector::Facts;
use super::handshake::Handshake;
use super::weigh::{Weighed, Weighing};
use super::{ALL, SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Cause, Connection, Detail, MarkKind};
use emptcp_trace::{Direction, PacketNumber, Span, SubflowId};

const NOTE: SentenceKind = SentenceKind::Capture;
/// A step of a clock that would show as a silence.
const LONG: Span = Span::from_seconds(2);

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    part(facts, writer);
    one_direction(facts, writer);
    missing(facts, writer);
    counted(facts, writer);
    order(facts, writer);
    if writer.connection.truncated {
        let text = "A memory limit was reached: sizes here are lower bounds.";
        writer.remark(NOTE, writer.connection.t0, text, Weighed::default());
    }
}

fn part(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let initial = facts.handshakes.get(&SubflowId(0));
    let mirrored = initial.is_some_and(|handshake| handshake.mirrored.is_some());
    // A SYN+ACK without its SYN: it is the other direction that is missing, not the beginning.
    let answered = initial.is_some_and(|handshake| handshake.syn_ack.is_some());
    if connection.partial && !mirrored && !answered {
        let first = facts.first.map(|at| at.packet);
        let absent = facts.handshakes.values().find_map(Handshake::one_direction);
        let weighed = Weighing::of(first)
            .unless(
                Cause::CutShort,
                "the headers of its first packets are cut off",
                (facts.headers_cut == 0).then_some("no packet here is cut off before the end of its headers"),
            )
            .unless(
                Cause::OneDirection,
                "the SYN went the way that was not captured",
                absent.is_none().then_some("both directions were captured"),
            )
            .may(Cause::PartOnly, "the capture begins in mid-connection")
            .weigh();
        let text = "The capture has no SYN of this connection.";
        writer.remark(NOTE, connection.t0, text, weighed);
    }
    if connection.continued {
        let text = "This continues a connection that counted as ended after a long silence.";
        writer.remark(NOTE, connection.t0, text, Weighed::default());
    }
}

/// Subflows of which only one side was captured, although the other one spoke: its bytes are acknowledged.
fn one_direction(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for (subflow, handshake) in &facts.handshakes {
        let Some(seen) = handshake.one_direction() else {
            continue;
        };
        let Some((first, last)) = handshake.span() else {
            continue;
        };
        if !handshake.speaks(seen.reverse()) {
            continue;
        }
        let (here, missing) = (words::sender(seen), words::receiver(seen));
        let cut = facts.headers_cut > 0;
        let text = format!(
            "Of {} the capture has only the packets of {here}{}. They acknowledge what {missing} sent, so it did answer.",
            words::subflow(*subflow),
            if cut { " whose headers are whole" } else { "" }
        );
        let weighed = Weighing::of([last.packet])
            .may(Cause::OneDirection, "only one direction passed the capture point")
            .unless(
                Cause::CutShort,
                format!("the headers of the packets of {missing} are cut off"),
                (!cut).then_some("no packet here is cut off before the end of its headers"),
            )
            .not(Cause::PathDead, format!("{here} acknowledges packets of {missing}"))
            .weigh();
        let weighed = if cut { weighed } else { weighed.unsaid() };
        writer.say(NOTE, (*subflow, seen.reverse()), [first, last], text, weighed);
    }
}

/// Bytes that were acknowledged but not captured.
fn missing(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let mut said = [false; 2];
    for moment in facts.moments(MarkKind::NotCaptured) {
        let mark = &moment.mark;
        let direction = mark.dir.reverse();
        let Some(subflow) = mark.sf_id else { continue };
        let handshake = facts.handshakes.get(&subflow);
        if handshake.is_some_and(|handshake| handshake.one_direction().is_some()) {
            continue;
        }
        said[side(direction)] = true;
        let (who, peer) = (words::sender(direction), words::receiver(direction));
        let text = format!(
            "The capture is incomplete: it lacks {} from {who} on {} that {peer} acknowledged, so sizes here are lower \
             bounds.",
            words::bytes(mark.bytes),
            words::subflow(subflow)
        );
        let unseen = handshake.and_then(|handshake| handshake.ways[direction].unseen);
        let [first, last] = unseen.map_or([moment.at(); 2], |run| [run.first, run.last]);
        // What was sent before the capture began is no gap in it.
        let weighed = if connection.partial || connection.mid_stream || facts.headers_cut > 0 {
            Weighed::observed([first.packet, last.packet])
        } else {
            lacks([first.packet, last.packet], &peer)
        };
        writer.say(NOTE, (subflow, direction), [first, last], text, weighed);
    }
    for direction in Direction::BOTH {
        if said[side(direction)] {
            continue;
        }
        let (who, peer) = (words::sender(direction), words::receiver(direction));
        // SYN and FIN take a number each, but are no payload.
        let lacking = facts.handshakes.iter().find_map(|(subflow, handshake)| {
            let run = handshake.ways[direction].unseen.filter(|run| run.bytes > 0)?;
            let whole = handshake.one_direction().is_none() && !handshake.begins_open();
            whole.then_some((*subflow, run))
        });
        if facts.headers_cut > 0 {
            continue;
        }
        if let Some((subflow, run)) = lacking {
            let text = format!(
                "The capture is incomplete: it lacks a packet from {who} on {} that {peer} acknowledged.",
                words::subflow(subflow)
            );
            let weighed = lacks([run.first.packet, run.last.packet], &peer);
            writer.say(NOTE, (subflow, direction), [run.first, run.last], text, weighed);
        } else if is_lacking(facts, connection, direction) {
            let text = format!(
                "The capture lacks subflows or mappings: {peer} acknowledged {} from {who} at the data level that no \
                 subflow here carries, so sizes here are lower bounds.",
                words::bytes(connection.loss[direction])
            );
            let weighed = Weighing::of([])
                .may(Cause::NotCaptured, "a subflow, or packets of one, were not captured")
                .weigh();
            writer.remark(NOTE, connection.t0, text, weighed.unsaid());
        }
    }
}

/// Whether data was acknowledged that no subflow here carries, although all of them were captured from their beginning
/// and in both directions.
fn is_lacking(facts: &Facts, connection: &Connection, direction: Direction) -> bool {
    let mut all = facts.handshakes.values();
    let absent = all.any(|handshake| handshake.one_direction() == Some(direction.reverse()));
    let part = connection.partial || connection.mid_stream || connection.dsn_relative;
    connection.loss[direction] > connection.unmapped[direction] && !absent && !part
}

fn lacks(proof: [PacketNumber; 2], peer: &str) -> Weighed {
    Weighing::of(proof)
        .may(Cause::NotCaptured, "packets passed that the capture does not have")
        .not(Cause::PacketsLost, format!("{peer} acknowledged them"))
        .weigh()
        .unsaid()
}

fn side(direction: Direction) -> usize {
    usize::from(direction == Direction::ServerToClient)
}

/// What the analysis counted for the whole connection.
fn counted(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let mostly = Direction::BOTH
        .into_iter()
        .any(|direction| connection.captured_twice[direction] * 5 >= connection.pkts[direction].max(1) * 2);
    // A host may send the same acknowledgement again at once, so that a few equal packets prove nothing.
    let twice = if mostly { connection.captured_twice.total() } else { 0 };
    let cut = connection.cut_short.total();
    let unread = facts.headers_cut;
    let large = connection.aggregates.total();
    let notes = [
        (
            twice,
            Cause::CapturedTwice,
            format!(
                "{} {} captured twice, as on all devices of a host that has a bridge, a VLAN or a bond. The copies are in \
                 no figure.",
                words::counted(twice, "packet"),
                words::was(twice)
            ),
        ),
        (
            cut,
            Cause::CutShort,
            format!(
                "{} {} captured only in part (snapshot length): what they carry cannot be checked.",
                words::counted(cut, "packet"),
                words::was(cut)
            ),
        ),
        (
            unread,
            Cause::CutShort,
            format!(
                "{} of the capture {} cut off before the end of {} headers (snapshot length): those of them that are of \
                 this connection are missing here, or more is.",
                words::counted(unread, "packet"),
                words::was(unread),
                if unread == 1 { "its" } else { "their" }
            ),
        ),
        (
            large,
            Cause::Offload,
            format!(
                "{} {} larger than a segment can be: merged after they came, or not yet split, by an offload of the \
                 capturing host.",
                words::counted(large, "packet"),
                words::was(large)
            ),
        ),
    ];
    let Some((first, last)) = facts.first.zip(facts.last) else {
        return;
    };
    for (_, cause, text) in notes.into_iter().filter(|(number, _, _)| *number > 0) {
        let weighed = Weighing::of([]).may(cause, words::cause(cause));
        let weighed = if cause == Cause::Offload {
            weighed
                .may(Cause::Resegmented, "something on the path merged segments")
                .likely(Cause::Offload)
        } else {
            weighed
        };
        let weighed = weighed.weigh().unsaid();
        writer.say(NOTE, ALL, [first, last], text, weighed);
    }
}

fn order(facts: &Facts, writer: &mut StoryWriter<'_>) {
    if let Some(run) = facts.artefacts.disordered {
        let text = format!(
            "The capture is not in the order of time (packet {} comes after later ones): {} were sorted by time.",
            run.first.packet,
            words::counted(run.packets, "packet")
        );
        let weighed = Weighing::of([run.first.packet, run.last.packet])
            .may(Cause::CaptureOrder, "several devices or files were merged")
            .not(
                Cause::Reordered,
                "the times of the packets are in order; only the file is not",
            )
            .weigh();
        writer.say(NOTE, ALL, [run.first, run.last], text, weighed.unsaid());
    }
    let early = facts.handshakes.iter().flat_map(|(subflow, handshake)| {
        Direction::BOTH.map(|direction| Some((*subflow, direction, handshake.ways[direction].acked_early?)))
    });
    if let Some((subflow, direction, run)) = early.flatten().next() {
        let text = format!(
            "On {} packets of {} come after their acknowledgement (packet {}): the capture is not in the order in which \
             they passed.",
            words::subflow(subflow),
            words::sender(direction),
            run.first.packet
        );
        let weighed = Weighing::of([run.first.packet, run.last.packet])
            .may(
                Cause::CaptureOrder,
                "packets of several devices or queues are out of order",
            )
            .not(Cause::Reordered, "no receiver acknowledges what has not arrived")
            .weigh();
        writer.say(
            NOTE,
            (subflow, direction),
            [run.first, run.last],
            text,
            weighed.unsaid(),
        );
    }
    let steps = facts.moments(MarkKind::ClockStep);
    let number = facts
        .moments
        .get(&MarkKind::ClockStep)
        .map_or(0, |steps| steps.items.len() as u64 + steps.more);
    if let (3.., Some(first), Some(last)) = (number, steps.first(), steps.last()) {
        let text = format!(
            "Times go back and forth {} times (from packet {} on): the packets are not in the order of time.",
            words::count(number),
            first.mark.packet
        );
        let weighed = Weighing::of([first.mark.packet, last.mark.packet])
            .may(Cause::CaptureOrder, "several devices or files were merged")
            .not(Cause::ClockStep, "nobody sets a clock so often")
            .weigh();
        writer.say(NOTE, ALL, [first.at(), last.at()], text, weighed.unsaid());
        return;
    }
    for moment in steps {
        let Some(Detail::Step(step)) = moment.mark.detail else {
            continue;
        };
        let back = step.0 < 0;
        // A late packet may have an old timestamp: time went ahead only if the capture has a gap there.
        let gap = facts.silences.iter().find(|quiet| quiet.has_step(moment));
        if !back && step >= LONG && gap.is_none() {
            continue;
        }
        let after = gap.map_or(moment.at(), |quiet| quiet.to);
        let text = format!(
            "By the clock of the capture time went {} by {} before packet {}: times across it are wrong.",
            if back { "back" } else { "ahead" },
            words::duration(Span(step.0.abs())),
            after.packet
        );
        let weighed = Weighing::of([after.packet, moment.mark.packet])
            .may(Cause::ClockStep, "the clock was set")
            .unless(
                Cause::CaptureOrder,
                "packets of several devices were written out of order",
                (!back).then_some("time goes on from there"),
            )
            .likely(Cause::ClockStep)
            .weigh();
        writer.say(NOTE, ALL, [after, moment.at()], text, weighed);
    }
    if let Some((before, after)) = facts.artefacts.set_back.filter(|_| steps.is_empty()) {
        let text = format!(
            "Time goes back by {} at packet {}: times across it are wrong.",
            words::duration(before.t - after.t),
            after.packet
        );
        let weighed = Weighing::of([before.packet, after.packet])
            .may(Cause::ClockStep, "the clock of the capture was set")
            .may(
                Cause::CaptureOrder,
                "packets of several devices were written out of order",
            )
            .weigh();
        writer.say(NOTE, ALL, [before, after], text, weighed);
    }
}
