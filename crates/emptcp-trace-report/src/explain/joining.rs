//! How the additional subflows joined, or why they failed.

use super::addresses::opener;
use super::collector::Facts;
use super::handshake::{Handshake, Reset};
use super::opening::{round_trip, weigh_no_answer, weigh_refusal};
use super::weigh::{Weighed, Weighing};
use super::{About, At, Capped, SentenceKind, StoryWriter, closing, words};
use emptcp_trace::Direction;
use emptcp_trace::record::{Cause, Connection, MarkKind, Subflow};

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let joins = connection.subflows.iter().filter(|subflow| subflow.sf_id.0 > 0);
    let described = Capped::<()>::LIMIT;
    for subflow in joins.clone().take(described) {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        let Some((first, last)) = handshake.span() else {
            continue;
        };
        if handshake.begins_open() {
            let text = format!(
                "{}, {} <-> {}, was open when the capture began.",
                words::sentence(&words::subflow(subflow.sf_id)),
                subflow.client,
                subflow.server
            );
            writer.note(SentenceKind::Subflow, subflow.sf_id, [first, first], text);
        } else if handshake.is_open(subflow) {
            let text = joined(facts, subflow, handshake, connection);
            writer.note(
                SentenceKind::Subflow,
                (subflow.sf_id, opener(subflow)),
                [first, last],
                text,
            );
        } else {
            write_failure(facts, subflow, handshake, [first, last], writer);
        }
    }
    let more: Vec<_> = joins.skip(described).collect();
    if let (Some(first), Some(last)) = (more.first(), more.last()) {
        let established = more.iter().filter(|subflow| facts.is_open(subflow)).count();
        let text = format!(
            "{} more (subflows {} to {}), {} of them established, are not described here.",
            words::sentence(&words::counted(more.len() as u64, "subflow")),
            first.sf_id,
            last.sf_id,
            words::count(established as u64)
        );
        writer.remark(SentenceKind::Subflow, first.t_syn, text, Weighed::default());
    }
}

/// `The client opened subflow 1, 10.1.2.2:4000 -> 10.1.2.1:5001, to the address announced as id 2`.
fn introduction(facts: &Facts, subflow: &Subflow, handshake: &Handshake, verb: &str) -> String {
    let direction = opener(subflow);
    let (from, to) = match direction {
        Direction::ClientToServer => (subflow.client, subflow.server),
        Direction::ServerToClient => (subflow.server, subflow.client),
    };
    let mut text = format!(
        "{} {verb} {}, {from} -> {to}",
        words::sentence(&words::sender(direction)),
        words::subflow(subflow.sf_id)
    );
    if let Some(announcement) = facts.addresses.announcement_used(subflow, direction) {
        let peer = words::receiver(direction);
        text.push_str(&format!(
            ", the address that {peer} had announced as id {}",
            announcement.id.0
        ));
    }
    match Direction::BOTH.map(|direction| handshake.backup[direction]) {
        [true, true] => text.push_str(", as backup (both sides say so)"),
        [true, false] => text.push_str(", as backup (the client says so)"),
        [false, true] => text.push_str(", as backup (the server says so)"),
        [false, false] => {}
    }
    text
}

fn joined(facts: &Facts, subflow: &Subflow, handshake: &Handshake, connection: &Connection) -> String {
    let mut text = introduction(facts, subflow, handshake, "opened");
    if let Some(milliseconds) = round_trip(subflow) {
        text.push_str(&format!("; the handshake took {}", words::milliseconds(milliseconds)));
    }
    match subflow.hmac_ok {
        Some(true) => text.push_str(", its HMACs are right"),
        Some(false) => text.push_str(", an HMAC is wrong: it should have been refused"),
        None => {}
    }
    text.push('.');
    if handshake.syns > 1 {
        text.push_str(&format!(" Its SYN was sent {} times.", handshake.syns));
    }
    let carried = subflow.payload.total();
    let first = Direction::BOTH
        .map(|direction| subflow.t_first_data[direction])
        .into_iter()
        .flatten()
        .min();
    match first {
        None if carried == 0 && connection.data.total() > 0 => text.push_str(" It carried no data."),
        Some(first) if first - subflow.t_syn > emptcp_trace::Span::from_seconds(1) => {
            let wait = words::duration(first - subflow.t_syn);
            text.push_str(&format!(" Its first data came {wait} later."));
        }
        _ => {}
    }
    text
}

