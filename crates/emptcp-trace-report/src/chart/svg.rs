//! The picture: title, legend, axes, and the series within.

use super::axis::Span;
use super::flags::{self, Flags};
use super::shape::{self, Area};
use super::style::{DASHES, STYLE, end, lines, printable, text_width};
use super::{COLOURS, Chart, Series, Shape};
use maud::{Markup, PreEscaped, html};

const TEXT: f64 = 12.0;
const TITLE: f64 = 15.0;
const TITLE_ROW: f64 = 20.0;
const SUBTITLE_ROW: f64 = 16.0;
const LEGEND_ROW: f64 = 19.0;
const LEGEND_SAMPLE: f64 = 24.0;

pub(super) fn draw(chart: &Chart, alone: bool) -> Markup {
    let (width, least_height) = (chart.size.0.max(240.0), chart.size.1.max(160.0));
    let y_room = ((least_height - 110.0) / 42.0) as usize;
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
    let left = widest + 34.0;
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
    let mut area = Area {
        x,
        y,
        width: (width - left - right).max(1.0),
        height: 1.0,
    };
    let mut flags = flags(chart, &area, left);
    if flags.beyond > right {
        // The picture becomes narrower, so that they fit.
        area.width = (width - left - flags.beyond - 4.0).max(width / 3.0);
        flags = self::flags(chart, &area, left);
    }

    let (title, title_height) = if alone { title(chart, width) } else { (html! {}, 4.0) };
    let (legend, rows) = legend(chart, if alone { 16.0 } else { 4.0 }, title_height, width - 12.0);
    let strip = flags.rows as f64 * flags::ROW;
    let top = title_height + rows as f64 * LEGEND_ROW + strip + 8.0;
    // Labels, a long legend and a long title do not take from the picture.
    let height = least_height + strip + rows.saturating_sub(1) as f64 * LEGEND_ROW + (title_height - 33.0).max(0.0);
    area.height = (height - top - 50.0).max(1.0);
    let (name, description) = (printable(&chart.title), printable(&chart.description));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label=(name)
            width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
            @if alone { title { (name) } }
            @if !description.is_empty() { desc { (description) } }
            @if alone {
                style { (PreEscaped(STYLE)) }
                rect class="paper" width=(width) height=(height) {}
                (title)
            }
            (legend)
            g transform=(format!("translate({left:.1} {top:.1})")) {
                (axes(&area, left))
                (poles(&flags))
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

/// Title and subtitle from the left edge on, and their height.
fn title(chart: &Chart, width: f64) -> (Markup, f64) {
    const LEFT: f64 = 16.0;
    let room = width - 2.0 * LEFT;
    // Bold letters are wider.
    let title = lines(&printable(&chart.title), TITLE * 1.08, room);
    // A line break is a control character too.
    let subtitle = chart
        .subtitle
        .lines()
        .flat_map(|line| lines(&printable(line), TEXT, room));
    let subtitle: Vec<_> = subtitle.collect();
    if title.is_empty() && subtitle.is_empty() {
        return (html! {}, 8.0);
    }
    let below = 5.0 + title.len() as f64 * TITLE_ROW;
    let height = below + subtitle.len() as f64 * SUBTITLE_ROW + 8.0;
    let markup = html! {
        @for (row, line) in title.iter().enumerate() {
            text class="title" x=(LEFT) y=(format!("{:.1}", 21.0 + row as f64 * TITLE_ROW)) { (line) }
        }
        @for (row, line) in subtitle.iter().enumerate() {
            text class="subtitle" x=(LEFT) y=(format!("{:.1}", below + 13.0 + row as f64 * SUBTITLE_ROW)) { (line) }
        }
    };
    (markup, height)
}

/// The labels of all marks.
fn flags(chart: &Chart, area: &Area, left: f64) -> Flags {
    let marks = chart.series.iter().flat_map(|series| match &series.shape {
        Shape::Marks(marks) => shape::visible_marks(area, marks),
        _ => Vec::new(),
    });
    flags::place(&marks.collect::<Vec<_>>(), area.width, left - 6.0)
}

/// The labels of marks in their rows, each with the line that leads to its mark.
fn poles(flags: &Flags) -> Markup {
    html! {
        @for flag in &flags.flags {
            @let base = flag.row as f64 * flags::ROW;
            path class="pole" d=(format!("M{:.1} 0V{:.1}", flag.x, -base - flags::ROW + 2.0)) {}
            @let (x, anchor) = if flag.is_left { (flag.x - 4.0, "end") } else { (flag.x + 4.0, "start") };
            text class="flag" x=(format!("{x:.1}")) y=(format!("{:.1}", -base - 4.0)) text-anchor=(anchor) { (flag.words) }
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
        text transform=(format!("translate({:.1} {:.1}) rotate(-90)", 15.0 - left, height / 2.0)) text-anchor="middle" {
            (printable(&area.y.label))
        }
    }
}

/// The legend from `left` on in as many rows as it needs, and how many these are. When it has several, entries are in
/// columns.
fn legend(chart: &Chart, left: f64, top: f64, right: f64) -> (Markup, usize) {
    const GAP: f64 = 18.0;
    let room = right - left;
    let listed = || {
        chart
            .series
            .iter()
            .filter(|series| series.listed && !series.name.is_empty())
    };
    let names: Vec<_> = listed()
        .map(|series| end(&printable(&series.name), TEXT, room - LEGEND_SAMPLE))
        .collect();
    let wide = |name: &String| LEGEND_SAMPLE + text_width(name, TEXT) + GAP;
    let in_one_row = names.iter().map(wide).sum::<f64>() - GAP <= room;
    let widest = names.iter().map(wide).fold(1.0, f64::max);
    let columns = (((room + GAP) / widest) as usize).max(1);
    // Long names in columns, then short ones as they fit.
    let is_long = |name: &String| !in_one_row && wide(name) > widest * 0.6;
    let long = names.iter().filter(|name| is_long(name)).count();
    let (mut index, mut x, mut row) = (0, left, long.div_ceil(columns));
    let places = names.iter().map(|name| {
        if is_long(name) {
            index += 1;
            return (left + ((index - 1) % columns) as f64 * widest, (index - 1) / columns);
        }
        if x > left && x + wide(name) - GAP > right {
            (x, row) = (left, row + 1);
        }
        x += wide(name);
        (x - wide(name), row)
    });
    let places: Vec<_> = places.collect();
    let rows = places.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
    let markup = html! {
        @for ((series, name), (x, row)) in listed().zip(&names).zip(&places) {
            @let y = top + 10.0 + *row as f64 * LEGEND_ROW;
            g class=(colour(series)) transform=(format!("translate({x:.1} {y:.1})")) {
                (shape::sample(series, dash(series)))
                text class="name" x=(LEGEND_SAMPLE) y="4" { (name) }
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
