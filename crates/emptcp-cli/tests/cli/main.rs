//! Black-box tests of the built command.

mod altnames;
mod bad_files;
mod check;
mod common;
mod ffi;
mod hosts;
mod in_force;
mod interrupted;
mod memory;
mod monitor;
mod moved;
mod not_known;
mod own_element;
mod removed_meanwhile;
mod reports;
mod rights;
mod same_values;
mod shaped;
mod stale;
mod still_in_force;
mod trace;
mod usage;
