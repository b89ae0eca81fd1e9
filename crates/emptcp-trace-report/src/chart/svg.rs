//! The picture: title, legend, axes, and the series within.

use super::axis::Span;
use super::shape::{self, Area};
use super::style::{DASHES, STYLE, printable, text_width};
use super::{COLOURS, Chart, Series, Shape};
use maud::{Markup, PreEscaped, html};

const TEXT: f64 = 12.0;
const LEGEND_ROW: f64 = 19.0;
const LEGEND_SAMPLE: f64 = 24.0;

pub(super) fn draw(chart: &Chart, alone: bool) -> Markup {
    let (width, height) = (chart.size.0.max(240.0), chart.size.1.max(160.0));
    let y_room = ((height - 110.0) / 42.0) as usize;
    let y = Span::new(
        &chart.y,
        chart.series.iter().flat_map(|series| shape::ends(&series.shape).1),
        y_room,
    );
    let widest = y
        .ticks
        .iter()
        .map(|tick| text_width(&tick.label, TEXT))
        .fold(0.0, f64::max);
    let left = widest + 42.0;
    let x_room = ((width - left) / 85.0) as usize;
    let x = Span::new(
        &chart.x,
        chart.series.iter().flat_map(|series| shape::ends(&series.shape).0),
        x_room,
    );

    // The last label may be at the very end.
    let right = x
        .ticks
        .last()
        .map_or(0.0, |tick| text_width(&tick.label, TEXT) / 2.0)
        .max(12.0)
        + 6.0;

    let title_height = if alone && !chart.title.is_empty() { 32.0 } else { 8.0 };
    let (legend, rows) = legend(chart, left, title_height, width - 16.0);
    let top = title_height + rows as f64 * LEGEND_ROW + 6.0;
    let area = Area {
        x,
        y,
        width: (width - left - right).max(1.0),
        height: (height - top - 50.0).max(1.0),
    };
    let name = match chart.description.as_str() {
        "" => printable(&chart.title),
        description => printable(&format!("{}. {description}", chart.title)),
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label=(name)
            width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
            @if alone {
                title { (name) }
                style { (PreEscaped(STYLE)) }
                rect class="paper" width=(width) height=(height) {}
                text class="title" x=(left) y="21" { (printable(&chart.title)) }
            }
            (legend)
            g transform=(format!("translate({left:.1} {top:.1})")) {
                (axes(&area, left))
                // A nested picture clips without needing an identifier. It is slightly wider, for lines on its
                // border.
                svg x="-5" y="-5" width=(area.width + 10.0) height=(area.height + 10.0)
                    viewBox=(format!("-5 -5 {:.1} {:.1}", area.width + 10.0, area.height + 10.0)) {
                    @for series in &chart.series {
                        g class=(colour(series)) {
                            @if !series.name.is_empty() { title { (printable(&series.name)) } }
                            (shape::draw(&area, series, dash(series)))
                        }
                    }
                }
            }
        }
    }
}

fn axes(area: &Area, left: f64) -> Markup {
    let (width, height) = (area.width, area.height);
    let (mut grid, mut fine) = (String::new(), String::new());
    let mut labels = Vec::new();
    // No label closer to the one before than this.
    let mut free = f64::NEG_INFINITY;
    for tick in &area.x.ticks {
        let Some(at) = area.x.place(tick.at).map(|place| place * width) else {
            continue;
        };
        let line = format!("M{at:.1} 0V{height:.1}");
        let half = text_width(&tick.label, TEXT) / 2.0;
        let labelled = !tick.label.is_empty() && at - half > free;
        if labelled {
            grid.push_str(&line);
            labels.push((at, height + 17.0, "middle", &tick.label));
            free = at + half + 8.0;
        } else {
            fine.push_str(&line);
        }
    }
    let mut free = f64::INFINITY;
    for tick in &area.y.ticks {
        let Some(at) = area.y.place(tick.at).map(|place| (1.0 - place) * height) else {
            continue;
        };
        let line = format!("M0 {at:.1}H{width:.1}");
        if !tick.label.is_empty() && at < free - 13.0 {
            grid.push_str(&line);
            labels.push((-7.0, at + 4.0, "end", &tick.label));
            free = at;
        } else {
            fine.push_str(&line);
        }
    }
    html! {
        path class="fine" d=(fine) {}
        path class="grid" d=(grid) {}
        path class="frame" d=(format!("M0 0V{height:.1}H{width:.1}")) {}
        @for (x, y, anchor, label) in labels {
            text x=(format!("{x:.1}")) y=(format!("{y:.1}")) text-anchor=(anchor) { (label) }
        }
        text x=(format!("{:.1}", width / 2.0)) y=(format!("{:.1}", height + 39.0)) text-anchor="middle" {
            (printable(&area.x.label))
        }
        text transform=(format!("translate({:.1} {:.1}) rotate(-90)", 16.0 - left, height / 2.0)) text-anchor="middle" {
            (printable(&area.y.label))
        }
    }
}

