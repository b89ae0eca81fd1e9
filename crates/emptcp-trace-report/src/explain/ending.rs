//! How the connection ended.

use super::collector::Facts;
use super::{At, SentenceKind, StoryWriter, words};
use emptcp_trace::Direction;
use emptcp_trace::record::{End, MarkKind};

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let Some(last) = facts.last else { return };
    let fins = Direction::BOTH.map(|direction| {
        let mut fins = facts.moments(MarkKind::DataFin).iter();
        fins.find(|moment| moment.mark.dir == direction)
            .map(|moment| (direction, moment.at()))
    });
    let mut fins: Vec<_> = fins.into_iter().flatten().collect();
    fins.sort_by_key(|(_, at)| (at.t, at.packet));
    let (from, to, text) = match connection.end {
        End::Fastclose => fastclose(facts, last),
        End::DataFin => closed(&fins, last),
        End::Fallback => tcp_end(facts, last),
        End::Idle => (
            last,
            last,
            "No packet came for a long time, so the connection counts as ended. Neither side closed it.".to_owned(),
        ),
        End::Refused => (last, last, "The first SYN was answered by a RST: refused.".to_owned()),
        End::Eot => open(&fins, last),
    };
    writer.write(SentenceKind::End, from, to, None, text);
}

fn fastclose(facts: &Facts, last: At) -> (At, At, String) {
    let Some(moment) = facts.moments(MarkKind::MpFastclose).first() else {
        return (last, last, "The connection was aborted with MP_FASTCLOSE.".to_owned());
    };
    let text = format!(
        "{} aborted the whole connection with MP_FASTCLOSE: data may be lost unread or unsent, as with a RST in TCP.",
        words::sentence(&words::sender(moment.mark.dir))
    );
    (moment.at(), moment.at(), text)
}

fn closed(fins: &[(Direction, At)], last: At) -> (At, At, String) {
    let [(first, from), (second, to), ..] = fins else {
        let text = "Both sides closed the connection (DATA_FIN), and each DATA_FIN was acknowledged.".to_owned();
        return (last, last, text);
    };
    let text = format!(
        "{} closed first (DATA_FIN, packet {}), {} {} later (packet {}): a clean end.",
        words::sentence(&words::sender(*first)),
        from.packet,
        words::sender(*second),
        words::duration(to.t - from.t),
        to.packet
    );
    (*from, *to, text)
}

fn tcp_end(facts: &Facts, last: At) -> (At, At, String) {
    let ended = facts
        .handshakes
        .values()
        .filter_map(|handshake| {
            let fin = handshake
                .first_fin()
                .map(|(direction, at)| (direction, at, "closed it with a FIN"));
            let reset = handshake
                .first_reset()
                .map(|(direction, reset)| (direction, reset.at, "reset it"));
            fin.into_iter().chain(reset).min_by_key(|(_, at, _)| at.t)
        })
        .max_by_key(|(_, at, _)| at.t);
    match ended {
        Some((direction, at, how)) => {
            let who = words::sender(direction);
            (
                at,
                last,
                format!("As plain TCP it ended: {who} {how} (packet {}).", at.packet),
            )
        }
        None => (last, last, "As plain TCP it ended.".to_owned()),
    }
}

fn open(fins: &[(Direction, At)], last: At) -> (At, At, String) {
    match fins {
        [] => (last, last, "The capture ends while the connection is open.".to_owned()),
        [(direction, at)] => {
            let text = format!(
                "{} closed its direction (DATA_FIN, packet {}), {} never did before the end of the capture.",
                words::sentence(&words::sender(*direction)),
                at.packet,
                words::receiver(*direction)
            );
            (*at, last, text)
        }
        [(_, at), ..] => {
            let text = "Both sides sent a DATA_FIN, but the capture ends before both were acknowledged.".to_owned();
            (*at, last, text)
        }
    }
}
