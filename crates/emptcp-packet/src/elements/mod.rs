//! Elements: selectors and actors that policies name.
//!
//! * [`catalog`] lists those of this build and those that an operator has installed; `about` compares an object with
//!   its manifest.
//! * [`build`] compiles, checks and installs custom ones; [`sdk`] writes the SDK for them.

pub mod build;
pub mod catalog;
pub mod sdk;

mod about;
