//! The transfer of data: handovers, stalls, silences, subflows that went dead.

use super::collector::{Facts, Moment, Quiet};
use super::handshake::Handshake;
use super::way::Run;
use super::weigh::{Weighed, Weighing};
use super::{About, At, SentenceKind, StoryWriter, closing, words};
use emptcp_trace::record::{Cause, Connection, Detail, MarkKind, Subflow};
use emptcp_trace::{Direction, Piece, Span, SubflowId};
use std::net::IpAddr;

/// Packets without an answer that show a dead subflow, and for how long.
const DEAD_PACKETS: u64 = 3;
const DEAD_AFTER: Span = Span::from_seconds(1);

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            write_handover(moment, facts, writer);
        }
    }
    for moment in facts.moments(MarkKind::Stall) {
        write_stall(moment, writer);
    }
    write_dead(facts, writer);
    for quiet in &facts.silences {
        write_silence(quiet, facts, writer);
    }
    write_more(facts, writer);
}

fn write_more(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let kinds = [
        (MarkKind::Stall, SentenceKind::Stall, "stall"),
        (MarkKind::BreakBeforeMake, SentenceKind::Handover, "handover"),
        (MarkKind::MakeBeforeBreak, SentenceKind::Handover, "handover"),
    ];
    let moments = kinds
        .into_iter()
        .map(|(mark, kind, what)| (facts.moments.get(&mark).map_or(0, |moments| moments.more), kind, what));
    let silences = facts.silence_count - facts.silences.len() as u64;
    let silences = [(silences, SentenceKind::Silence, "shorter silence")];
    for (more, kind, what) in moments.chain(silences).filter(|(more, _, _)| *more > 0) {
        let text = format!(
            "There {} {}, not described here.",
            words::was(more),
            words::counted(more, &format!("more {what}"))
        );
        writer.remark(kind, writer.connection.t_end, text, Weighed::default());
    }
}

