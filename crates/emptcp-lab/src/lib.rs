//! Test beds for Multipath TCP on one machine: hosts in network namespaces, paths with a set rate, delay, jitter, loss
//! and queue, MPTCP sockets with verified traffic, and the counters and states of both hosts' kernels.
//!
//! ```no_run
//! use std::time::Duration;
//! use emptcp_lab::{Counter, Lab, Path, Rate};
//!
//! # fn main() -> emptcp_lab::Result<()> {
//! let lab = Lab::builder()
//!     .path(Path::with(Rate::mbit(50), Duration::from_millis(20)))
//!     .path(Path::with(Rate::mbit(50), Duration::from_millis(50)).loss(0.001))
//!     .build()?;
//! let transfer = lab.bulk().duration(Duration::from_secs(10)).start()?;
//! lab.path(1).set_rate(Rate::mbit(10))?;
//! let report = transfer.finish()?; // an error if a single byte arrived wrong
//! for subflow in report.server.subflows() {
//!     let rate = report.server.throughput(&subflow, Counter::Received, Duration::from_secs(5),
//!     Duration::from_secs(10)); println!("{subflow}: {rate:?} Mbit/s");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A lab needs root. Dropping the [`Lab`] removes everything, also after a panic; [`Lab::sweep`] removes leftovers of a
//! killed process. Several labs can run in parallel, with the same addresses.
//!
//! # Map
//!
//! * The test bed: `builder.rs` ([`LabBuilder`]), `lab.rs` ([`Lab`]), `topology.rs` (devices, addresses, routes),
//!   `names.rs` (names, guards, sweep), `netns.rs`, `command.rs`.
//! * Paths: `path.rs` (description), `live_path.rs` (while it runs), `emulator/` (`rattan-core` cells between packet
//!   sockets).
//! * Hosts: `host.rs` (settings, offloads), `mptcp.rs` (endpoints, limits), `mib.rs` (counters), `capture.rs` (pcap and
//!   judge).
//! * Third parties: `inject.rs` (frames of a third party on a path).
//! * Traffic: `socket/` (MPTCP sockets and their state in the kernel), `traffic/` (bulk, requests, samples).
//! * `ffi.rs`: the only unsafe code, for options of packet sockets. `error.rs`: errors.

mod builder;
mod capture;
mod command;
mod emulator;
mod error;
mod ffi;
mod host;
mod inject;
mod lab;
mod live_path;
mod mib;
mod mptcp;
mod names;
mod netns;
mod path;
mod socket;
mod topology;
mod traffic;

pub use mptcp_netlink::Subflow;
pub use mptcp_socket::{ConnectionInfo, SubflowInfo, TcpInfo};
pub use mptcp_wire::{FourTuple, IpVersion};

pub use builder::{LabBuilder, Topology};
pub use capture::{Capture, CaptureFile, Verdict, judge};
pub use error::{LabError, Result};
pub use host::{Host, Interface, Offloads};
pub use inject::Injector;
pub use lab::Lab;
pub use live_path::{LivePath, PathCounters};
pub use mib::Mib;
pub use mptcp::{Endpoint, EndpointPlan};
pub use netns::{NetworkNamespace, in_netns};
pub use path::{IpVersions, Link, Path, Queue, Rate};
pub use socket::{Connection, Listener, Protocol};
pub use traffic::{
    Bulk, BulkReport, Counter, End, Payload, Requests, ResponseTimes, RunningBulk, Sample, StreamReport, TimeSeries,
    TransferDirection,
};
