//! Charts of the collected data.

use super::grid::{self, Cell, Extent, Grid};
use super::lane::{Lane, Ranges};
use super::{Quantity, Section, moments, words};
use crate::chart::{Axis, COLOURS, Chart, Marker, Series, Shape, Unit};
use emptcp_trace::record::Connection;
use emptcp_trace::{ConnectionId, Direction, Span, SubflowId};
use std::collections::BTreeMap;

/// One direction of the connection. The lane without a number is for all other subflows.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) lanes: BTreeMap<Option<SubflowId>, Lane>,
    pub(super) data_ack: Grid<Extent>,
    /// When the last packet passed.
    pub(super) last: Option<Span>,
}

/// What all pictures of a connection share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) connection: ConnectionId,
    /// Known once the connection has ended.
    pub(super) record: Option<&'a Connection>,
    pub(super) marks: &'a moments::Marks,
    pub(super) section: Section,
}

/// The last colour, grey, for items without a subflow.
pub(super) const GREY: usize = COLOURS - 1;
/// Steps from the bottom to the top of a picture in which a range of sequence numbers is drawn as points.
const STEPS: u64 = 400;
/// What may be sent again, and how it is drawn.
const COPIES: [(&str, Marker); 3] = [
    ("retransmission", Marker::Cross),
    ("second mapping", Marker::Square),
    ("reinjection", Marker::Triangle),
];

pub(super) type Values = Vec<(f64, f64)>;

/// A chart of these directions: one, or both for round-trip times.
pub(super) fn chart(what: Quantity, directions: &[(Direction, &Scene)], frame: &Frame<'_>) -> Option<Chart> {
    let (one, scene) = *directions.first()?;
    let way = (directions.len() == 1).then_some(one);
    let section = frame.section;
    let mut axis = Axis::time("time since the first packet");
    if let Some(to) = section.to.or(scene.last) {
        axis = axis.range(section.from.unwrap_or_default().seconds(), to.seconds());
    }
    let title = words::title(frame.connection, what, way);
    let mut chart = Chart::new(title, axis, Axis::linear("", Unit::Bytes));
    chart.size = (1000.0, 520.0);
    match what {
        Quantity::Dsn => sequence(scene, frame, &mut chart),
        Quantity::Throughput => throughput(scene, frame, &mut chart),
        Quantity::Rtt => super::times::draw(directions, frame, &mut chart),
        Quantity::Window => window(scene, frame, &mut chart),
    }
    if chart.series.is_empty() {
        return None;
    }
    let marks = frame.marks.distinct(duration_of(&chart));
    if let Some(record) = frame.record {
        chart.subtitle = words::subtitle(record);
    }
    chart.description = words::description(directions, frame.record, &marks);
    if !marks.is_empty() {
        // Below the data.
        chart
            .series
            .insert(0, Series::new("", Shape::Marks(marks)).colour(GREY));
    }
    Some(chart)
}

fn duration_of(chart: &Chart) -> f64 {
    let times = chart.series.iter().flat_map(|series| match &series.shape {
        Shape::Line(values) | Shape::Step(values) | Shape::Points(values, _) => values.as_slice(),
        Shape::Marks(_) | Shape::Boxes(_) => &[],
    });
    let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), (t, _)| {
        (first.min(*t), last.max(*t))
    });
    (last - first).max(0.0)
}

fn name(subflow: Option<SubflowId>) -> String {
    words::subflow(subflow, None)
}

/// An entry of the legend for what several subflows have, each in its colour.
pub(super) fn entry(name: &str, shape: Shape) -> Series {
    Series::new(name, shape).colour(GREY)
}

pub(super) fn colour(subflow: Option<SubflowId>) -> usize {
    subflow.map_or(GREY, |id| id.0 as usize % GREY)
}

/// After six subflows the colours repeat, with other dashes.
pub(super) fn dash(subflow: Option<SubflowId>) -> usize {
    subflow.map_or(0, |id| id.0 as usize / GREY % 4)
}

