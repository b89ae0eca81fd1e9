//! What the capture lacks: said first, because it bears on all that follows.

use super::collector::Facts;
use super::weigh::{Weighed, Weighing};
use super::{ALL, SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Cause, Detail, MarkKind};
use emptcp_trace::{Direction, PacketNumber, Span};

const NOTE: SentenceKind = SentenceKind::Capture;

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
    if connection.partial {
        let text = "The capture begins after the SYN of this connection.";
        let first = facts.first;
        let weighed = Weighing::of(first.map(|at| at.packet))
            .may(Cause::PartOnly, "it is captured only in part")
            .weigh();
        writer.remark(NOTE, connection.t0, text, weighed.unsaid());
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
        let text = format!(
            "Of {} the capture has only the packets of {here}. They acknowledge what {missing} sent, so it did answer.",
            words::subflow(*subflow)
        );
        let weighed = Weighing::of([last.packet])
            .may(Cause::OneDirection, "only one direction passed the capture point")
            .unless(
                Cause::CutShort,
                format!("packets of {missing} are cut off before their ports"),
                (writer.connection.cut_short.total() == 0).then_some("no packet here is cut off"),
            )
            .not(Cause::PathDead, format!("{here} acknowledges packets of {missing}"))
            .weigh();
        writer.say(NOTE, (*subflow, seen.reverse()), [first, last], text, weighed.unsaid());
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
        let weighed = lacks([first.packet, last.packet], &peer);
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
            handshake.one_direction().is_none().then_some((*subflow, run))
        });
        if let Some((subflow, run)) = lacking {
            let text = format!(
                "The capture is incomplete: it lacks a packet from {who} on {} that {peer} acknowledged.",
                words::subflow(subflow)
            );
            let weighed = lacks([run.first.packet, run.last.packet], &peer);
            writer.say(NOTE, (subflow, direction), [run.first, run.last], text, weighed);
        } else if connection.loss[direction] > connection.unmapped[direction] && !is_absent(facts, direction) {
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

/// Whether some subflow lacks this direction altogether.
fn is_absent(facts: &Facts, direction: Direction) -> bool {
    let mut all = facts.handshakes.values();
    all.any(|handshake| handshake.one_direction() == Some(direction.reverse()))
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
    let twice = connection.captured_twice.total();
    let cut = connection.cut_short.total();
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
        let weighed = Weighing::of([]).may(cause, words::cause(cause)).weigh().unsaid();
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
    for moment in steps {
        let Some(Detail::Step(step)) = moment.mark.detail else {
            continue;
        };
        let which = if step.0 < 0 { "back" } else { "forward" };
        let text = format!(
            "The clock of the capture was set {which} by {} before packet {}: times across it are wrong.",
            words::duration(Span(step.0.abs())),
            moment.mark.packet
        );
        let weighed = Weighing::of([moment.mark.packet])
            .may(Cause::ClockStep, "the clock was set")
            .weigh();
        writer.say(NOTE, ALL, [moment.at(), moment.at()], text, weighed.unsaid());
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