/// Why a subflow failed.
fn write_failure(
    facts: &Facts,
    subflow: &Subflow,
    handshake: &Handshake,
    [first, last]: [At; 2],
    writer: &mut StoryWriter<'_>,
) {
    let mut text = introduction(facts, subflow, handshake, "tried to open");
    let direction = opener(subflow);
    let reset = handshake.first_reset();
    let refused = handshake
        .syn_ack
        .is_none()
        .then_some(reset)
        .flatten()
        .filter(|(by, _)| *by != direction);
    let (outcome, weighed) = match refused {
        Some((_, reset)) => {
            let outcome = format!(", but a RST came back{}", closing::reason(reset.reason));
            (outcome, weigh_refusal(handshake, direction, reset, first, facts.over()))
        }
        None => outcome(facts, subflow, handshake, [first, last]),
    };
    text.push_str(&outcome);
    text.push('.');
    text.push_str(&weighed.sentence());
    let end = reset.map_or(last, |(_, reset)| reset.at);
    if let Some((by, reset)) = reset.filter(|_| refused.is_none()) {
        let by = words::sentence(&words::sender(by));
        let reason = closing::reason(reset.reason);
        text.push_str(&format!(" {by} reset it (packet {}){reason}.", reset.at.packet));
    }
    writer.described.extend(reset.map(|(_, reset)| reset.at.packet));
    // Who refused it, or whose packet lacks the option. Where no answer came, either way may be at fault.
    let whose = if refused.is_some() {
        Some(direction.reverse())
    } else if handshake.syn_ack_option && handshake.ack.is_some() && handshake.syn_acks < 2 {
        Some(direction)
    } else {
        None
    };
    let about = About {
        subflow: Some(subflow.sf_id),
        direction: whose,
    };
    writer.say(SentenceKind::Subflow, about, [first, end], text, weighed.unsaid());
}

/// What came of a SYN that was not refused, and why.
fn outcome(facts: &Facts, subflow: &Subflow, handshake: &Handshake, [first, last]: [At; 2]) -> (String, Weighed) {
    let direction = opener(subflow);
    let (who, peer) = (words::sender(direction), words::receiver(direction));
    let observed = || Weighed::observed([first.packet, last.packet]);
    let Some(syn_ack) = handshake.syn_ack else {
        if handshake.one_direction().is_some() && handshake.speaks(direction.reverse()) {
            return (", and its answer is not in the capture".to_owned(), observed());
        }
        let again = match handshake.syns {
            0 | 1 => String::new(),
            times => format!(" (the SYN was sent {times} times)"),
        };
        let target = match direction {
            Direction::ClientToServer => subflow.server.ip(),
            Direction::ServerToClient => subflow.client.ip(),
        };
        let hint = words::private(target).map_or_else(String::new, |kind| {
            format!(". {target} is {kind}, which only its own network can reach")
        });
        let last = handshake.last_syn.unwrap_or(last);
        let weighed = weigh_no_answer(handshake, [first, last], &who, &peer, "MP_JOIN");
        return (format!(", but no answer came{again}{hint}"), weighed);
    };
    let answer = syn_ack.packet;
    if let Some(mirrored) = handshake.mirrored {
        let weighed = Weighing::of([first.packet, mirrored.packet])
            .may(
                Cause::OptionMirrored,
                "something there, or on the path, sends options back as it got them",
            )
            .not(
                Cause::NotSupported,
                format!("a host that does not know the option leaves it out; {peer} has to answer with its own HMAC"),
            )
            .weigh();
        return (
            format!(", but the SYN+ACK (packet {answer}) repeats the MP_JOIN of the SYN"),
            weighed,
        );
    }
    if !handshake.syn_ack_option {
        let weighed = Weighing::of([first.packet, answer])
            .may(
                Cause::NotSupported,
                "what answers there is not the peer, or does not speak Multipath TCP",
            )
            .may(Cause::OptionRemoved, "something on this path removes MP_JOIN")
            .weigh();
        return (format!(", but the SYN+ACK (packet {answer}) has no MP_JOIN"), weighed);
    }
    if wrong_hmac(facts, subflow) {
        let weighed = Weighing::of([first.packet, answer])
            .may(Cause::Violation, "the host that made it has other keys")
            .weigh();
        return (", but an HMAC is wrong".to_owned(), weighed.unsaid());
    }
    let Some(ack) = handshake
        .ack
        .filter(|ack| handshake.last_syn_ack.is_none_or(|last| last < *ack))
    else {
        return unconfirmed(handshake, &who, &peer, first);
    };
    if !handshake.ack_option {
        let weighed = Weighing::of([ack.packet])
            .unless(
                Cause::NotCaptured,
                "the third ACK was not captured, and this is a later packet",
                (!handshake.ack_is_later)
                    .then(|| format!("packet {} is the third packet, with the same numbers", ack.packet)),
            )
            .may(
                Cause::OptionRemoved,
                format!("something between {who} and the capture point removed it"),
            )
            .unless(
                Cause::Violation,
                format!("{who} left it out"),
                (handshake.syn_ack_option)
                    .then(|| format!("{who} sent MP_JOIN in its SYN and was answered with MP_JOIN")),
            )
            .weigh();
        let outcome = format!(
            ", but its third ACK (packet {}) has no MP_JOIN, so it is not established (RFC 8684, 3.2)",
            ack.packet
        );
        return (outcome, weighed);
    }
    (", but the handshake did not end in the capture".to_owned(), observed())
}

