//! Samples and their cumulative distribution: sorted, the i-th of n is at i/n, the last at 1.

use super::part::{Subject, Traces};
use super::{Cell, Panel, Rows, Table};
use crate::chart::{Axis, Chart, Series, Shape, Unit};
use std::io;

/// A value, and the connection or subflow that it belongs to.
#[derive(Clone, Copy, Debug)]
struct Sample {
    value: f64,
    of: Subject,
}

/// Samples of one kind.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    name: &'static str,
    /// `c2s`, `s2c`; empty for both together.
    direction: &'static str,
    samples: Vec<Sample>,
    sorted: bool,
}

impl Curve {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            direction: "",
            samples: Vec::new(),
            sorted: true,
        }
    }

    pub(super) fn add(&mut self, of: Subject, value: f64) {
        self.samples.push(Sample { value, of });
        self.sorted = false;
    }

    /// The samples of one direction.
    pub(super) fn of_direction(mut self, direction: &'static str) -> Self {
        self.direction = direction;
        self
    }

    pub(super) fn n(&self) -> u64 {
        self.samples.len() as u64
    }

    /// Must be called before methods that depend on the order.
    pub(super) fn sort(&mut self) {
        if !self.sorted {
            self.samples
                .sort_unstable_by(|a, b| a.value.total_cmp(&b.value).then(a.of.cmp(&b.of)));
            self.sorted = true;
        }
    }

    /// The number of samples that pass the test.
    pub(super) fn count(&self, test: impl Fn(f64) -> bool) -> u64 {
        self.samples.iter().filter(|sample| test(sample.value)).count() as u64
    }

    /// The quantile `p`: the smallest sample such that a share `p` of all samples is not larger. Sorted curves only.
    pub(super) fn quantile(&self, p: f64) -> Option<f64> {
        quantile(self.samples.len(), p).and_then(|index| self.samples.get(index).map(|sample| sample.value))
    }

    /// For a chart. Sorted curves only.
    pub(super) fn series(&self, number: usize) -> Series {
        let n = self.samples.len() as f64;
        let first = self.samples.first().map(|sample| (sample.value, 0.0));
        let steps = self.samples.iter().zip(1_u64..);
        let steps = steps.map(|(sample, index)| (sample.value, index as f64 / n));
        Series::new(self.name, Shape::Step(first.into_iter().chain(steps).collect()))
            .colour(number)
            .dash(number)
    }
}

/// The curves over one axis; nothing when all are empty.
pub(super) fn panel(title: &str, of: &str, x: Axis, curves: &[&Curve]) -> Vec<Panel> {
    panel_from(title, of, x, 0.0, curves)
}

/// Like [`panel`], from the share `from` on.
pub(super) fn panel_from(title: &str, of: &str, x: Axis, from: f64, curves: &[&Curve]) -> Vec<Panel> {
    let drawn = curves.iter().enumerate().filter(|(_, curve)| curve.n() > 0);
    let mut series: Vec<_> = drawn.map(|(number, curve)| curve.series(number)).collect();
    match series.as_mut_slice() {
        [] => return Vec::new(),
        // The axis has the label.
        [only] if curves.len() == 1 => only.name.clear(),
        _ => {}
    }
    let mut chart = Chart::new(title, x, Axis::share(of).range(from, 1.0));
    chart.description = "Cumulative distribution; the table beside it has the most important values.".to_owned();
    chart.series = series;
    vec![Panel {
        caption: String::new(),
        chart,
    }]
}

/// The place of the quantile among `n` sorted values.
pub(super) fn quantile(n: usize, p: f64) -> Option<usize> {
    let place = (p * n as f64 - 1e-9).ceil().max(1.0) as usize;
    (n > 0).then(|| place.min(n) - 1)
}

