//! Types that every part of emptcp shares: subflows, connections, events, counters.
//!
//! The library reads these from the kernel, `--json` prints them, a client of another process reads them back. Each
//! type has one form in JSON. Numbers that may be above 2^53 (ids, tokens, keys, data sequence numbers, times) are
//! strings there, because many JSON readers keep numbers as doubles; see [`mptcp_wire::types`].
//!
//! | type | what it is |
//! |---|---|
//! | [`Flow`], [`SenderStats`] | one subflow, and what each side of it has sent |
//! | [`Connection`], [`Group`] | one MPTCP connection, and with its subflows |
//! | [`Event`], [`EventBody`] | what a policy reports while traffic runs |
//! | [`Stats`], [`PolicyStats`], [`ElementStats`], [`TableStats`] | counters of an instance |
//! | [`DeviceState`], [`Standing`] | whether a device runs the policies that name it |
//! | [`DeviceDirection`], [`Hook`] | where in a device's path a packet is seen |
//! | [`FlowId`], [`ConnectionId`], [`PolicyId`], [`Generation`] | ids |
//! | [`Counter`], [`Totals`], [`Unit`] | sums of packets and bytes |
//! | [`ErrorKind`] | the kind of an error |
//!
//! The records in the kernel's maps are those of `emptcp-abi`, which has a `Flow` and a `Connection` too: where both
//! are used, write `model::Flow` and `abi::Flow`.
//!
//! # Example
//!
//! A program that reads the events of `emptcp monitor --json`, one object a line:
//!
//! ```
//! use emptcp_model::{DeviceDirection, Event, EventBody};
//!
//! let line = r#"{
//!     "time_ns": "12000000", "flow": "0x0000000000000007", "policy": "watch", "policy_id": 3, "direction": "ingress",
//!     "local": "10.0.0.1:5000", "remote": "10.0.0.2:443", "event": "subflow", "connection": "0x00000000000000ab",
//!     "local_token": "0x1234abcd", "remote_token": null, "established": true, "reset": false, "opened_by": "local",
//!     "initial": false, "backup": true, "address_ids": [2, 1]
//! }"#;
//! let event: Event = serde_json::from_str(line).unwrap();
//! assert_eq!(event.direction, DeviceDirection::Ingress);
//! let EventBody::Subflow { established, address_ids: Some([local, _]), .. } = event.body else {
//!     panic!("another event");
//! };
//! assert!(established);
//! assert_eq!(local.0, 2);
//! ```
#![forbid(unsafe_code)]

mod connection;
mod counter;
mod device;
mod direction;
mod error_kind;
mod event;
mod flow;
mod flow_state;
mod group;
mod hook;
mod ids;
mod stats;

pub use connection::Connection;
pub use counter::{Counter, Totals, Unit};
pub use device::{DeviceState, Standing};
pub use direction::DeviceDirection;
pub use error_kind::ErrorKind;
pub use event::{Event, EventBody};
pub use flow::{Flow, SenderStats};
pub use flow_state::{FlowState, SubflowRole, UnknownState};
pub use group::{Group, grouped};
pub use hook::Hook;
pub use ids::{ConnectionId, FlowId, Generation, InvalidId, PolicyId};
pub use stats::{ElementStats, NamedCounter, PolicyStats, Stats, TableStats};
