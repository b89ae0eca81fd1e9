//! What the comparison of two captures found, in sentences and tables. The comparison itself is
//! [`emptcp_trace::compare`].
//!
//! ```
//! use emptcp_trace::compare::{CompareSettings, compare};
//! use emptcp_trace::source;
//! use emptcp_trace_report::compare::{ComparisonReport, write_csv};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../emptcp-trace/tests/captures/reuse.pcap.zst");
//! # let server = client;
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let comparison = compare(source::open([client])?, source::open([server])?, CompareSettings::default())?;
//! let report = ComparisonReport::from(comparison);
//! // Both are the same file here.
//! assert_eq!(
//!     report.findings,
//!     ["Nothing was changed on the way: options, header fields and payload arrived as they were sent."]
//! );
//! println!("{}", report.text());
//! write_csv(folder, &report.comparison)?;
//! assert!(folder.join("subflows.csv").is_file());
//! # Ok(())
//! # }
//! ```
//!
//! * this file: a comparison together with its sentences.
//! * `sentences.rs`: changes and losses. `clock.rs`: how the clocks differ.
//! * `text.rs`: sentences and tables for a terminal. `csv.rs`: the tables as files.

mod clock;
mod csv;
mod paths;
mod sentences;
#[cfg(test)]
mod tests;
mod text;

pub use clock::clock_sentence;
pub use csv::{PairFile, write_csv};
pub use sentences::findings;

use emptcp_trace::compare::Comparison;
use serde::Serialize;

/// A comparison and its findings. As JSON it is one object: `findings`, then the fields of [`Comparison`].
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonReport {
    /// The findings in sentences: changes first, then losses.
    pub findings: Vec<String>,
    /// The figures.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl ComparisonReport {
    /// The sentences and tables as text for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        text::text(self)
    }
}

impl From<Comparison> for ComparisonReport {
    fn from(comparison: Comparison) -> Self {
        Self {
            findings: findings(&comparison),
            comparison,
        }
    }
}
