//! The policy language of emptcp: a TOML file to a [`plan::Plan`], without a single system call.
//!
//! * [`compile()`]: file to plan; [`Diagnostics`] say what is wrong, where, and what would be accepted.
//! * [`Catalog`]: the elements that policies may use, from `element.toml` ([`manifest`]); [`Fields`]: the words that
//!   they add to conditions.
//! * [`plan`]: what the loader gets.
//! * [`expression`]: the language of conditions. [`values`]: rates, sizes, prefixes and all other argument types.
//! * [`diff()`]: what changes when one plan replaces another.
//!
//! ```
//! use emptcp_plan::{Catalog, compile, manifest::Manifest};
//!
//! let count = "name = 'count'\nkind = 'actor'\nsummary = 'Counts.'\nhooks = ['tc_ingress']";
//! let catalog: Catalog = [Manifest::parse("element.toml", count)?].into_iter().collect();
//! let file = "[[policy]]\nname = 'a'\ndevice = 'eth0'\nhook = 'ingress'\nwhen = 'ip.src in 10.0.0.0/8'\ndo = 'count'";
//! let plan = compile("policy.toml", file, &catalog)?;
//! assert_eq!(plan.policies[0].nodes.len(), 1, "the condition is static: it became rules");
//!
//! let mistakes = compile("policy.toml", &file.replace("in 10", "at 10"), &catalog).unwrap_err();
//! assert!(mistakes.to_string().starts_with("policy.toml:5:16: unexpected `at` after `ip.src`"));
//! # Ok::<(), emptcp_plan::Diagnostics>(())
//! ```
//!
//! The language is documented in `docs/policy-language.md`; the tests of this crate compile every example there.

mod catalog;
mod check;
mod class;
mod compile;
mod diagnostics;
mod diff;
mod exact;
pub mod expression;
mod fields;
mod file;
pub mod manifest;
pub mod plan;
mod suggest;
pub mod values;
mod visible;

pub use catalog::Catalog;
pub use class::ClassRequest;
pub use compile::compile;
pub use compile::limits::{CHAIN_LIMIT, COUNTER_BLOCKS, RULES, SLOTS};
pub use diagnostics::{Diagnostic, Diagnostics, Problem};
pub use diff::{Change, diff};
pub use fields::{Field, Fields};
pub use file::{FILE_BYTES, POLICIES, attach_words, keys};
pub use suggest::nearest;
pub use visible::visible;
