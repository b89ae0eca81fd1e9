//! Errors of this library.

use crate::policy_text::Unreadable;
use emptcp_model::ErrorKind;
use emptcp_plan::Diagnostics;
use std::path::Path;

/// Result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed. Nothing was changed unless the variant says otherwise.
///
/// [`Error::kind`] is enough for most decisions of a program; the message is for people.
///
/// ```
/// use emptcp::{ErrorKind, Policies};
///
/// let error = Policies::parse("mine.toml", "[[policy]]\nname = \"a\"\n").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::BadPolicy);
/// assert_eq!(error.file().unwrap().to_str(), Some("mine.toml"));
/// assert_eq!(error.line(), Some(1));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A policy file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A policy file is wrong: every mistake with its position.
    #[error(transparent)]
    Policies(#[from] Diagnostics),
    /// An error of the packet plane.
    #[error(transparent)]
    Packet(#[from] emptcp_packet::Error),
}

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable(_) => ErrorKind::Io,
            Self::Policies(_) => ErrorKind::BadPolicy,
            Self::Packet(error) => error.kind(),
        }
    }

    /// The policy file, or another file, that it concerns.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unreadable(unreadable) => Some(unreadable.file.as_ref()),
            Self::Policies(diagnostics) => diagnostics.iter().next().map(|first| Path::new(&first.source)),
            Self::Packet(error) => error.path(),
        }
    }

    /// The line of the policy file, from 1; of several mistakes, that of the first.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Policies(diagnostics) => diagnostics.iter().next().map(|first| first.line),
            _ => None,
        }
    }

    /// The policy that it concerns.
    pub fn policy(&self) -> Option<&str> {
        self.packet()?.policy()
    }

    /// The device that it concerns.
    pub fn device(&self) -> Option<&str> {
        self.packet()?.device()
    }

    /// The element that it concerns.
    pub fn element(&self) -> Option<&str> {
        self.packet()?.element()
    }

    /// The error number of the kernel.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Unreadable(unreadable) => unreadable.errno(),
            Self::Policies(_) => None,
            Self::Packet(error) => error.errno(),
        }
    }

    /// Whether there is no instance, or no policy of it is in force.
    pub fn is_nothing_in_force(&self) -> bool {
        matches!(self.kind(), ErrorKind::NoInstance | ErrorKind::NothingInForce)
    }

    fn packet(&self) -> Option<&emptcp_packet::Error> {
        match self {
            Self::Packet(error) => Some(error),
            _ => None,
        }
    }
}

impl From<emptcp_host::Error> for Error {
    fn from(error: emptcp_host::Error) -> Self {
        Self::Packet(error.into())
    }
}
