//! The transfer of data: handovers, stalls, silences, and data that was sent more than once.

use super::bursts::{Burst, Copies, Key};
use super::collector::{Facts, Moment};
use super::handshake::{Handshake, Run};
use super::{At, SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Connection, Detail, MarkKind};
use emptcp_trace::{Direction, Piece, Span, SubflowId};

/// Sentences about copies, all kinds together.
const MOST_GROUPS: usize = 24;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            write_handover(moment, facts, writer);
        }
    }
    for moment in facts.moments(MarkKind::Stall) {
        write_stall(moment, writer);
    }
    write_dead(facts, writer);
    for (from, to) in &facts.silences {
        let span = words::duration(to.t - from.t);
        let text = format!(
            "For {span}, until {}, neither side sent anything on any subflow.",
            writer.clock(to.t)
        );
        writer.write(SentenceKind::Silence, *from, *to, None, text);
    }
    write_more(facts, writer);
    // The gap between bursts depends on the duration of the connection.
    let apart = Span((writer.connection.dur.0 / 12).max(500_000_000));
    for (key, burst) in facts.bursts.groups(apart, MOST_GROUPS) {
        write_burst(key, &burst, writer);
    }
}

fn write_more(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let kinds = [
        (MarkKind::Stall, SentenceKind::Stall, "stall"),
        (MarkKind::BreakBeforeMake, SentenceKind::Handover, "handover"),
        (MarkKind::MakeBeforeBreak, SentenceKind::Handover, "handover"),
    ];
    let moments = kinds
        .into_iter()
        .map(|(mark, kind, what)| (facts.moments.get(&mark).map_or(0, |moments| moments.more), kind, what));
    let silences = facts.silence_count - facts.silences.len() as u64;
    let silences = [(silences, SentenceKind::Silence, "shorter silence")];
    for (more, kind, what) in moments.chain(silences).filter(|(more, _, _)| *more > 0) {
        let verb = if more == 1 { "was" } else { "were" };
        let text = format!(
            "There {verb} {}, not described here.",
            words::counted(more, &format!("more {what}"))
        );
        writer.remark(kind, writer.connection.t_end, text);
    }
}

fn gap(moment: &Moment) -> Option<Span> {
    match moment.mark.detail {
        Some(Detail::Gap(gap)) => Some(gap),
        _ => None,
    }
}

/// `the data from the server`.
fn data(direction: Direction) -> String {
    format!("the data from {}", words::sender(direction))
}

fn write_handover(moment: &Moment, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let mark = &moment.mark;
    let (Some(to), Some(from)) = (mark.sf_id, mark.other_sf) else {
        return;
    };
    if !is_handover(writer.connection, from, to, mark.dir) {
        return;
    }
    let how = match mark.kind {
        MarkKind::BreakBeforeMake => {
            let opened = writer.connection.subflows.iter().find(|subflow| subflow.sf_id == to);
            let clock = opened
                .map(|subflow| format!(" at {}", writer.clock(subflow.t_syn)))
                .unwrap_or_default();
            format!(
                "which was opened only{clock}, after {} had gone silent (break before make)",
                words::subflow(from)
            )
        }
        _ => "which was already open (make before break)".to_owned(),
    };
    let mut text = format!(
        "{} moved from {} to {}, {how}",
        words::sentence(&data(mark.dir)),
        words::subflow(from),
        words::subflow(to)
    );
    if let Some(gap) = gap(moment).filter(|gap| gap.0 > 0) {
        text.push_str(&format!(
            "; {} passed between the last new data on the first and the first data on the second",
            words::duration(gap)
        ));
    }
    if mark.bytes > 0 {
        text.push_str(&format!("; {} were sent again", words::bytes(mark.bytes)));
    }
    text.push('.');
    // The mark comes at the end of the connection: only then is it certain that the data did not return.
    let first = facts
        .handshakes
        .get(&to)
        .and_then(|handshake| handshake.first_data[mark.dir]);
    let at = first.unwrap_or(moment.at());
    writer.write(SentenceKind::Handover, at, at, Some(to), text);
}

/// Whether this is a handover to report: both subflows carried new data, and no third one carried data before and
/// after.
pub(super) fn is_handover(connection: &Connection, from: SubflowId, to: SubflowId, direction: Direction) -> bool {
    let find = |id| connection.subflows.iter().find(|subflow| subflow.sf_id == id);
    let (Some(old), Some(new)) = (find(from), find(to)) else {
        return false;
    };
    let arrived = new.t_first_data[direction];
    let third = connection.subflows.iter().any(|third| {
        let (begun, ended) = (third.t_first_data[direction], third.t_last_data[direction]);
        ![from, to].contains(&third.sf_id) && begun.is_some() && begun < arrived && ended > arrived
    });
    old.new_dsn[direction] > 0 && new.new_dsn[direction] > 0 && !third
}

