//! The results of the analysis: rows of the tables `connections`, `subflows`, `events` and `strays`, and
//! totals.
//!
//! Fields have the names of the columns in the output. A [`PerDirection`](crate::PerDirection) is an array `[c2s, s2c]`
//! in JSON and two columns `_c2s`, `_s2c` in CSV and Parquet. Times are seconds, round-trip times milliseconds, sizes
//! bytes.

mod connection;
mod evidence;
mod mark;
mod rtt;
mod stray;
mod subflow;
mod totals;
mod wire;

pub use connection::{Connection, End, Fallback, Hash, Vantage};
pub use evidence::{Cause, Causes, Certainty, Evidence, Party};
pub use mark::{Detail, Malformed, Mark, MarkKind};
pub use rtt::RttSummary;
pub use stray::{Stray, StrayKind};
pub use subflow::{Answer, Kind, Opener, Subflow};
pub use totals::{Capped, Encapsulated, LinkTypes, Skipped, Totals};
pub(crate) use wire::{optional_version, tokens};
