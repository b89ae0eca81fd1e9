//! Flow records against their model (`emptcp-flow-reference`): the same packets into both, every field compared.
//!
//! * [`frame`]: builds segments, valid or invalid.
//! * [`traffic`]: two honest hosts (`options`), and a network that loses, delays and repeats (`network`); [`attacker`]
//!   mixes in.
//! * [`compare`]: the fields of a record, of both kinds, by name.
//! * [`mod@bench`]: feeds both, compares, and finds the shortest sequence of packets that shows a difference.

pub mod attacker;
pub mod bench;
pub mod compare;
pub mod frame;
mod network;
mod options;
pub mod traffic;
