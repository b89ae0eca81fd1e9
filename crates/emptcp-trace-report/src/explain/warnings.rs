//! Keys and HMACs that do not fit, and data that may have been read twice.

use super::collector::{Facts, Moment};
use super::weigh::{Weighed, Weighing};
use super::{SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Cause, Detail, MarkKind};
use emptcp_trace::{Direction, SubflowId};

/// So many pairs of segments are no accident.
const SPLIT: u64 = 4;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    write_malformed(facts, writer);
    write_split(facts, writer);
    for kind in [
        MarkKind::KeyChanged,
        MarkKind::V1WithSha1,
        MarkKind::StreamCorruptionSuspected,
    ] {
        let moments = facts.moments(kind);
        if let (Some(first), Some(last)) = (moments.first(), moments.last()) {
            write_warning(kind, first, last, writer);
        }
    }
}

/// Segments that were split: several pairs that make up exactly one of the largest segments.
fn write_split(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for (subflow, handshake) in &facts.handshakes {
        for direction in Direction::BOTH {
            let way = &handshake.ways[direction];
            let Some((first, last)) = way.first_half.zip(way.last).filter(|_| way.halves >= SPLIT) else {
                continue;
            };
            let who = words::sender(direction);
            let text = format!(
                "On {} {} times two segments of {who} in a row make up exactly one of its full size (from packet {} on).",
                words::subflow(*subflow),
                words::count(way.halves),
                first.packet
            );
            let weighed = Weighing::of([first.packet])
                .may(Cause::Scheduler, format!("{who} filled its segments so"))
                .may(
                    Cause::Resegmented,
                    format!("something between {who} and the capture point split them"),
                )
                .weigh();
            writer.say(
                SentenceKind::Warning,
                (*subflow, direction),
                [first, last],
                text,
                weighed,
            );
        }
    }
}

/// Malformed options: one sentence for each sender and kind of fault.
fn write_malformed(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let mut groups: Vec<(&Moment, &Moment, u64)> = Vec::new();
    for moment in facts.moments(MarkKind::MalformedOption) {
        let mark = &moment.mark;
        let same = |(first, _, _): &&mut (&Moment, &Moment, u64)| {
            (&first.mark.detail, first.mark.dir) == (&mark.detail, mark.dir)
        };
        match groups.iter_mut().find(same) {
            Some((_, last, times)) => (*last, *times) = (moment, *times + 1),
            None => groups.push((moment, moment, 1)),
        }
    }
    let cut = writer.connection.cut_short.total() + facts.headers_cut > 0;
    for (first, last, times) in groups {
        let Some(Detail::Malformed(malformed)) = &first.mark.detail else {
            continue;
        };
        let sender = words::sender(first.mark.dir);
        let length = malformed
            .length
            .map_or_else(|| "is cut off".to_owned(), |length| format!("has length {length}"));
        let again = if times > 1 {
            format!(
                " So {} {}.",
                words::counted(times - 1, "later packet"),
                if times == 2 { "has" } else { "have" }
            )
        } else {
            String::new()
        };
        let text = format!(
            "An MPTCP option of {sender} is malformed: {} in packet {} {length}, where {} is allowed.{again}",
            malformed.option, first.mark.packet, malformed.expected
        );
        let weighed = Weighing::of([first.mark.packet, last.mark.packet])
            .unless(
                Cause::CutShort,
                "the capture has only the beginning of the packet",
                (!cut).then_some("no packet here is cut off"),
            )
            .may(Cause::Violation, format!("{sender} wrote it so"))
            .may(
                Cause::OptionChanged,
                format!("something between {sender} and the capture point changed it"),
            )
            .weigh();
        let about = (first.mark.sf_id.unwrap_or(SubflowId(0)), first.mark.dir);
        writer.say(SentenceKind::Warning, about, [first.at(), last.at()], text, weighed);
    }
}

fn write_warning(kind: MarkKind, first: &Moment, last: &Moment, writer: &mut StoryWriter<'_>) {
    let sender = words::sender(first.mark.dir);
    let who = words::sentence(&sender);
    let packet = first.mark.packet;
    let (text, weighed) = match kind {
        MarkKind::KeyChanged => (
            format!("{who} sent a key that differs from its first one (packet {packet})."),
            Weighing::of([packet])
                .may(
                    Cause::NotCaptured,
                    "it belongs to a later connection with the same ports, whose SYN was not captured",
                )
                .may(Cause::Violation, format!("{sender}, or somebody in its name, sent another key"))
                .weigh(),
        ),
        MarkKind::V1WithSha1 => (
            "The headers say version 1, but this token is made with SHA-1: an implementation of a draft between the two \
             RFCs."
                .to_owned(),
            Weighing::of([packet])
                .may(Cause::Violation, "RFC 8684 demands SHA-256")
                .weigh()
                .unsaid(),
        ),
        _ => (
            format!(
                "{who} sent the same data again after a fallback that only one side made: the receiver may have read it \
                 twice."
            ),
            Weighed::observed([packet, last.mark.packet]),
        ),
    };
    let about = (first.mark.sf_id.unwrap_or(SubflowId(0)), first.mark.dir);
    writer.say(SentenceKind::Warning, about, [first.at(), last.at()], text, weighed);
}
