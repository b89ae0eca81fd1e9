//! The packet plane: a [plan](emptcp_plan::plan::Plan) becomes chains of BPF programs at devices' hooks.
//!
//! [`emptcp_load`] loads the programs, [`emptcp_host`] describes the machine; this crate uses both. From a plan to
//! packets:
//!
//! * [`apply()`] is the transaction: it uses `placement` (which device, which hook), `allocation` (which slot, which
//!   counters), `bank` (loads and verifies every element), `store` and `records` (state of the instance, in the
//!   kernel), `hooks` with `exchange`, [`attach`] (tcx, clsact, XDP) and `shape` (HTB classes). [`remove()`] undoes
//!   everything.
//! * [`preview()`] runs the steps of an apply that change nothing.
//! * [`Instance`] is what is in force: show, [`stats`], [`flows`], [`events`] that an [`event_reader`] reads from an
//!   `event_ring`, with the policies' `names`; [`in_force`] checks every device.
//! * `elements`: the [`catalog`] lists them, [`element`] builds and installs custom ones, [`sdk`] writes the SDK for
//!   them.
//! * `program` loads one program with its constants and maps, for an element or for one of the `core_programs`, and a
//!   [`refusal`] names the one that the verifier refused. `entry` loads and pins those that are attached.
//! * `maps` are shared by all programs of an instance, `tables` makes them in the sizes of the plan, [`memory`]
//!   computes their size in bytes; `flow_table` reads the largest of them, `rules` are what its classifier compares.
//! * `upgrade` lets another build take over what is in force, `takeover` replaces an instance whose tables it cannot
//!   use by a new one; `core_objects` are the objects of a build, `entry_pins` the pins of its entry programs.
//! * `adopt` takes over connections that already run, which the host's `sockets` report.
//! * [`probe`] tests what this kernel offers.
//! * [`testrun`] runs chains on packets without a network; [`baseline`] runs the empty program, [`swap`] exchanges
//!   programs at hooks.
//! * `moved_here` finds devices that were moved here with the programs of another namespace's instance; `stacked` finds
//!   devices on top of others.
//! * [`stale`] lists the instances of all network namespaces and frees those of dead ones; `identity` identifies the
//!   namespace of an instance.
//! * `bpffs` has the folders of instances, `lock` the lock of a namespace; `device` finds the devices that policies
//!   name.
//! * `fault` lets tests make an apply fail at any point; [`error`] has the errors.

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
mod bpffs;
mod core_objects;
mod core_programs;
mod device;
mod elements;
mod entry;
mod entry_pins;
mod event_ring;
mod exchange;
mod fault;
mod flow_table;
mod hooks;
mod identity;
mod lock;
mod maps;
mod moved_here;
mod names;
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
mod takeover;
mod upgrade;

pub use apply::{Applied, ApplyOptions, Former, apply, replace};
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
pub use preview::{Preview, preview, preview_replace};
pub use remove::{Removed, remove};
pub use shape::{Shaped, shaping_warnings};
