//! Keys and HMACs that do not fit, and data that may have been read twice.

use super::collector::{Facts, Moment};
use super::weigh::{Weighed, Weighing};
use super::{SentenceKind, StoryWriter, words};
use emptcp_trace::SubflowId;
use emptcp_trace::record::{Cause, MarkKind};

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
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
