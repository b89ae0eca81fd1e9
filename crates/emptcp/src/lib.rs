//! Programmable Multipath TCP on a stock Linux kernel: the library behind the `emptcp` command.
//!
//! A policy file is [compiled](compile) against a [`Catalog`] of elements into a [plan](plan::Plan), which [`apply`]
//! loads into the kernel as an [`Instance`]: selectors and actors as BPF programs on the network devices, in force
//! without a running process until [`remove`].
//!
//! ```no_run
//! use emptcp::{ApplyOptions, Catalog, Instance, instance::DEFAULT};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     [[policy]]
//!     name   = "cap-cellular"
//!     device = "wwan0"
//!     hook   = "ingress"
//!     when   = "ip.src in 203.0.113.0/24"
//!     do     = ["count"]
//! "#;
//! let catalog = Catalog::load()?;
//! let plan = emptcp::compile("policies.toml", text, &catalog.manifests())?;
//! let applied = emptcp::apply(DEFAULT, &plan, text, &catalog, &ApplyOptions::default())?;
//! println!("policy set {} is in force", applied.generation);
//!
//! for policy in Instance::open(DEFAULT)?.stats(&catalog)?.policies {
//!     println!("{}: {} packets", policy.name, policy.matched.packets);
//! }
//! emptcp::remove(DEFAULT)?;
//! # Ok(())
//! # }
//! ```
//!
//! Where things are:
//!
//! * Policies: [`compile`], [`plan`], [`manifest`], [`diff`] of two plans, [`Diagnostics`] of a bad file.
//! * In force: [`apply`] and its [`preview`], [`remove`], [`Instance`] with its [`stats`], [`flows`] and [`events`],
//!   which an [`event_reader`] hands out.
//! * Elements: [`Catalog`], [`element`] (build, install, list, remove), [`sdk`].
//! * The machine: [`probe`] says what the kernel offers, [`netns`] enters a network namespace.
//! * Without a network: [`testrun`] runs chains on packets.
//! * What people and other programs see of subflows, connections, events and counters: [`model`]. What the kernel's side and
//!   this side share: [`abi`]. Tokens, keys and other identities of MPTCP: [`wire`].

pub mod netns;

pub use emptcp_abi as abi;
pub use emptcp_model as model;
pub use emptcp_packet::{
    Applied, ApplyOptions, AttachedTo, Catalog, Error, Holder, Instance, MovedHere, Preview, Removed, Result, Shaped,
    apply, attach, catalog, doubts, element, event_reader, events, flows, in_force, instance, memory, moved_here,
    preview, preview_replace, probe, refusal, remove, replace, require, sdk, stale, stats, testing, testrun,
    with_real_names,
};
pub use emptcp_plan::{Change, Diagnostic, Diagnostics, compile, diff, manifest, plan};
pub use mptcp_wire as wire;
