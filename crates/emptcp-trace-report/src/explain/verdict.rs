//! The assessment, in two or three sentences.

use super::collector::Facts;
use super::words;
use emptcp_trace::record::{Connection, MarkKind, Subflow, Vantage};
use emptcp_trace::{Direction, Span};

pub(super) fn text(facts: &Facts, connection: &Connection) -> String {
    let mut sentences = vec![volume(connection)];
    sentences.extend(paths(facts, connection));
    sentences.push(anomalies(facts, connection));
    sentences.join(" ")
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

fn volume(connection: &Connection) -> String {
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
    text.push_str(&shares(connection, main));
    text.push('.');
    text
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

/// `; subflow 0 carried 70 % of it, subflow 1 30 %`.
fn shares(connection: &Connection, main: Direction) -> String {
    let established: Vec<_> = connection
        .subflows
        .iter()
        .filter(|subflow| subflow.established)
        .collect();
    if established.len() < 2 {
        return String::new();
    }
    let whole: u64 = established.iter().map(|subflow| subflow.payload[main]).sum();
    let mut carriers: Vec<_> = established.iter().filter(|subflow| subflow.payload[main] > 0).collect();
    carriers.sort_by_key(|subflow| std::cmp::Reverse(subflow.payload[main]));
    match carriers.as_slice() {
        [] => String::new(),
        [only] => format!(
            ", all of {} on {} although {} were established",
            if main == Direction::ClientToServer {
                "the former"
            } else {
                "it"
            },
            words::subflow(only.sf_id),
            words::counted(established.len() as u64, "subflow")
        ),
        carriers => {
            let most: Vec<_> = carriers
                .iter()
                .take(4)
                .enumerate()
                .map(|(index, subflow)| {
                    let verb = if index == 0 { " carried" } else { "" };
                    let share = words::percent(subflow.payload[main], whole);
                    format!("{}{verb} {share}", words::subflow(subflow.sf_id))
                })
                .collect();
            let rest = match carriers.len().saturating_sub(4) {
                0 => String::new(),
                more => format!(", {} the rest", words::counted(more as u64, "other")),
            };
            format!("; {} of the payload{rest}", words::list(&most))
        }
    }
}

/// Which path had shorter round-trip times.
fn paths(facts: &Facts, connection: &Connection) -> Option<String> {
    let main = main_direction(connection);
    let usable: Vec<_> = connection
        .subflows
        .iter()
        .filter(|subflow| subflow.established)
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
    if !connection.fallback.is_empty() {
        odd.push("it fell back to TCP".to_owned());
    }
    for (direction, _) in super::trouble::ceased(facts, connection) {
        odd.push(format!(
            "at some point {} stopped sending DSS",
            words::sender(direction)
        ));
    }
    let established = connection.subflows.iter().filter(|subflow| subflow.established);
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
            "{} were carried twice on one subflow",
            words::bytes(connection.same_dsn.total())
        ));
    }
    let main = main_direction(connection);
    for kind in [MarkKind::BreakBeforeMake, MarkKind::MakeBeforeBreak] {
        for moment in facts.moments(kind) {
            if let (Some(to), Some(from)) = (moment.mark.sf_id, moment.mark.other_sf)
                && super::moving::is_handover(connection, from, to, main)
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
    let failed = joins.clone().filter(|subflow| !subflow.established).count() as u64;
    if failed > 0 {
        odd.push(format!("{} could not be opened", words::counted(failed, "subflow")));
    }
    let unused: Vec<_> = joins
        .filter(|subflow| subflow.established && subflow.payload.total() == 0)
        .map(|subflow| subflow.sf_id)
        .collect();
    if !unused.is_empty() && all > 0 {
        odd.push(format!("{} stayed unused", words::subflows(&unused)));
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
    match odd.as_slice() {
        [] => "Nothing unusual.".to_owned(),
        odd => format!("To note: {}.", words::list(odd)),
    }
}
