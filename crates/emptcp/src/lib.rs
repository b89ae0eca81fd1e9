//! Programmable Multipath TCP on a stock Linux kernel: the library of the `emptcp` command.
//!
//! [`Policies`] are a policy file, compiled. An [`Instance`] of a network [`Namespace`] puts them in force: selectors
//! and actors as BPF programs on the network devices, which run without a process until [`Instance::remove`]. Any
//! number of processes read what is in force: [`Instance::stats`], [`Instance::flows`], [`Instance::events`].
//!
//! ```no_run
//! use emptcp::{Apply, Namespace, Policies};
//!
//! # fn main() -> emptcp::Result<()> {
//! let policies = Policies::open("policy.toml")?;
//! let gateway = Namespace::named("gw")?;
//! let instance = gateway.instance("default").apply(&policies, Apply::new().adopt(true))?.instance;
//! for event in instance.events()? {
//!     let event = event?;
//!     println!("{} <-> {}: {:?}", event.local, event.remote, event.body);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Loading BPF programs needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN. [`Error::kind`] returns the kind of an
//! error, other methods the device, policy or file that it concerns.
//!
//! Where things are:
//!
//! * Policies: [`Policies`]; [`plan`] is what they compile to, [`Diagnostics`] what is wrong with a file.
//! * In force: [`Namespace`], [`Instance`], [`Apply`]; [`Events`] as an iterator with a file descriptor, `EventStream`
//!   with the feature `tokio`; what they return is in [`model`], [`instance`] and [`in_force`].
//! * All network namespaces: [`stale`].
//! * Elements: [`Catalog`], [`element`] (build, install, list, remove), [`sdk`].
//! * The machine: [`probe`] tests what the kernel offers, [`memory`] computes the size of tables.
//! * Without a network: [`testrun`] runs chains on packets; [`measure`] has baselines for costs.
//! * Data shared with the BPF programs: [`abi`]. Tokens, keys and other identities of MPTCP: [`wire`].

mod apply;
mod error;
#[cfg(feature = "tokio")]
mod event_stream;
mod events;
mod handle;
mod namespace;
mod policies;
mod policy_text;

pub use apply::Apply;
pub use emptcp_abi as abi;
pub use emptcp_model as model;
pub use emptcp_model::ErrorKind;
pub use emptcp_packet::error::{AttachProblem, BpffsProblem, HostError, NamespaceProblem};
pub use emptcp_packet::{Applied as Report, Error as PacketError};
pub use emptcp_packet::{
    AttachedTo, Catalog, Holder, MovedHere, Preview, Removed, Shaped, element, in_force, instance, memory, probe,
    refusal, require, sdk, stale, testing, testrun,
};
pub use emptcp_plan::{Change, Diagnostic, Diagnostics, manifest, nearest, plan, values, visible};
pub use error::{Error, Result};
#[cfg(feature = "tokio")]
pub use event_stream::EventStream;
pub use events::{Begin, Events};
pub use handle::{Applied, Instance};
pub use mptcp_wire as wire;
pub use namespace::Namespace;
pub use policies::Policies;
pub use policy_text::Unreadable;

/// Baselines for costs: an empty program, and an instance's hooks with other programs.
pub mod measure {
    pub use emptcp_packet::{
        baseline::Baseline,
        swap::{Occupant, Swap},
    };
}
