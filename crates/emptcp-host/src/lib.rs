//! The machine that emptcp runs on, without BPF. This crate knows nothing about policies.
//!
//! * Network namespaces: [`namespace`] enters one and reads its identity; [`namespaces`] finds those that live and the
//!   processes that hold them.
//! * The network: [`device`] lists the devices of a namespace, [`qdisc`] their queueing disciplines and filters. Both
//!   query the kernel by `netlink`.
//! * Rights of this process: [`rights`]. Available memory: [`memory`]. Identity of the boot: [`boot`].
//! * Files: [`files`] reads files of others, [`work_folder`] prepares files before they are moved to their path.
//! * [`error`]: the errors. [`testing`]: skips tests where the machine lacks a feature. `ffi` holds every unsafe call.
//!
//! ```no_run
//! use emptcp_host::{device::Devices, namespace::Namespace};
//!
//! # fn main() -> emptcp_host::Result<()> {
//! let gateway = Namespace::open("gw")?;
//! let devices = gateway.run(Devices::read)??;
//! for device in devices.iter() {
//!     println!("{}: index {}", device.name, device.index);
//! }
//! # Ok(())
//! # }
//! ```

pub mod boot;
pub mod device;
pub mod error;
pub mod files;
pub mod memory;
pub mod namespace;
pub mod namespaces;
mod netlink;
pub mod qdisc;
pub mod rights;
pub mod testing;
pub mod work_folder;

mod ffi;

pub use error::{Answer, Error, NamespaceProblem, Result};
