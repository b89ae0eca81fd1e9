//! Errors of this crate. Messages say what happened, where, and what to do.
//!
//! A program decides by [`Error::kind`]; [`Error::device`], [`Error::policy`] and the others return the subject. No
//! message names a command line: the CLI adds what to type.

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
        /// Why not.
        problem: AttachProblem,
    },
    /// Policies request settings of a device that exclude each other.
    #[error("device `{device}`: {reason}")]
    Conflict {
        /// The device.
        device: String,
        /// Which settings exclude each other.
        reason: String,
    },
    /// The verifier refused a program.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// An object does not match its manifest, or the manifest does not match the plan.
    #[error("element `{element}` ({hook}): {detail}")]
    Mismatch {
        /// The element.
        element: String,
        /// The hook.
        hook: String,
        /// What does not match.
        detail: String,
        /// Whether its objects must be built again from its source.
        rebuild: bool,
    },
    /// A policy uses an element that does not exist.
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
        /// What the table holds.
        what: &'static str,
        /// How many the policy set needs.
        wanted: usize,
        /// The maximum.
        limit: usize,
    },
    /// No such instance in this network namespace.
    #[error("there is no instance `{name}` in this network namespace")]
    NoInstance {
        /// Its name.
        name: String,
    },
    /// The instance exists, but no policy set is in force: its first `apply` or its removal is in progress or was
    /// interrupted.
    #[error(
        "no policy of the instance `{instance}` is in force: its first apply or its removal is in progress, or was interrupted"
    )]
    NothingInForce {
        /// The instance.
        instance: String,
    },
    /// The name is not allowed.
    #[error("`{0}` cannot be the name of an instance: 1 to 40 of a-z, 0-9 and -")]
    BadName(String),
    /// bpffs cannot be used.
    #[error("{0}")]
    NoBpffs(BpffsProblem),
    /// Another version or build of emptcp made the instance; this one would misread its maps.
    #[error("the instance `{instance}` cannot be used: {detail}")]
    OtherBuild {
        /// The instance.
        instance: String,
        /// Which one, and what follows.
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
        /// The error of reading its `element.toml`.
        source: io::Error,
    },
    /// This build cannot use the tables of an instance. [`replace`](crate::replace) makes new ones.
    #[error("the instance `{instance}` cannot be taken over: {detail}")]
    Layout {
        /// The instance.
        instance: String,
        /// What does not match.
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
    /// An apply failed, and not everything that it did could be undone. The former policy set is in force.
    #[error("{error}; what was in force before stays, but not everything could be undone: {left}")]
    NotUndone {
        /// Why the apply failed.
        error: Box<Error>,
        /// What could not be undone, and why.
        left: String,
        /// The instance was new: remove it to clean up. Otherwise the next apply cleans up.
        fresh: bool,
    },
    /// A removal has detached all programs of an instance, but could not remove its folder.
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

/// An error that concerns no single program. Errors of one program are made by `program::Subject`.
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
    /// Adds what was tried.
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
