//! Fallback, resets, and warnings.

use super::collector::{Facts, Moment};
use super::handshake::Run;
use super::{At, SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Connection, Detail, End, Fallback, MarkKind};
use emptcp_trace::{Direction, SubflowId};
use mptcp_wire::mptcp::MpTcprst;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for moment in facts.moments(MarkKind::Fallback) {
        write_fallback(moment, facts, writer);
    }
    write_fail(facts, writer);
    write_ceased(facts, writer);
    write_closed(facts, writer);
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

/// The reason of a RST, to append to a sentence: `, because of a lack of resources (MP_TCPRST 2)`.
pub(super) fn reason(reason: Option<MpTcprst>) -> String {
    reason.map_or_else(String::new, |option| {
        let again = if option.transient {
            "; it may be tried again later"
        } else {
            ""
        };
        format!(
            ", because of {} (MP_TCPRST {}{again})",
            because(option),
            option.reason.0
        )
    })
}

fn because(option: MpTcprst) -> &'static str {
    match option.reason.0 {
        0 => "an unspecified error",
        1 => "an MPTCP-specific error",
        2 => "a lack of resources",
        3 => "a policy that forbids it",
        4 => "too much outstanding data",
        5 => "unacceptable performance",
        6 => "interference of a middlebox",
        _ => "a reason that RFC 8684 does not define",
    }
}

fn write_fallback(moment: &Moment, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let Some(Detail::Fallback(fallback)) = moment.mark.detail else {
        return;
    };
    let mark = &moment.mark;
    let packet = mark.packet;
    let who = words::sentence(&words::sender(mark.dir));
    let peer = words::receiver(mark.dir);
    let text = match fallback {
        Fallback::MpFail => format!(
            "Fallback to TCP: {} sent MP_FAIL (packet {packet}), because the checksum of data that it got was wrong on \
             the only subflow. Something on the path changed the payload, such as a proxy or an application-level gateway.",
            words::sender(mark.dir)
        ),
        Fallback::InfiniteMapping => format!(
            "Fallback to TCP: {} announced an infinite mapping (packet {packet}); from there on its data goes on as plain \
             TCP on this subflow.",
            words::sender(mark.dir)
        ),
        Fallback::SynAckWithoutOption => format!(
            "Fallback to TCP: the SYN+ACK (packet {packet}) has no MP_CAPABLE. Either {} does not speak Multipath TCP, \
             or a middlebox removed the option from the SYN or from its answer; a capture at the other end would tell.",
            words::sender(mark.dir)
        ),
        Fallback::SynAckMirrored => format!(
            "Not Multipath TCP: the SYN+ACK (packet {packet}) repeats the MP_CAPABLE of the SYN. {who} copies options that \
             it does not know, or something on the path answers for it."
        ),
        Fallback::AckWithoutOption => format!(
            "Fallback to TCP: SYN and SYN+ACK had MP_CAPABLE, but the packets that follow from {} do not (packet \
             {packet}). A middlebox removes the option after the handshake, or {} saw none in the SYN+ACK that reached it.",
            words::sender(mark.dir),
            words::sender(mark.dir)
        ),
        Fallback::SynAgainWithoutOption => {
            let syns = facts
                .handshakes
                .get(&SubflowId(0))
                .map_or(0, |handshake| handshake.syns);
            format!(
                "Fallback to TCP: the SYN was repeated without MP_CAPABLE (packet {packet}, {} in all), as if something on \
                 the path dropped SYNs with the option.",
                words::counted(syns, "SYN")
            )
        }
        Fallback::DssDisappeared => format!(
            "Fallback to TCP: from packet {packet} on the data from {} has no DSS. A middlebox began to remove the option \
             or to re-segment the data, as a route that changed to another path can bring about, or {} itself fell back.",
            words::sender(mark.dir),
            words::sender(mark.dir)
        ),
        Fallback::WrongChecksum => format!(
            "The DSS checksum of data from {} is wrong (packet {packet}): its payload or its mapping was changed before \
             it was captured. {} will refuse it.",
            words::sender(mark.dir),
            words::sentence(&peer)
        ),
        Fallback::OneSided => format!(
            "{who} goes on with DSS (packet {packet}) although {peer} has fallen back to TCP: the two do not agree, \
             because a middlebox removes the option on the way to {peer}, or only in one direction."
        ),
        Fallback::Incomplete => {
            "The handshake is not complete in the capture: it is unknown whether it became Multipath TCP.".to_owned()
        }
    };
    writer.write(SentenceKind::Fallback, moment.at(), moment.at(), mark.sf_id, text);
}

