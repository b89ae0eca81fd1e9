//! Shared helpers of the black-box tests.
//!
//! Packets through the BPF programs, without a network:
//! * [`hosts`]: two hosts that speak MPTCP, as far as their packets go: handshakes, sequence numbers, keys.
//! * [`describe`]: a packet in words (`cases.toml`, tests) to bytes.
//! * [`sandbox`]: policies at one hook, for packets of both hosts, in a network namespace of their own.
//! * [`table`]: the flow table as a test sees it.
//! * [`cases`]: the format of `elements/*/cases.toml`; [`runner`] runs it, [`expect`] says what must come out.
//! * [`captures`]: frames of a capture; [`tshark`] and [`tcptrace`] say what they see in them (`command` runs both);
//!   [`traces`]: what the analysis says.
//!
//! * [`mod@reference`]: records against their model; [`rules`]: single rules of records.
//!
//! Live connections:
//! * [`live`]: test beds; [`attack`]: a stranger between the hosts; [`truth`]: every actor at every place.

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
