//! Black-box tests of the built command.

mod altnames;
mod check;
mod common;
mod hosts;
mod in_force;
mod memory;
mod monitor;
mod own_element;
mod rights;
mod same_values;
mod stale;
mod still_in_force;
mod usage;
