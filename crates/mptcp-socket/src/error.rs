//! Errors.

use std::io;

/// Why a socket gave no data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel has MPTCP, but not these socket options.
    #[error("this kernel does not report subflows (MPTCP_TCPINFO): that needs Linux 5.16")]
    Unsupported,
    /// The kernel refused.
    #[error("{action}: {source}")]
    System {
        /// The attempted action.
        action: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}
