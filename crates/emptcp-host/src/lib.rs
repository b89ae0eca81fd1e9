//! The machine that emptcp runs on, as far as it has nothing to do with BPF. Nothing here knows of policies.
//!
//! * Network namespaces: [`namespace`] enters one and reads its identity; [`namespaces`] finds those that live and who
//!   holds them.
//! * The network: [`device`] lists the devices of a namespace, [`qdisc`] their queueing disciplines and filters. Both
//!   ask the kernel by [`netlink`].
//! * What this process may do: [`rights`]. What the machine has: [`memory`]. Since when it runs: [`boot`].
//! * Files: [`files`] reads what others wrote, [`work_folder`] makes something before it takes its place.
//! * [`error`]: what can go wrong. [`testing`]: how a test skips what a machine lacks. `ffi` holds every unsafe call.
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
