//! Data without a mapping, where mappings go on later.

use super::collector::Facts;
use super::weigh::Weighing;
use super::{SentenceKind, StoryWriter, words};
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span};

/// A mapping is in a packet at most this long before its data.
const MAPPED_WITHIN: Span = Span::from_seconds(10);

/// Data without a mapping, where mappings go on later: it was in a packet that is missing, or it is too short.
pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for subflow in &writer.connection.subflows {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        for direction in Direction::BOTH {
            let way = &handshake.ways[direction];
            if subflow.unmapped[direction] == 0 {
                continue;
            }
            let who = words::sender(direction);
            let about = (subflow.sf_id, direction);
            if let Some((at, mapped)) = way.short_mapping {
                let text = format!(
                    "The DSS of packet {} maps only {} of its payload: the rest has no place in the data of {who}.",
                    at.packet,
                    words::bytes(mapped.into())
                );
                let weighed = Weighing::of([at.packet])
                    .may(Cause::Offload, "the capturing host merged segments")
                    .may(Cause::Violation, format!("{who} made the mapping too short"))
                    .may(
                        Cause::Resegmented,
                        "something on the path merged segments and kept one option",
                    )
                    .weigh();
                writer.say(SentenceKind::Fallback, about, [at, at], text, weighed);
            } else if let Some(run) = way.unmapped_before {
                let missing = way.lacks_bytes_before(run.last.t, MAPPED_WITHIN);
                if !missing {
                    continue;
                }
                let text = format!(
                    "The capture lacks the mapping of {} from {who} (packets {} to {}): it was in a packet that was not \
                     captured. Mappings follow.",
                    words::bytes(subflow.unmapped[direction]),
                    run.first.packet,
                    run.last.packet
                );
                let weighed = Weighing::of([run.first.packet, run.last.packet])
                    .may(Cause::NotCaptured, "the packet with the mapping was not captured")
                    .not(Cause::HostFellBack, format!("{who} goes on with mappings"))
                    .not(
                        Cause::OptionRemoved,
                        "mappings follow, and bytes are missing just before",
                    )
                    .weigh();
                writer.say(
                    SentenceKind::Capture,
                    about,
                    [run.first, run.last],
                    text,
                    weighed.unsaid(),
                );
            }
        }
    }
}
