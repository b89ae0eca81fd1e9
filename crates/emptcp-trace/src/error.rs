//! Errors while a capture is read.

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
        /// The error of the system.
        source: std::io::Error,
    },
    /// The bytes are not a capture, or not a valid one from here on.
    #[error("{}: at byte {offset}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Offset in its (decompressed) bytes.
        offset: u64,
        /// What was found, and what was expected.
        what: String,
    },
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
