//! What can go wrong while a capture is read.

use std::path::PathBuf;

/// Why an analysis stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file; `-` is the standard input.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The bytes are no capture, or not further.
    #[error("{}: at byte {offset}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in its (decompressed) bytes.
        offset: u64,
        /// What was found, and what would have been right.
        what: String,
    },
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
