//! What a comparison found, in sentences: changes first, then losses.

use super::paths::{self, Where};
use emptcp_trace::compare::{
    ComparedConnection, ComparedDirection, ComparedKind, ComparedSubflow, Comparison, Example, OptionComparison, Point,
    Stage, field,
};
use emptcp_trace::{Direction, PacketNumber};

/// The most findings that are written out; further connections are only counted.
const MOST: usize = 50;

/// The findings of a comparison in sentences: changes first, then losses.
///
/// At most about 50 are written out; the others are counted.
#[must_use]
pub fn findings(comparison: &Comparison) -> Vec<String> {
    let (mut changes, mut losses, mut left_out) = (Vec::new(), Vec::new(), 0_usize);
    let mut joined = false;
    for connection in &comparison.connections {
        let (mut changed, mut lost) = (Vec::new(), Vec::new());
        for subflow in &connection.subflows {
            joined |= subflow.a.is_some() && subflow.b.is_some();
            if !paths::is_said(connection, subflow) {
                let speaker = SubflowWriter::new(connection, subflow);
                speaker.subflow(&mut changed, &mut lost);
            }
        }
        if changes.len() + losses.len() > MOST && changed.len() + lost.len() > 0 {
            left_out += 1;
            continue;
        }
        changes.append(&mut changed);
        losses.append(&mut lost);
    }
    let mut findings = paths::sentences(comparison);
    let apart = !findings.is_empty() && !joined;
    if apart {
        // Said already.
    } else if !joined && !comparison.connections.is_empty() {
        findings.push("No subflow of A was found in B: these captures do not contain the same traffic.".to_owned());
    } else if changes.is_empty() {
        findings.push(
            "Nothing was changed on the way: options, header fields and payload arrived as they were sent.".to_owned(),
        );
    }
    findings.append(&mut changes);
    findings.append(&mut losses);
    if left_out > 0 {
        findings.push(format!(
            "{left_out} more connections have differences; the tables name them."
        ));
    }
    if comparison.exceeded > 0 {
        findings.push(format!(
            "{} packets were no longer compared, because too many waited for their copies: losses are upper bounds.",
            comparison.exceeded
        ));
    }
    if comparison.not_followed > 0 {
        findings.push(format!(
            "{} packets belong to subflows beyond the limit and were not compared.",
            comparison.not_followed
        ));
    }
    findings
}

/// Writes the sentences about one subflow.
struct SubflowWriter<'a> {
    subflow: &'a ComparedSubflow,
    name: String,
}

impl<'a> SubflowWriter<'a> {
    fn new(connection: &ComparedConnection, subflow: &'a ComparedSubflow) -> Self {
        let name = match (connection.kind, connection.conn_id) {
            (ComparedKind::Capable, Some(number)) => format!("subflow {} of connection {number}", subflow.sf_id),
            (ComparedKind::Capable, None) => {
                let client = subflow
                    .a
                    .or(subflow.b)
                    .map(|ends| ends.client.to_string())
                    .unwrap_or_default();
                format!("subflow {} of the connection of {client}", subflow.sf_id)
            }
            (kind, _) => {
                let ends = subflow.a.or(subflow.b);
                let ends = ends
                    .map(|ends| format!("{} to {}", ends.client, ends.server))
                    .unwrap_or_default();
                match kind {
                    ComparedKind::Join => format!("the subflow without a connection from {ends}"),
                    _ => format!("the TCP connection from {ends}"),
                }
            }
        };
        Self { subflow, name }
    }

    /// Which capture is nearer to the sender.
    fn near(&self, direction: Direction) -> Point {
        match direction {
            Direction::ClientToServer => self.subflow.client_at,
            Direction::ServerToClient => self.subflow.client_at.other(),
        }
    }

    /// `left X with ... (packet 3) and arrived at Y`: packet numbers of sender's and receiver's side.
    fn sides(&self, direction: Direction, example: Example) -> (PacketNumber, PacketNumber) {
        match self.near(direction) {
            Point::A => (example.a, example.b),
            Point::B => (example.b, example.a),
        }
    }

    fn subflow(&self, changed: &mut Vec<String>, lost: &mut Vec<String>) {
        let subflow = self.subflow;
        let (a, b) = match (subflow.a, subflow.b) {
            (Some(a), Some(b)) => (a, b),
            (one, other) => {
                let (point, ends) = if one.is_some() {
                    (Point::A, one)
                } else {
                    (Point::B, other)
                };
                if let Some(ends) = ends {
                    lost.push(format!(
                        "{} ({} to {}) is only in {}, from packet {} on: {}.",
                        capital(&self.name),
                        ends.client,
                        ends.server,
                        point.name(),
                        ends.first_packet,
                        match Where::of(subflow) {
                            Where::Answered(_) => "the other capture does not have this path".to_owned(),
                            _ => format!(
                                "none of its packets arrived, or {} was captured on another path",
                                point.other().name()
                            ),
                        }
                    ));
                }
                return;
            }
        };
        for (who, at_a, at_b) in [("client", a.client, b.client), ("server", a.server, b.server)] {
            if at_a != at_b {
                changed.push(format!(
                    "The {who} of {} is {at_a} at A and {at_b} at B: something between translates addresses or ports.",
                    self.name
                ));
            }
        }
        for direction in Direction::BOTH {
            if let Some(shift @ 1..) = subflow.isn_shift[direction] {
                changed.push(format!(
                    "The sequence numbers that the {} sends on {} are shifted by {shift} between A and B.",
                    direction.sender(),
                    self.name
                ));
            }
            let compared = &subflow.directions[direction];
            for option in &compared.options {
                self.option(direction, option, changed);
            }
            self.fields(direction, compared, changed);
            self.payload(direction, compared, changed);
            self.appeared(direction, compared, changed);
            self.lost(direction, compared, lost);
        }
    }

