//! What can go wrong.

use std::io;

/// Why a socket told nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel has MPTCP, but not yet these questions.
    #[error("this kernel does not tell about subflows (MPTCP_TCPINFO): it came with Linux 5.16")]
    Unsupported,
    /// The kernel refused.
    #[error("{action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}
