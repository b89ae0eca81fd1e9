//! The assessment, in two or three sentences.

use super::collector::Facts;
use super::handshake::Handshake;
use super::words;
use emptcp_trace::record::{Connection, Fallback, MarkKind, Subflow, Vantage};
use emptcp_trace::{Direction, Span, SubflowId};

pub(super) fn text(facts: &Facts, connection: &Connection) -> String {
    let initial = facts.handshakes.get(&SubflowId(0));
    if let Some(handshake) = initial.filter(|handshake| handshake.unanswered_syn()) {
        return nothing(handshake);
    }
    let mut sentences = vec![volume(facts, connection)];
    sentences.extend(paths(facts, connection));
    sentences.push(anomalies(facts, connection));
    sentences.join(" ")
}

/// No connection came about.
fn nothing(handshake: &Handshake) -> String {
    match handshake.first_reset() {
        Some(_) => {
            "The connection was refused with a RST. Nothing was sent, and it is not known whether the other side \
                    speaks Multipath TCP."
                .to_owned()
        }
        None => "No connection came about: the capture has no answer. Nothing was sent.".to_owned(),
    }
}

/// The direction that carried more.
fn main_direction(connection: &Connection) -> Direction {
    let [up, down] = Direction::BOTH.map(|direction| carried(connection, direction));
    if up > down {
        Direction::ClientToServer
    } else {
        Direction::ServerToClient
    }
}

/// Payload of a direction, including bytes without a mapping after a fallback.
fn carried(connection: &Connection, direction: Direction) -> u64 {
    connection.data[direction] + connection.unmapped[direction]
}

fn volume(facts: &Facts, connection: &Connection) -> String {
    let main = main_direction(connection);
    let at_least = if connection.is_lower_bound() { "at least " } else { "" };
    let [more, less] = [main, main.reverse()].map(|direction| carried(connection, direction));
    if more == 0 {
        return format!(
            "In {} no data was sent in either direction.",
            words::duration(connection.dur)
        );
    }
    let mut text = format!(
        "In {} {} sent {at_least}{}",
        words::duration(connection.dur),
        words::sender(main),
        words::bytes(more)
    );
    if let Some(rate) = goodput(connection, main) {
        text.push_str(&format!(" at {rate}"));
    }
    match less {
        0 => text.push_str(&format!(" and {} nothing", words::receiver(main))),
        less => text.push_str(&format!(" and {} {}", words::receiver(main), words::bytes(less))),
    }
    let mut shares: Vec<_> = [main, main.reverse()]
        .into_iter()
        .filter_map(|direction| shares(facts, connection, direction))
        .collect();
    if shares.len() == 2
        && let Some(only) = only_carrier(connection)
    {
        shares = vec![format!("{} carried all of both", words::subflow(only))];
    }
    if !shares.is_empty() {
        text.push_str(&format!("; {}", shares.join("; ")));
    }
    text.push('.');
    text
}

/// The subflow that carried all payload, when one did.
fn only_carrier(connection: &Connection) -> Option<SubflowId> {
    let mut carriers = connection.subflows.iter().filter(|subflow| subflow.payload.total() > 0);
    let first = carriers.next()?;
    carriers.next().is_none().then_some(first.sf_id)
}

fn goodput(connection: &Connection, direction: Direction) -> Option<String> {
    let first = connection
        .subflows
        .iter()
        .filter_map(|subflow| subflow.t_first_data[direction])
        .min()?;
    let last = connection
        .subflows
        .iter()
        .filter_map(|subflow| subflow.t_last_data[direction])
        .max()?;
    let span = (last - first).seconds();
    let bytes = carried(connection, direction);
    (span >= 0.01 && bytes >= 10_000).then(|| words::rate(bytes as f64 * 8.0 / span))
}

/// `subflow 0 carried 70 % of it and subflow 1 30 %`, for one direction; none with fewer than two subflows.
fn shares(facts: &Facts, connection: &Connection, direction: Direction) -> Option<String> {
    let open: Vec<_> = connection
        .subflows
        .iter()
        .filter(|subflow| facts.is_open(subflow))
        .collect();
    let whole: u64 = open.iter().map(|subflow| subflow.payload[direction]).sum();
    if open.len() < 2 || whole == 0 {
        return None;
    }
    let mut carriers: Vec<_> = open.iter().filter(|subflow| subflow.payload[direction] > 0).collect();
    carriers.sort_by_key(|subflow| std::cmp::Reverse(subflow.payload[direction]));
    let data = format!("the payload of {}", words::sender(direction));
    let [only] = carriers.as_slice() else {
        let most: Vec<_> = carriers
            .iter()
            .take(4)
            .enumerate()
            .map(|(index, subflow)| {
                let verb = if index == 0 { " carried" } else { "" };
                let share = words::percent(subflow.payload[direction], whole);
                format!("{}{verb} {share}", words::subflow(subflow.sf_id))
            })
            .collect();
        let rest = match carriers.len().saturating_sub(4) {
            0 => String::new(),
            more => format!(", {} the rest", words::counted(more as u64, "other")),
        };
        return Some(format!("{} of {data}{rest}", words::list(&most)));
    };
    Some(format!("{} carried all of {data}", words::subflow(only.sf_id)))
}

