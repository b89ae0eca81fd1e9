//! What pictures say: titles, names of subflows, descriptions for readers who cannot see them.

use super::{Quantity, draw::Scene};
use crate::chart::Unit;
use crate::output::units;
use emptcp_trace::record::{Connection, Subflow};
use emptcp_trace::{ConnectionId, Direction, SubflowId};

/// The title.
pub(super) fn title(connection: ConnectionId, what: Quantity, direction: Option<Direction>) -> String {
    let what = match what {
        Quantity::Dsn => "data sequence numbers",
        Quantity::Throughput => "throughput",
        Quantity::Rtt => "round-trip time",
        Quantity::Window => "bytes in flight and window",
    };
    let way = direction.map_or_else(
        || "both directions".to_owned(),
        |direction| format!("{} to {}", direction.sender(), direction.reverse().sender()),
    );
    format!("Connection {connection}, {way}: {what}")
}

/// Hosts, start and file.
pub(super) fn subtitle(connection: &Connection) -> String {
    let server = std::net::SocketAddr::new(connection.server, connection.port);
    format!(
        "client {}, server {server} · MPTCP version {} · from {}\n{}",
        connection.client,
        connection.version.number(),
        units::date(connection.t0),
        connection.trace
    )
}

/// A subflow by its number and, when its record is known, its addresses.
pub(super) fn subflow(id: Option<SubflowId>, connection: Option<&Connection>) -> String {
    let Some(id) = id else {
        return "other subflows".to_owned();
    };
    match record(id, connection) {
        Some(subflow) => {
            let backup = if subflow.backup { ", backup" } else { "" };
            format!("subflow {id}: {} - {}{backup}", subflow.client, subflow.server)
        }
        None => format!("subflow {id}"),
    }
}

/// The record of a subflow.
pub(super) fn record(id: SubflowId, connection: Option<&Connection>) -> Option<&Subflow> {
    connection?.subflows.iter().find(|subflow| subflow.sf_id == id)
}

/// The same as a text: what each subflow did, and when what happened.
pub(super) fn description(
    directions: &[(Direction, &Scene)],
    connection: Option<&Connection>,
    marks: &[(f64, String)],
) -> String {
    let mut sentences = Vec::new();
    for (direction, scene) in directions {
        for id in scene.lanes.keys() {
            let name = subflow(*id, connection);
            let Some(record) = id.and_then(|id| record(id, connection)) else {
                sentences.push(name);
                continue;
            };
            let mut sentence = format!(
                "{name}: {} from the {}",
                units::bytes(record.payload[*direction]),
                direction.sender()
            );
            for (packets, what) in [
                (record.retx_pkts[*direction], "retransmitted"),
                (record.reinj_pkts[*direction], "reinjected"),
            ] {
                if packets > 0 {
                    sentence += &format!(", {} {what}", units::count(packets, "packet"));
                }
            }
            if let Some(mean) = record.rtt[*direction].mean {
                sentence += &format!(", mean round-trip time {}", units::milliseconds(mean));
            }
            sentences.push(sentence);
        }
    }
    let events = marks
        .iter()
        .map(|(t, words)| format!("{words} at {}", Unit::Seconds.show(*t)));
    let events: Vec<_> = events.collect();
    if !events.is_empty() {
        sentences.push(format!("Events: {}", events.join(", ")));
    }
    sentences.join(". ")
}
