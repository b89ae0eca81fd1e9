//! The series of a chart as SVG paths, one path for each wherever possible.

use super::axis::Span;
use super::style::{printable, text_width};
use super::thin::{self, Pixel};
use super::{Marker, Quartiles, Series, Shape, Unit};
use maud::{Markup, html};
use std::fmt::Write;

/// Where series are drawn: two axes and the pixels between their ends.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) x: Span,
    pub(super) y: Span,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Positions beyond this are clamped, which keeps numbers short.
const OUTSIDE: f64 = 1e5;

impl Area {
    fn x(&self, value: f64) -> Option<f64> {
        self.x
            .place(value)
            .map(|place| (place * self.width).clamp(-OUTSIDE, OUTSIDE))
    }

    fn y(&self, value: f64) -> Option<f64> {
        self.y
            .place(value)
            .map(|place| ((1.0 - place) * self.height).clamp(-OUTSIDE, OUTSIDE))
    }

    fn place(&self, (x, y): (f64, f64)) -> Option<Pixel> {
        Some((self.x(x)?, self.y(y)?))
    }
}

type Values<'a> = Box<dyn Iterator<Item = f64> + 'a>;

/// The values of a shape that its axes must reach: x and y.
pub(super) fn ends(shape: &Shape) -> (Values<'_>, Values<'_>) {
    match shape {
        Shape::Line(values) | Shape::Step(values) | Shape::Points(values, _) => (
            Box::new(values.iter().map(|(x, _)| *x)),
            Box::new(values.iter().map(|(_, y)| *y)),
        ),
        Shape::Marks(marks) => (Box::new(marks.iter().map(|(x, _)| *x)), Box::new(std::iter::empty())),
        Shape::Boxes(boxes) => (
            Box::new(boxes.iter().flat_map(|one| [one.from, one.to])),
            Box::new(boxes.iter().flat_map(|one| [one.low, one.max])),
        ),
    }
}

/// The series itself.
pub(super) fn draw(area: &Area, series: &Series, dash: &str) -> Markup {
    match &series.shape {
        Shape::Line(values) => {
            let places = thin::line(values.iter().filter_map(|value| area.place(*value)));
            html! { path class=(weight(series)) stroke-dasharray=(dash) d=(path(&places)) {} }
        }
        Shape::Step(values) => {
            let places = values.iter().filter_map(|(x, y)| {
                let x = area.x.place_or_low(*x)? * area.width;
                Some((x.clamp(-OUTSIDE, OUTSIDE), area.y(*y)?))
            });
            html! { path class=(weight(series)) stroke-dasharray=(dash) d=(steps(&thin::line(places))) {} }
        }
        Shape::Points(values, marker) => {
            let visible = |place: &Pixel| {
                (-5.0..=area.width + 5.0).contains(&place.0) && (-5.0..=area.height + 5.0).contains(&place.1)
            };
            let places = values.iter().filter_map(|value| area.place(*value)).filter(visible);
            points(&thin::points(places), *marker)
        }
        Shape::Marks(marks) => self::marks(area, marks),
        Shape::Boxes(boxes) => html! { @for one in boxes { (quartiles(area, one)) } },
    }
}

/// The symbol in the legend: 18 pixels wide, centred at height 0.
pub(super) fn sample(series: &Series, dash: &str) -> Markup {
    match &series.shape {
        Shape::Line(_) | Shape::Step(_) => {
            html! { path class=(weight(series)) stroke-dasharray=(dash) d="M0 0H18" {} }
        }
        // A single dot is hard to see.
        Shape::Points(_, Marker::Dot) => points(&[5.0, 9.0, 13.0].map(|x| (x, 0.0)), Marker::Dot),
        Shape::Points(_, marker) => points(&[(9.0, 0.0)], *marker),
        Shape::Marks(_) => html! { path class="mark" d="M9 -7V7" {} },
        Shape::Boxes(_) => html! { rect class="box" x="2" y="-5" width="14" height="10" {} },
    }
}

/// The class of lines.
fn weight(series: &Series) -> &'static str {
    if series.thin { "slim" } else { "line" }
}

