//! The packet plane: a [plan](emptcp_plan::plan::Plan) becomes chains of BPF programs at devices' hooks.
//!
//! [`emptcp_load`] loads the programs, [`emptcp_host`] knows the machine; this crate composes them. From a plan to
//! packets:
//!
//! * [`apply()`] is the transaction: it uses `placement` (which device, which hook), `allocation` (which slot, which
//!   counters), `bank` (loads and verifies every element), `store` and `records` (what the instance remembers, in the
//!   kernel), `hooks` with `exchange`, [`attach`] (tcx, clsact, XDP) and `shape` (HTB classes). [`remove()`] takes
//!   everything back.
//! * [`preview()`] does of an apply what changes nothing.
//! * [`Instance`] is what is in force: show, [`stats`], [`flows`], [`events`] that an [`event_reader`] takes
//!   from an `event_ring`, with the policies' `names`; [`in_force`] asks whether it really is.
//! * `elements`: the [`catalog`] knows them, [`element`] builds and installs an operator's own, [`sdk`] writes out what
//!   that takes.
//! * `program` loads one program with its constants and maps, for an element or for one of the `core_programs`, and
//!   says in a [`refusal`] which one the verifier did not take. `entry` keeps those that are attached.
//! * `maps` are what all programs of an instance share, `tables` makes them in the sizes that a plan asks for,
//!   [`memory`] says what they take; `flow_table` reads the largest of them, `rules` are what its classifier compares.
//! * `adopt` takes over connections that already run, of which the host's `sockets` tell.
//! * [`probe`] tries out what this kernel offers.
//! * [`testrun`] runs chains on packets without a network; [`baseline`] the empty program, [`swap`] puts it in place of
//!   others.
//! * `moved_here` finds devices that came with the programs of another namespace's instance; `stacked` those of which
//!   one is on top of another.
//! * [`stale`] lists the instances of all network namespaces and frees what dead ones have left; `identity` is what an
//!   instance tells about its own.
//! * `place` is the folder in bpffs and the lock; `device` finds the devices that policies name.
//! * `fault` lets tests make an apply fail at any point; [`error`]: what can go wrong.

pub mod attach;
pub mod baseline;
pub mod error;
pub mod event_reader;
pub mod events;
pub mod flows;
pub mod in_force;
pub mod instance;
pub mod memory;
pub mod probe;
pub mod refusal;
pub mod stale;
pub mod stats;
pub mod swap;
pub mod testing;
pub mod testrun;

mod adopt;
mod allocation;
mod apply;
mod bank;
mod core_programs;
mod device;
mod elements;
mod entry;
mod event_ring;
mod exchange;
mod fault;
mod flow_table;
mod hooks;
mod identity;
mod maps;
mod moved_here;
mod names;
mod place;
mod placement;
mod preview;
mod program;
mod records;
mod remove;
mod rules;
mod shape;
mod sockets;
mod stacked;
mod store;
mod tables;

pub use apply::{Applied, ApplyOptions, apply};
pub use attach::AttachedTo;
pub use device::with_real_names;
pub use elements::{
    build as element, catalog,
    catalog::{Broken, Catalog},
    sdk,
};
pub use emptcp_host::{namespaces::Holder, require};
pub use error::{Error, HostError, Result};
pub use instance::Instance;
pub use moved_here::{MovedHere, moved_here};
pub use preview::{Preview, preview};
pub use remove::{Removed, remove};
pub use shape::{Shaped, doubts};