/// Packets that one side sent for more than a second without an answer.
fn unanswered(handshake: &Handshake, direction: Direction, over: Option<At>) -> Option<Run> {
    let run = handshake.unanswered[direction]?;
    let alive = over.is_some_and(|over| run.first.t >= over.t) || run.packets < 3;
    (!alive && run.last.t - run.first.t >= Span::from_seconds(1)).then_some(run)
}

/// Whether a subflow stopped working.
pub(super) fn is_dead(facts: &Facts, subflow: SubflowId) -> bool {
    let over = facts.over();
    facts.handshakes.get(&subflow).is_some_and(|handshake| {
        let mut both = Direction::BOTH.into_iter();
        both.any(|direction| unanswered(handshake, direction, over).is_some())
    })
}

/// Subflows on which one side kept sending without an answer.
fn write_dead(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let over = facts.over();
    for subflow in writer.connection.subflows.iter().filter(|subflow| subflow.established) {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        for direction in Direction::BOTH {
            let Some(run) = unanswered(handshake, direction, over) else {
                continue;
            };
            let text = format!(
                "{} stopped working: {} sent {} on it from here to {}, and {} answered none of them.",
                words::sentence(&words::subflow(subflow.sf_id)),
                words::sender(direction),
                words::counted(run.packets, "packet"),
                writer.clock(run.last.t),
                words::receiver(direction)
            );
            writer.write(SentenceKind::Silence, run.first, run.last, Some(subflow.sf_id), text);
        }
    }
}

fn write_stall(moment: &Moment, writer: &mut StoryWriter<'_>) {
    let mark = &moment.mark;
    let length = gap(moment).unwrap_or_default();
    let from = mark.t + Span(-length.0);
    let mut text = format!(
        "{} stalled for {}, until {}",
        words::sentence(&data(mark.dir)),
        words::duration(length),
        writer.clock(mark.t)
    );
    if mark.bytes > 0 {
        text.push_str(&format!(", with {} unacknowledged", words::bytes(mark.bytes)));
    }
    let carrier = moment.carrier.filter(|carrier| carrier.at.t >= from);
    let mut first = At { t: from, ..moment.at() };
    if let Some(carrier) = carrier {
        let name = words::subflow(carrier.subflow);
        let packet = carrier.at.packet;
        first.packet = packet;
        text.push_str(&match carrier.piece {
            Piece::Reinjection { of } => format!(
                "; it continued when {name} carried the missing data after {} (packet {packet})",
                words::subflow(of)
            ),
            Piece::Retransmission => {
                format!("; it continued when {name} retransmitted the missing data (packet {packet})")
            }
            Piece::SameSubflow => {
                format!("; it continued when {name} carried the missing data again (packet {packet})")
            }
            Piece::New | Piece::Unmapped => format!("; it continued with new data on {name} (packet {packet})"),
        });
    }
    text.push('.');
    writer.write(
        SentenceKind::Stall,
        first,
        moment.at(),
        carrier.map(|carrier| carrier.subflow),
        text,
    );
}

fn write_burst(key: Key, burst: &Burst, writer: &mut StoryWriter<'_>) {
    let name = words::subflow(key.subflow);
    let (from, to) = (writer.clock(burst.first.t), writer.clock(burst.last.t));
    let name = if from == to {
        words::sentence(&name)
    } else {
        format!("Between {from} and {to} {name}")
    };
    let size = words::bytes(burst.bytes);
    let packets = words::counted(burst.packets, "packet");
    let receiver = words::receiver(key.direction());
    let (kind, text) = match key.copies {
        Copies::Retransmission => (
            SentenceKind::Retransmission,
            format!("{name} retransmitted {size} to {receiver}, {packets}."),
        ),
        Copies::Reinjection(of) => (
            SentenceKind::Reinjection,
            format!(
                "{name} carried again {size} to {receiver} that {} had carried first (reinjection, {packets}).",
                words::subflow(of)
            ),
        ),
        Copies::SameSubflow => (
            SentenceKind::Retransmission,
            format!(
                "{name} carried {size} to {receiver} a second time, with new TCP sequence numbers ({packets}): sent again by \
                 Multipath TCP, not by TCP."
            ),
        ),
    };
    writer.write(kind, burst.first, burst.last, Some(key.subflow), text);
}
