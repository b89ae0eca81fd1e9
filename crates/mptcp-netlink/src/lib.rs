//! The subflows of a host's MPTCP sockets, by netlink (`sock_diag`, sock_diag(7)): tokens, address ids, opener, role
//! and backup flags. No privilege is needed; without CAP_NET_ADMIN newer kernels leave out the tokens.
//!
//! ```no_run
//! use mptcp_netlink::SockDiag;
//!
//! # fn main() -> Result<(), mptcp_netlink::Error> {
//! for subflow in SockDiag::open()?.subflows()? {
//!     let token = subflow.local_token.map_or_else(|| "?".to_owned(), |token| token.to_string());
//!     let kind = if subflow.flags.is_joined() { "joined" } else { "initial" };
//!     println!("{token} {} {} {kind}", subflow.addresses, subflow.state);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A host without MPTCP sockets has no subflows:
//!
//! ```
//! use mptcp_netlink::SockDiag;
//! use std::net::{TcpListener, TcpStream};
//!
//! // A connection of plain TCP is no subflow.
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()?)?;
//! let addresses = mptcp_wire::FourTuple::new(client.local_addr()?, client.peer_addr()?);
//! assert_eq!(SockDiag::open()?.subflow(&addresses)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! * `diag.rs`: [`SockDiag`], a socket for its network namespace: all subflows, or one.
//! * `subflow.rs`: [`Subflow`] and [`SubflowFlags`], the content of an answer.
//! * `request.rs`, `message.rs`, `attribute.rs`: the bytes of netlink. `error.rs`: [`Error`].
//!
//! Requests that only the owner of an MPTCP socket can make (`MPTCP_INFO`, `TCP_INFO` of each subflow) are in
//! `mptcp-socket`.

mod attribute;
mod diag;
mod error;
mod message;
mod request;
mod subflow;

pub use diag::SockDiag;
pub use error::Error;
pub use subflow::{Subflow, SubflowFlags};
