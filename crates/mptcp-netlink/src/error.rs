//! Errors.

use std::io;

/// Why a request about subflows failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No netlink socket can be opened.
    #[error("cannot open a sock_diag socket: {0}")]
    Open(#[source] io::Error),
    /// The request could not be sent or the answer not be received.
    #[error("cannot query sockets by sock_diag: {0}")]
    Exchange(#[source] io::Error),
    /// The kernel refused the request. `ENOENT` for a whole protocol: the module `tcp_diag` is missing.
    #[error("the kernel does not list sockets by sock_diag: {0}")]
    Refused(#[source] io::Error),
    /// An answer does not have the format of netlink(7).
    #[error("cannot parse the kernel's answer by sock_diag: {0}")]
    Malformed(&'static str),
}

impl From<Error> for io::Error {
    /// The kernel's error, for callers that need the errno.
    fn from(error: Error) -> Self {
        match error {
            Error::Open(source) | Error::Exchange(source) | Error::Refused(source) => source,
            Error::Malformed(_) => Self::other(error),
        }
    }
}
