//! Reading captures: all variants of both formats, several files, damage, and random bytes; and their analysis.
//!
//! The real captures are the fixtures of `mptcp-wire`.

mod adversary;
mod analysis;
mod common;
mod damage;
mod encapsulated;
mod files;
mod formats;
mod random;
mod threads;
