//! The data on its way: handovers, stalls, silences, and what was sent more than once.

use super::bursts::{Burst, Copies, Key};
use super::collector::{Facts, Moment};
use super::handshake::{Handshake, Run};
use super::{At, Pages, SentenceKind, words};
use emptcp_trace::record::{Connection, Detail, MarkKind};
use emptcp_trace::{Direction, Piece, Span, SubflowId};

/// Sentences about copies, all kinds together.
const TOLD: usize = 24;

pub(super) fn write(facts: &Facts, pages: &mut Pages<'_>) {
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            write_handover(moment, facts, pages);
        }
    }
    for moment in facts.moments(MarkKind::Stall) {
        write_stall(moment, pages);
    }
    write_dead(facts, pages);
    for (from, to) in &facts.silences {
        let span = words::duration(to.t - from.t);
        let text = format!(
            "For {span}, until {}, nobody sent anything, on any subflow.",
            pages.clock(to.t)
        );
        pages.write(SentenceKind::Silence, *from, *to, None, text);
    }
    write_more(facts, pages);
    // A burst is as long as fits the length of the connection.
    let apart = Span((pages.connection.dur.0 / 12).max(500_000_000));
    for (key, burst) in facts.bursts.told(apart, TOLD) {
        write_burst(key, &burst, pages);
    }
}

fn write_more(facts: &Facts, pages: &mut Pages<'_>) {
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
            "There {verb} {}, not told one by one.",
            words::counted(more, &format!("more {what}"))
        );
        pages.remark(kind, pages.connection.t_end, text);
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

fn write_handover(moment: &Moment, facts: &Facts, pages: &mut Pages<'_>) {
    let mark = &moment.mark;
    let (Some(to), Some(from)) = (mark.sf_id, mark.other_sf) else {
        return;
    };
    if !is_handover(pages.connection, from, to, mark.dir) {
        return;
    }
    let how = match mark.kind {
        MarkKind::BreakBeforeMake => {
            let opened = pages.connection.subflows.iter().find(|subflow| subflow.sf_id == to);
            let clock = opened
                .map(|subflow| format!(" at {}", pages.clock(subflow.t_syn)))
                .unwrap_or_default();
            format!(
                "which was opened only{clock}, after {} had gone silent (break before make)",
                words::subflow(from)
            )
        }
        _ => "which stood ready (make before break)".to_owned(),
    };
    let mut text = format!(
        "{} moved from {} to {}, {how}",
        words::sentence(&data(mark.dir)),
        words::subflow(from),
        words::subflow(to)
    );
    if let Some(gap) = gap(moment).filter(|gap| gap.0 > 0) {
        text.push_str(&format!(
            "; {} passed between the last new data on the one and the first data on the other",
            words::duration(gap)
        ));
    }
    if mark.bytes > 0 {
        text.push_str(&format!("; {} had to be carried again", words::bytes(mark.bytes)));
    }
    text.push('.');
    // The mark comes at the end of the connection, when it is certain that the data did not come back.
    let first = facts
        .handshakes
        .get(&to)
        .and_then(|handshake| handshake.first_data[mark.dir]);
    let at = first.unwrap_or(moment.at());
    pages.write(SentenceKind::Handover, at, at, Some(to), text);
}

/// Whether it is worth the name: the new subflow carried data of its own, and no third one carried any all the while.
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

/// Packets that one side went on sending for more than a second although nothing came back any more.
fn unanswered(handshake: &Handshake, direction: Direction, over: Option<At>) -> Option<Run> {
    let run = handshake.unanswered[direction]?;
    let alive = over.is_some_and(|over| run.first.t >= over.t) || run.packets < 3;
    (!alive && run.last.t - run.first.t >= Span::from_seconds(1)).then_some(run)
}

/// Whether a subflow went dead.
pub(super) fn is_dead(facts: &Facts, subflow: SubflowId) -> bool {
    let over = facts.over();
    facts.handshakes.get(&subflow).is_some_and(|handshake| {
        let mut both = Direction::BOTH.into_iter();
        both.any(|direction| unanswered(handshake, direction, over).is_some())
    })
}

/// Subflows on which one side went on sending and nothing came back any more.
fn write_dead(facts: &Facts, pages: &mut Pages<'_>) {
    let over = facts.over();
    for subflow in pages.connection.subflows.iter().filter(|subflow| subflow.established) {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        for direction in Direction::BOTH {
            let Some(run) = unanswered(handshake, direction, over) else {
                continue;
            };
            let text = format!(
                "{} went dead: {} sent {} on it from here to {}, and {} answered none of them.",
                words::sentence(&words::subflow(subflow.sf_id)),
                words::sender(direction),
                words::counted(run.packets, "packet"),
                pages.clock(run.last.t),
                words::receiver(direction)
            );
            pages.write(SentenceKind::Silence, run.first, run.last, Some(subflow.sf_id), text);
        }
    }
}

fn write_stall(moment: &Moment, pages: &mut Pages<'_>) {
    let mark = &moment.mark;
    let length = gap(moment).unwrap_or_default();
    let from = mark.t + Span(-length.0);
    let mut text = format!(
        "{} stood still for {}, until {}",
        words::sentence(&data(mark.dir)),
        words::duration(length),
        pages.clock(mark.t)
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
                "; it went on when {name} carried what was missing after {} (packet {packet})",
                words::subflow(of)
            ),
            Piece::Retransmission => {
                format!("; it went on when {name} retransmitted what was missing (packet {packet})")
            }
            Piece::SameSubflow => format!("; it went on when {name} carried what was missing anew (packet {packet})"),
            Piece::New | Piece::Unmapped => format!("; it went on with new data on {name} (packet {packet})"),
        });
    }
    text.push('.');
    pages.write(
        SentenceKind::Stall,
        first,
        moment.at(),
        carrier.map(|carrier| carrier.subflow),
        text,
    );
}

fn write_burst(key: Key, burst: &Burst, pages: &mut Pages<'_>) {
    let name = words::subflow(key.subflow);
    let (from, to) = (pages.clock(burst.first.t), pages.clock(burst.last.t));
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
    pages.write(kind, burst.first, burst.last, Some(key.subflow), text);
}
