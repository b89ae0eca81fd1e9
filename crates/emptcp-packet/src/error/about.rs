//! The kind of an error, and its subject.

use super::{Error, problems};
use emptcp_host::Error as Host;
use emptcp_model::ErrorKind;
use std::path::Path;

impl Error {
    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Host(error) => of_host(error),
            Self::Load(error) => match error {
                emptcp_load::Error::Host(error) => of_host(error),
                emptcp_load::Error::Refused(_) => ErrorKind::Refused,
                emptcp_load::Error::Misfit(_) => ErrorKind::Kernel,
            },
            Self::UnknownDevice { .. } => ErrorKind::NoDevice,
            Self::SameDevice { .. } | Self::Conflict { .. } | Self::NoProgram { .. } => ErrorKind::BadPolicy,
            Self::DeviceInUse { .. } | Self::Shape { .. } => ErrorKind::DeviceBusy,
            Self::Attach { problem, .. } => problem.kind(),
            Self::Refused(_) => ErrorKind::Refused,
            Self::Mismatch { .. } | Self::Element { .. } | Self::Compile { .. } => ErrorKind::BadElement,
            Self::UnknownElement(_) | Self::NoElement { .. } => ErrorKind::NoElement,
            Self::TooMany { .. } => ErrorKind::LimitExceeded,
            Self::NoInstance { .. } => ErrorKind::NoInstance,
            Self::NothingInForce { .. } => ErrorKind::NothingInForce,
            Self::BadName(_) => ErrorKind::BadName,
            Self::NoBpffs(_) => ErrorKind::Unsupported,
            Self::OtherBuild { .. } | Self::Layout { .. } => ErrorKind::OtherBuild,
            Self::State { .. } => ErrorKind::Damaged,
            Self::NotUndone { error, .. } | Self::HalfRemoved { error, .. } => error.kind(),
        }
    }

    /// The device that it concerns; several are separated by commas.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::UnknownDevice { device, .. }
            | Self::SameDevice { device, .. }
            | Self::DeviceInUse { device, .. }
            | Self::Attach { device, .. }
            | Self::Conflict { device, .. }
            | Self::Shape { device, .. } => Some(device),
            Self::NotUndone { error, .. } | Self::HalfRemoved { error, .. } => error.device(),
            _ => None,
        }
    }

    /// The policy that it concerns.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::UnknownDevice { policy, .. } | Self::SameDevice { policy, .. } | Self::NoProgram { policy, .. } => {
                Some(policy)
            }
            Self::Refused(refusal) => refusal.policy.as_deref(),
            Self::NotUndone { error, .. } => error.policy(),
            _ => None,
        }
    }

    /// The element that it concerns: its name, or its folder where it has none yet.
    pub fn element(&self) -> Option<&str> {
        match self {
            Self::Mismatch { element, .. }
            | Self::UnknownElement(element)
            | Self::NoProgram { element, .. }
            | Self::Element { element, .. }
            | Self::Compile { element, .. } => Some(element),
            Self::Refused(refusal) => Some(&refusal.element),
            Self::NotUndone { error, .. } => error.element(),
            _ => None,
        }
    }

    /// The instance that it concerns; if another instance has the device, that one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::DeviceInUse { instance, .. }
            | Self::NoInstance { name: instance }
            | Self::NothingInForce { instance }
            | Self::BadName(instance)
            | Self::OtherBuild { instance, .. }
            | Self::Layout { instance, .. }
            | Self::State { instance, .. }
            | Self::HalfRemoved { instance, .. } => Some(instance),
            Self::NotUndone { error, .. } => error.instance(),
            _ => None,
        }
    }

    /// The network namespace that could not be entered, as its caller named it.
    pub fn namespace(&self) -> Option<&str> {
        match self.host() {
            Some(Host::Namespace { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// The file or folder that it concerns.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NoElement { folder, .. } => Some(folder),
            _ => self.host().and_then(Host::path),
        }
    }

    /// The kernel's error number, see errno(3), if known.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Attach { problem, .. } => problem.errno(),
            Self::NoElement { source, .. } => source.raw_os_error(),
            _ => self.host().and_then(Host::errno),
        }
    }

    /// The innermost error, as the machine reported it.
    fn host(&self) -> Option<&Host> {
        match self {
            Self::Host(error) | Self::Load(emptcp_load::Error::Host(error)) => Some(error),
            Self::NotUndone { error, .. } | Self::HalfRemoved { error, .. } => error.host(),
            _ => None,
        }
    }
}

fn of_host(error: &Host) -> ErrorKind {
    match error {
        Host::NotPermitted { .. } => ErrorKind::NotPermitted,
        Host::Namespace { .. } => ErrorKind::NoNamespace,
        Host::Io { .. } => ErrorKind::Io,
        error => problems::of_errno(error.errno()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::AttachProblem;
    use std::io;

    #[test]
    fn an_error_of_the_kernel_has_its_number_and_a_kind_wherever_it_was_met() {
        for (errno, kind) in [
            (libc::EPERM, ErrorKind::NotPermitted),
            (libc::EMFILE, ErrorKind::LimitExceeded),
            (libc::EOPNOTSUPP, ErrorKind::Unsupported),
            (libc::EIO, ErrorKind::Kernel),
        ] {
            let kernel = Error::kernel("write a rule", io::Error::from_raw_os_error(errno));
            let libbpf = Error::libbpf("write a rule", libbpf_rs::Error::from_raw_os_error(errno));
            let undone = Error::NotUndone {
                error: Box::new(Error::kernel("write a rule", io::Error::from_raw_os_error(errno))),
                left: String::new(),
                fresh: true,
            };
            for error in [kernel, libbpf, undone] {
                assert_eq!((error.errno(), error.kind()), (Some(errno), kind), "{error}");
            }
        }
    }

    #[test]
    fn an_error_names_what_it_is_about() {
        let gone = Error::Attach {
            device: "eth0".to_owned(),
            hook: "tcx ingress".to_owned(),
            problem: AttachProblem::DeviceGone,
        };
        assert_eq!((gone.kind(), gone.device()), (ErrorKind::NoDevice, Some("eth0")));
        assert_eq!(
            gone.to_string(),
            "cannot attach to eth0 at tcx ingress: the device is gone"
        );
        let missing = Error::from(emptcp_host::namespace::enter("no-such-namespace").unwrap_err());
        assert_eq!(missing.kind(), ErrorKind::NoNamespace);
        assert_eq!(missing.namespace(), Some("no-such-namespace"));
        assert_eq!(missing.path(), Some(Path::new("/run/netns/no-such-namespace")));
        assert_eq!(Error::BadName("A".to_owned()).instance(), Some("A"));
    }
}
