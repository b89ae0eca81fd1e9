//! Reading captures: every form of both formats, several files, damage, and any bytes at all; and what comes of it in
//! the analysis.
//!
//! The real captures are the fixtures of `mptcp-wire`.

mod adversary;
mod analysis;
mod common;
mod damage;
mod files;
mod formats;
mod random;
