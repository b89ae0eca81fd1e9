//! Charts of round-trip times: of data and of handshakes, of one direction or of both.

use super::draw::{Frame, Scene, Values, colour, entry, marker, seconds};
use super::grid::Extent;
use super::words;
use crate::chart::{Axis, Chart, Marker, Series, Shape, Unit};
use emptcp_trace::record::{Connection, Opener, Subflow};
use emptcp_trace::{Direction, Span, SubflowId};
use std::collections::BTreeSet;

/// Times that differ more than this are legible only on a logarithmic axis.
const RATIO: f64 = 20.0;

pub(super) fn draw(directions: &[(Direction, &Scene)], frame: &Frame<'_>, chart: &mut Chart) {
    let mut listed: BTreeSet<Option<SubflowId>> = BTreeSet::new();
    let mut drawn = Vec::new();
    let mut means: Vec<f64> = Vec::new();
    let mut list = |series: Series, subflow: Option<SubflowId>| {
        // One entry in the legend for a subflow.
        if listed.insert(subflow) {
            series
        } else {
            series.unlisted()
        }
    };
    let mut ways = Vec::new();
    for (index, (direction, scene)) in directions.iter().enumerate() {
        for (subflow, lane) in &scene.lanes {
            let cells = lane.rtt.cells();
            let dots: Values = cells
                .iter()
                .flat_map(|cell| {
                    let Extent { low, high, .. } = cell.value;
                    let second = (high > low).then_some((seconds(cell), high));
                    std::iter::once((seconds(cell), low)).chain(second)
                })
                .collect();
            if dots.is_empty() {
                continue;
            }
            let sum: f64 = cells.iter().map(|cell| cell.value.sum).sum();
            means.push(sum / cells.iter().map(|cell| cell.value.number).sum::<u64>() as f64);
            let marker = if index == 0 { marker(*subflow) } else { Marker::Cross };
            if ways.last().is_none_or(|(_, last)| *last != *direction) {
                ways.push((if index == 0 { Marker::Dot } else { Marker::Cross }, *direction));
            }
            let series = Series::new(words::subflow(*subflow, frame.record), Shape::Points(dots, marker));
            drawn.push(list(series.colour(colour(*subflow)), *subflow));
        }
    }
    let handshakes = handshakes(directions, frame);
    let any_handshake = !handshakes.is_empty();
    for (subflow, points) in handshakes {
        means.extend(points.iter().map(|(_, time)| *time));
        let series = Series::new(
            words::subflow(Some(subflow), frame.record),
            Shape::Points(points, Marker::Diamond),
        );
        drawn.push(list(series.colour(colour(Some(subflow))), Some(subflow)));
    }
    if drawn.is_empty() {
        return;
    }
    chart.series = drawn;
    for (marker, direction) in ways.into_iter().filter(|_| directions.len() > 1) {
        let name = format!(
            "data of the {}, until the {}'s ACK",
            direction.sender(),
            direction.reverse().sender()
        );
        chart.series.push(entry(&name, Shape::Points(Vec::new(), marker)));
    }
    if any_handshake {
        chart
            .series
            .push(entry("handshake", Shape::Points(Vec::new(), Marker::Diamond)));
    }
    let positive = means.iter().copied().filter(|mean| *mean > 0.0);
    let (low, high) = positive.fold((f64::MAX, 0.0_f64), |(low, high), mean| (low.min(mean), high.max(mean)));
    let label = "round-trip time, seen at the capture point";
    chart.y = if high > low * RATIO {
        Axis::log(label, Unit::Seconds)
    } else {
        Axis::linear(label, Unit::Seconds)
    };
}

/// The times of handshakes by subflow: when the answered packet was sent, and how long the answer took.
fn handshakes(directions: &[(Direction, &Scene)], frame: &Frame<'_>) -> Vec<(SubflowId, Values)> {
    let Some(record) = frame.record else {
        return Vec::new();
    };
    let subflows = record.subflows.iter().map(|subflow| {
        let points = directions
            .iter()
            .filter_map(|(direction, _)| handshake(record, subflow, *direction))
            .filter(|(t, _)| frame.section.contains(*t))
            .map(|(t, time)| (t.seconds(), time));
        (subflow.sf_id, points.collect::<Values>())
    });
    subflows.filter(|(_, points)| !points.is_empty()).collect()
}

/// The handshake packet that was sent in this direction, and the time until its answer, seconds.
fn handshake(connection: &Connection, subflow: &Subflow, direction: Direction) -> Option<(Span, f64)> {
    let opener = match subflow.opened_by {
        Opener::Client => Direction::ClientToServer,
        Opener::Server => Direction::ServerToClient,
    };
    let [to_answer, to_third] = subflow.hs_rtt;
    let syn = subflow.t_syn - connection.t0;
    if direction == opener {
        Some((syn, to_answer? / 1e3))
    } else {
        // The SYN+ACK follows the SYN.
        let answer = Span(syn.0.saturating_add((to_answer? * 1e6) as i64));
        Some((answer, to_third? / 1e3))
    }
}
