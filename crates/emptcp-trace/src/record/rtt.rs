//! Summaries of round-trip times.

use serde::Serialize;

/// A distribution of round-trip times, milliseconds. With `n` 0 the rest is none.
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
    /// Median; within 1 %, as are the other quantiles.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}
