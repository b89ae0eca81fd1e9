//! What can go wrong, in words that say what happened, where, and what to do.

use crate::rights::{self, Capability};
use std::{io, path::PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller lacks a capability, or the right to use a file.
    #[error("{action}: not permitted; {missing} (the kernel: {said})")]
    NotPermitted {
        /// What was tried.
        action: String,
        /// What is missing, and what to do.
        missing: String,
        /// The kernel's own words and number.
        said: String,
    },
    /// A network namespace could not be entered.
    #[error("network namespace `{name}`: {reason}")]
    Namespace {
        /// As the user named it.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Any other refusal by the kernel.
    #[error("{action}: {source}")]
    Kernel {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// The kernel refused `action`, which takes the capabilities `needed`: a lack of rights is told apart.
    pub fn kernel(needed: &[Capability], action: impl Into<String>, source: io::Error) -> Self {
        let action = action.into();
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted {
                action,
                missing: rights::advice(needed),
                said: source.to_string(),
            },
            _ => Self::Kernel { action, source },
        }
    }

    /// A file could not be used.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted {
                action: format!("use {}", path.display()),
                missing: rights::advice_on(&path),
                said: source.to_string(),
            },
            _ => Self::Io { path, source },
        }
    }
}
