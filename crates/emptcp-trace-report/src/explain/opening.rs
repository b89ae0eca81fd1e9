//! How the connection was opened.

use super::collector::Facts;
use super::handshake::Handshake;
use super::{SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Connection, Hash, Subflow};
use emptcp_trace::{Direction, SubflowId};
use mptcp_wire::Version;
use mptcp_wire::mptcp::CapableFlags;
use std::net::SocketAddr;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    capture(writer);
    let connection = writer.connection;
    let Some(handshake) = facts.handshakes.get(&SubflowId(0)) else {
        return;
    };
    let Some((first, last)) = handshake.span() else { return };
    let initial = connection.subflows.first();
    let client = initial.map_or_else(|| connection.client.to_string(), |subflow| subflow.client.to_string());
    let server = SocketAddr::new(connection.server, connection.port);
    let tried = handshake.syn_ack.is_none() && handshake.syns > 0 && handshake.carried == 0;
    let mut text = if tried {
        format!(
            "{client} tried to open a connection to {server} and offered Multipath TCP version {}",
            offered(handshake, connection)
        )
    } else if handshake.syn_ack.is_some() && !handshake.syn_ack_option {
        format!(
            "{client} opened a connection to {server} and offered Multipath TCP version {}",
            offered(handshake, connection)
        )
    } else {
        format!(
            "{client} opened a Multipath TCP connection (version {}) to {server}",
            connection.version.number()
        )
    };
    match initial.and_then(round_trip) {
        Some(milliseconds) if handshake.syn_ack.is_some() => {
            text.push_str(&format!("; the handshake took {}.", words::milliseconds(milliseconds)))
        }
        _ => text.push('.'),
    }
    if handshake.syns > 1
        && let (Some(syn), Some(last)) = (handshake.syn, handshake.last_syn)
    {
        let span = words::duration(last.t - syn.t);
        text.push_str(&format!(" The SYN was sent {} times in {span}.", handshake.syns));
    }
    if tried && let Some((direction, reset)) = handshake.first_reset() {
        let who = words::sentence(&words::sender(direction));
        text.push_str(&format!(" {who} refused it with a RST (packet {}).", reset.at.packet));
    } else if tried {
        text.push_str(" The capture has no answer.");
    }
    tokens(connection, &mut text);
    flags(handshake, &mut text);
    let last = handshake.last_syn.filter(|_| tried).unwrap_or(last);
    writer.write(SentenceKind::Opened, first, last, Some(SubflowId(0)), text);
}

/// From the SYN to the third packet: a full round trip, wherever the capture was taken.
pub(super) fn round_trip(subflow: &Subflow) -> Option<f64> {
    let [there, back] = subflow.hs_rtt;
    Some(there? + back?)
}

fn offered(handshake: &Handshake, connection: &Connection) -> u8 {
    let direction = handshake.direction.unwrap_or(Direction::ClientToServer);
    handshake.capable[direction]
        .map_or(connection.version, |capable| capable.version)
        .number()
}

fn tokens(connection: &Connection, text: &mut String) {
    let [client, server] = connection
        .tokens
        .map(|token| token.map(|token| format!("{:08x}", token.0)));
    match (client, server) {
        (Some(client), Some(server)) => text.push_str(&format!(" Tokens: {client} (client), {server} (server).")),
        (Some(client), None) => text.push_str(&format!(
            " Token of the client: {client}; the server's key was not seen."
        )),
        (None, Some(server)) => text.push_str(&format!(
            " Token of the server: {server}; the client's key was not seen."
        )),
        (None, None) => {}
    }
    if connection.version == Version::V1 && connection.hash == Hash::Sha1 {
        text.push_str(" The tokens are made with SHA-1, as in version 0, although the headers say version 1.");
    }
}

fn flags(handshake: &Handshake, text: &mut String) {
    let has =
        |direction: Direction, flag| handshake.capable[direction].is_some_and(|capable| capable.flags.contains(flag));
    let [client, server] = Direction::BOTH.map(|direction| has(direction, CapableFlags::CHECKSUM_REQUIRED));
    text.push_str(match (client, server) {
        (true, true) => " Both ask for DSS checksums.",
        (true, false) => " The client asks for DSS checksums, so both use them.",
        (false, true) => " The server asks for DSS checksums, so both use them.",
        (false, false) => "",
    });
    for direction in Direction::BOTH {
        if has(direction, CapableFlags::NO_JOIN_TO_THIS_ADDRESS) {
            let who = words::sentence(&words::sender(direction));
            text.push_str(&format!(
                " {who} accepts no further subflows to this address (flag C), only to addresses that it announces."
            ));
        }
    }
    if let (Some(asked), Some(chosen)) = (
        handshake.capable[Direction::ClientToServer],
        handshake.capable[Direction::ServerToClient],
    ) && asked.version != chosen.version
    {
        text.push_str(&format!(
            " The client offered version {}, the server chose version {}.",
            asked.version.number(),
            chosen.version.number()
        ));
    }
}

/// What the capture lacks.
fn capture(writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let mut lacks = Vec::new();
    if connection.partial {
        lacks.push("The capture begins after the SYN of this connection.".to_owned());
    }
    if connection.continued {
        lacks.push("This continues a connection that counted as ended after a long silence.".to_owned());
    }
    if connection.lossy_capture {
        let missing = words::bytes(connection.loss.total());
        lacks.push(format!(
            "The capture is incomplete: it lacks {missing} that were acknowledged, so sizes here are lower bounds."
        ));
    }
    if connection.truncated {
        lacks.push("A memory limit was reached: sizes here are lower bounds.".to_owned());
    }
    if !lacks.is_empty() {
        writer.remark(SentenceKind::Capture, connection.t0, lacks.join(" "));
    }
}
