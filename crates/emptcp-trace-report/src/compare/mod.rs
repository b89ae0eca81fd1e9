//! What the comparison of two captures found, in sentences. The comparison itself is [`emptcp_trace::compare`].
//!
//! * this file: a comparison together with its sentences.
//! * `sentences.rs`: what was changed and what was lost. `clock.rs`: how the clocks differ.

mod clock;
mod sentences;
#[cfg(test)]
mod tests;

pub use clock::clock_sentence;
pub use sentences::findings;

use emptcp_trace::compare::Comparison;
use serde::Serialize;

/// A comparison and its findings. As JSON it is one object: `findings`, then the fields of [`Comparison`].
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonReport {
    /// The findings in sentences: first what was changed, then what was lost.
    pub findings: Vec<String>,
    /// The figures.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl From<Comparison> for ComparisonReport {
    fn from(comparison: Comparison) -> Self {
        Self {
            findings: findings(&comparison),
            comparison,
        }
    }
}