/// Which path had shorter round-trip times.
fn paths(facts: &Facts, connection: &Connection) -> Option<String> {
    let main = main_direction(connection);
    let usable: Vec<_> = connection
        .subflows
        .iter()
        .filter(|subflow| facts.is_open(subflow))
        .collect();
    if usable.len() < 2 {
        return None;
    }
    let (what, mut times) = measured(&usable, connection.vantage)?;
    times.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let (best, worst) = (*times.first()?, *times.last()?);
    let [quick, slow] = [best, worst].map(|(_, time)| words::milliseconds(time));
    let loss = |subflow: &Subflow| subflow.retx[main] as f64 / subflow.payload[main].max(1) as f64;
    let lost = [best, worst].map(|(subflow, _)| words::percent(subflow.retx[main], subflow.payload[main]));
    let (names, lossy) = (
        [best, worst].map(|(subflow, _)| words::subflow(subflow.sf_id)),
        [best, worst].map(|(subflow, _)| loss(subflow)),
    );
    let [name, other] = names;
    let [best_lost, worst_lost] = lost;
    let [best_loss, worst_loss] = lossy;
    if worst.1 < best.1 * 1.2 {
        return Some(format!(
            "The paths were similar: {what} {quick} on {name}, {slow} on {other}."
        ));
    }
    let name = words::sentence(&name);
    let alive = if super::moving::is_dead(facts, best.0.sf_id) {
        " while it worked"
    } else {
        ""
    };
    Some(if best_loss > worst_loss + 0.005 {
        format!(
            "{name} had the quicker path{alive} ({what} {quick} against {slow} on {other}) but had to retransmit more \
             ({best_lost} against {worst_lost})."
        )
    } else if worst_loss > best_loss + 0.005 {
        format!(
            "{name} had the better path{alive}: {what} {quick} against {slow} on {other}, {best_lost} retransmitted against \
             {worst_lost}."
        )
    } else {
        format!("{name} had the better path{alive}: {what} {quick} against {slow} on {other}.")
    })
}

/// Round-trip times of the whole path: of data, when the acknowledgements crossed the path as seen from the capture;
/// otherwise of the handshakes.
fn measured<'a>(subflows: &[&'a Subflow], vantage: Vantage) -> Option<(&'static str, Vec<(&'a Subflow, f64)>)> {
    let direction = match vantage {
        Vantage::Server => Some(Direction::ServerToClient),
        Vantage::Client => Some(Direction::ClientToServer),
        Vantage::Middle => None,
    };
    let of_data: Option<Vec<_>> = direction.and_then(|direction| {
        let times = subflows.iter().map(|subflow| {
            let rtt = subflow.rtt[direction];
            Some((*subflow, rtt.mean.filter(|_| rtt.n >= 3)?))
        });
        times.collect()
    });
    if let Some(times) = of_data {
        return Some(("mean RTT", times));
    }
    let times: Vec<_> = subflows
        .iter()
        .filter_map(|subflow| Some((*subflow, super::opening::round_trip(subflow)?)))
        .collect();
    (times.len() > 1).then_some(("handshake", times))
}

