//! Elements: selectors and actors that policies name.
//!
//! * [`catalog`] knows them, those of this build and those that an operator has installed; `about` compares an object
//!   with its manifest.
//! * [`build`] compiles, checks and installs an operator's own; [`sdk`] writes out what that takes.

pub mod build;
pub mod catalog;
pub mod sdk;

mod about;
