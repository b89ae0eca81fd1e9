//! Traffic between the hosts, checked byte by byte and bounded in time.
//!
//! * `bulk.rs`: bulk transfers, one way or both; `stream.rs`: one direction of one; `payload.rs`: the bytes.
//! * `requests.rs`: requests and responses at an interval, and the distribution of the times they take.
//! * `sampler.rs`, `series.rs`: what `MPTCP_FULL_INFO` says every 100 ms, and rates computed from it.

mod bulk;
mod payload;
mod requests;
mod sampler;
mod series;
mod stream;

pub use bulk::{Bulk, BulkReport, End, RunningBulk, TransferDirection};
pub use payload::Payload;
pub use requests::{Requests, ResponseTimes};
pub use series::{Counter, Sample, TimeSeries};
pub use stream::StreamReport;
