//! Charts as SVG: lines, steps, points, marks and boxes over linear, logarithmic and time axes.
//!
//! A picture needs no external script, font or style. Its colours are distinguishable with any kind of colour vision
//! and follow the reader's light or dark setting. Existing libraries draw in fixed colours and whole pixels, so this is
//! our own code.
//!
//! ```
//! use emptcp_trace_report::chart::{Axis, Chart, Series, Shape, Unit};
//!
//! let mut chart = Chart::new("Throughput", Axis::time("time"), Axis::linear("throughput", Unit::BitsPerSecond));
//! chart.series.push(Series::new("subflow 0", Shape::Line(vec![(0.0, 2e6), (0.5, 8e6), (1.0, 7.5e6)])).colour(0));
//! assert!(chart.to_svg().starts_with("<svg"));
//! ```
//!
//! # Map
//!
//! * this file: the parts of a chart. `axis.rs`: scales and ticks. `unit.rs`: numbers as people read them.
//! * `thin.rs`: leaves out points that would overlap. `flags.rs`: where the labels of marks are.
//! * `svg.rs`, `shape.rs`, `style.rs`: the drawing.
//! * `png.rs`: the same as pixels (feature `png`).

mod axis;
mod flags;
#[cfg(feature = "png")]
mod png;
mod shape;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod thin;
mod unit;

#[cfg(feature = "png")]
pub use png::{PngError, to_png};
pub use style::STYLE;
pub use unit::Unit;

/// How values become positions on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Linear.
    Linear,
    /// Logarithmic; values that are not positive have no position.
    Log,
    /// Linear, in seconds; ticks at round seconds, minutes and hours.
    Time,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows; the unit is added.
    pub label: String,
    /// Its scale.
    pub scale: Scale,
    /// Its unit.
    pub unit: Unit,
    /// Its range; none: as the series need.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis as long as the series need, 0 included.
    pub fn linear(label: impl Into<String>, unit: Unit) -> Self {
        Self::new(label, Scale::Linear, unit)
    }

    /// A logarithmic axis as long as the series need.
    pub fn log(label: impl Into<String>, unit: Unit) -> Self {
        Self::new(label, Scale::Log, unit)
    }

    /// Seconds since some beginning.
    pub fn time(label: impl Into<String>) -> Self {
        Self::new(label, Scale::Time, Unit::Seconds)
    }

    /// A share of a whole, from 0 to 1, shown in percent.
    pub fn share(label: impl Into<String>) -> Self {
        Self::linear(label, Unit::Share).range(0.0, 1.0)
    }

    /// From `low` to `high`, whatever the series contain.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    fn new(label: impl Into<String>, scale: Scale, unit: Unit) -> Self {
        Self {
            label: label.into(),
            scale,
            unit,
            range: None,
        }
    }
}

/// What a point looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// A small dot, for thousands of points.
    #[default]
    Dot,
    /// A larger disc.
    Disc,
    /// A square.
    Square,
    /// An x.
    Cross,
    /// A triangle, point up.
    Triangle,
    /// A diamond.
    Diamond,
    /// A small circle.
    Ring,
    /// A short horizontal line.
    Dash,
    /// A short vertical line.
    Bar,
}

/// The five numbers of a box, and its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// Left edge on the x axis.
    pub from: f64,
    /// Right edge on the x axis.
    pub to: f64,
    /// End of the lower whisker.
    pub low: f64,
    /// Lower quartile.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Upper quartile.
    pub q3: f64,
    /// End of the upper whisker.
    pub high: f64,
    /// The largest value, drawn as a point above the whisker.
    pub max: f64,
    /// Number of values that it summarises.
    pub n: usize,
}

/// What a series draws. Values that are not finite are left out.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Straight lines from point to point.
    Line(Vec<(f64, f64)>),
    /// Each value holds until the next: cumulative distributions. On a logarithmic axis values of `x` that are not
    /// positive are at its left end.
    Step(Vec<(f64, f64)>),
    /// Single points.
    Points(Vec<(f64, f64)>, Marker),
    /// Vertical lines at `x`, each with a label above the picture. Labels with the same first word that are near each
    /// other become one: `JOIN 1, 2`.
    Marks(Vec<(f64, String)>),
    /// Boxes with whiskers.
    Boxes(Vec<Quartiles>),
}

/// Values drawn in one way.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is, in the legend and where a pointer rests on it; may be empty.
    pub name: String,
    /// Whether it is in the legend.
    pub listed: bool,
    /// What is drawn.
    pub shape: Shape,
    /// The index of the colour, from 0; after [`COLOURS`] they repeat, with another dash.
    pub colour: usize,
    /// The index of the dash of lines, 0 to 3: 0 is none; added to that of `colour`.
    pub dash: usize,
    /// Whether lines are thin: over others, which stay visible.
    pub thin: bool,
}

/// How many colours there are.
pub const COLOURS: usize = 7;

impl Series {
    /// In the first colour.
    pub fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self {
            name: name.into(),
            listed: true,
            shape,
            colour: 0,
            dash: 0,
            thin: false,
        }
    }

    /// In another colour.
    #[must_use]
    pub fn colour(mut self, colour: usize) -> Self {
        self.colour = colour;
        self
    }

    /// With another dash.
    #[must_use]
    pub fn dash(mut self, dash: usize) -> Self {
        self.dash = dash;
        self
    }

    /// With thin lines.
    #[must_use]
    pub fn thin(mut self) -> Self {
        self.thin = true;
        self
    }

    /// Not in the legend.
    #[must_use]
    pub fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The title, above the picture.
    pub title: String,
    /// What belongs to the title: hosts, file. Below it, in as many lines as it needs; may be empty.
    pub subtitle: String,
    /// A text alternative for readers who cannot see the picture; may be empty.
    pub description: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the last on top.
    pub series: Vec<Series>,
    /// Width and height in pixels. Rows of labels of marks are added to the height.
    pub size: (f64, f64),
}

impl Chart {
    /// A chart without series, in the default size.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            description: String::new(),
            x,
            y,
            series: Vec::new(),
            size: (760.0, 400.0),
        }
    }

    /// A complete file, with [`STYLE`] and a background.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(self, true).into_string()
    }

    /// For an HTML page that has [`STYLE`]. Without title and subtitle, which are in the page's caption.
    #[must_use]
    pub fn to_inline_svg(&self) -> String {
        svg::draw(self, false).into_string()
    }
}
