//! The path emulator: `rattan-core` cells between two packet sockets, one chain per direction.
//!
//! ```text
//! client's veth -> packet socket -> loss -> rate + queue -> delay -> packet socket -> server's veth
//!                  (socket.rs,      (rattan LossCell,       (delay.rs)
//!                   segment.rs)      BwCell)
//! ```
//!
//! Three parts are our own instead of rattan's. The *device*: rattan's rewrites MAC addresses, drops ARP and neighbour
//! discovery, and does not support 64 kB aggregates of segmentation offload. Ours works as a network card: it cuts
//! aggregates into segments and completes checksums. The *delay*: rattan's `DelayCell` has no jitter, and its
//! per-packet delay reorders. The *tasks* between the cells: see `chain.rs`.

mod chain;
mod delay;
mod device;
pub(crate) mod segment;
pub(crate) mod socket;

pub(crate) use chain::EmulatedPath;

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::error::{LabError, Result};

/// The thread of one lab's emulator. One is enough: 2 x 50 Mbit/s need a fraction of a core. Its name (at most 15
/// bytes, as in `/proc/PID/task/TID/comm`) is used to find its CPU time.
pub(crate) fn runtime(thread_name: &str) -> Result<Arc<Runtime>> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(thread_name)
        .enable_all()
        .build()
        .map(Arc::new)
        .map_err(|error| LabError::system("starting the thread of the emulator", error))
}