    fn option(&self, direction: Direction, option: &OptionComparison, changed: &mut Vec<String>) {
        let (from, to) = (direction.sender(), direction.reverse().sender());
        let (name, stage) = (option.option, option.stage.name());
        let once = matches!(option.stage, Stage::Syn | Stage::SynAck);
        for (count, first, with, without, did) in [
            (option.removed, option.first_removed, "with", "without it", "removed"),
            (option.added, option.first_added, "without", "with it", "added"),
        ] {
            let Some(first) = first else { continue };
            let (left, arrived) = self.sides(direction, first);
            changed.push(if once && count == 1 {
                format!(
                    "The {stage} of {} left the {from} {with} {name} (packet {left}) and arrived at the {to} {without} (packet {arrived}): \
                     something between {did} the option.",
                    self.name
                )
            } else {
                let packets = if count == 1 { "packet" } else { "packets" };
                format!(
                    "{count} {stage} {packets} of {} left the {from} {with} {name} and arrived at the {to} {without}, first packet {left} \
                     (there packet {arrived}): something between {did} the option.",
                    self.name
                )
            });
        }
        for field in &option.fields {
            let (left, arrived) = self.sides(direction, field.first);
            let (was, became) = self.values(direction, &field.at_a, &field.at_b);
            changed.push(format!(
                "{name} on {stage} packets of {} from the {from} was changed on the way in {}: {} from {was} to {became} in packet {left} \
                 (there packet {arrived}).",
                self.name,
                count(field.packets, "packet"),
                field.field
            ));
        }
    }

    fn values<'v>(&self, direction: Direction, at_a: &'v str, at_b: &'v str) -> (&'v str, &'v str) {
        match self.near(direction) {
            Point::A => (at_a, at_b),
            Point::B => (at_b, at_a),
        }
    }

    fn fields(&self, direction: Direction, compared: &ComparedDirection, changed: &mut Vec<String>) {
        for change in &compared.fields {
            let (left, arrived) = self.sides(direction, change.first);
            let (was, became) = self.values(direction, &change.at_a, &change.at_b);
            let meaning = match (change.field, became) {
                (field::ECN, "3") => " (a router marked congestion)",
                _ => "",
            };
            changed.push(format!(
                "The {} of {} from the {} on {} was changed on the way{meaning}: from {was} to {became} in packet {left} (packet {arrived} in the other capture).",
                change.field,
                count(change.packets, "packet"),
                direction.sender(),
                self.name
            ));
        }
    }

    fn payload(&self, direction: Direction, compared: &ComparedDirection, changed: &mut Vec<String>) {
        let (Some(first), Some((from, to))) = (compared.payload.first, compared.payload.between) else {
            return;
        };
        let (left, arrived) = self.sides(direction, first);
        changed.push(format!(
            "The payload of {} from the {} on {} was altered on the way, of {} that could be compared: first in packet {left} (there packet \
             {arrived}), between bytes {from} and {to} of its payload.",
            count(compared.payload.changed, "packet"),
            direction.sender(),
            self.name,
            compared.payload.compared
        ));
    }

    fn appeared(&self, direction: Direction, compared: &ComparedDirection, changed: &mut Vec<String>) {
        let appeared = &compared.appeared;
        let far = self.near(direction).other().name();
        if let Some(first) = appeared.first_reset {
            changed.push(format!(
                "{} of {} arrived at the {} that the {} did not send, first packet {first} of {far}: inserted on the path.",
                count(appeared.resets, "RST"),
                self.name,
                direction.reverse().sender(),
                direction.sender()
            ));
        }
        if let (Some(first), others @ 1..) = (appeared.first, appeared.packets - appeared.resets) {
            changed.push(format!(
                "{} of {} from the {} are only in {far}, where they arrived (first packet {first}): the capture at the sender missed them, or \
                 something between made them.",
                count(others, "packet"),
                self.name,
                direction.sender()
            ));
        }
    }

    fn lost(&self, direction: Direction, compared: &ComparedDirection, lost: &mut Vec<String>) {
        let near = self.near(direction);
        if let Some(first) = compared.lost.first_handshake {
            lost.push(format!(
                "A {} of {} from the {} (packet {first} of {}) was lost on the way.",
                if (direction == Direction::ClientToServer) == self.subflow.opened_by_client {
                    "SYN"
                } else {
                    "SYN+ACK"
                },
                self.name,
                direction.sender(),
                near.name()
            ));
        }
        let sent = compared.packets[near.index()];
        if compared.lost.packets > 0 && sent > 0 {
            lost.push(format!(
                "{} of {sent} ({:.2} %) from the {} on {} {} lost on the way, {} of them with payload: {} bytes.",
                count(compared.lost.packets, "packet"),
                100.0 * compared.lost.packets as f64 / sent as f64,
                direction.sender(),
                self.name,
                if compared.lost.packets == 1 { "was" } else { "were" },
                compared.lost.data_packets,
                compared.lost.bytes
            ));
        }
        if compared.reordered > 0 {
            lost.push(format!(
                "{} from the {} on {} arrived after one that was sent later, by up to {}.",
                count(compared.reordered, "packet"),
                direction.sender(),
                self.name,
                count(compared.reorder_extent, "packet")
            ));
        }
    }
}

pub(super) fn count(number: u64, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
