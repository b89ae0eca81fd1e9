//! What can go wrong in a test bed, said so that the reader knows what to do.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Result of every fallible operation of this crate.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// An error of the test bed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// This machine lacks something that the test bed needs. Tests turn this into a skip that names the feature.
    #[error("this machine does not offer {feature}: {reason}")]
    Unsupported {
        /// What is missing, e.g. `MPTCP sockets`, `ethtool`, `root`.
        feature: &'static str,
        /// The kernel's own words, or what to install.
        reason: String,
    },
    /// A configuration command (`ip`, `ethtool`, `tshark`) failed.
    #[error("`{command}` in namespace {netns} failed: {message}")]
    Command {
        /// The command line.
        command: String,
        /// Network namespace in which it ran.
        netns: String,
        /// What it wrote to standard error.
        message: String,
    },
    /// A system call or a file operation failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A network namespace could not be opened or entered.
    #[error(transparent)]
    Host(#[from] emptcp_host::Error),
    /// The description of the test bed, or of a change to it, cannot be built.
    #[error("{what}; {advice}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What would be accepted.
        advice: String,
    },
    /// The path emulator refused to start or to change.
    #[error("the emulator of path {path} failed: {message}")]
    Emulator {
        /// Number of the path, counted from 0.
        path: usize,
        /// The words of the emulator.
        message: String,
    },
    /// Something did not happen in the time that it was given.
    #[error("{what} was not finished after {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// The time that it was given.
        limit: Duration,
    },
    /// The receiver got other bytes than the sender sent: the worst that a middlebox can do.
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
        /// Its last words.
        message: String,
    },
}

impl LabError {
    /// Wraps an `io::Error` (or an errno) with what was tried.
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
