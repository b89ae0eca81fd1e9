//! Errors of this crate: what was tried, where, and the kernel's answer.

use crate::rights::{self, Capability};
use nix::errno::Errno;
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The answer of the kernel, or of a library about it: a text, and the error number if there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    words: String,
    errno: Option<i32>,
}

impl Answer {
    /// An answer as a text from another library.
    pub fn new(words: impl Into<String>, errno: Option<i32>) -> Self {
        let words = words.into();
        Self { words, errno }
    }

    /// The kernel's number, one of errno(3).
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Answer {}

impl From<io::Error> for Answer {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string(), error.raw_os_error())
    }
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// An operation that failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller lacks a capability, or the right to use a file.
    #[error("{action}: not permitted; {missing} (the kernel: {answer})")]
    NotPermitted {
        /// What was tried.
        action: String,
        /// What is missing, and what to do.
        missing: String,
        /// The kernel's answer.
        answer: Answer,
    },
    /// A network namespace could not be entered.
    #[error("network namespace `{name}`: {problem}")]
    Namespace {
        /// As the user named it.
        name: String,
        /// Why.
        problem: NamespaceProblem,
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
    #[error("{action}: {answer}")]
    Kernel {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        answer: Answer,
    },
}

/// Why a network namespace could not be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceProblem {
    /// There is no such file.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// It is something else.
    #[error("{} is no network namespace", .0.display())]
    NotOne(PathBuf),
    /// The file cannot be opened.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not let this thread enter it.
    #[error("setns: {0}")]
    Enter(Errno),
}

impl Error {
    /// The kernel refused `action`, which needs the capabilities `needed`. A lack of rights is a separate error.
    pub fn kernel(needed: &[Capability], action: impl Into<String>, answer: impl Into<Answer>) -> Self {
        let (action, answer) = (action.into(), answer.into());
        match answer.errno() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted {
                action,
                missing: rights::advice(needed),
                answer,
            },
            _ => Self::Kernel { action, answer },
        }
    }

    /// A file could not be used.
    pub fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted {
                action: format!("use {}", path.display()),
                missing: rights::advice_on(&path),
                answer: source.into(),
            },
            _ => Self::Io { path, source },
        }
    }

    /// The kernel's error number, see errno(3), if known.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NotPermitted { answer, .. } | Self::Kernel { answer, .. } => answer.errno(),
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Namespace { problem, .. } => match problem {
                NamespaceProblem::File { source, .. } => source.raw_os_error(),
                NamespaceProblem::Enter(errno) => Some(*errno as i32),
                NamespaceProblem::Missing(_) => Some(libc::ENOENT),
                NamespaceProblem::NotOne(_) => Some(libc::EINVAL),
            },
        }
    }

    /// The file that it concerns.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. } => Some(path),
            Self::Namespace { problem, .. } => match problem {
                NamespaceProblem::Missing(path)
                | NamespaceProblem::NotOne(path)
                | NamespaceProblem::File { path, .. } => Some(path),
                NamespaceProblem::Enter(_) => None,
            },
            Self::NotPermitted { .. } | Self::Kernel { .. } => None,
        }
    }
}
