//! Data that was sent more than once, and data that came late.

use super::bursts::{Burst, Copies, Key};
use super::collector::Facts;
use super::way::{Judgement, Run};
use super::weigh::{Weighed, Weighing};
use super::{About, At, SentenceKind, StoryWriter, moving, words};
use emptcp_trace::record::{Cause, Certainty};
use emptcp_trace::{Direction, Span, SubflowId};

/// A delay that only the timer of a sender explains (RFC 6298; the shortest one of Linux).
const TIMER: Span = Span(200_000_000);
/// Sentences about copies, all kinds together.
const MOST_GROUPS: usize = 24;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    // The gap between bursts depends on the duration of the connection.
    let apart = Span((writer.connection.dur.0 / 12).max(500_000_000));
    for (key, burst) in facts.bursts.groups(apart, MOST_GROUPS) {
        write_burst(key, &burst, facts, writer);
    }
    for (subflow, handshake) in &facts.handshakes {
        for direction in Direction::BOTH {
            let way = &handshake.ways[direction];
            if let Some(run) = way.late() {
                let surely = way.late_by(TIMER);
                write_late(*subflow, direction, &run, surely, writer);
            }
            if let Some((fin, run)) = handshake.fin[direction].zip(handshake.fin_again[direction])
                && run.first.t - fin.t >= TIMER
                && moving::dead_run(handshake, direction).is_none()
            {
                write_fin_again(*subflow, direction, fin, &run, way.waits(), writer);
            }
            if let Some(run) = way.overtaken {
                write_overtaken(*subflow, direction, &run, writer);
            }
        }
    }
}

fn write_burst(key: Key, burst: &Burst, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let name = words::subflow(key.subflow);
    let (from, to) = (writer.clock(burst.first.t), writer.clock(burst.last.t));
    let name = if from == to {
        words::sentence(&name)
    } else {
        format!("Between {from} and {to} {name}")
    };
    let size = words::bytes(burst.bytes);
    let packets = words::counted(burst.packets, "packet");
    let direction = key.direction();
    let receiver = words::receiver(direction);
    let observed = || Weighed::observed([burst.first.packet, burst.last.packet]);
    let (kind, text, weighed) = match key.copies {
        Copies::Retransmission => (
            SentenceKind::Retransmission,
            format!("{name} retransmitted {size} to {receiver}, {packets}."),
            weigh_retransmission(key.subflow, direction, burst, facts),
        ),
        Copies::Reinjection(of) => (
            SentenceKind::Reinjection,
            format!(
                "{name} carried again {size} to {receiver} that {} had carried first (reinjection, {packets}).",
                words::subflow(of)
            ),
            observed(),
        ),
        Copies::SameSubflow => (
            SentenceKind::Retransmission,
            format!(
                "{name} carried {size} to {receiver} a second time, with new TCP sequence numbers ({packets}): sent again by \
                 Multipath TCP, not by TCP."
            ),
            observed(),
        ),
    };
    let unheard = facts.unheard[direction].filter(|run| run.first <= burst.last && burst.first <= run.last);
    if let (Copies::SameSubflow, Some(run)) = (key.copies, unheard) {
        let text = format!(
            "{text} {} had acknowledged it at the data level before.",
            words::sentence(&receiver)
        );
        let weighed = Weighing::of([run.first.packet, run.last.packet])
            .not(
                Cause::PacketsLost,
                "the acknowledgements of TCP, which the same packets carry, arrived",
            )
            .may(
                Cause::Scheduler,
                "its sender chose to send it again, before that acknowledgement reached it",
            )
            .may(
                Cause::OptionRemoved,
                format!("the DATA_ACKs of {receiver} were removed behind the capture point"),
            )
            .weigh();
        writer.say(kind, direction.reverse(), [burst.first, burst.last], text, weighed);
        return;
    }
    // Acknowledgements may be what was lost: only a cause that is sure has a direction.
    let about = if weighed.evidence.certainty == Certainty::Certain {
        About::from((key.subflow, direction))
    } else {
        About::from(key.subflow)
    };
    writer.say(kind, about, [burst.first, burst.last], text, weighed);
}