/// A share that is asked for.
pub(super) type Threshold = (&'static str, fn(f64) -> bool);

/// The requested shares and some quantiles, a column for each curve.
pub(super) fn thresholds(curves: &[&Curve], shares: &[Threshold], unit: Unit) -> Table {
    let column = |of: &dyn Fn(&Curve) -> Cell| curves.iter().map(|curve| of(curve)).collect::<Vec<_>>();
    let row = |name: &str, cells: Vec<Cell>| {
        let mut row = vec![Cell::text(name)];
        row.extend(cells);
        row
    };
    let mut rows = vec![row("n", column(&|curve| Cell::count(curve.n())))];
    for (name, test) in shares {
        rows.push(row(name, column(&|curve| Cell::share(curve.count(test), curve.n()))));
    }
    for (name, p) in [
        ("smallest", 0.0),
        ("median", 0.5),
        ("95 % are at most", 0.95),
        ("largest", 1.0),
    ] {
        let number = |curve: &Curve| {
            curve
                .quantile(p)
                .map_or(Cell::None, |value| Cell::Number(unit.show(value)))
        };
        rows.push(row(name, column(&number)));
    }
    let mut head = vec![String::new()];
    head.extend(curves.iter().map(|curve| curve.name.to_owned()));
    Table {
        caption: String::new(),
        head,
        rows,
    }
}

/// The samples of the curves as rows.
pub(super) struct Samples {
    pub(super) traces: Traces,
    pub(super) curves: Vec<Curve>,
}

impl Rows for Samples {
    fn head(&self) -> Vec<&'static str> {
        vec!["curve", "dir", "trace", "conn_id", "sf_id", "value", "cumulative"]
    }

    fn count(&self) -> u64 {
        self.curves.iter().map(Curve::n).sum()
    }

    fn each(&self, give: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> io::Result<()> {
        for curve in &self.curves {
            let n = curve.samples.len() as f64;
            for (sample, index) in curve.samples.iter().zip(1_u64..) {
                let [trace, conn_id] = sample.of.columns(&self.traces);
                give(vec![
                    curve.name.to_owned(),
                    curve.direction.to_owned(),
                    trace,
                    conn_id,
                    sample.of.sf_id.map(|id| id.to_string()).unwrap_or_default(),
                    sample.value.to_string(),
                    format!("{:.6}", index as f64 / n),
                ])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_trace::ConnectionId;

    fn curve(values: &[f64]) -> Curve {
        let of = Subject {
            trace: 0,
            conn_id: ConnectionId(0),
            sf_id: None,
        };
        let mut curve = Curve::new("curve");
        for value in values {
            curve.add(of, *value);
        }
        curve.sort();
        curve
    }

    #[test]
    fn the_ith_of_n_stands_at_i_over_n() {
        let Shape::Step(steps) = curve(&[4.0, 1.0, 2.0, 2.0]).series(0).shape else {
            panic!("steps")
        };
        assert_eq!(steps, [(1.0, 0.0), (1.0, 0.25), (2.0, 0.5), (2.0, 0.75), (4.0, 1.0)]);
    }

    #[test]
    fn quantiles_are_samples() {
        let curve = curve(&[4.0, 1.0, 2.0, 3.0]);
        let quantiles = [0.0, 0.25, 0.5, 0.51, 0.95, 1.0].map(|p| curve.quantile(p).unwrap_or(f64::NAN));
        assert_eq!(quantiles, [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
        assert_eq!(super::quantile(0, 0.5), None);
        // 0.95 of 20 is the 19th, whatever the arithmetic of doubles makes of it.
        assert_eq!(super::quantile(20, 0.95), Some(18));
    }

    #[test]
    fn shares_and_quantiles_are_in_the_table() {
        let table = thresholds(
            &[&curve(&[2.0, 10.0]), &curve(&[])],
            &[("≤ 2 B", |size| size <= 2.0)],
            Unit::Bytes,
        );
        let number = |text: &str| Cell::Number(text.to_owned());
        assert_eq!(table.rows[0], [Cell::text("n"), number("2"), number("0")]);
        assert_eq!(table.rows[1], [Cell::text("≤ 2 B"), Cell::Share(0.5), Cell::None]);
        assert_eq!(table.rows[5], [Cell::text("largest"), number("10 B"), Cell::None]);
    }
}
