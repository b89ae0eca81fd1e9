//! Output of the analysis of Multipath TCP captures, for people and for programs. The crate [`emptcp_trace`] does the
//! analysis; everything here is made from its records and events.
//!
//! # Map
//!
//! * [`output`]: records as text, JSON, CSV and Parquet.
//! * [`explain`]: the story of one connection in sentences.
//! * [`plot`]: pictures of one connection, and xplot files.
//! * [`report`]: tables and figures about many connections, as a page.
//! * [`compare`]: what the comparison of two captures found, in sentences and tables.
//! * [`advice`]: what a capture lacks, and the command that makes a better one.
//! * [`chart`]: pictures as SVG and PNG (feature `png`); knows nothing of MPTCP.
//!
//! A module uses only modules below it: `plot` uses `chart` and the words of `explain`, `report` uses `chart` and
//! `output`, `compare` uses `output`, `output` uses `advice`; `chart`, `advice` and `explain` use none of the others.

pub mod advice;
pub mod chart;
pub mod compare;
pub mod explain;
pub mod output;
pub mod plot;
pub mod report;
