//! Errors of a test bed, with advice.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Result of every fallible operation of this crate.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// An error of the test bed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// This machine lacks a feature that the test bed needs. Tests then skip and name the feature.
    #[error("this machine does not offer {feature}: {reason}")]
    Unsupported {
        /// What is missing, e.g. `MPTCP sockets`, `ethtool`, `root`.
        feature: &'static str,
        /// The kernel's error, or what to install.
        reason: String,
    },
    /// A configuration command (`ip`, `ethtool`, `tshark`) failed.
    #[error("`{command}` in namespace {netns} failed: {message}")]
    Command {
        /// The command line.
        command: String,
        /// Network namespace in which it ran.
        netns: String,
        /// Its standard error.
        message: String,
    },
    /// A system call or a file operation failed.
    #[error("{what}: {source}")]
    System {
        /// The attempted action.
        what: String,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// A network namespace could not be opened or entered.
    #[error(transparent)]
    Host(#[from] emptcp_host::Error),
    /// The description of the test bed, or of a change to it, cannot be built.
    #[error("{what}; {advice}")]
    Invalid {
        /// The fault.
        what: String,
        /// Accepted values.
        advice: String,
    },
    /// The path emulator refused to start or to change.
    #[error("the emulator of path {path} failed: {message}")]
    Emulator {
        /// Number of the path, counted from 0.
        path: usize,
        /// The message of the emulator.
        message: String,
    },
    /// An action did not finish in time.
    #[error("{what} was not finished after {limit:?}")]
    Timeout {
        /// The action.
        what: String,
        /// The time limit.
        limit: Duration,
    },
    /// The receiver got other bytes than the sender sent.
    #[error(
        "payload from {from} to {to} differs at offset {offset}: sent 0x{expected:02x}, received 0x{found:02x} \
         ({wrong_in_block} of {block} bytes of that read are wrong)"
    )]
    Payload {
        /// Address of the sender.
        from: SocketAddr,
        /// Address of the receiver.
        to: SocketAddr,
        /// Offset of the first wrong byte in the stream.
        offset: u64,
        /// The byte that was sent there.
        expected: u8,
        /// The byte that arrived there.
        found: u8,
        /// Wrong bytes in the read in which the first one was found.
        wrong_in_block: usize,
        /// Length of that read, in bytes.
        block: usize,
    },
    /// The stream ended early, or carried more than was sent.
    #[error("{received} bytes arrived, {sent} were sent")]
    Length {
        /// Bytes that the sender wrote.
        sent: u64,
        /// Bytes that the receiver read before the end of the stream.
        received: u64,
    },
    /// A thread of the test bed panicked.
    #[error("{what} panicked: {message}")]
    Panicked {
        /// Which thread.
        what: String,
        /// Its message.
        message: String,
    },
}

impl LabError {
    /// Wraps an `io::Error` (or an errno) with the attempted action.
    pub(crate) fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System {
            what: what.into(),
            source: source.into(),
        }
    }

    /// The message of a thread that panicked.
    pub(crate) fn panicked(what: &str, payload: &(dyn std::any::Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "no message".to_owned());
        Self::Panicked {
            what: what.to_owned(),
            message,
        }
    }
}