/// Why data that had passed the capture point was sent again.
fn weigh_retransmission(subflow: SubflowId, direction: Direction, burst: &Burst, facts: &Facts) -> Weighed {
    let receiver = words::receiver(direction);
    let Some(handshake) = facts.handshakes.get(&subflow) else {
        return Weighed::observed([burst.first.packet]);
    };
    let way = &handshake.ways[direction];
    let mut proof = vec![burst.first.packet];
    let (mut needed, mut needless) = (0, 0);
    for copy in way.copies(burst.first.t, burst.last.t) {
        match copy.judgement {
            Judgement::Needed => needed += 1,
            Judgement::Needless => needless += 1,
            Judgement::Open => continue,
        }
        proof.push(copy.at.packet);
    }
    if moving::dead_run(handshake, direction).is_some_and(|(run, _)| burst.last >= run.first) {
        // The sentence about the subflow that stopped working weighs the causes.
        return Weighed::observed(proof);
    }
    let open = needed == 0 && needless == 0 && way.last_acked.is_none_or(|at| at < burst.first);
    if open {
        let never = format!("{receiver} acknowledged none of it in this capture");
        return Weighing::of(proof)
            .may(Cause::HostGone, format!("{receiver} was gone"))
            .may(
                Cause::PacketsLost,
                "the packets, or what acknowledged them, were lost after the capture point",
            )
            .may(Cause::PathDead, "the path carried nothing any more")
            .not(Cause::Reordered, never)
            .weigh();
    }
    Weighing::of(proof)
        .not(
            Cause::CapturedTwice,
            "a round trip or more lies between the copies, or their IP headers differ",
        )
        .unless(
            Cause::PacketsLost,
            "the packets, or what acknowledged them, were lost after the capture point",
            (needed == 0 && needless > 0).then(|| {
                format!(
                    "{receiver} acknowledged sooner than the copies could have reached it: the originals had arrived"
                )
            }),
        )
        .unless(
            Cause::Reordered,
            "packets were delayed or overtaken, and sent again too early",
            (needed > 0 && needless == 0).then(|| {
                format!("{receiver} acknowledged only a round trip after the copies: the originals had not arrived")
            }),
        )
        .weigh()
}

/// Gaps that were filled a round trip later: lost before the capture point.
fn write_late(subflow: SubflowId, direction: Direction, run: &Run, surely: bool, writer: &mut StoryWriter<'_>) {
    let who = words::sender(direction);
    let text = format!(
        "On {} {} from {who} {} missing when later data came, and followed a round trip or more later ({}, packets {} to \
         {}).",
        words::subflow(subflow),
        words::bytes(run.bytes),
        words::was(run.bytes),
        words::counted(run.packets, "packet"),
        run.first.packet,
        run.last.packet
    );
    let weighed = Weighing::of([run.first.packet, run.last.packet])
        .not(Cause::NotCaptured, "the originals were not acknowledged")
        .may(
            Cause::PacketsLost,
            format!("they were lost between {who} and the capture point, and sent again"),
        )
        .unless(
            Cause::Reordered,
            "they were overtaken by more than a round trip",
            surely.then_some("they came only after the time of a retransmission timer, and only once"),
        )
        .weigh();
    writer.say(
        SentenceKind::Retransmission,
        (subflow, direction),
        [run.first, run.last],
        text,
        weighed,
    );
}

/// A FIN that its sender repeated when its timer expired: payload that comes again is a burst, a FIN has none.
fn write_fin_again(
    subflow: SubflowId,
    direction: Direction,
    fin: At,
    run: &Run,
    waits: bool,
    writer: &mut StoryWriter<'_>,
) {
    let (who, peer) = (words::sender(direction), words::receiver(direction));
    let text = format!(
        "{} sent its FIN on {} again, {} later ({}).",
        words::sentence(&who),
        words::subflow(subflow),
        words::duration(run.first.t - fin.t),
        words::counted(run.packets, "packet")
    );
    let weighing = Weighing::of([fin.packet, run.first.packet])
        .not(
            Cause::NotCaptured,
            format!("{who} repeats it: no acknowledgement had reached it"),
        )
        .may(Cause::PacketsLost, "the FIN, or what acknowledged it, was lost");
    let weighing = if waits {
        weighing
            .may(Cause::HostGone, format!("{peer} was gone"))
            .may(Cause::PathDead, "the path carried nothing any more")
    } else {
        weighing
    };
    writer.say(
        SentenceKind::Retransmission,
        subflow,
        [fin, run.last],
        text,
        weighing.weigh(),
    );
}

fn write_overtaken(subflow: SubflowId, direction: Direction, run: &Run, writer: &mut StoryWriter<'_>) {
    let who = words::sender(direction);
    let text = format!(
        "On {} {} from {who} came out of order, within less than a round trip (packets {} to {}).",
        words::subflow(subflow),
        words::counted(run.packets, "packet"),
        run.first.packet,
        run.last.packet
    );
    let weighed = Weighing::of([run.first.packet, run.last.packet])
        .may(
            Cause::Reordered,
            format!("packets overtook each other between {who} and the capture point"),
        )
        .not(Cause::PacketsLost, format!("{who} cannot have known of a loss so soon"))
        .weigh();
    writer.say(
        SentenceKind::Reordering,
        (subflow, direction),
        [run.first, run.last],
        text,
        weighed,
    );
}
