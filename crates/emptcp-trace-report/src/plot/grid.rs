//! Values over time in cells. Cells become wider as time passes, so memory stays bounded.

use emptcp_trace::Span;

/// The most cells. After widening, at least a fifth of them are left: still more than a picture has pixels.
const CELLS: i64 = 8192;
/// The first width of a cell, nanoseconds: no two packets share one.
const FIRST: i64 = 1000;

/// A value that can be merged with a later one.
pub(super) trait Merge {
    fn merge(&mut self, later: Self);
}

impl Merge for u64 {
    fn merge(&mut self, later: Self) {
        *self = self.saturating_add(later);
    }
}

/// Lowest and highest value, sum and count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) sum: f64,
    pub(super) number: u64,
}

impl Extent {
    pub(super) fn of(value: f64) -> Self {
        Self {
            low: value,
            high: value,
            sum: value,
            number: 1,
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / self.number as f64
    }
}

impl Merge for Extent {
    fn merge(&mut self, later: Self) {
        self.low = self.low.min(later.low);
        self.high = self.high.max(later.high);
        self.sum += later.sum;
        self.number += later.number;
    }
}

/// A cell that has something.
#[derive(Clone, Debug)]
pub(super) struct Cell<T> {
    index: i64,
    /// The time of its first value.
    pub(super) t: Span,
    pub(super) value: T,
}

/// Values over time.
#[derive(Clone, Debug)]
pub(super) struct Grid<T> {
    /// Nanoseconds: 1000, 5000, 10 000, 50 000, ... so that round windows are made of whole cells.
    width: i64,
    cells: Vec<Cell<T>>,
    first: Option<i64>,
}

impl<T> Default for Grid<T> {
    fn default() -> Self {
        Self {
            width: FIRST,
            cells: Vec::new(),
            first: None,
        }
    }
}

impl<T: Merge> Grid<T> {
    /// Times must be about in order; a late value joins the last cell.
    pub(super) fn add(&mut self, t: Span, value: T) {
        let first = *self.first.get_or_insert(t.0);
        while t.0.saturating_sub(first) / self.width >= CELLS {
            self.grow();
        }
        let index = t.0.div_euclid(self.width);
        match self.cells.last_mut() {
            Some(last) if last.index >= index => last.value.merge(value),
            _ => self.cells.push(Cell { index, t, value }),
        }
    }

    fn grow(&mut self) {
        // 1, 5, 10, 50, 100: alternately times five and times two.
        let by = if is_power_of_ten(self.width) { 5 } else { 2 };
        self.width = self.width.saturating_mul(by);
        let mut grown: Vec<Cell<T>> = Vec::with_capacity(self.cells.len() / 2 + 1);
        for mut cell in self.cells.drain(..) {
            cell.index = cell.index.div_euclid(by);
            match grown.last_mut() {
                Some(last) if last.index == cell.index => last.value.merge(cell.value),
                _ => grown.push(cell),
            }
        }
        self.cells = grown;
    }

    pub(super) fn cells(&self) -> &[Cell<T>] {
        &self.cells
    }

    /// The width of the cells.
    pub(super) fn width(&self) -> Span {
        Span(self.width)
    }
}

impl Grid<u64> {
    /// Sums in windows, each with its start; empty windows between others have 0.
    pub(super) fn windows(&self, width: Span) -> Vec<(Span, u64)> {
        let width = width.0.max(self.width);
        let mut windows: Vec<(i64, u64)> = Vec::new();
        for cell in &self.cells {
            let index = (cell.index.saturating_mul(self.width)).div_euclid(width);
            if let Some((last, sum)) = windows.last_mut()
                && *last == index
            {
                *sum += cell.value;
                continue;
            }
            // A pause is drawn at 0.
            if let Some((last, _)) = windows.last().copied()
                && index > last + 1
            {
                windows.push((last + 1, 0));
                if index > last + 2 {
                    windows.push((index - 1, 0));
                }
            }
            windows.push((index, cell.value));
        }
        windows
            .into_iter()
            .map(|(index, sum)| (Span(index.saturating_mul(width)), sum))
            .collect()
    }
}

fn is_power_of_ten(number: i64) -> bool {
    number > 0 && 10_i64.checked_pow(number.ilog10()) == Some(number)
}

/// A round window, 1, 2 or 5 times a power of ten, so that a duration has 60 to 150 of them; at least 1 ms.
pub(super) fn window(duration: Span, cell: Span) -> Span {
    let mut width = 1_000_000_i64.max(cell.0);
    for factor in [2, 5].into_iter().cycle() {
        if duration.0 / width < 150 {
            break;
        }
        // 1, 2, 10, 20, ...; 5 where it suits below.
        width = width.saturating_mul(factor);
    }
    Span(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_values_there_are_memory_stays_and_sums_are_exact() {
        let mut grid = Grid::<u64>::default();
        for number in 0..2_000_000_i64 {
            grid.add(Span(number * 7_001), 3);
        }
        assert!(grid.cells().len() as i64 <= CELLS, "{}", grid.cells().len());
        assert!(grid.cells().len() > 1500);
        assert_eq!(grid.cells().iter().map(|cell| cell.value).sum::<u64>(), 6_000_000);
        let width = window(Span(14_000_000_000), grid.width());
        assert_eq!(width, Span(100_000_000));
        let windows = grid.windows(width);
        assert_eq!(windows.iter().map(|(_, sum)| sum).sum::<u64>(), 6_000_000);
        assert!(windows.iter().all(|(_, sum)| *sum <= 3 * 14_290), "equal windows");
    }

    #[test]
    fn few_values_stay_as_they_are() {
        let mut grid = Grid::<u64>::default();
        for t in [0, 2_000, 5_000_000] {
            grid.add(Span(t), 1);
        }
        let times: Vec<_> = grid.cells().iter().map(|cell| cell.t.0).collect();
        assert_eq!(times, [0, 2_000, 5_000_000]);
    }

    #[test]
    fn a_pause_is_at_zero() {
        let mut grid = Grid::<u64>::default();
        grid.add(Span(0), 10);
        grid.add(Span::from_seconds(10), 20);
        let windows = grid.windows(Span::from_seconds(1));
        let seconds: Vec<_> = windows.iter().map(|(t, sum)| (t.seconds(), *sum)).collect();
        assert_eq!(seconds, [(0.0, 10), (1.0, 0), (9.0, 0), (10.0, 20)]);
    }

    #[test]
    fn a_time_that_goes_back_joins_the_last_cell() {
        let mut grid = Grid::<u64>::default();
        grid.add(Span(5_000_000), 1);
        grid.add(Span(1_000_000), 1);
        assert_eq!(grid.cells().len(), 1);
    }
}
