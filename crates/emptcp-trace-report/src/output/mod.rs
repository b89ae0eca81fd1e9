//! What the analysis says, for people and for programs.
//!
//! * [`summary`]: for a person at a terminal.
//! * [`json`]: one object per line.
//! * [`tables`]: CSV and Parquet files; `column.rs`, [`columns`]: the columns of both; `csv.rs`, `parquet/`: how they are written;
//!   `place.rs`: where to.
//! * [`units`]: numbers as people read them.
//! * [`draft`]: files that appear when they are complete.

pub mod column;
pub mod columns;
mod csv;
pub mod draft;
pub mod json;
mod parquet;
mod place;
pub mod summary;
pub mod tables;
pub mod units;

pub use draft::Draft;
pub use summary::Summary;
pub use tables::{Folders, Tables, Written};

#[cfg(test)]
pub(crate) mod sample;
