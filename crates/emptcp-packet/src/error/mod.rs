//! What can go wrong, in words that say what happened, where, and what to do.
//!
//! A program decides by [`Error::kind`], and asks [`Error::device`], [`Error::policy`] and the others what it is about.
//! No message names a command line: what to type is said by the command.

mod about;
mod problems;

use crate::refusal::Refusal;
pub use emptcp_host::{Answer, Error as HostError, NamespaceProblem};
pub(crate) use emptcp_load::LOADING;
use emptcp_plan::manifest::Hook;
pub use problems::{AttachProblem, BpffsProblem};
use std::{io, path::PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on the kernel that failed. Nothing was changed unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Missing rights, a file, a network namespace, or any other refusal by the kernel.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A program of no element in particular could not be loaded.
    #[error("use BPF: {0}")]
    Load(emptcp_load::Error),
    /// A device of the policy file does not exist in this network namespace.
    #[error("policy `{policy}`: there is no device `{device}` here; there are: {present}")]
    UnknownDevice {
        /// The policy.
        policy: String,
        /// The device.
        device: String,
        /// Devices of this network namespace.
        present: String,
    },
    /// A policy names one device twice, by different names.
    #[error("policy `{policy}`: `{}` and `{}` are names of one device, `{device}`; name each device once", names[0], names[1])]
    SameDevice {
        /// The policy.
        policy: String,
        /// The device's own name.
        device: String,
        /// The names in the policy file.
        names: [String; 2],
    },
    /// Another instance of emptcp has the device.
    #[error(
        "device `{device}` already belongs to the emptcp instance `{instance}`; remove that one or leave the device out"
    )]
    DeviceInUse {
        /// The device.
        device: String,
        /// The other instance.
        instance: String,
    },
    /// A program could not be attached to a device.
    #[error("cannot attach to {device} at {hook}: {problem}")]
    Attach {
        /// The device.
        device: String,
        /// The hook, in words.
        hook: String,
        /// What is in the way.
        problem: AttachProblem,
    },
    /// Policies ask for things on a device that exclude each other.
    #[error("device `{device}`: {reason}")]
    Conflict {
        /// The device.
        device: String,
        /// What excludes what.
        reason: String,
    },
    /// The verifier refused a program.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// An object and its manifest, or its manifest and the plan, do not fit together.
    #[error("element `{element}` ({hook}): {detail}")]
    Mismatch {
        /// The element.
        element: String,
        /// The hook.
        hook: String,
        /// What does not fit.
        detail: String,
        /// Whether its objects must be built again from its source.
        rebuild: bool,
    },
    /// A policy uses an element that is not there.
    #[error("there is no element `{0}`")]
    UnknownElement(String),
    /// A policy's chain cannot run at the hook that its device needs.
    #[error("policy `{policy}` cannot run at {} {direction}: element `{element}` has no program for it", hook.name())]
    NoProgram {
        /// The policy.
        policy: String,
        /// The element.
        element: String,
        /// The hook.
        hook: Hook,
        /// The direction, in words.
        direction: String,
    },
    /// A table of fixed size is full.
    #[error("too many {what}: {wanted}, at most {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many the policy set needs.
        wanted: usize,
        /// How many there can be.
        limit: usize,
    },
    /// No such instance in this network namespace.
    #[error("there is no instance `{name}` in this network namespace")]
    NoInstance {
        /// Its name.
        name: String,
    },
    /// The instance is there, but no policy set: its first `apply` or its removal is under way, or has died.
    #[error(
        "no policy of the instance `{instance}` is in force: its first apply or its removal is under way, or was interrupted"
    )]
    NothingInForce {
        /// The instance.
        instance: String,
    },
    /// The name is not allowed.
    #[error("`{0}` cannot be the name of an instance: 1 to 40 of a-z, 0-9 and -")]
    BadName(String),
    /// bpffs is not there.
    #[error("{0}")]
    NoBpffs(BpffsProblem),
    /// Another version or build of emptcp made the instance, whose maps this one would misread.
    #[error("the instance `{instance}` cannot be used: {detail}")]
    OtherBuild {
        /// The instance.
        instance: String,
        /// Which one, and what that means.
        detail: String,
    },
    /// What is stored in the kernel cannot be read.
    #[error("the instance `{instance}` cannot be used: {detail}")]
    State {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// No element is in a folder.
    #[error("element `{}`: no element is there: {}: {source}; name the folder of one", folder.display(), folder.join("element.toml").display())]
    NoElement {
        /// The folder.
        folder: PathBuf,
        /// What came of reading its `element.toml`.
        source: io::Error,
    },
    /// This build cannot go on with the tables of an instance. [`replace`](crate::replace) puts new ones in their
    /// place.
    #[error("the instance `{instance}` cannot be taken over: {detail}")]
    Layout {
        /// The instance.
        instance: String,
        /// What does not fit.
        detail: String,
    },
    /// An element could not be built or installed.
    #[error("element `{element}`: {detail}")]
    Element {
        /// Name or folder.
        element: String,
        /// Why.
        detail: String,
    },
    /// An operator's element does not compile.
    #[error("element `{element}` cannot be built for {variant}:\n{failure}")]
    Compile {
        /// Name or folder.
        element: String,
        /// `tc` or `xdp`.
        variant: &'static str,
        /// clang's words.
        #[source]
        failure: emptcp_load::clang::Failure,
    },
    /// Traffic control refused a class or qdisc for shaping.
    #[error("shaping on {device}: {reason}")]
    Shape {
        /// The device.
        device: String,
        /// Why and what to do.
        reason: String,
    },
    /// An apply failed, and not everything that it did could be taken back. The former policy set is in force.
    #[error("{error}; what was in force before stays, but not everything could be taken back: {left}")]
    NotUndone {
        /// Why the apply failed.
        error: Box<Error>,
        /// What could not be taken back, and why.
        left: String,
        /// The instance was new: a removal cleans up. Otherwise the next apply does.
        fresh: bool,
    },
    /// A removal has detached all programs of an instance, and could not take its folder away.
    #[error(
        "no policy of the instance `{instance}` is in force any more, but its folder could not be removed: {error}"
    )]
    HalfRemoved {
        /// The instance.
        instance: String,
        /// Why the folder stays.
        error: Box<Error>,
    },
}

impl Error {
    /// An error of the kernel about BPF: a lack of rights is an error of its own.
    pub(crate) fn kernel(action: impl Into<String>, source: io::Error) -> Self {
        emptcp_load::Error::kernel(action, source).into()
    }

    /// The same from libbpf-rs.
    pub(crate) fn libbpf(action: impl Into<String>, source: libbpf_rs::Error) -> Self {
        emptcp_load::Error::libbpf(action, source).into()
    }

    /// An error about a file.
    pub(crate) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        emptcp_host::Error::io(path, source).into()
    }
}

/// An error about no program in particular. What is about one is reported by `program::Who`.
impl From<emptcp_load::Error> for Error {
    fn from(error: emptcp_load::Error) -> Self {
        match error {
            emptcp_load::Error::Host(error) => error.into(),
            other => Self::Load(other),
        }
    }
}

/// `.or_kernel("what was tried")` for results of the kernel and of libbpf.
pub(crate) trait OrKernel<T> {
    /// Says what was tried.
    fn or_kernel(self, action: impl Into<String>) -> Result<T>;
}

impl<T> OrKernel<T> for io::Result<T> {
    fn or_kernel(self, action: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::kernel(action, source))
    }
}

impl<T> OrKernel<T> for libbpf_rs::Result<T> {
    fn or_kernel(self, action: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::libbpf(action, source))
    }
}
