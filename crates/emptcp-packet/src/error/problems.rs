//! Why a device's hook, or bpffs, cannot be used.

use emptcp_host::Answer;
use emptcp_model::ErrorKind;

/// Why a program cannot be attached to a device.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachProblem {
    /// Another XDP program is there.
    #[error("{0} is already there; one device takes one XDP program; remove it, or use attach = \"tc\"")]
    OtherXdp(String),
    /// Another qdisc is where ours would be.
    #[error("an `ingress` qdisc of another program is there; replace it by `clsact`, which takes the same filters")]
    IngressQdisc,
    /// The driver does not run XDP itself.
    #[error("its driver has no native XDP; use attach = \"tc\" or \"xdp-generic\"")]
    NoNativeXdp,
    /// A frame does not fit into the buffer that the driver gives an XDP program.
    #[error("its MTU is too large for native XDP; use attach = \"tc\"")]
    MtuTooLarge,
    /// The device was removed in the meantime.
    #[error("the device is gone")]
    DeviceGone,
    /// It is not attached by a BPF link.
    #[error("only what a link holds can be exchanged")]
    NoLink,
    /// Any other refusal by the kernel.
    #[error("{0}")]
    Kernel(Answer),
}

impl AttachProblem {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::OtherXdp(_) | Self::IngressQdisc => ErrorKind::DeviceBusy,
            Self::NoNativeXdp | Self::MtuTooLarge | Self::NoLink => ErrorKind::Unsupported,
            Self::DeviceGone => ErrorKind::NoDevice,
            Self::Kernel(answer) => of_errno(answer.errno()),
        }
    }

    pub(super) fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(answer) => answer.errno(),
            _ => None,
        }
    }
}

/// Why nothing can be pinned in bpffs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BpffsProblem {
    /// Its folder is not there.
    #[error("{0} does not exist: this kernel has no BPF, or /sys is not mounted")]
    Missing(&'static str),
    /// Another file system is mounted over it.
    #[error("{0} is hidden here: this is another mount namespace, as inside `ip netns exec`")]
    Hidden(&'static str),
    /// It cannot be written.
    #[error(
        "{0} is mounted read-only here, so that nothing can be changed, and nothing was; run it where it can be written, \
         or `mount -o remount,rw {0}`"
    )]
    ReadOnly(&'static str),
}

/// The kind of what the kernel refuses with this number.
pub(super) fn of_errno(errno: Option<i32>) -> ErrorKind {
    match errno {
        Some(libc::EPERM | libc::EACCES) => ErrorKind::NotPermitted,
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPROTONOSUPPORT) => ErrorKind::Unsupported,
        Some(libc::ENOMEM | libc::ENOSPC | libc::EMFILE | libc::ENFILE | libc::E2BIG) => ErrorKind::LimitExceeded,
        Some(libc::ENODEV) => ErrorKind::NoDevice,
        Some(libc::EBUSY) => ErrorKind::DeviceBusy,
        _ => ErrorKind::Kernel,
    }
}
