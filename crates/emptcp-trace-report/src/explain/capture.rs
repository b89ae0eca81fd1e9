//! What the capture lacks: said first, because it bears on all that follows.

use super::collector::Facts;
use super::weigh::{Weighed, Weighing};
use super::{ALL, SentenceKind, StoryWriter, words};
use emptcp_trace::Direction;
use emptcp_trace::record::Cause;

const NOTE: SentenceKind = SentenceKind::Capture;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    part(facts, writer);
    one_direction(facts, writer);
    missing(facts, writer);
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
            .not(Cause::PathDead, format!("{here} acknowledges packets of {missing}"))
            .weigh();
        writer.say(NOTE, (*subflow, seen.reverse()), [first, last], text, weighed.unsaid());
    }
}

/// Bytes that were acknowledged but not captured.
fn missing(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    for direction in Direction::BOTH {
        let runs = facts
            .handshakes
            .values()
            .filter(|handshake| handshake.one_direction().is_none())
            .filter_map(|handshake| handshake.ways[direction].unseen)
            .filter(|run| run.bytes > 0);
        let (mut bytes, mut span, mut subflows) = (0, None, 0);
        for run in runs {
            let (first, last) = span.unwrap_or((run.first, run.last));
            span = Some((first.min(run.first), last.max(run.last)));
            bytes += run.bytes;
            subflows += 1;
        }
        let (who, peer) = (words::sender(direction), words::receiver(direction));
        if let Some((first, last)) = span {
            let only = facts
                .handshakes
                .iter()
                .find(|(_, handshake)| handshake.ways[direction].unseen.is_some_and(|run| run.bytes > 0))
                .filter(|_| subflows == 1)
                .map(|(subflow, _)| *subflow);
            let place = only.map_or_else(String::new, |subflow| format!(" on {}", words::subflow(subflow)));
            let text = format!(
                "The capture is incomplete: it lacks {} from {who}{place} that {peer} acknowledged (packet {}), so sizes \
                 here are lower bounds.",
                words::bytes(bytes),
                first.packet
            );
            let weighed = Weighing::of([first.packet, last.packet])
                .may(Cause::NotCaptured, "packets passed that the capture does not have")
                .not(Cause::PacketsLost, format!("{peer} acknowledged them"))
                .weigh()
                .unsaid();
            match only {
                Some(subflow) => writer.say(NOTE, (subflow, direction), [first, last], text, weighed),
                None => writer.say(NOTE, direction, [first, last], text, weighed),
            }
        } else if connection.loss[direction] > connection.unmapped[direction] {
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
    if let Some((before, after)) = facts.artefacts.set_back {
        let text = format!(
            "The clock of the capture was set back by {} at packet {}: times across it are wrong.",
            words::duration(before.t - after.t),
            after.packet
        );
        let weighed = Weighing::of([before.packet, after.packet])
            .may(Cause::ClockStep, "the clock was set")
            .weigh();
        writer.say(NOTE, ALL, [before, after], text, weighed.unsaid());
    }
}
