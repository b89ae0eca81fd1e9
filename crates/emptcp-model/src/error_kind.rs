//! The kind of an error.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an error: few kinds, for decisions in programs. The error itself says what, where and why.
///
/// ```
/// use emptcp_model::ErrorKind;
///
/// /// Whether the same call may succeed later, with nothing changed by its caller.
/// fn may_pass(kind: ErrorKind) -> bool {
///     matches!(kind, ErrorKind::NoDevice | ErrorKind::DeviceBusy | ErrorKind::NothingInForce)
/// }
/// assert!(may_pass(ErrorKind::NoDevice) && !may_pass(ErrorKind::BadPolicy));
/// assert_eq!(ErrorKind::BadPolicy.to_string(), "bad policy");
/// assert_eq!(serde_json::to_string(&ErrorKind::BadPolicy).unwrap(), r#""bad_policy""#);
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A capability is missing, or the right to use a file.
    NotPermitted,
    /// The policy file has a mistake, or its policies exclude each other.
    BadPolicy,
    /// The name is not allowed for an instance.
    BadName,
    /// A custom element cannot be built or used.
    BadElement,
    /// There is no such device in this network namespace.
    NoDevice,
    /// Another program uses the device, or a part of it that is needed.
    DeviceBusy,
    /// There is no instance of this name in this network namespace.
    NoInstance,
    /// There is no such network namespace.
    NoNamespace,
    /// There is no element of this name.
    NoElement,
    /// The instance exists, but none of its policies is in force.
    NothingInForce,
    /// The verifier of the kernel refused a program.
    Refused,
    /// This kernel, this driver or this machine lacks a feature.
    Unsupported,
    /// A table is full, or the system has no memory or descriptors left.
    LimitExceeded,
    /// Another version or build of emptcp made the instance or element.
    OtherBuild,
    /// What is stored in the kernel cannot be read.
    Damaged,
    /// A file could not be read or written.
    Io,
    /// Any other refusal by the kernel.
    Kernel,
}

impl ErrorKind {
    /// The kind in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotPermitted => "not permitted",
            Self::BadPolicy => "bad policy",
            Self::BadName => "bad name",
            Self::BadElement => "bad element",
            Self::NoDevice => "no such device",
            Self::DeviceBusy => "device busy",
            Self::NoInstance => "no such instance",
            Self::NoNamespace => "no such network namespace",
            Self::NoElement => "no such element",
            Self::NothingInForce => "nothing in force",
            Self::Refused => "refused by the verifier",
            Self::Unsupported => "not supported here",
            Self::LimitExceeded => "limit exceeded",
            Self::OtherBuild => "made by another build",
            Self::Damaged => "damaged",
            Self::Io => "input or output failed",
            Self::Kernel => "refused by the kernel",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
