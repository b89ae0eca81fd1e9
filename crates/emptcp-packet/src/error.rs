//! What can go wrong, in words that say what happened, where, and what to do.

use crate::refusal::Refusal;
pub(crate) use emptcp_load::LOADING;
use emptcp_plan::manifest::Hook;
use std::{io, path::PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on the kernel that failed. Nothing was changed unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    #[error("cannot attach to {device} at {hook}: {reason}")]
    Attach {
        /// The device.
        device: String,
        /// The hook, in words.
        hook: String,
        /// The kernel's answer and what to do.
        reason: String,
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
    },
    /// A policy uses an element that is not there.
    #[error("there is no element `{0}`; `emptcp elements` lists those that are installed")]
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
    #[error("there is no instance `{name}` in this network namespace; `emptcp apply` makes one")]
    NoInstance {
        /// Its name.
        name: String,
    },
    /// The instance is there, but no policy set: its first `apply` or its removal is under way, or has died.
    #[error(
        "no policy of the instance `{instance}` is in force: an `emptcp apply` or `emptcp remove` is under way, or was \
         interrupted; `emptcp remove` takes away what is left, `emptcp apply` puts policies in force"
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
    NoBpffs(String),
    /// What is stored in the kernel cannot be read.
    #[error("the instance `{instance}` cannot be used: {detail}; `emptcp remove` it and apply again")]
    State {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// This build cannot go on with the tables of an instance.
    #[error(
        "the instance `{instance}` cannot be taken over: {detail}; `emptcp apply --replace` puts new tables in their place: what \
         they hold is lost (subflow and connection records, counters, the state of elements such as the buckets of \
         rate_limit); the connections of this host's own sockets are taken over, and no device is without policies in \
         between; to do without emptcp: `emptcp remove`"
    )]
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
    /// An apply failed, and not everything that it did could be taken back. The former policy set is in force.
    #[error("{error}; what was in force before stays, but not everything could be taken back: {left}; run `{remedy}`")]
    NotUndone {
        /// Why the apply failed.
        error: Box<Error>,
        /// What could not be taken back, and why.
        left: String,
        /// The command that cleans up.
        remedy: &'static str,
    },
    /// A removal has detached all programs of an instance, and could not take its folder away.
    #[error(
        "no policy of the instance `{instance}` is in force any more, but its folder could not be removed: {error}; \
         run `emptcp remove` again when that is mended"
    )]
    HalfRemoved {
        /// The instance.
        instance: String,
        /// Why the folder stays.
        error: Box<Error>,
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
    /// An error of the kernel about BPF: a lack of rights is told apart.
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

impl From<emptcp_host::Error> for Error {
    fn from(error: emptcp_host::Error) -> Self {
        match error {
            emptcp_host::Error::NotPermitted { action, missing, said } => Self::NotPermitted { action, missing, said },
            emptcp_host::Error::Namespace { name, reason } => Self::Namespace { name, reason },
            emptcp_host::Error::Io { path, source } => Self::Io { path, source },
            emptcp_host::Error::Kernel { action, source } => Self::Kernel { action, source },
        }
    }
}

/// An error about no program in particular. What is about one is told by `program::Who`.
impl From<emptcp_load::Error> for Error {
    fn from(error: emptcp_load::Error) -> Self {
        match error {
            emptcp_load::Error::Host(error) => error.into(),
            other => Self::Kernel {
                action: "use BPF".to_owned(),
                source: io::Error::other(other),
            },
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