/// A time in which nothing was captured.
fn write_silence(quiet: &Quiet, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let Quiet { from, to, .. } = *quiet;
    // Waiting for the answer to a SYN, or for a timer: the sentences about that say so.
    if quiet.waits && !quiet.jumps && !quiet.resumed_by_ack {
        return;
    }
    let mut dead = facts
        .handshakes
        .values()
        .flat_map(|handshake| Direction::BOTH.map(|direction| dead_run(handshake, direction).map(|(run, _)| run)));
    if dead.any(|run| run.is_some_and(|run| run.first <= to && from <= run.last)) {
        return;
    }
    let mut steps = facts.moments(MarkKind::ClockStep).iter();
    if steps.any(|step| step.mark.packet == to.packet || quiet.has_step(step)) {
        return;
    }
    let text = format!(
        "For {}, until {}, neither side sent anything on any subflow that was captured.",
        words::duration(to.t - from.t),
        writer.clock(to.t)
    );
    if facts.handshakes.values().any(|handshake| handshake.syn == Some(to)) {
        // A new subflow ended it: whether data waited for one, the packets do not show.
        writer.note(SentenceKind::Silence, super::ALL, [from, to], text);
        return;
    }
    let may_be_step = facts.artefacts.set_back.is_some() || (quiet.resumed_by_ack && !quiet.jumps);
    let weighed = Weighing::of([from.packet, to.packet])
        .unless(
            Cause::NotCaptured,
            "packets passed meanwhile that were not captured",
            (!quiet.jumps && !quiet.resumed_by_ack).then_some("the sequence numbers go on where they had stopped"),
        )
        .unless(
            Cause::ClockStep,
            "the clock of the capture was set forward",
            (!may_be_step).then_some("no data waits across it as if no time had passed"),
        )
        .unless(
            Cause::Idle,
            "the applications had nothing to send",
            if quiet.jumps {
                Some("sequence numbers moved meanwhile")
            } else {
                quiet.waits.then_some("data was waiting for its acknowledgement")
            },
        )
        .weigh();
    writer.say(SentenceKind::Silence, super::ALL, [from, to], text, weighed);
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

fn write_handover(moment: &Moment, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let mark = &moment.mark;
    let (Some(to), Some(from)) = (mark.sf_id, mark.other_sf) else {
        return;
    };
    let Some(handover) = handover(facts, writer.connection, moment) else {
        return;
    };
    let how = match mark.kind {
        MarkKind::BreakBeforeMake => {
            let opened = writer.connection.subflows.iter().find(|subflow| subflow.sf_id == to);
            let clock = opened
                .map(|subflow| format!(" at {}", writer.clock(subflow.t_syn)))
                .unwrap_or_default();
            format!(
                "which was opened only{clock}, after {} had gone silent (break before make)",
                words::subflow(from)
            )
        }
        _ => "which was already open (make before break)".to_owned(),
    };
    let mut text = format!(
        "{} moved from {} to {}, {how}",
        words::sentence(&data(mark.dir)),
        words::subflow(from),
        words::subflow(to)
    );
    if let Some(gap) = gap(moment).filter(|gap| gap.0 > 0) {
        text.push_str(&format!(
            "; {} passed between the last new data on the first and the first data on the second",
            words::duration(gap)
        ));
    }
    if mark.bytes > 0 {
        text.push_str(&format!(
            "; {} {} sent again",
            words::bytes(mark.bytes),
            words::was(mark.bytes)
        ));
    }
    text.push('.');
    let Handover { at, weighed } = handover;
    // The causes are about the subflow that the data left.
    let about = if weighed.evidence.causes.contains(Cause::Scheduler) {
        About::from((to, mark.dir))
    } else {
        About::from(from)
    };
    writer.say(SentenceKind::Handover, about, [at, at], text, weighed);
}

/// A handover, and why the data moved.
pub(super) struct Handover {
    at: At,
    weighed: Weighed,
}

/// Whether a mark is a handover to report; none when the sender merely had nothing to send for a while, and then used
/// another subflow.
pub(super) fn handover(facts: &Facts, connection: &Connection, moment: &Moment) -> Option<Handover> {
    let mark = &moment.mark;
    let (to, from) = (mark.sf_id?, mark.other_sf?);
    if !is_handover(connection, from, to, mark.dir) {
        return None;
    }
    // The mark comes at the end of the connection: only then is it certain that the data did not return.
    let first = facts
        .handshakes
        .get(&to)
        .and_then(|handshake| handshake.first_data[mark.dir]);
    let at = first.unwrap_or(moment.at());
    let handshake = facts.handshakes.get(&from)?;
    let (who, name) = (words::sender(mark.dir), words::subflow(from));
    let way = &handshake.ways[mark.dir];
    // Data on the old subflow that waited for its acknowledgement when the new one took over.
    let stuck = way.unanswered.filter(|run| run.first < at).or_else(|| {
        way.mended
            .filter(|(run, end)| run.first < at && *end > at)
            .map(|(run, _)| run)
    });
    let reset = handshake.first_reset().filter(|(_, reset)| reset.at <= at);
    let fin = handshake.first_fin().filter(|(_, fin)| *fin <= at);
    let weighed = if let Some((direction, reset)) = reset {
        closing::weigh_reset(handshake, direction, reset)
    } else if let Some((direction, fin)) = fin {
        Weighing::of([fin.packet, at.packet])
            .may(
                Cause::HostClosed,
                format!("{} had closed {name}", words::sender(direction)),
            )
            .weigh()
    } else if let Some(backup) = facts.addresses.backup_before(from, at) {
        Weighing::of([backup.packet, at.packet])
            .may(
                Cause::Scheduler,
                format!("{name} had become a backup (MP_PRIO, packet {})", backup.packet),
            )
            .weigh()
    } else if let Some(removal) = facts.addresses.removal_before(connection, from, at) {
        Weighing::of([removal.packet, at.packet])
            .may(
                Cause::HostClosed,
                format!("the address of {name} had been withdrawn (packet {})", removal.packet),
            )
            .weigh()
    } else if let Some(run) = stuck {
        Weighing::of([run.first.packet, run.last.packet, at.packet])
            .unless(
                Cause::Scheduler,
                String::new(),
                Some(format!(
                    "data on {name} waited for its acknowledgement (packets {} to {})",
                    run.first.packet, run.last.packet
                )),
            )
            .may(
                Cause::HostGone,
                format!("a host had lost the address or link of {name}"),
            )
            .may(Cause::PacketsLost, format!("packets on {name} were lost"))
            .may(Cause::PathDead, format!("the path of {name} carried nothing any more"))
            .weigh()
    } else if gap(moment).is_some_and(|gap| gap >= DEAD_AFTER) {
        return None;
    } else {
        Weighing::of([at.packet])
            .may(
                Cause::Scheduler,
                format!("{who} chose it: all data on {name} had been acknowledged"),
            )
            .not(Cause::PathDead, format!("nothing on {name} waited for an answer"))
            .weigh()
    };
    Some(Handover { at, weighed })
}

/// Whether this is a handover to report: both subflows carried new data, and no third one carried data before and
/// after.
pub(super) fn is_handover(connection: &Connection, from: SubflowId, to: SubflowId, direction: Direction) -> bool {
    let find = |id| connection.subflows.iter().find(|subflow| subflow.sf_id == id);
    let (Some(old), Some(new)) = (find(from), find(to)) else {
        return false;
    };
    let arrived = new.t_first_data[direction];
    let third = connection.subflows.iter().any(|third| {
        let (begun, ended) = (third.t_first_data[direction], third.t_last_data[direction]);
        ![from, to].contains(&third.sf_id) && begun.is_some() && begun < arrived && ended > arrived
    });
    old.new_dsn[direction] > 0 && new.new_dsn[direction] > 0 && !third
}

/// How a subflow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The other side sent nothing at all.
    Silent,
    /// The other side still sent, but acknowledged nothing of it.
    Unheard,
    /// The acknowledgements are in the capture, and the sender did not get them.
    AnswersLost,
}