fn path(places: &[Pixel]) -> String {
    let mut path = String::with_capacity(places.len() * 12);
    for (index, (x, y)) in places.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

fn steps(places: &[Pixel]) -> String {
    let mut path = String::with_capacity(places.len() * 14);
    for (index, (x, y)) in places.iter().enumerate() {
        let _ = match index {
            0 => write!(path, "M{x:.1} {y:.1}"),
            _ => write!(path, "H{x:.1}V{y:.1}"),
        };
    }
    path
}

/// All points in one path. Round markers are lines of length 0 with round ends, a fifth as long as circles.
fn points(places: &[Pixel], marker: Marker) -> Markup {
    let (class, outline) = match marker {
        Marker::Dot => ("dot", "h.1"),
        Marker::Disc => ("disc", "h.1"),
        Marker::Square => ("solid", "m-3-3h6v6h-6z"),
        Marker::Cross => ("thin", "m-3.5-3.5l7 7m0-7l-7 7"),
        Marker::Triangle => ("solid", "m0-4l4 7h-8z"),
        Marker::Diamond => ("solid", "m0-4.2l4.2 4.2l-4.2 4.2l-4.2-4.2z"),
        Marker::Ring => ("ring", "m-2.2 0a2.2 2.2 0 1 0 4.4 0a2.2 2.2 0 1 0-4.4 0"),
        Marker::Dash => ("thin", "m-3 0h6"),
        Marker::Bar => ("thin", "m0-3v6"),
    };
    let mut path = String::with_capacity(places.len() * 32);
    for (x, y) in places {
        let _ = write!(path, "M{x:.1} {y:.1}{outline}");
    }
    html! { path class=(class) d=(path) {} }
}

/// Vertical lines, without their labels, which are above the picture.
fn marks(area: &Area, marks: &[(f64, String)]) -> Markup {
    html! {
        @for (x, words) in visible_marks(area, marks) {
            g {
                title { (words) }
                path class="mark" d=(format!("M{x:.1} 0V{:.1}", area.height)) {}
            }
        }
    }
}

/// Where the marks within the picture are, and their labels.
pub(super) fn visible_marks(area: &Area, marks: &[(f64, String)]) -> Vec<(f64, String)> {
    marks
        .iter()
        .filter_map(|(x, words)| Some((area.x(*x)?, printable(words))))
        .filter(|(x, _)| (-1.0..=area.width + 1.0).contains(x))
        .collect()
}

fn quartiles(area: &Area, one: &Quartiles) -> Markup {
    let heights = [one.low, one.q1, one.median, one.q3, one.high, one.max].map(|value| area.y(value));
    let ([Some(low), Some(q1), Some(median), Some(q3), Some(high), Some(max)], Some(from), Some(to)) = (
        heights,
        area.x.place_or_low(one.from).map(|place| place * area.width),
        area.x(one.to),
    ) else {
        return html! {};
    };
    // Not wider than reads well when there is a single box, and with a gap to the next.
    let middle = f64::midpoint(from, to);
    let half = ((to - from) * 0.35).clamp(2.0, 32.0);
    let (left, right) = (middle - half, middle + half);
    // The number of values, where it is not wider than the bin; below the box where there is no room above.
    let number = format!("n={}", one.n);
    let has_room = text_width(&number, 12.0) + 4.0 < to - from;
    let words = Some(max.min(high) - 7.0).filter(|y| *y > 8.0).unwrap_or(low + 16.0);
    let whiskers = format!(
        "M{middle:.1} {low:.1}V{q1:.1}M{middle:.1} {q3:.1}V{high:.1}M{:.1} {low:.1}H{:.1}M{:.1} {high:.1}H{:.1}",
        middle - half / 2.0,
        middle + half / 2.0,
        middle - half / 2.0,
        middle + half / 2.0,
    );
    html! {
        g {
            title { "n = " (Unit::Number.show(one.n as f64)) }
            path class="thin" d=(whiskers) {}
            rect class="box" x=(format!("{left:.1}")) y=(format!("{:.1}", q3.min(q1)))
                width=(format!("{:.1}", right - left)) height=(format!("{:.1}", (q1 - q3).abs())) {}
            path class="median" d=(format!("M{left:.1} {median:.1}H{right:.1}")) {}
            @if one.max > one.high { (points(&[(middle, max)], Marker::Dot)) }
            @if has_room {
                text x=(format!("{middle:.1}")) y=(format!("{words:.1}")) class="word" text-anchor="middle" { (number) }
            }
        }
    }
}
