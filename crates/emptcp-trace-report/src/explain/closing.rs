//! Subflows that were closed or reset while the connection went on.

use super::collector::{Facts, Moment};
use super::handshake::{Handshake, Reset};
use super::weigh::{Weighed, Weighing};
use super::{About, At, SentenceKind, StoryWriter, words};
use emptcp_trace::Direction;
use emptcp_trace::record::{Cause, Detail, End, Fallback, MarkKind, Subflow};
use mptcp_wire::mptcp::MpTcprst;

/// Subflows that were reset or closed while the connection continued, unless the sentence about their handshake or
/// about a REMOVE_ADDR has described it.
pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let over = facts.over();
    for subflow in &writer.connection.subflows {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        if !handshake.is_open(subflow) {
            continue;
        }
        let reset = handshake.first_reset();
        let fin = handshake
            .first_fin()
            .filter(|(_, at)| reset.is_none_or(|(_, reset)| at.t < reset.at.t));
        let at = match (fin, reset) {
            (Some((_, at)), _) => at,
            (None, Some((_, reset))) => reset.at,
            (None, None) => continue,
        };
        // After the connection has begun to end, that its subflows end is a matter of course; an injected RST is not.
        let injected = reset.is_some_and(|(direction, _)| handshake.ways[direction].after_reset.is_some());
        let is_news = over.is_none_or(|over| at.t < over.t) || (injected && fin.is_none());
        if !is_news || writer.described.contains(&at.packet) {
            continue;
        }
        match (fin, reset) {
            (Some((direction, at)), _) => write_fin(subflow, direction, at, writer),
            (None, Some((direction, reset))) => write_reset(subflow, handshake, direction, reset, writer),
            (None, None) => {}
        }
    }
}

fn write_fin(subflow: &Subflow, direction: Direction, at: At, writer: &mut StoryWriter<'_>) {
    let (who, name) = (
        words::sentence(&words::sender(direction)),
        words::subflow(subflow.sf_id),
    );
    let others =
        writer.connection.subflows.iter().any(|other| {
            other.established && other.sf_id != subflow.sf_id && other.t_syn < at.t && other.t_last > at.t
        });
    let text = if others {
        format!("{who} closed {name} (FIN) while the connection continued.")
    } else {
        format!("{who} closed {name} (FIN), the last one, without a DATA_FIN.")
    };
    let weighed = Weighing::of([at.packet])
        .may(Cause::HostClosed, "a host closed it")
        .weigh();
    writer.say(
        SentenceKind::Closed,
        (subflow.sf_id, direction),
        [at, at],
        text,
        weighed.unsaid(),
    );
}

fn write_reset(
    subflow: &Subflow,
    handshake: &Handshake,
    direction: Direction,
    reset: Reset,
    writer: &mut StoryWriter<'_>,
) {
    let name = words::subflow(subflow.sf_id);
    let weighed = weigh_reset(handshake, direction, reset);
    let text = format!(
        "{} was reset: a RST from {}{}.",
        words::sentence(&name),
        words::sender(direction),
        reason(reset.reason)
    );
    // What made a host reset came from the other side.
    let about = if weighed.evidence.accuses_path() {
        About::from(subflow.sf_id)
    } else {
        About::from((subflow.sf_id, direction))
    };
    writer.say(SentenceKind::Closed, about, [reset.at, reset.at], text, weighed);
}

/// Who sent a RST: the host whose address it has, or something on the path.
pub(super) fn weigh_reset(handshake: &Handshake, direction: Direction, reset: Reset) -> Weighed {
    let (who, peer) = (words::sender(direction), words::receiver(direction));
    let later = handshake.ways[direction].after_reset;
    // 6: interference of a middlebox; 1: among others, data or options that do not fit (RFC 8684, 3.6).
    let unfit = reset.reason.is_some_and(|option| matches!(option.reason.0, 1 | 6));
    let proof = [Some(reset.at.packet), later.map(|at| at.packet)];
    let weighing = Weighing::of(proof.into_iter().flatten())
        .unless(
            Cause::HostClosed,
            if unfit {
                format!("{who} reset it for a reason of its own")
            } else {
                format!("{who} reset it")
            },
            later.map(|at| {
                format!(
                    "{who} went on after it (packet {}), as no host does that has reset",
                    at.packet
                )
            }),
        )
        .unless(
            Cause::ResetInjected,
            format!("something on the path sent it in the name of {who}"),
            reset.reason.filter(|_| later.is_none()).map(|_| {
                format!(
                    "it has MP_TCPRST, the reason of a host that speaks Multipath TCP, and {who} sent nothing after it"
                )
            }),
        );
    let bare = [direction, direction.reverse()].into_iter().find_map(|sender| {
        let way = &handshake.ways[sender];
        let run = way.bare.filter(|run| run.first < reset.at && way.last_dss.is_some())?;
        Some((sender, run))
    });
    if let (None, None, Some((sender, run))) = (reset.reason, later, bare) {
        return weighing
            .may(
                Cause::OptionRemoved,
                format!(
                    "the options of {} had ceased before (packet {}), and it was reset for that",
                    words::sender(sender),
                    run.first.packet
                ),
            )
            .weigh();
    }
    if later.is_some() {
        return weighing.weigh();
    }
    let came_about = handshake.ways[direction.reverse()].last_dss.is_some();
    if reset.reason.is_none() && came_about {
        return weighing
            .may(
                Cause::OptionRemoved,
                format!("options of {peer} did not reach {who}, so it reset"),
            )
            .weigh();
    }
    if !unfit {
        return weighing.weigh();
    }
    weighing
        .may(
            Cause::OptionRemoved,
            format!("options of {peer} did not reach {who}, so it reset"),
        )
        .may(
            Cause::PayloadChanged,
            format!("data of {peer} reached {who} changed, so it reset"),
        )
        .weigh()
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

pub(super) fn because(option: MpTcprst) -> &'static str {
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

impl Facts {
    /// When the connection began to end: the ends of subflows after that are not described.
    pub(super) fn over(&self) -> Option<At> {
        let kinds = [
            MarkKind::DataFin,
            MarkKind::MpFastclose,
            MarkKind::End,
            MarkKind::Fallback,
        ];
        // A fallback of the whole connection, after which FIN and RST are those of TCP.
        let whole = |moment: &&Moment| match moment.mark.detail {
            Some(Detail::End(End::Eot)) => false,
            Some(Detail::Fallback(class)) => matches!(
                class,
                Fallback::SynAckWithoutOption
                    | Fallback::SynAckMirrored
                    | Fallback::SynAgainWithoutOption
                    | Fallback::MpFail
                    | Fallback::InfiniteMapping
            ),
            _ => true,
        };
        kinds
            .into_iter()
            .filter_map(|kind| self.moments(kind).iter().find(whole).map(Moment::at))
            .min()
    }
}