/// Packets that need an answer, which one side sent for more than a second without getting any, to the end of the
/// subflow in the capture; or the same bytes again and again.
pub(super) fn dead_run(handshake: &Handshake, direction: Direction) -> Option<(Run, Failure)> {
    let way = &handshake.ways[direction];
    let long = |run: &Run| run.packets >= DEAD_PACKETS && run.last.t - run.first.t >= DEAD_AFTER;
    if let Some(run) = way.unanswered.filter(long) {
        return Some((run, Failure::Silent));
    }
    // The first transmission is not among the copies.
    let run = way
        .stuck(DEAD_PACKETS - 1)
        .filter(|run| run.last.t - run.first.t >= DEAD_AFTER)?;
    let failure = if way.is_heard() {
        Failure::AnswersLost
    } else {
        Failure::Unheard
    };
    Some((run, failure))
}

/// Whether a subflow stopped working.
pub(super) fn is_dead(facts: &Facts, subflow: SubflowId) -> bool {
    facts.handshakes.get(&subflow).is_some_and(|handshake| {
        let mut both = Direction::BOTH.into_iter();
        both.any(|direction| dead_run(handshake, direction).is_some())
    })
}

/// Subflows on which one side kept sending without an answer.
fn write_dead(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    for subflow in &connection.subflows {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id) else {
            continue;
        };
        if subflow.sf_id.0 > 0 && !handshake.is_open(subflow) {
            continue;
        }
        for direction in Direction::BOTH {
            let Some((run, failure)) = dead_run(handshake, direction) else {
                continue;
            };
            let (who, peer) = (words::sender(direction), words::receiver(direction));
            let what = match failure {
                Failure::Silent => format!(
                    "{who} sent {} on it from here to {} that need an answer, and none of {peer} came",
                    words::counted(run.packets, "packet"),
                    writer.clock(run.last.t)
                ),
                Failure::Unheard => format!(
                    "{who} sent the same bytes again and again from here to {} ({}), and {peer}, which still sent, \
                     acknowledged none of them",
                    writer.clock(run.last.t),
                    words::counted(run.packets, "packet")
                ),
                Failure::AnswersLost => format!(
                    "{who} sent the same bytes again and again from here to {} ({}), although {peer} acknowledged them",
                    writer.clock(run.last.t),
                    words::counted(run.packets, "packet")
                ),
            };
            let text = format!(
                "{} stopped working: {what}.",
                words::sentence(&words::subflow(subflow.sf_id))
            );
            let weighed = weigh_dead(facts, connection, subflow, direction, &run, failure);
            writer.say(
                SentenceKind::Silence,
                subflow.sf_id,
                [run.first, run.last],
                text,
                weighed,
            );
        }
    }
}

