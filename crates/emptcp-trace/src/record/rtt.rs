//! Round-trip times in a few numbers.

use serde::Serialize;

/// A distribution of round-trip times, milliseconds. With `n` 0 there is nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RttSummary {
    /// Samples.
    pub n: u64,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Standard deviation.
    pub stdev: Option<f64>,
    /// Median, within 1 %, as the other quantiles.
    pub p50: Option<f64>,
    /// 95 of 100 are not above.
    pub p95: Option<f64>,
    /// 99 of 100 are not above.
    pub p99: Option<f64>,
}
