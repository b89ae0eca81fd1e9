//! Black-box tests of the built command.

mod check;
mod common;
mod in_force;
mod own_element;
mod same_values;
mod usage;
