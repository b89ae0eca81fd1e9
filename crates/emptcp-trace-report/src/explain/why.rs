//! What a sentence rests on, in words.

use super::Sentence;
use super::words;
use emptcp_trace::record::{Certainty, Party};

/// One line each: how sure, the packets, the causes that remain, and those that do not.
pub(super) fn lines(sentence: &Sentence) -> Vec<String> {
    let evidence = &sentence.evidence;
    if evidence.causes.is_empty() && evidence.proof.is_empty() && sentence.reasons.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let sure = match evidence.certainty {
        Certainty::Certain if evidence.causes.is_empty() => "certain: it says only what the packets show",
        Certainty::Certain => "certain: one cause remains",
        Certainty::Likely => "likely: the first cause explains it better than the others",
        Certainty::CannotTell if evidence.causes.is_empty() => {
            "the cause cannot be told from this capture: too many are possible"
        }
        Certainty::CannotTell => "cannot tell from this capture which cause it was",
    };
    let packets: Vec<_> = evidence.proof.iter().map(ToString::to_string).collect();
    lines.push(match packets.as_slice() {
        [] => format!("{}.", words::sentence(sure)),
        [only] => format!("{}. Shown by packet {only}.", words::sentence(sure)),
        packets => format!("{}. Shown by packets {}.", words::sentence(sure), words::list(packets)),
    });
    for reason in sentence.reasons.iter().filter(|reason| !reason.excluded) {
        lines.push(format!("Possible, {}: {}.", party(reason.party), reason.text));
    }
    for reason in sentence.reasons.iter().filter(|reason| reason.excluded) {
        let cause = words::cause(reason.cause);
        lines.push(format!("Not that {cause}: {}.", reason.text));
    }
    lines
}

fn party(party: Party) -> &'static str {
    match party {
        Party::Capture => "the capture",
        Party::Host => "a host",
        Party::Path => "the path",
    }
}