/// The legend from `left` on in as many rows as it needs, and how many these are.
fn legend(chart: &Chart, left: f64, top: f64, right: f64) -> (Markup, usize) {
    let mut entries = Vec::new();
    let (mut x, mut row) = (left, 0);
    for series in chart.series.iter().filter(|series| !series.name.is_empty()) {
        let wide = LEGEND_SAMPLE + text_width(&series.name, TEXT) + 24.0;
        if x > left && x + wide > right {
            x = left;
            row += 1;
        }
        entries.push((x, top + 10.0 + f64::from(row) * LEGEND_ROW, series));
        x += wide;
    }
    let rows = if entries.is_empty() { 0 } else { row as usize + 1 };
    let markup = html! {
        @for (x, y, series) in entries {
            g class=(colour(series)) transform=(format!("translate({x:.1} {y:.1})")) {
                (shape::sample(series, dash(series)))
                text class="name" x=(LEGEND_SAMPLE) y="4" { (printable(&series.name)) }
            }
        }
    };
    (markup, rows)
}

fn colour(series: &Series) -> String {
    format!("c{}", series.colour % COLOURS)
}

fn dash(series: &Series) -> &'static str {
    let number = series.colour / COLOURS + series.dash;
    let lines = matches!(series.shape, Shape::Line(_) | Shape::Step(_));
    DASHES
        .get(number % DASHES.len())
        .filter(|_| lines)
        .copied()
        .unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use crate::chart::{Axis, Chart, Marker, Quartiles, Series, Shape, Unit};

    /// A chart with everything.
    fn full() -> Chart {
        let mut chart = Chart::new(
            "All <kinds> & \"more\"",
            Axis::time("time"),
            Axis::linear("rate", Unit::BitsPerSecond),
        );
        let line = (0..100).map(|at| (f64::from(at), f64::from(at * at))).collect();
        let points = vec![(5.0, 5000.0), (6.0, f64::NAN), (7.0, 100.0)];
        let quartiles = Quartiles {
            from: 40.0,
            to: 50.0,
            low: 100.0,
            q1: 1000.0,
            median: 2000.0,
            q3: 4000.0,
            high: 6000.0,
            max: 8000.0,
            n: 12,
        };
        chart.series = vec![
            Series::new("a line", Shape::Line(line)),
            Series::new("steps", Shape::Step(vec![(0.0, 10.0), (50.0, 9000.0)])).colour(8),
            Series::new("points", Shape::Points(points, Marker::Cross)).colour(2),
            Series::new("<script>\u{1}", Shape::Marks(vec![(30.0, "</svg><b>".to_owned())])).colour(3),
            Series::new("boxes", Shape::Boxes(vec![quartiles])).colour(4),
        ];
        chart
    }

    #[test]
    fn the_picture_is_well_formed_and_asks_for_nothing_outside() {
        for svg in [full().to_svg(), full().to_inline_svg()] {
            let document = roxmltree::Document::parse(&svg).expect("well-formed");
            assert_eq!(document.root_element().tag_name().name(), "svg");
            assert!(
                document
                    .root_element()
                    .attribute("aria-label")
                    .is_some_and(|name| name.contains("<kinds>"))
            );
            assert!(!document.descendants().any(|node| node.has_tag_name("script")));
            assert!(!svg.contains("href") && !svg.contains("url(") && !svg.contains("NaN") && !svg.contains("inf"));
            for name in ["a line", "steps", "points", "boxes"] {
                assert!(document.descendants().any(|node| node.text() == Some(name)), "{name}");
            }
        }
    }

    #[test]
    fn charts_without_values_are_drawn_too() {
        for y in [Axis::log("y", Unit::Bytes), Axis::linear("y", Unit::Number)] {
            let mut chart = Chart::new("", Axis::log("x", Unit::Seconds), y);
            chart.series = vec![
                Series::new("", Shape::Line(vec![])),
                Series::new("", Shape::Step(vec![])),
                Series::new("", Shape::Points(vec![(-1.0, 0.0)], Marker::Dot)),
                Series::new("", Shape::Boxes(vec![])),
            ];
            chart.size = (f64::NAN, 0.0);
            roxmltree::Document::parse(&chart.to_svg()).expect("well-formed");
        }
    }

    #[test]
    fn a_million_points_make_a_picture_of_bearable_size() {
        let mut chart = Chart::new("many", Axis::time("time"), Axis::linear("number", Unit::Number));
        let many: Vec<_> = (0_u32..1_000_000)
            .map(|at| (f64::from(at), f64::from(at % 10_007 * 7919 % 10_007)))
            .collect();
        chart
            .series
            .push(Series::new("points", Shape::Points(many.clone(), Marker::Dot)));
        chart.series.push(Series::new("line", Shape::Line(many)));
        let size = chart.to_svg().len();
        assert!(size < 2_500_000, "{size}");
    }
}