/// The same for points: after six subflows the colours repeat, with other markers.
pub(super) fn marker(subflow: Option<SubflowId>) -> Marker {
    let markers = [Marker::Dot, Marker::Ring, Marker::Bar, Marker::Dash];
    markers.get(dash(subflow)).copied().unwrap_or_default()
}

pub(super) fn seconds<T>(cell: &Cell<T>) -> f64 {
    cell.t.seconds()
}

fn sequence(scene: &Scene, frame: &Frame<'_>, chart: &mut Chart) {
    chart.y = Axis::linear("data sequence number, from the first byte on", Unit::Bytes);
    let highest = |grid: &Grid<Ranges>| {
        grid.cells()
            .iter()
            .flat_map(|cell| &cell.value.0)
            .map(|range| range.1)
            .max()
    };
    let top = scene
        .lanes
        .values()
        .filter_map(|lane| highest(&lane.new))
        .max()
        .unwrap_or(0);
    let step = (top / STEPS).max(1);
    let mut data = Vec::new();
    let mut copies = Vec::new();
    let mut kinds_drawn = [false; 3];
    for (subflow, lane) in &scene.lanes {
        let kinds = [
            (&lane.retransmitted, COPIES[0]),
            (&lane.repeated, COPIES[1]),
            (&lane.reinjected, COPIES[2]),
        ];
        let before = copies.len();
        for ((grid, (kind, marker)), drawn) in kinds.into_iter().zip(&mut kinds_drawn) {
            // One mark for each copy, not a column of marks.
            let points = points(grid, step * 8);
            if !points.is_empty() {
                *drawn = true;
                let name = format!("{}: {kind}", name(*subflow));
                let series = Series::new(name, Shape::Points(points, marker));
                copies.push(series.colour(colour(*subflow)).unlisted());
            }
        }
        let new = points(&lane.new, step);
        // A subflow that only repeats what others sent has an entry in the legend too.
        if !new.is_empty() || copies.len() > before {
            let name = words::subflow(*subflow, frame.record);
            data.push(Series::new(name, Shape::Points(new, marker(*subflow))).colour(colour(*subflow)));
        }
    }
    if data.is_empty() {
        return;
    }
    // A section in the middle begins far from 0.
    if frame.section.from.is_some() {
        let new = data.iter().flat_map(|series| match &series.shape {
            Shape::Points(values, _) => values.as_slice(),
            _ => &[],
        });
        let (low, high) = new.fold((f64::MAX, f64::MIN), |(low, high), (_, dsn)| {
            (low.min(*dsn), high.max(*dsn))
        });
        let room = (high - low) * 0.1;
        if low < high {
            chart.y = chart.y.clone().range((low - room).max(0.0), high + room / 2.0);
        }
    }
    // A DATA_ACK on a slow subflow may be older than the highest one: the highest counts.
    let mut highest = f64::MIN;
    let acknowledged: Values = scene
        .data_ack
        .cells()
        .iter()
        .map(|cell| {
            highest = highest.max(cell.value.high);
            (seconds(cell), highest)
        })
        .collect();
    chart.series.extend(data);
    for ((kind, marker), drawn) in COPIES.into_iter().zip(kinds_drawn) {
        if drawn {
            chart.series.push(entry(kind, Shape::Points(Vec::new(), marker)));
        }
    }
    // Over the data, which it would vanish behind where data is acknowledged at once, and thin, so that the data stays
    // visible too.
    if !acknowledged.is_empty() {
        let series = Series::new("DATA_ACK", Shape::Step(acknowledged)).colour(GREY).thin();
        chart.series.push(series);
    }
    chart.series.extend(copies);
}

/// Points along the ranges, near enough to each other to be a line.
fn points(grid: &Grid<Ranges>, step: u64) -> Values {
    let mut points = Vec::new();
    for cell in grid.cells() {
        for (from, to) in &cell.value.0 {
            let mut at = *from;
            while at < *to {
                points.push((seconds(cell), at as f64));
                at = at.saturating_add(step);
            }
        }
    }
    points
}

