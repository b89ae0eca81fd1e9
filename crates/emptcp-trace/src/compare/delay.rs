//! Differences of time between two captures of the same packets, in a bounded number of samples.

use super::clock::Clock;
use crate::{Span, Timestamp};
use serde::Serialize;

/// At this many samples every other one is dropped, and then only every other new one is kept.
const MOST: usize = 1024;

/// Differences: time at B minus time at A, clock offset included.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    count: u64,
    sum: i128,
    range: Option<(i64, i64)>,
    kept: Vec<(Timestamp, i64)>,
    every: u64,
}

impl Samples {
    /// Adds a pair: its time at A, and its difference.
    pub(super) fn add(&mut self, at_a: Timestamp, difference: Span) {
        let Span(difference) = difference;
        self.range = Some(self.range.map_or((difference, difference), |(least, most)| {
            (least.min(difference), most.max(difference))
        }));
        self.sum += i128::from(difference);
        if self.every == 0 {
            self.every = 1;
        }
        if self.count.is_multiple_of(self.every) {
            self.kept.push((at_a, difference));
            if self.kept.len() >= MOST {
                let mut position = 0_u64;
                self.kept.retain(|_| {
                    position += 1;
                    !position.is_multiple_of(2)
                });
                self.every *= 2;
            }
        }
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Smallest and largest difference, nanoseconds.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        self.range
    }

    /// The mean difference, nanoseconds.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The delays, corrected by `clock`; `from_a`: A is at the sender.
    pub(super) fn delay(&self, clock: &Clock, from_a: bool) -> Delay {
        let sign = if from_a { 1.0 } else { -1.0 };
        let milliseconds = |nanoseconds: f64| nanoseconds / 1e6;
        let corrected = |at: Timestamp, difference: f64| milliseconds(sign * (difference - clock.offset_at(at)));
        let mut sorted: Vec<f64> = self
            .kept
            .iter()
            .map(|&(at, difference)| corrected(at, difference as f64))
            .collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |of: f64| {
            let place = (of * sorted.len() as f64).ceil() as usize;
            sorted.get(place.saturating_sub(1)).copied()
        };
        let offset = clock.offset.0 as f64;
        let (min, max, mean) = match (clock.drift_ppm, self.range) {
            // Without drift the correction is one number, so the extremes are exact.
            (None, Some((least, most))) => {
                let (least, most) = (
                    milliseconds(sign * (least as f64 - offset)),
                    milliseconds(sign * (most as f64 - offset)),
                );
                (
                    Some(least.min(most)),
                    Some(least.max(most)),
                    self.mean().map(|mean| milliseconds(sign * (mean - offset))),
                )
            }
            _ => {
                let mean = (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64);
                (sorted.first().copied(), sorted.last().copied(), mean)
            }
        };
        Delay {
            n: self.count,
            min,
            mean,
            p50: quantile(0.5),
            p95: quantile(0.95),
            max,
        }
    }
}

/// One-way delays, milliseconds; quantiles of up to 1024 evenly spaced samples. With `n` 0 the rest is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Delay {
    /// Packets that were timed.
    pub n: u64,
    /// Smallest.
    pub min: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::clock::Method;

    #[test]
    fn many_samples_are_thinned_and_their_delays_stay_right() {
        let mut samples = Samples::default();
        for number in 0..100_000_i64 {
            samples.add(
                Timestamp(number * 1_000_000),
                Span(5_000_000_000 + (number % 100) * 10_000),
            );
        }
        let clock = Clock {
            method: Method::Given,
            offset: Span(5_000_000_000),
            uncertainty: None,
            drift_ppm: None,
            drift_from: Timestamp(0),
        };
        let delay = samples.delay(&clock, true);
        assert!(samples.kept.len() < MOST);
        assert_eq!((delay.n, delay.min, delay.max), (100_000, Some(0.0), Some(0.99)));
        assert!((delay.mean.unwrap() - 0.495).abs() < 1e-6);
        assert!((delay.p50.unwrap() - 0.5).abs() < 0.05, "{delay:?}");
        assert!((delay.p95.unwrap() - 0.95).abs() < 0.05, "{delay:?}");
    }
}
