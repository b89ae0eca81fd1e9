//! Traffic between the hosts, checked byte by byte and bounded in time.
//!
//! * `bulk.rs`: bulk transfers, in one direction or both; `stream.rs`: one direction; `payload.rs`: the bytes.
//! * `requests.rs`: requests and responses at an interval, and the distribution of the times they take.
//! * `sampler.rs`, `series.rs`: samples of `MPTCP_FULL_INFO` every 100 ms, and rates computed from them.

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
