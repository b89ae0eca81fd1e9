//! How the additional subflows joined, or why they failed.

use super::addresses::opener;
use super::collector::Facts;
use super::handshake::Handshake;
use super::opening::round_trip;
use super::{At, Capped, SentenceKind, StoryWriter, words};
use emptcp_trace::Direction;
use emptcp_trace::record::{Connection, MarkKind, Subflow};

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
        let (text, last) = if subflow.established {
            (joined(facts, subflow, handshake, connection), last)
        } else {
            failed(facts, subflow, handshake, last)
        };
        writer.write(SentenceKind::Subflow, first, last, Some(subflow.sf_id), text);
    }
    let more: Vec<_> = joins.skip(described).collect();
    if let (Some(first), Some(last)) = (more.first(), more.last()) {
        let established = more.iter().filter(|subflow| subflow.established).count();
        let text = format!(
            "{} more (subflows {} to {}), {} of them established, are not described here.",
            words::sentence(&words::counted(more.len() as u64, "subflow")),
            first.sf_id,
            last.sf_id,
            words::count(established as u64)
        );
        writer.remark(SentenceKind::Subflow, first.t_syn, text);
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

/// Why a subflow failed, and the last packet that shows it.
fn failed(facts: &Facts, subflow: &Subflow, handshake: &Handshake, last: At) -> (String, At) {
    let mut text = introduction(facts, subflow, handshake, "tried to open");
    let direction = opener(subflow);
    let (who, peer) = (words::sender(direction), words::receiver(direction));
    let reset = handshake.first_reset();
    let reason = match reset {
        Some((by, reset)) if by != direction && handshake.syn_ack.is_none() => {
            format!(
                ", but {peer} refused it with a RST{}",
                super::trouble::reason(reset.reason)
            )
        }
        _ if handshake.syn_ack.is_none() => {
            let again = match handshake.syns {
                0 | 1 => String::new(),
                times => format!(" (the SYN was sent {times} times)"),
            };
            format!(
                ", but no answer came{again}. The path may not lead there, or something on it drops SYNs with MP_JOIN"
            )
        }
        _ if !handshake.syn_ack_option => {
            let answer = handshake.syn_ack.map_or(last.packet, |at| at.packet);
            format!(
                ", but the SYN+ACK (packet {answer}) has no MP_JOIN: something on this path removes MPTCP options, \
                 or what answers there does not speak Multipath TCP"
            )
        }
        _ if wrong_hmac(facts, subflow) => ", but an HMAC is wrong".to_owned(),
        _ if handshake.ack.is_none() => {
            format!(", but {who} did not answer the SYN+ACK")
        }
        _ if !handshake.ack_option => {
            let answer = handshake.ack.map_or(last.packet, |at| at.packet);
            format!(", but its third ACK (packet {answer}) has no MP_JOIN: something on this path removed it")
        }
        _ => ", but the handshake did not end in the capture".to_owned(),
    };
    text.push_str(&reason);
    text.push('.');
    let refused = handshake.syn_ack.is_none() && reset.is_some_and(|(by, _)| by != direction);
    match reset {
        Some((by, reset)) => {
            if !refused {
                let by = words::sentence(&words::sender(by));
                let reason = super::trouble::reason(reset.reason);
                text.push_str(&format!(" {by} reset it (packet {}){reason}.", reset.at.packet));
            }
            (text, reset.at)
        }
        None => (text, last),
    }
}

fn wrong_hmac(facts: &Facts, subflow: &Subflow) -> bool {
    let marks = facts.moments(MarkKind::WrongHmac);
    subflow.hmac_ok == Some(false) || marks.iter().any(|moment| moment.mark.sf_id == Some(subflow.sf_id))
}
