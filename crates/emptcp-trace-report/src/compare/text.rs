//! A comparison as text: sentences, then tables.

use super::{ComparisonReport, clock_sentence};
use crate::output::TextTable;
use emptcp_trace::Direction;
use emptcp_trace::compare::{Capture, ComparedConnection, ComparedDirection, ComparedKind, OptionComparison, Point};

/// The captures, how their clocks differ, the findings, then tables of each connection: packets, delays, and the
/// options that were removed, added or changed.
pub(super) fn text(report: &ComparisonReport) -> String {
    let comparison = &report.comparison;
    let mut lines = Vec::new();
    for (point, capture) in [(Point::A, &comparison.a), (Point::B, &comparison.b)] {
        lines.push(format!("{}: {}", point.name(), capture_line(capture)));
    }
    lines.push(clock_sentence(&comparison.clock));
    match comparison.overlap {
        Some((begin, end)) => lines.push(format!("The captures overlap for {}.", end - begin)),
        None => lines.push("The captures do not overlap in time.".to_owned()),
    }
    lines.push(String::new());
    lines.extend(report.findings.iter().map(|finding| format!("* {finding}")));
    lines.push(String::new());
    for connection in &comparison.connections {
        lines.push(heading(connection));
        lines.push(traffic(connection));
        lines.push(String::new());
        lines.push(delays(connection));
        if let Some(options) = options(connection) {
            lines.push(String::new());
            lines.push(options);
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

fn capture_line(capture: &Capture) -> String {
    let seconds = match (capture.first, capture.last) {
        (Some(first), Some(last)) => format!(" in {}", last - first),
        _ => String::new(),
    };
    let late = match capture.late {
        0 => String::new(),
        late => format!(", {late} of them too late to be sorted by time"),
    };
    format!(
        "{}, {} packets, {} of them TCP{seconds}{late}",
        capture.name, capture.packets, capture.tcp
    )
}

fn heading(connection: &ComparedConnection) -> String {
    let first = connection.subflows.first();
    let ends = first.and_then(|subflow| subflow.a.or(subflow.b));
    let ends = ends
        .map(|ends| format!("{} -> {}", ends.client, ends.server))
        .unwrap_or_default();
    match (connection.kind, connection.conn_id) {
        (ComparedKind::Capable, Some(number)) => format!("Connection {number}: {ends}"),
        (ComparedKind::Capable, None) => format!("Connection only in B: {ends}"),
        (ComparedKind::Join, _) => format!("MP_JOIN without a connection: {ends}"),
        (ComparedKind::Tcp, _) => format!("TCP: {ends}"),
    }
}

/// The two directions in a table.
fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "to server",
        Direction::ServerToClient => "to client",
    }
}

fn traffic(connection: &ComparedConnection) -> String {
    let mut table = TextTable::new(&[
        "subflow",
        "direction",
        ">packets\nat A",
        ">packets\nat B",
        ">bytes\nat A",
        ">bytes\nat B",
        ">lost\npackets",
        ">lost\nbytes",
        ">added\npackets",
        ">reseg-\nmented",
        ">re-\nordered",
    ]);
    for subflow in &connection.subflows {
        for direction in Direction::BOTH {
            let compared = &subflow.directions[direction];
            table.row([
                subflow.sf_id.to_string(),
                direction_name(direction).to_owned(),
                compared.packets[0].to_string(),
                compared.packets[1].to_string(),
                compared.bytes[0].to_string(),
                compared.bytes[1].to_string(),
                compared.lost.packets.to_string(),
                compared.lost.bytes.to_string(),
                compared.appeared.packets.to_string(),
                compared.resegmented.to_string(),
                compared.reordered.to_string(),
            ]);
        }
    }
    table.to_string()
}

/// One-way delays, and the routers between the two points.
fn delays(connection: &ComparedConnection) -> String {
    let mut table = TextTable::new(&[
        "subflow",
        "direction",
        ">least\ndelay ms",
        ">mean",
        ">median",
        ">95 %\nbelow",
        ">largest",
        ">hops",
    ]);
    for subflow in &connection.subflows {
        for direction in Direction::BOTH {
            let compared = &subflow.directions[direction];
            let delay = &compared.delay;
            let [min, mean, p50, p95, max] = [delay.min, delay.mean, delay.p50, delay.p95, delay.max]
                .map(|value| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")));
            table.row([
                subflow.sf_id.to_string(),
                direction_name(direction).to_owned(),
                min,
                mean,
                p50,
                p95,
                max,
                hops(compared),
            ]);
        }
    }
    table.to_string()
}

fn hops(compared: &ComparedDirection) -> String {
    match compared.hops {
        None => "-".to_owned(),
        Some((least, most)) if least == most => least.to_string(),
        Some((least, most)) => format!("{least}..{most}"),
    }
}

/// The options that were removed, added or changed; none when there are none.
fn options(connection: &ComparedConnection) -> Option<String> {
    let mut table = TextTable::new(&[
        "subflow",
        "direction",
        "option",
        "in",
        ">at A",
        ">at B",
        ">removed",
        ">added",
        ">changed",
        "changed fields",
    ]);
    let touched = |option: &&OptionComparison| option.removed + option.added + option.changed > 0;
    for subflow in &connection.subflows {
        for direction in Direction::BOTH {
            for option in subflow.directions[direction].options.iter().filter(touched) {
                let fields = option
                    .fields
                    .iter()
                    .map(|change| format!("{} ({})", change.field, change.packets));
                table.row([
                    subflow.sf_id.to_string(),
                    direction_name(direction).to_owned(),
                    option.option.to_string(),
                    option.stage.name().to_owned(),
                    option.seen[0].to_string(),
                    option.seen[1].to_string(),
                    option.removed.to_string(),
                    option.added.to_string(),
                    option.changed.to_string(),
                    fields.collect::<Vec<_>>().join(", "),
                ]);
            }
        }
    }
    (!table.is_empty()).then(|| table.to_string())
}
