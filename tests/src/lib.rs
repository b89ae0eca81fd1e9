//! Shared helpers of the black-box tests.
//!
//! Packets through the BPF programs, without a network:
//! * [`hosts`]: packets of two MPTCP hosts: handshakes, sequence numbers, keys.
//! * [`describe`]: descriptions of packets (`cases.toml`, tests) to bytes.
//! * [`sandbox`]: policies at one hook, for packets of both hosts, in a separate network namespace.
//! * [`table`]: records of the flow table, for tests.
//! * [`cases`]: the format of `elements/*/cases.toml`; [`runner`] runs it, [`expect`] makes the expected packets.
//! * [`captures`]: frames of a capture; [`tshark`] and [`tcptrace`]: their output about them (`command` runs both);
//!   [`traces`]: the analysis of captures.
//!
//! * [`mod@reference`]: records against their model; [`rules`]: single rules of records.
//!
//! Live connections:
//! * [`live`]: test beds; [`attack`]: an attacker between the hosts; [`truth`]: every actor at every place.

pub mod attack;
pub mod captures;
pub mod cases;
mod command;
pub mod describe;
pub mod expect;
pub mod hosts;
pub mod live;
pub mod reference;
pub mod rules;
pub mod runner;
pub mod sandbox;
pub mod table;
pub mod tcptrace;
pub mod traces;
pub mod truth;
pub mod tshark;
