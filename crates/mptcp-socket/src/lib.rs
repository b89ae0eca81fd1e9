//! The state of an MPTCP connection and of its subflows, from its Linux socket by getsockopt(2).
//!
//! ```
//! use mptcp_socket::{ConnectionInfo, TcpInfo};
//! use mptcp_wire::tcp::State;
//! use std::net::{TcpListener, TcpStream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()?)?;
//!
//! // A socket of plain TCP, or one whose connection fell back before it was accepted.
//! let connection = ConnectionInfo::of(&client)?;
//! assert!(connection.fallback && connection.subflows.is_empty());
//!
//! // Every TCP socket has this, and so has each subflow of an MPTCP socket.
//! let tcp = TcpInfo::of(&client)?;
//! assert_eq!(tcp.state, State::Established);
//! # Ok(())
//! # }
//! ```
//!
//! With MPTCP there are subflows:
//!
//! ```no_run
//! # fn show(socket: &std::net::TcpStream) -> Result<(), mptcp_socket::Error> {
//! let connection = mptcp_socket::ConnectionInfo::of(socket)?;
//! for subflow in &connection.subflows {
//!     let tcp = &subflow.tcp;
//!     println!("{}: {:?}, {} bytes sent", subflow.addresses, tcp.smoothed_rtt, tcp.bytes_sent);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! * `connection.rs`: [`ConnectionInfo`] (`MPTCP_FULL_INFO`, before Linux 6.5 `MPTCP_INFO` and others) and
//!   [`SubflowInfo`].
//! * `tcp.rs`: [`TcpInfo`] (`TCP_INFO`). `probe.rs`: [`has_full_info`], the features of this kernel.
//! * `fields.rs`: reading the kernel's structures. `error.rs`: [`Error`]. `ffi.rs`: the only unsafe code.
//!
//! Data about the sockets of all processes (tokens, backup flags) is in `mptcp-netlink`.

mod connection;
mod error;
mod ffi;
mod fields;
mod probe;
mod tcp;

pub use connection::{ConnectionInfo, SubflowInfo};
pub use error::Error;
pub use probe::has_full_info;
pub use tcp::{TcpInfo, WindowScales};
