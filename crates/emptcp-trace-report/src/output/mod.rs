//! The records of the analysis as text, JSON, CSV and Parquet.
//!
//! ```
//! use emptcp_trace::{Analyzer, Event, Source, source};
//! use emptcp_trace_report::output::{Folders, Names, Summary, Tables, json};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../emptcp-trace/tests/captures/reuse.pcap.zst");
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let source = source::open([path])?;
//! let name = source.name();
//! let mut tables = Tables::create(&Folders {
//!     csv: Some(folder.join("csv")),
//!     parquet: Some(folder.join("parquet")),
//!     names: Names::Short,
//! })?;
//! let (mut lines, mut summary) = (Vec::new(), Summary::new(10));
//! for event in Analyzer::new(source) {
//!     let event = event?;
//!     tables.write(&name, &event)?;
//!     json::line(&mut lines, &name, &event, false, Names::Short)?;
//!     match event {
//!         Event::Connection(connection) => summary.connection(&connection),
//!         Event::End(totals) => summary.trace(&name, &totals),
//!         _ => {}
//!     }
//! }
//! tables.finish()?;
//!
//! // A line of column names, and one for each of the three connections.
//! assert_eq!(std::fs::read_to_string(folder.join("csv/connections.csv"))?.lines().count(), 4);
//! assert!(folder.join("parquet/subflows.parquet").is_file());
//! assert_eq!(String::from_utf8(lines)?.lines().count(), 3);
//! assert!(summary.text(120).contains("3 MPTCP connections"));
//! # Ok(())
//! # }
//! ```
//!
//! * [`summary`]: for a person at a terminal.
//! * [`json`]: one object per line.
//! * [`tables`]: CSV and Parquet files; `column.rs`, [`columns`]: the columns of both; `csv.rs`, `parquet/`: how they
//!   are written; `destination.rs`: where to; [`Names`]: how columns and fields are named.
//! * `table.rs`: a table as plain text.
//! * [`units`]: numbers with units.
//! * [`draft`]: files that appear only when they are complete.

pub mod column;
pub mod columns;
mod csv;
mod destination;
pub mod draft;
pub mod json;
mod names;
mod parquet;
pub mod summary;
mod table;
pub mod tables;
pub mod units;

pub use draft::Draft;
pub use names::Names;
pub use summary::Summary;
pub use table::TextTable;
pub use tables::{Folders, Tables, Written};

#[cfg(test)]
pub(crate) mod sample;