fn weigh_dead(
    facts: &Facts,
    connection: &Connection,
    subflow: &Subflow,
    direction: Direction,
    run: &Run,
    failure: Failure,
) -> Weighed {
    let (who, peer) = (words::sender(direction), words::receiver(direction));
    let name = words::subflow(subflow.sf_id);
    match failure {
        Failure::Silent => {}
        Failure::Unheard => {
            return Weighing::of([run.first.packet, run.last.packet])
                .not(
                    Cause::NotCaptured,
                    format!("{who} repeats its bytes: no acknowledgement reached it"),
                )
                .may(
                    Cause::HostGone,
                    format!("{peer} has lost this address or link for what it receives"),
                )
                .may(
                    Cause::PathDead,
                    format!("the path of {name} carries nothing from {who} to {peer} any more"),
                )
                .weigh();
        }
        Failure::AnswersLost => {
            return Weighing::of([run.first.packet, run.last.packet])
                .not(Cause::NotCaptured, "the acknowledgements are in the capture")
                .may(
                    Cause::HostGone,
                    format!("{who} or {peer} has lost this address or link"),
                )
                .may(
                    Cause::PathDead,
                    format!("the path of {name} carries nothing from {peer} to {who} any more"),
                )
                .weigh();
        }
    }
    let repeats = facts
        .handshakes
        .get(&subflow.sf_id)
        .is_some_and(|handshake| handshake.ways[direction].repeated > 0);
    let again = repeats.then(|| format!("{who} sent the same bytes again, so no acknowledgement had reached it"));
    // Both addresses, alive on other subflows: each side answers from its own.
    let alive = |end: fn(&Subflow) -> IpAddr, sender: Direction| {
        connection.subflows.iter().find_map(|other| {
            let way = &facts.handshakes.get(&other.sf_id)?.ways[sender];
            let last = way.last.filter(|last| last.t > run.first.t)?;
            (other.sf_id != subflow.sf_id && end(other) == end(subflow)).then_some(last)
        })
    };
    let client = alive(|subflow| subflow.client.ip(), Direction::ClientToServer);
    let server = alive(|subflow| subflow.server.ip(), Direction::ServerToClient);
    Weighing::of([run.first.packet, run.last.packet])
        .unless(
            Cause::NotCaptured,
            format!("the answers of {peer} were not captured"),
            again,
        )
        .unless(
            Cause::HostGone,
            format!("{peer} has lost this address or link, or is gone"),
            client.zip(server).map(|(client, server)| {
                format!(
                    "both addresses are in use on other subflows (packets {} and {})",
                    client.packet, server.packet
                )
            }),
        )
        .may(
            Cause::PathDead,
            format!("the path of {name} carries nothing any more, there or back"),
        )
        .weigh()
}

fn write_stall(moment: &Moment, writer: &mut StoryWriter<'_>) {
    let mark = &moment.mark;
    let length = gap(moment).unwrap_or_default();
    let from = mark.t + Span(-length.0);
    let mut text = format!(
        "{} stalled for {}, until {}",
        words::sentence(&data(mark.dir)),
        words::duration(length),
        writer.clock(mark.t)
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
                "; it continued when {name} carried the missing data after {} (packet {packet})",
                words::subflow(of)
            ),
            Piece::Retransmission => {
                format!("; it continued when {name} retransmitted the missing data (packet {packet})")
            }
            Piece::SameSubflow => {
                format!("; it continued when {name} carried the missing data again (packet {packet})")
            }
            Piece::New | Piece::Unmapped => format!("; it continued with new data on {name} (packet {packet})"),
        });
    }
    text.push('.');
    let about = super::About {
        subflow: carrier.map(|carrier| carrier.subflow),
        direction: Some(mark.dir),
    };
    let weighed = Weighed::observed([first.packet, mark.packet]);
    writer.say(SentenceKind::Stall, about, [first, moment.at()], text, weighed);
}
