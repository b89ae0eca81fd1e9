//! Everything of emptcp that talks to the kernel: load, compose, attach, pin, read, probe.
//!
//! From a [plan](emptcp_plan::plan::Plan) to packets:
//!
//! * [`apply()`] is the transaction: it uses `placement` (which device, which hook), `allocation` (which slot, which
//!   counters), `bank` (loads and verifies every element), `store` (what the instance remembers, in the kernel),
//!   `hooks` and [`attach`] (tcx, clsact, XDP) and `shape` (HTB classes). [`remove()`] takes everything back.
//! * [`preview()`] does of an apply what changes nothing.
//! * [`Instance`] is what is in force: show, [`stats`], [`flows`], [`events`] that an [`event_reader`] takes
//!   from an `event_ring`, with the policies' `names`; [`in_force`] asks whether it really is.
//! * [`catalog`] knows the elements and compares their objects with their manifests (`about`); `load` fills in their constants
//!   (`rodata`) and explains a [`refusal`] by the verifier (`traps`).
//! * `maps` are what all programs of an instance share, `tables` makes them in the sizes that a plan asks for.
//! * [`element`] builds and installs an operator's own elements; [`sdk`] writes out what he needs.
//! * `adopt` takes over connections that already run.
//! * [`probe`] tries out what this kernel offers; [`memory`] says what tables take, and what there is.
//! * [`testrun`] runs chains on packets without a network; [`baseline`] the empty program.
//! * `moved_here` finds devices that came with the programs of another namespace's instance.
//! * [`stale`] lists the instances of all network namespaces and frees what dead ones have left; `identity` is what an
//!   instance tells about its own.
//! * `place` is the folder in bpffs and the lock; `device` finds the devices that policies name. The machine itself is
//!   [`emptcp_host`]'s.
//! * `fault` lets tests make an apply fail at any point; `words` names hooks and directions in messages, `libbpf_words` libbpf's
//!   error numbers; `libbpf_log` takes libbpf's messages.
//! * `ffi` holds every unsafe call; `clang` runs the compiler, in the build script too; `embedded` is what that built.

pub mod attach;
pub mod baseline;
pub mod catalog;
pub mod clang;
pub mod element;
pub mod error;
pub mod event_reader;
pub mod events;
pub mod flows;
pub mod in_force;
pub mod instance;
pub mod memory;
pub mod probe;
pub mod refusal;
pub mod sdk;
pub mod stale;
pub mod stats;
pub mod swap;
pub mod testing;
pub mod testrun;

mod about;
mod adopt;
mod allocation;
mod apply;
mod bank;
mod device;
mod embedded;
mod event_ring;
mod exchange;
mod fault;
mod ffi;
mod flow_table;
mod grace;
mod hooks;
mod identity;
mod libbpf_log;
mod libbpf_words;
mod load;
mod maps;
mod moved_here;
mod names;
mod place;
mod placement;
mod preview;
mod remove;
mod rodata;
mod rules;
mod shape;
mod stacked;
mod store;
mod tables;
mod traps;
mod words;

pub use apply::{Applied, ApplyOptions, apply};
pub use attach::AttachedTo;
pub use catalog::{Broken, Catalog};
pub use device::with_real_names;
pub use emptcp_host::{namespaces::Holder, require};
pub use error::{Error, Result};
pub use instance::Instance;
pub use moved_here::{MovedHere, moved_here};
pub use preview::{Preview, preview};
pub use remove::{Removed, remove};
pub use shape::{Shaped, doubts};