/// The SYN+ACK was answered by nothing that reached its sender.
fn unconfirmed(handshake: &Handshake, who: &str, peer: &str, first: At) -> (String, Weighed) {
    let last = handshake.last_syn_ack.unwrap_or(first);
    let proof = [first.packet, last.packet];
    let opener = handshake.direction.unwrap_or(Direction::ClientToServer);
    // 1 and 6 are what a host says whose peer answers without the option (RFC 8684, 3.6).
    let may_be_unfit = |reset: &Reset| reset.reason.is_none_or(|option| matches!(option.reason.0, 1 | 6));
    if let Some(reset) = handshake.reset[opener].filter(|reset| may_be_unfit(reset) && handshake.ack.is_none()) {
        let text = format!(", but {who} reset it when the SYN+ACK came");
        let weighed = Weighing::of([last.packet, reset.at.packet])
            .may(Cause::HostClosed, format!("{who} did not want it any more"))
            .may(
                Cause::OptionRemoved,
                format!("the SYN+ACK reached {who} without its MP_JOIN"),
            )
            .may(Cause::OptionChanged, format!("its MP_JOIN reached {who} changed"))
            .weigh();
        return (text, weighed);
    }
    if handshake.syn_acks < 2 {
        let text = format!(", but the capture has no answer of {who} to the SYN+ACK");
        return (text, Weighed::observed(proof));
    }
    let text = format!(
        ", but {peer} sent its SYN+ACK {} times: no answer of {who} reached it",
        words::count(handshake.syn_acks)
    );
    let weighed = Weighing::of(proof)
        .not(
            Cause::NotCaptured,
            format!("{peer} repeated its SYN+ACK, so it had no answer"),
        )
        .may(Cause::HostGone, format!("{who} has lost this address or link"))
        .may(Cause::PacketsLost, "the SYN+ACKs or their answers were lost")
        .may(
            Cause::PathDead,
            "the path carries nothing any more in one or both directions",
        )
        .weigh();
    (text, weighed)
}

fn wrong_hmac(facts: &Facts, subflow: &Subflow) -> bool {
    let marks = facts.moments(MarkKind::WrongHmac);
    subflow.hmac_ok == Some(false) || marks.iter().any(|moment| moment.mark.sf_id == Some(subflow.sf_id))
}
