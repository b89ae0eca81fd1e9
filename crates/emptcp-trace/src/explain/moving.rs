//! The data on its way: hand-overs, stalls, silences, and what was sent more than once.

use super::bursts::{Burst, Copies, Key};
use super::collector::{Facts, Moment};
use super::{At, Pages, SentenceKind, words};
use crate::record::{Detail, MarkKind};
use crate::{Direction, Piece, Span};

/// Sentences about copies, all kinds together.
const TOLD: usize = 24;

pub(super) fn write(facts: &Facts, pages: &mut Pages<'_>) {
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            write_handover(moment, pages);
        }
    }
    for moment in facts.moments(MarkKind::Stall) {
        write_stall(moment, pages);
    }
    for (from, to) in &facts.silences.items {
        let span = words::duration(to.t - from.t);
        let text = format!("For {span} nobody sent anything, on any subflow.");
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
        (MarkKind::BreakBeforeMake, SentenceKind::Handover, "hand-over"),
        (MarkKind::MakeBeforeBreak, SentenceKind::Handover, "hand-over"),
    ];
    let moments = kinds
        .into_iter()
        .map(|(mark, kind, what)| (facts.moments.get(&mark).map_or(0, |moments| moments.more), kind, what));
    let silences = [(facts.silences.more, SentenceKind::Silence, "long silence")];
    for (more, kind, what) in moments.chain(silences).filter(|(more, _, _)| *more > 0) {
        let text = format!("{} more, later, not told one by one.", words::counted(more, what));
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

fn write_handover(moment: &Moment, pages: &mut Pages<'_>) {
    let mark = &moment.mark;
    let (Some(to), Some(from)) = (mark.sf_id, mark.other_sf) else {
        return;
    };
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
            "; between the two nothing came through for {}",
            words::duration(gap)
        ));
    }
    if mark.bytes > 0 {
        text.push_str(&format!("; {} had to be carried again", words::bytes(mark.bytes)));
    }
    text.push('.');
    pages.write(SentenceKind::Handover, moment.at(), moment.at(), Some(to), text);
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
    let when = if from == to {
        format!("At {from}")
    } else {
        format!("Between {from} and {to}")
    };
    let size = words::bytes(burst.bytes);
    let packets = words::counted(burst.packets, "packet");
    let receiver = words::receiver(key.direction());
    let (kind, text) = match key.copies {
        Copies::Retransmission => (
            SentenceKind::Retransmission,
            format!("{when} {name} retransmitted {size} to {receiver}, {packets}."),
        ),
        Copies::Reinjection(of) => (
            SentenceKind::Reinjection,
            format!(
                "{when} {name} carried again {size} to {receiver} that {} had carried first (reinjection, {packets}).",
                words::subflow(of)
            ),
        ),
        Copies::SameSubflow => (
            SentenceKind::Retransmission,
            format!(
                "{when} {name} carried {size} to {receiver} a second time at new TCP sequence numbers ({packets}): \
                 Multipath TCP gave them up for lost although TCP had delivered or was still delivering them."
            ),
        ),
    };
    pages.write(kind, burst.first, burst.last, Some(key.subflow), text);
}
