//! How the connection ended.

use super::collector::Facts;
use super::weigh::{Weighed, Weighing};
use super::{ALL, At, SentenceKind, StoryWriter, closing, moving, words};
use emptcp_trace::record::{Cause, End, MarkKind, Subflow};
use emptcp_trace::{Direction, SubflowId};

const END: SentenceKind = SentenceKind::End;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let Some(last) = facts.last else { return };
    let fins = Direction::BOTH.map(|direction| {
        let mut fins = facts.moments(MarkKind::DataFin).iter();
        fins.find(|moment| moment.mark.dir == direction)
            .map(|moment| (direction, moment.at()))
    });
    let mut fins: Vec<_> = fins.into_iter().flatten().collect();
    fins.sort_by_key(|(_, at)| *at);
    let initial = facts.handshakes.get(&SubflowId(0));
    if initial.is_some_and(|handshake| handshake.unanswered_syn() && handshake.first_reset().is_some()) {
        // It was refused: the first sentence says so, and there is nothing that could end.
        return;
    }
    match connection.end {
        End::Fastclose => fastclose(facts, last, writer),
        End::DataFin => closed(&fins, facts, last, writer),
        End::Fallback => tcp_end(facts, last, writer),
        End::Idle => {
            let text = "No packet came for a long time, so the connection counts as ended. Neither side closed it in this \
                        capture.";
            writer.note(END, ALL, [last, last], text);
        }
        // The first sentence says so.
        End::Refused => {}
        End::Eot => open(&fins, facts, last, writer),
    }
}

fn fastclose(facts: &Facts, last: At, writer: &mut StoryWriter<'_>) {
    let moments = facts.moments(MarkKind::MpFastclose);
    let Some(moment) = moments.first() else {
        writer.note(END, ALL, [last, last], "The connection was aborted with MP_FASTCLOSE.");
        return;
    };
    let mut text = format!(
        "{} aborted the whole connection with MP_FASTCLOSE: data may be lost unread or unsent, as with a RST in TCP.",
        words::sentence(&words::sender(moment.mark.dir))
    );
    let times = moments.iter().filter(|other| other.mark.dir == moment.mark.dir).count();
    let more = facts
        .moments
        .get(&MarkKind::MpFastclose)
        .map_or(0, |moments| moments.more);
    if times > 1 {
        let times = times as u64 + more;
        text.push_str(&format!(
            " It sent it {} times: again for data that still arrived, or until it was answered (RFC 8684, 3.5).",
            words::count(times)
        ));
    }
    let weighed = Weighing::of([moment.mark.packet])
        .may(Cause::HostClosed, "a host aborted it")
        .weigh();
    let end = moments.last().map_or(moment.at(), |last| last.at());
    writer.say(END, moment.mark.dir, [moment.at(), end], text, weighed.unsaid());
}

fn closed(fins: &[(Direction, At)], facts: &Facts, last: At, writer: &mut StoryWriter<'_>) {
    let [(first, from), (second, to), ..] = fins else {
        let text = "Both sides closed the connection (DATA_FIN), and each DATA_FIN was acknowledged.";
        writer.note(END, ALL, [last, last], text);
        return;
    };
    let text = format!(
        "{} closed first (DATA_FIN, packet {}), {} {} later (packet {}): a clean end.",
        words::sentence(&words::sender(*first)),
        from.packet,
        words::sender(*second),
        words::duration(to.t - from.t),
        to.packet
    );
    let weighed = Weighing::of([from.packet, to.packet])
        .may(Cause::HostClosed, "both hosts closed it")
        .weigh();
    writer.say(END, ALL, [*from, *to], text, weighed.unsaid());
    unclosed(facts, last, writer);
}

/// Subflows that the capture shows open after the end of the connection. Their hosts close them with FIN or RST
/// (RFC 8684, 3.3.3).
fn unclosed(facts: &Facts, last: At, writer: &mut StoryWriter<'_>) {
    let is_open = |subflow: &&Subflow| {
        let handshake = facts.handshakes.get(&subflow.sf_id);
        handshake.is_some_and(|handshake| {
            let is_closed = handshake.first_reset().is_some() || handshake.fin.0.iter().all(Option::is_some);
            handshake.is_open(subflow) && !is_closed
        }) && !moving::is_dead(facts, subflow.sf_id)
    };
    let open: Vec<_> = writer
        .connection
        .subflows
        .iter()
        .filter(is_open)
        .map(|subflow| subflow.sf_id)
        .collect();
    if open.is_empty() || facts.is_incomplete(writer.connection) {
        return;
    }
    let text = format!(
        "The capture ends with {} open: it has neither a RST nor the FINs of both hosts there.",
        words::subflows(&open)
    );
    let weighed = cut_off(last);
    writer.say(END, ALL, [last, last], text, weighed);
}

