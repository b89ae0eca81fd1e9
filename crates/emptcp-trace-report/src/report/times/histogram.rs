//! Counts of values from 0 to 1 in bins that are narrow on a linear and on a logarithmic axis.

use std::sync::LazyLock;

/// Bins of one width, and per factor of ten.
const LINEAR: u32 = 2000;
const PER_DECADE: i32 = 100;
const DECADES: i32 = 6;

/// The upper ends (included) of the bins. 0 has a separate bin.
static ENDS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let linear = (0..=LINEAR).map(|step| f64::from(step) / f64::from(LINEAR));
    let logarithmic = (-DECADES * PER_DECADE..0).map(|step| 10_f64.powf(f64::from(step) / f64::from(PER_DECADE)));
    let mut ends: Vec<_> = linear.chain(logarithmic).collect();
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    ends
});

/// Counts of values from 0 to 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// By [`ENDS`]; empty without values.
    counts: Vec<u64>,
    /// All values.
    pub(super) n: u64,
    /// Values below 0, above 1, or not a number; they are in no bin.
    pub(super) outside: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, value: f64) {
        self.n += 1;
        self.counts.resize(ENDS.len(), 0);
        let bin = ENDS.partition_point(|end| *end < value);
        match self.counts.get_mut(bin) {
            Some(count) if value >= 0.0 => *count += 1,
            _ => self.outside += 1,
        }
    }

    /// How many values inside are not above `share`, to the next end of a bin.
    pub(super) fn not_above(&self, share: f64) -> u64 {
        let inside = ENDS.iter().zip(&self.counts).take_while(|(end, _)| **end <= share);
        inside.map(|(_, count)| count).sum()
    }

    /// The cumulative distribution of the values inside.
    pub(super) fn cumulative(&self) -> Vec<(f64, f64)> {
        let inside = (self.n - self.outside) as f64;
        let mut below = 0;
        let steps = ENDS
            .iter()
            .zip(&self.counts)
            .filter(|(_, count)| **count > 0)
            .map(|(end, count)| {
                below += count;
                (*end, below as f64 / inside)
            });
        let steps: Vec<_> = steps.collect();
        let first = steps.first().map(|(at, _)| (*at, 0.0));
        first.into_iter().chain(steps).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_below_the_end_of_their_bin_and_outside_ones_apart() {
        let mut histogram = Histogram::default();
        for value in [0.0, 0.5, 0.5, 1.0, -0.1, 1.1, f64::NAN] {
            histogram.add(value);
        }
        assert_eq!((histogram.n, histogram.outside), (7, 3));
        assert_eq!(
            [0.0, 0.49, 0.5, 1.0].map(|share| histogram.not_above(share)),
            [1, 1, 3, 4]
        );
        assert_eq!(
            histogram.cumulative(),
            [(0.0, 0.0), (0.0, 0.25), (0.5, 0.75), (1.0, 1.0)]
        );
    }

    #[test]
    fn bins_are_narrow_near_zero_too() {
        let mut histogram = Histogram::default();
        histogram.add(2e-5);
        let [_, (at, _)] = histogram.cumulative()[..] else {
            panic!("one step")
        };
        assert!((2e-5..2.1e-5).contains(&at), "{at}");
    }
}
