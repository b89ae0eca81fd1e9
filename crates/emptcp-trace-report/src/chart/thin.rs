//! Leaves out points that would overlap, so that a million values make a small picture.

/// A position in the picture, pixels.
pub(super) type Pixel = (f64, f64);

/// Columns per pixel that lines are thinned to.
const COLUMNS: f64 = 2.0;
/// The side of a cell that gets one point, pixels.
const CELL: f64 = 1.5;

/// Thins a line with increasing x: keeps the first, lowest, highest and last point of each column, so that no extreme
/// is lost. Where x decreases, a new column begins, so other lines stay correct.
pub(super) fn line(places: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let mut kept = Vec::new();
    let mut column: Option<Column> = None;
    for place in places {
        let key = (place.0 * COLUMNS).floor() as i64;
        match &mut column {
            Some(open) if open.key == key => open.add(place),
            _ => {
                if let Some(full) = column.replace(Column::new(key, place)) {
                    full.give(&mut kept);
                }
            }
        }
    }
    if let Some(last) = column {
        last.give(&mut kept);
    }
    kept
}

struct Column {
    key: i64,
    count: usize,
    first: Pixel,
    /// With how many places were before, to keep their order.
    lowest: (usize, Pixel),
    highest: (usize, Pixel),
    last: Pixel,
}

impl Column {
    fn new(key: i64, place: Pixel) -> Self {
        Self {
            key,
            count: 1,
            first: place,
            lowest: (0, place),
            highest: (0, place),
            last: place,
        }
    }

    fn add(&mut self, place: Pixel) {
        if place.1 < self.lowest.1.1 {
            self.lowest = (self.count, place);
        }
        if place.1 > self.highest.1.1 {
            self.highest = (self.count, place);
        }
        self.last = place;
        self.count += 1;
    }

    fn give(self, kept: &mut Vec<Pixel>) {
        let last = self.count - 1;
        let mut four = [(0, self.first), self.lowest, self.highest, (last, self.last)];
        four.sort_by_key(|(index, _)| *index);
        let mut before = None;
        for (index, place) in four {
            if before.replace(index) != Some(index) {
                kept.push(place);
            }
        }
    }
}

/// Points: one for each small cell, in the order in which cells are first met.
pub(super) fn points(places: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let mut seen = hashbrown::HashSet::new();
    places
        .filter(|(x, y)| seen.insert(((x / CELL).floor() as i64, (y / CELL).floor() as i64)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_values_become_few_and_the_one_peak_stays() {
        let million = (0..1_000_000).map(|index| {
            let peak = if index == 765_432 { 300.0 } else { f64::from(index % 7) };
            (f64::from(index) * 600.0 / 1e6, peak)
        });
        let kept = line(million);
        assert!(kept.len() <= 4 * 1201, "{}", kept.len());
        assert!(kept.iter().any(|place| place.1 == 300.0));
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn few_values_all_stay() {
        let places = [(0.0, 1.0), (5.0, 2.0), (5.1, 3.0), (9.0, 0.0)];
        assert_eq!(line(places.into_iter()), places);
        assert_eq!(line(std::iter::empty()), []);
    }

    #[test]
    fn points_on_the_same_spot_are_drawn_once() {
        let places = [(0.0, 0.0), (0.1, 0.1), (10.0, 0.0), (10.2, 0.0), (0.0, 30.0)];
        assert_eq!(points(places.into_iter()), [(0.0, 0.0), (10.0, 0.0), (0.0, 30.0)]);
    }
}