/// Why nothing more came, although something had to.
fn cut_off(last: At) -> Weighed {
    Weighing::of([last.packet])
        .may(Cause::PartOnly, "the capture was ended before the connection")
        .may(Cause::HostGone, "a host or its link was gone from here on")
        .may(Cause::PathDead, "the path carried nothing any more")
        .likely(Cause::PartOnly)
        .weigh()
}

fn tcp_end(facts: &Facts, last: At, writer: &mut StoryWriter<'_>) {
    let ended = facts
        .handshakes
        .iter()
        .filter_map(|(subflow, handshake)| {
            let fin = handshake.first_fin().map(|(direction, at)| {
                let weighed = Weighing::of([at.packet])
                    .may(Cause::HostClosed, "a host closed it")
                    .weigh();
                (direction, at, false, *subflow, weighed.unsaid())
            });
            let reset = handshake.first_reset().map(|(direction, reset)| {
                let weighed = closing::weigh_reset(handshake, direction, reset);
                (direction, reset.at, true, *subflow, weighed)
            });
            fin.into_iter().chain(reset).min_by_key(|(_, at, ..)| *at)
        })
        .max_by_key(|(_, at, ..)| *at);
    match ended {
        Some((direction, at, reset, subflow, weighed)) => {
            let text = if reset {
                format!(
                    "As plain TCP it ended: a RST came from {} (packet {}).",
                    words::sender(direction),
                    at.packet
                )
            } else {
                format!(
                    "As plain TCP it ended: {} closed it with a FIN (packet {}).",
                    words::sender(direction),
                    at.packet
                )
            };
            writer.say(END, (subflow, direction), [at, last], text, weighed);
        }
        None => writer.note(END, ALL, [last, last], "As plain TCP it ended."),
    }
}

fn open(fins: &[(Direction, At)], facts: &Facts, last: At, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let initial = facts.handshakes.get(&SubflowId(0));
    let stuck = facts.handshakes.keys().any(|subflow| moving::is_dead(facts, *subflow));
    let bare = facts
        .handshakes
        .values()
        .any(|handshake| handshake.ways.0.iter().any(|way| way.bare.is_some()));
    // The DATA_FIN, or what acknowledges it, is missing.
    let half = if stuck || bare || facts.is_cut_off() || facts.is_incomplete(connection) {
        Weighed::observed([last.packet])
    } else {
        cut_off(last)
    };
    match fins {
        [] if initial.is_some_and(|handshake| handshake.unanswered_syn()) => {
            let text = "The capture ends without an answer.";
            writer.note(END, ALL, [last, last], text);
        }
        [] => {
            let text = if facts.is_cut_off() {
                "The capture ends with all subflows reset or closed, and no end of the connection."
            } else {
                "The capture ends while the connection is open."
            };
            // Where nothing waits for an answer, or for ever, it may just as well have been left so.
            let unknown = stuck || facts.is_cut_off() || facts.is_incomplete(connection);
            let weighed = if unknown {
                Weighed::observed([last.packet])
            } else if facts.waits() {
                cut_off(last)
            } else {
                Weighing::of([last.packet])
                    .may(Cause::PartOnly, "the capture was ended before the connection")
                    .may(Cause::Idle, "the hosts had nothing more to send")
                    .likely(Cause::PartOnly)
                    .weigh()
            };
            writer.say(END, ALL, [last, last], text, weighed);
        }
        [(direction, at)] => {
            let text = format!(
                "{} closed its direction (DATA_FIN, packet {}), {} did not before the end of the capture.",
                words::sentence(&words::sender(*direction)),
                at.packet,
                words::receiver(*direction)
            );
            writer.say(END, ALL, [*at, last], text, half);
        }
        [(_, at), ..] => {
            let text = "Both sides sent a DATA_FIN, but the capture has no DATA_ACK of both before it ends.";
            writer.say(END, ALL, [*at, last], text, half);
        }
    }
}