fn anomalies(facts: &Facts, connection: &Connection) -> String {
    let mut odd = Vec::new();
    let total = |direction: Direction| carried(connection, direction);
    let all: u64 = Direction::BOTH.into_iter().map(total).sum();
    odd.extend(fallback(facts, connection));
    let established = connection.subflows.iter().filter(|subflow| facts.is_open(subflow));
    let dead: Vec<_> = established
        .map(|subflow| subflow.sf_id)
        .filter(|id| super::moving::is_dead(facts, *id))
        .collect();
    if !dead.is_empty() {
        odd.push(format!("{} stopped working", words::subflows(&dead)));
    }
    if connection.retx.total() * 100 > all {
        odd.push(format!(
            "{} of the payload was retransmitted",
            words::percent(connection.retx.total(), all)
        ));
    }
    if connection.reinj.total() > 0 {
        odd.push(format!(
            "{} ({}) also went over a second subflow",
            words::bytes(connection.reinj.total()),
            words::percent(connection.reinj.total(), all)
        ));
    }
    if connection.same_dsn.total() > 0 {
        odd.push(format!(
            "{} {} carried twice on one subflow",
            words::bytes(connection.same_dsn.total()),
            words::was(connection.same_dsn.total())
        ));
    }
    let main = main_direction(connection);
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            if let (Some(to), Some(from)) = (moment.mark.sf_id, moment.mark.other_sf)
                && moment.mark.dir == main
                && super::moving::handover(facts, connection, moment).is_some()
            {
                odd.push(format!(
                    "the data moved from {} to {}",
                    words::subflow(from),
                    words::subflow(to)
                ));
            }
        }
    }
    let stalls = facts.moments.get(&MarkKind::Stall);
    let longest = connection.longest_stall.0.into_iter().max().unwrap_or_default();
    if let Some(stalls) = stalls.filter(|_| longest > Span::default()) {
        let number = stalls.items.len() as u64 + stalls.more;
        let longest = words::duration(longest);
        odd.push(match number {
            1 => format!("the data stalled once, for {longest}"),
            number => format!("the data stalled {number} times, for up to {longest}"),
        });
    }
    let joins = connection.subflows.iter().filter(|subflow| subflow.sf_id.0 > 0);
    let failed = joins.clone().filter(|subflow| !facts.is_open(subflow)).count() as u64;
    if failed > 0 {
        odd.push(format!("{} could not be opened", words::counted(failed, "subflow")));
    }
    let unused: Vec<_> = joins
        .filter(|subflow| facts.is_open(subflow) && subflow.payload.total() == 0)
        .map(|subflow| subflow.sf_id)
        .collect();
    if !unused.is_empty() && all > 0 {
        odd.push(format!("{} stayed unused", words::subflows(&unused)));
    }
    odd.extend(resets(facts, connection));
    if connection.malformed_options.total() > 0 {
        odd.push(format!(
            "{} malformed",
            match connection.malformed_options.total() {
                1 => "an MPTCP option is".to_owned(),
                number => format!("{} are", words::counted(number, "MPTCP option")),
            }
        ));
    }
    for (kind, what) in [
        (MarkKind::WrongHmac, "an HMAC is wrong"),
        (MarkKind::KeyChanged, "a key changed"),
        (MarkKind::StreamCorruptionSuspected, "the stream may be corrupt"),
    ] {
        if connection.events.contains(&kind) {
            odd.push(what.to_owned());
        }
    }
    let mut text = match odd.as_slice() {
        [] => "Nothing unusual.".to_owned(),
        odd => format!("To note: {}.", words::list(odd)),
    };
    let unknown = unknown(facts, connection);
    if !unknown.is_empty() {
        text.push_str(&format!(" Not known from this capture: {}.", words::list(&unknown)));
        text = text.replacen("Nothing unusual.", "Nothing unusual in what was captured.", 1);
    }
    text
}

/// Whether it is Multipath TCP to the end.
fn fallback(facts: &Facts, connection: &Connection) -> Vec<String> {
    let initial = facts.handshakes.get(&SubflowId(0));
    if initial.is_some_and(|handshake| handshake.mirrored.is_some()) {
        return vec!["the option of the SYN was sent back: it is plain TCP".to_owned()];
    }
    let has = |class| connection.fallback.contains(&class);
    if has(Fallback::SynAckWithoutOption) || has(Fallback::SynAgainWithoutOption) {
        return vec!["it is plain TCP, Multipath TCP was only offered".to_owned()];
    }
    let mut odd = Vec::new();
    if has(Fallback::MpFail) || has(Fallback::InfiniteMapping) {
        odd.push("it fell back to TCP".to_owned());
    }
    if has(Fallback::WrongChecksum) {
        odd.push("a checksum is wrong".to_owned());
    }
    for one in super::fallback::vanished(facts, connection) {
        odd.push(format!(
            "from packet {} on those of {} on {} have no MPTCP option",
            one.run.first.packet,
            words::sender(one.direction),
            words::subflow(one.subflow)
        ));
    }
    odd
}

/// Resets that a reader should know of: those that name interference, and those that no host sent.
fn resets(facts: &Facts, connection: &Connection) -> Vec<String> {
    let mut odd = Vec::new();
    for subflow in &connection.subflows {
        let Some(handshake) = facts.handshakes.get(&subflow.sf_id).filter(|_| facts.is_open(subflow)) else {
            continue;
        };
        let Some((direction, reset)) = handshake.first_reset() else {
            continue;
        };
        let name = words::subflow(subflow.sf_id);
        if handshake.ways[direction].after_reset.is_some() {
            odd.push(format!(
                "{name} got a RST that {} did not send",
                words::sender(direction)
            ));
        } else if let Some(option) = reset.reason.filter(|option| option.reason.0 != 0) {
            odd.push(format!(
                "{name} was reset because of {}",
                super::closing::because(option)
            ));
        } else if facts.over().is_none_or(|over| reset.at < over) {
            odd.push(format!("{name} was reset"));
        }
    }
    odd
}

/// What the capture does not show.
fn unknown(facts: &Facts, connection: &Connection) -> Vec<String> {
    let mut unknown = Vec::new();
    if connection.partial {
        unknown.push("how it began".to_owned());
    } else if connection.fallback.contains(&Fallback::Incomplete) {
        unknown.push("whether it became Multipath TCP (the handshake is not complete here)".to_owned());
    }
    if facts.moments.contains_key(&MarkKind::NotCaptured) {
        unknown.push("what is in the packets that were not captured".to_owned());
    }
    if facts.headers_cut > 0 {
        unknown.push("what is in the packets whose headers are cut off".to_owned());
    }
    for direction in Direction::BOTH {
        let gone = facts
            .handshakes
            .values()
            .any(|handshake| handshake.one_direction() == Some(direction.reverse()) && handshake.speaks(direction));
        if gone {
            unknown.push(format!(
                "what {} sent where only the other direction was captured",
                words::sender(direction)
            ));
        }
    }
    unknown
}
