//! The picture: throughput of each subflow over time, with the phases as columns.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::samples::Samples;
use crate::script::{CAP, PATH_RATE, Phase};

const SIZE: (u32, u32) = (1000, 520);
const FONT: &str = "Helvetica, Arial, sans-serif";
const INK: RGBColor = RGBColor(0x22, 0x28, 0x31);
const FAINT: RGBColor = RGBColor(0x6b, 0x72, 0x80);
const GRID: RGBColor = RGBColor(0xe5, 0xe7, 0xeb);
const BAND: RGBColor = RGBColor(0xf5, 0xf6, 0xf8);
const EVENT: RGBColor = RGBColor(0x9a, 0xa1, 0xac);
/// Blue and orange: distinguishable with any kind of colour vision, and in grey.
const PATHS: [RGBColor; 2] = [RGBColor(0x1f, 0x5f, 0xbf), RGBColor(0xe0, 0x7b, 0x1a)];

/// Draws the picture as SVG.
pub(crate) fn svg(samples: &Samples) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area, samples).map_err(|error| anyhow!("cannot draw the picture: {error}"))?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(area: &Area<'a>, samples: &Samples) -> Drawn<'a> {
    area.fill(&WHITE)?;
    area.draw_text("One MPTCP transfer, steered while it runs", &bold(22, INK), (64, 18))?;
    area.draw_text(
        &format!("Payload delivered by each subflow, over two emulated paths of {PATH_RATE} Mbit/s"),
        &text(14, FAINT),
        (64, 47),
    )?;
    let top = PATH_RATE as f64 * 1.25;
    let end = Phase::FreeAgain.end();
    let mut chart = ChartBuilder::on(area)
        .margin_top(84)
        .margin_right(86)
        .margin_bottom(14)
        .margin_left(10)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(0.0..end, 0.0..top)?;

    for (index, phase) in Phase::ALL.into_iter().enumerate() {
        if index % 2 == 1 {
            let corners = [(phase.start(), 0.0), (phase.end(), top)];
            chart.draw_series([Rectangle::new(corners, BAND.filled())])?;
        }
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .y_labels(6)
        .x_labels(10)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(EVENT)
        .label_style(text(13, FAINT))
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .x_desc("seconds")
        .y_desc("Mbit/s")
        .axis_desc_style(text(13, FAINT))
        .draw()?;

    // The limit, for as long as it is in force.
    let (from, to) = (Phase::Capped.start(), Phase::Backup.end());
    chart.draw_series(DashedLineSeries::new(
        [(from, CAP), (to, CAP)],
        5,
        4,
        INK.mix(0.55).stroke_width(1),
    ))?;

    let rates = samples.rates();
    for (path, colour) in PATHS.into_iter().enumerate() {
        let line = rates.iter().map(|(at, rates)| (*at, rates[path]));
        chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
    }

    for (index, phase) in Phase::ALL.into_iter().enumerate() {
        let (x, y) = chart.backend_coord(&(phase.start(), top));
        let (_, bottom) = chart.backend_coord(&(phase.start(), 0.0));
        if index > 0 {
            area.draw(&PathElement::new([(x, y - 6), (x, bottom)], EVENT.stroke_width(1)))?;
        }
        area.draw_text(phase.title(), &bold(14, INK), (x + 8, y + 8))?;
        area.draw_text(what(phase), &text(12, FAINT), (x + 8, y + 27))?;
    }
    // Here the line of path 1 lies at the bottom, and there is room above the other.
    let (x, y) = chart.backend_coord(&(Phase::Backup.start() + 2.0, CAP));
    area.draw_text(&format!("limit {CAP} Mbit/s"), &text(12, INK), (x, y - 28))?;
    name_the_lines(area, &rates, |point| chart.backend_coord(&point))
}

/// Writes each subflow's name at the end of its line; when the lines end close together, one below the other.
fn name_the_lines<'a>(
    area: &Area<'a>,
    rates: &[(f64, [f64; 2])],
    place: impl Fn((f64, f64)) -> (i32, i32),
) -> Drawn<'a> {
    let Some((at, last)) = rates.last() else { return Ok(()) };
    let mut ends = last.map(|rate| place((*at, rate)));
    let upper = usize::from(ends[1].1 < ends[0].1);
    let distance = ends[1 - upper].1 - ends[upper].1;
    let missing = (18 - distance).max(0);
    ends[upper].1 -= missing / 2;
    ends[1 - upper].1 += missing - missing / 2;
    for (path, (x, y)) in ends.into_iter().enumerate() {
        let style = bold(14, PATHS[path]);
        area.draw_text(&format!("path {}", path + 1), &style, (x + 8, y - 8))?;
    }
    Ok(())
}

/// What a phase's policies are, in one line.
fn what(phase: Phase) -> &'static str {
    match phase {
        Phase::Free => "both subflows carry data",
        Phase::Capped => "rate_limit rate=4mbit",
        Phase::Backup => "and set_backup on path 1",
        Phase::FreeAgain => "both paths come back",
    }
}

fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size)
        .into_font()
        .color(&colour)
        .pos(Pos::new(HPos::Left, VPos::Top))
}

fn bold(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size)
        .into_font()
        .style(FontStyle::Bold)
        .color(&colour)
        .pos(Pos::new(HPos::Left, VPos::Top))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    #[test]
    fn the_picture_names_every_phase_and_both_paths() {
        let mut samples = Samples::default();
        for index in 0..72_u32 {
            samples.push(Sample {
                at: f64::from(index) / 2.0,
                bytes: [u64::from(index), u64::from(2 * index)],
            });
        }
        let svg = svg(&samples).expect("a string can be drawn into");
        for phase in Phase::ALL {
            assert!(svg.contains(phase.title()), "{} is missing", phase.title());
        }
        assert!(svg.contains("path 1\n") && svg.contains("path 2\n"));
    }
}
