//! What can go wrong.

use std::io;

/// Why nothing is known about subflows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No netlink socket can be opened.
    #[error("opening a sock_diag socket: {0}")]
    Open(#[source] io::Error),
    /// The question could not be sent or the answer not be received.
    #[error("asking the kernel for sockets by sock_diag: {0}")]
    Exchange(#[source] io::Error),
    /// The kernel refused the question. `ENOENT` for a whole protocol: the module `tcp_diag` is not there.
    #[error("the kernel does not list sockets by sock_diag: {0}")]
    Refused(#[source] io::Error),
    /// An answer is not what netlink(7) says.
    #[error("the kernel's answer by sock_diag cannot be read: {0}")]
    Malformed(&'static str),
}

impl From<Error> for io::Error {
    /// The kernel's error itself, for those who look at its number.
    fn from(error: Error) -> Self {
        match error {
            Error::Open(source) | Error::Exchange(source) | Error::Refused(source) => source,
            Error::Malformed(_) => Self::other(error),
        }
    }
}
