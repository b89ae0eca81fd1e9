//! How the connection was opened.

use super::collector::Facts;
use super::handshake::{Handshake, Reset};
use super::weigh::{Weighed, Weighing};
use super::{At, SentenceKind, StoryWriter, closing, words};
use emptcp_trace::record::{Cause, Connection, Hash, Subflow};
use emptcp_trace::{Direction, SubflowId};
use mptcp_wire::Version;
use mptcp_wire::mptcp::CapableFlags;
use std::net::SocketAddr;

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let connection = writer.connection;
    let Some(handshake) = facts.handshakes.get(&SubflowId(0)) else {
        return;
    };
    let Some((first, last)) = handshake.span() else { return };
    let initial = connection.subflows.first();
    let client = initial.map_or_else(|| connection.client.to_string(), |subflow| subflow.client.to_string());
    let server = SocketAddr::new(connection.server, connection.port);
    if handshake.begins_open() {
        let text = format!(
            "A Multipath TCP connection (version {}) between {client} and {server} was open when the capture began.",
            connection.version.number()
        );
        writer.note(SentenceKind::Opened, SubflowId(0), [first, first], text);
        return;
    }
    let unanswered = handshake.unanswered_syn();
    let version = offered(handshake, connection);
    let mut text = if unanswered {
        format!("{client} tried to open a connection to {server} and offered Multipath TCP version {version}")
    } else if handshake.syn_ack.is_some() && !handshake.is_accepted() {
        format!("{client} opened a connection to {server} and offered Multipath TCP version {version}")
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
    if unanswered {
        let (answer, weighed, last) = no_connection(handshake, first, last);
        text.push_str(&answer);
        writer.say(SentenceKind::Opened, SubflowId(0), [first, last], text, weighed);
        return;
    }
    tokens(connection, handshake, &mut text);
    flags(handshake, &mut text);
    writer.note(SentenceKind::Opened, SubflowId(0), [first, last], text);
}

/// Why no connection came about: the answer in words, its causes, and the last packet that shows it.
fn no_connection(handshake: &Handshake, first: At, last: At) -> (String, Weighed, At) {
    let opener = handshake.direction.unwrap_or(Direction::ClientToServer);
    let (who, peer) = (words::sender(opener), words::receiver(opener));
    if let Some(reset) = handshake.reset[opener.reverse()] {
        let text = format!(
            " A RST came back (packet {}){}: it is no connection, of Multipath TCP or of TCP.",
            reset.at.packet,
            closing::reason(reset.reason)
        );
        let weighed = weigh_refusal(handshake, opener, reset, first, None);
        return (text, weighed, reset.at);
    }
    let last = handshake.last_syn.unwrap_or(last);
    let weighed = weigh_no_answer(handshake, [first, last], &who, &peer, "MP_CAPABLE");
    (" The capture has no answer.".to_owned(), weighed, last)
}

/// A RST in place of a SYN+ACK. `over` is when the connection that it was to join had begun to end.
pub(super) fn weigh_refusal(
    handshake: &Handshake,
    opener: Direction,
    reset: Reset,
    first: At,
    over: Option<At>,
) -> Weighed {
    let peer = words::receiver(opener);
    if let Some(over) = over.filter(|over| *over < reset.at) {
        return Weighing::of([over.packet, first.packet, reset.at.packet])
            .may(
                Cause::HostClosed,
                format!(
                    "the connection had begun to end (packet {}), so {peer} accepts no subflow",
                    over.packet
                ),
            )
            .may(Cause::Refused, format!("{peer} refuses the subflow for another reason"))
            .weigh();
    }
    let later = handshake.ways[opener.reverse()].after_reset;
    Weighing::of([first.packet, reset.at.packet])
        .unless(
            Cause::Refused,
            format!("{peer} refused it"),
            later.map(|at| format!("{peer} went on after it (packet {})", at.packet)),
        )
        .unless(
            Cause::ResetInjected,
            format!("a firewall on the path answered in place of {peer}"),
            reset
                .reason
                .map(|_| format!("the RST has MP_TCPRST: {peer} speaks Multipath TCP and gives its reason")),
        )
        .likely(Cause::Refused)
        .weigh()
}

/// SYNs without an answer.
pub(super) fn weigh_no_answer(
    handshake: &Handshake,
    [first, last]: [At; 2],
    who: &str,
    peer: &str,
    option: &str,
) -> Weighed {
    let proof = [first.packet, last.packet];
    if handshake.syns < 2 {
        // One SYN proves nothing: the answer may have passed elsewhere, or later.
        return Weighed::observed(proof);
    }
    let again = format!("{who} repeated its SYN, so no answer had reached it");
    let bare = handshake
        .bare_syn
        .map(|at| format!("a SYN without {option} had no answer either (packet {})", at.packet));
    Weighing::of(proof)
        .not(Cause::NotCaptured, &*again)
        .not(Cause::OneDirection, &*again)
        .may(
            Cause::HostGone,
            format!("{peer} does not exist there or does not answer"),
        )
        .may(Cause::PathDead, format!("the path to {peer} or back carries nothing"))
        .unless(
            Cause::OptionBlocked,
            format!("something on the path drops SYNs with {option}"),
            bare,
        )
        .weigh()
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

fn tokens(connection: &Connection, handshake: &Handshake, text: &mut String) {
    if handshake.syn_ack.is_some() && !handshake.is_accepted() {
        return;
    }
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
    // RFC 8684, 3.1: one side that asks is enough, but only in a connection that became one of Multipath TCP.
    let used = handshake.is_accepted() && (handshake.ack_option || handshake.has_dss());
    text.push_str(match (client, server, used) {
        (true, true, _) => " Both ask for DSS checksums.",
        (true, false, true) => " The client asks for DSS checksums, so both use them.",
        (false, true, true) => " The server asks for DSS checksums, so both use them.",
        (true, false, false) => " The client asks for DSS checksums.",
        (false, true, false) => " The server asks for DSS checksums.",
        (false, false, _) => "",
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
