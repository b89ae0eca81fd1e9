//! Which subflows are in both captures: a capture of one path has only some of them.

use super::sentences::count;
use emptcp_trace::Direction;
use emptcp_trace::compare::{ComparedConnection, ComparedSubflow, Comparison, Point};

/// Where a subflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Both,
    /// Only here, with packets of both directions: they passed the other host, but not the other capture.
    Answered(Point),
    /// Only here, and unanswered: nothing arrived, or the other capture is of another path.
    Unanswered(Point),
}

impl Where {
    pub(super) fn of(subflow: &ComparedSubflow) -> Self {
        let point = match (subflow.a.is_some(), subflow.b.is_some()) {
            (true, true) => return Self::Both,
            (true, false) => Point::A,
            _ => Point::B,
        };
        // A RST alone may come from anything on the path.
        let answered = Direction::BOTH.iter().all(|direction| {
            let compared = &subflow.directions[*direction];
            let resets = compared.lost.resets + compared.appeared.resets;
            compared.packets[point.index()] > resets
        });
        if answered {
            Self::Answered(point)
        } else {
            Self::Unanswered(point)
        }
    }
}

/// What one of the captures does not have, in sentences.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    for connection in &comparison.connections {
        let places: Vec<_> = connection
            .subflows
            .iter()
            .map(|subflow| (subflow, Where::of(subflow)))
            .collect();
        let only = |point| -> Vec<&ComparedSubflow> {
            let here = places.iter().filter(|(_, place)| *place == Where::Answered(point));
            here.map(|(subflow, _)| *subflow).collect()
        };
        let both = places.iter().filter(|(_, place)| *place == Where::Both).count();
        let missing = Point::BOTH.map(|point| (point, only(point)));
        if both == 0 {
            let [(_, a), (_, b)] = &missing;
            if !a.is_empty() && !b.is_empty() {
                sentences.push(format!(
                    "A and B have different subflows of {}: each was captured on another path, so there is nothing to compare.",
                    name(connection)
                ));
            }
            continue;
        }
        for (point, subflows) in missing.iter().filter(|(_, subflows)| !subflows.is_empty()) {
            let other = point.other().name();
            sentences.push(format!(
                "{other} does not have {} of {}, of which {} has packets in both directions: {other} was captured on some of \
                 the paths only. Compared {} that both have.",
                numbers(subflows),
                name(connection),
                point.name(),
                match both {
                    1 => "is the subflow".to_owned(),
                    several => format!("are the {}", count(several as u64, "subflow")),
                }
            ));
        }
    }
    sentences
}

/// Whether [`sentences`] says that a subflow is missing.
pub(super) fn is_said(connection: &ComparedConnection, subflow: &ComparedSubflow) -> bool {
    let places = || connection.subflows.iter().map(Where::of);
    let both = places().any(|place| place == Where::Both);
    let apart = Point::BOTH
        .iter()
        .all(|point| places().any(|place| place == Where::Answered(*point)));
    (both || apart) && matches!(Where::of(subflow), Where::Answered(_))
}

fn name(connection: &ComparedConnection) -> String {
    match connection.conn_id {
        Some(number) => format!("connection {number}"),
        None => {
            let first = connection.subflows.iter().find_map(|subflow| subflow.a.or(subflow.b));
            let client = first.map(|ends| ends.client.to_string()).unwrap_or_default();
            format!("the connection of {client}")
        }
    }
}

/// `subflow 1 (10.0.0.1:4000 to 10.0.0.2:80)`, `subflows 1, 2`.
fn numbers(subflows: &[&ComparedSubflow]) -> String {
    if let [one] = subflows {
        let ends = one.a.or(one.b);
        let ends = ends.map(|ends| format!(" ({} to {})", ends.client, ends.server));
        return format!("subflow {}{}", one.sf_id, ends.unwrap_or_default());
    }
    let list: Vec<_> = subflows.iter().map(|subflow| subflow.sf_id.to_string()).collect();
    format!("subflows {}", list.join(", "))
}