fn throughput(scene: &Scene, frame: &Frame<'_>, chart: &mut Chart) {
    let widest = scene
        .lanes
        .values()
        .map(|lane| lane.payload.width())
        .max()
        .unwrap_or_default();
    let window = grid::window(scene.duration(), widest);
    let rate = |bytes: u64| bytes as f64 * 8.0 / window.seconds();
    chart.y = Axis::linear(
        format!("payload, in windows of {}", crate::explain::words::duration(window)),
        Unit::BitsPerSecond,
    );
    let mut together: BTreeMap<i64, u64> = BTreeMap::new();
    for (subflow, lane) in &scene.lanes {
        let windows = lane.payload.windows(window);
        if windows.is_empty() {
            continue;
        }
        for (t, bytes) in &windows {
            *together.entry(t.0).or_default() += bytes;
        }
        let values = stairs(&windows, window, rate);
        let series = Series::new(words::subflow(*subflow, frame.record), Shape::Line(values))
            .colour(colour(*subflow))
            .dash(dash(*subflow));
        chart.series.push(series);
    }
    if chart.series.len() > 1 {
        // Windows without data are in no lane.
        let mut all = Grid::<u64>::default();
        for (t, bytes) in together {
            all.add(Span(t), bytes);
        }
        let values = stairs(&all.windows(window), window, rate);
        chart
            .series
            .insert(0, Series::new("all subflows", Shape::Line(values)).colour(GREY).dash(2));
    }
}

/// Each value in the middle of its window; the line begins and ends at 0.
fn stairs(windows: &[(Span, u64)], width: Span, rate: impl Fn(u64) -> f64) -> Values {
    let half = width.seconds() / 2.0;
    let values = windows.iter().map(|(t, bytes)| (t.seconds() + half, rate(*bytes)));
    let before = windows.first().map(|(t, _)| ((t.seconds() - half).max(0.0), 0.0));
    let after = windows.last().map(|(t, _)| (t.seconds() + width.seconds() + half, 0.0));
    before.into_iter().chain(values).chain(after).collect()
}

fn window(scene: &Scene, frame: &Frame<'_>, chart: &mut Chart) {
    let mut highest_flight = 0.0_f64;
    let mut highest_window = 0.0_f64;
    let carrying = scene.lanes.iter().filter(|(_, lane)| !lane.payload.cells().is_empty());
    for (subflow, lane) in carrying {
        let in_flight: Values = lane
            .in_flight
            .cells()
            .iter()
            .map(|cell| (seconds(cell), cell.value.high))
            .collect();
        let window: Values = lane
            .window
            .cells()
            .iter()
            .map(|cell| (seconds(cell), cell.value.mean()))
            .collect();
        let highest = |values: &Values| values.iter().fold(0.0_f64, |highest, (_, value)| highest.max(*value));
        highest_flight = highest_flight.max(highest(&in_flight));
        highest_window = highest_window.max(highest(&window));
        let colour = colour(*subflow);
        let in_flight = Series::new(words::subflow(*subflow, frame.record), Shape::Step(in_flight));
        chart.series.push(in_flight.colour(colour).dash(dash(*subflow)));
        let announced = Series::new(format!("{}: window", name(*subflow)), Shape::Step(window));
        let announced = announced.colour(colour).dash(dash(*subflow));
        chart.series.push(announced.thin().unlisted());
    }
    if !chart.series.is_empty() {
        chart.series.push(entry("in flight", Shape::Step(Vec::new())));
        chart
            .series
            .push(entry("window of the receiver", Shape::Step(Vec::new())).thin());
    }
    // Values of very different size are legible only on a logarithmic axis.
    chart.y = if highest_window > 20.0 * highest_flight && highest_flight > 0.0 {
        Axis::log("bytes", Unit::Bytes)
    } else {
        Axis::linear("bytes", Unit::Bytes)
    };
}