/// MP_FAIL that is not described as the fallback.
fn write_fail(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let described: Vec<_> = facts
        .moments(MarkKind::Fallback)
        .iter()
        .map(|moment| moment.mark.packet)
        .collect();
    for direction in Direction::BOTH {
        let mut fails = facts
            .moments(MarkKind::MpFail)
            .iter()
            .filter(|moment| moment.mark.dir == direction);
        let Some(first) = fails.next() else { continue };
        let last = fails.next_back().unwrap_or(first);
        if described.contains(&first.mark.packet) {
            continue;
        }
        let (who, peer) = (words::sender(direction), words::receiver(direction));
        let answer = facts
            .moments(MarkKind::MpFail)
            .iter()
            .any(|moment| moment.mark.dir != direction && moment.mark.t < first.mark.t);
        let text = if answer {
            format!(
                "{} also answered with MP_FAIL: both continue as plain TCP.",
                words::sentence(&who)
            )
        } else {
            format!(
                "{} sent MP_FAIL: data from {peer} reached it with a wrong checksum, so something on the path changed it.",
                words::sentence(&who)
            )
        };
        writer.write(SentenceKind::Fallback, first.at(), last.at(), first.mark.sf_id, text);
    }
}

/// Directions in which DSS stopped although the analysis found no fallback, with the packets without DSS.
pub(super) fn ceased(facts: &Facts, connection: &Connection) -> Vec<(Direction, Run)> {
    let mut found = Vec::new();
    for direction in Direction::BOTH {
        let open = facts.handshakes.values().filter(|handshake| handshake.dss[direction]);
        // On all subflows: some senders omit the DSS on single subflows.
        let runs: Option<Vec<Run>> = open.map(|handshake| handshake.without_dss[direction]).collect();
        let data = direction.reverse();
        let unacknowledged = connection.data[data] > connection.dacked[data];
        if let Some(run) = runs.into_iter().flatten().min_by_key(|run| run.packets)
            && run.packets >= 20
            && unacknowledged
            && connection.fallback.is_empty()
        {
            found.push((direction, run));
        }
    }
    found
}

/// The sender of the other direction continues to send DSS.
fn write_ceased(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    for (direction, run) in ceased(facts, connection) {
        let data = direction.reverse();
        let unacknowledged = connection.data[data].saturating_sub(connection.dacked[data]);
        let (who, peer) = (words::sender(direction), words::receiver(direction));
        let text = format!(
            "From packet {} on nothing that comes from {who} has a DSS ({}), so {} of {peer} are never acknowledged at the \
             data level. A middlebox removes the option, or {who} has fallen back to TCP and {peer} has not: it goes on as \
             if this were Multipath TCP.",
            run.first.packet,
            words::counted(run.packets, "packet"),
            words::bytes(unacknowledged)
        );
        writer.write(SentenceKind::Fallback, run.first, run.last, None, text);
    }
}

/// Subflows that were reset or closed while the connection continued, unless the sentence about their handshake or
/// about a REMOVE_ADDR has described it.
fn write_closed(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let over = facts.over();
    for subflow in writer.connection.subflows.iter().filter(|subflow| subflow.established) {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        let name = words::subflow(subflow.sf_id);
        let reset = handshake.first_reset();
        let fin = handshake
            .first_fin()
            .filter(|(_, at)| reset.is_none_or(|(_, reset)| at.t < reset.at.t));
        let (at, text) = match (fin, reset) {
            (Some((direction, at)), _) => {
                let who = words::sentence(&words::sender(direction));
                let others = writer.connection.subflows.iter().any(|other| {
                    other.established && other.sf_id != subflow.sf_id && other.t_syn < at.t && other.t_last > at.t
                });
                let text = if others {
                    format!("{who} closed {name} (FIN) while the connection continued.")
                } else {
                    format!("{who} closed {name} (FIN), the last one, without a DATA_FIN.")
                };
                (at, text)
            }
            (None, Some((direction, reset))) => {
                let who = words::sentence(&words::sender(direction));
                let why = match reset.reason {
                    Some(_) => reason(reset.reason),
                    None => ", without a reason".to_owned(),
                };
                (reset.at, format!("{who} reset {name}{why}."))
            }
            (None, None) => continue,
        };
        if over.is_none_or(|over| at.t < over.t) && !writer.described.contains(&at.packet) {
            writer.write(SentenceKind::Closed, at, at, Some(subflow.sf_id), text);
        }
    }
}

impl Facts {
    /// When the connection began to end: the ends of subflows after that are not described.
    pub(super) fn over(&self) -> Option<At> {
        [
            MarkKind::DataFin,
            MarkKind::MpFastclose,
            MarkKind::End,
            MarkKind::Fallback,
        ]
        .into_iter()
        .filter_map(|kind| {
            let ended = |moment: &&Moment| moment.mark.detail != Some(Detail::End(End::Eot));
            self.moments(kind).iter().find(ended).map(Moment::at)
        })
        .min_by_key(|at| (at.t, at.packet))
    }
}

fn write_warning(kind: MarkKind, first: &Moment, last: &Moment, writer: &mut StoryWriter<'_>) {
    let who = words::sentence(&words::sender(first.mark.dir));
    let text = match kind {
        MarkKind::KeyChanged => format!(
            "{who} sent a key that differs from its first one: a third party may be forging packets of this connection."
        ),
        MarkKind::V1WithSha1 => {
            "The headers say version 1, but this token is made with SHA-1: an implementation of a draft between the two RFCs."
                .to_owned()
        }
        _ => format!(
            "{who} sent the same data again after a fallback that only one side made: the receiver may have read it twice."
        ),
    };
    writer.write(SentenceKind::Warning, first.at(), last.at(), first.mark.sf_id, text);
}
