//! tcx and XDP: BPF links, pinned, so that they outlive this process and are removed with their pin.

use super::{HookPoint, Kind};
use crate::error::{AttachProblem, Error, OrKernel, Result};
use emptcp_load::{link, link::Info as LinkInfo, pin, program as bpf};
use emptcp_plan::plan::DeviceDirection;
use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

const XDP_FLAGS_GENERIC: u32 = 1 << 1;
const XDP_FLAGS_NATIVE: u32 = 1 << 2;
/// First in the tcx chain: our program passes every packet that it does not drop on to the next program, while another
/// program may end the chain.
const BPF_F_BEFORE: u32 = 1 << 3;

/// Attaches and pins.
pub(super) fn attach(point: HookPoint<'_>, kind: Kind, program: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let (attach_type, flags) = match (kind, point.direction) {
        (Kind::XdpNative, _) => (libbpf_sys::BPF_XDP, XDP_FLAGS_NATIVE),
        (Kind::XdpGeneric, _) => (libbpf_sys::BPF_XDP, XDP_FLAGS_GENERIC),
        (_, DeviceDirection::Ingress) => (libbpf_sys::BPF_TCX_INGRESS, BPF_F_BEFORE),
        (_, DeviceDirection::Egress) => (libbpf_sys::BPF_TCX_EGRESS, BPF_F_BEFORE),
    };
    let link = link::create(program, point.ifindex, attach_type, flags).map_err(|error| why(point, kind, error))?;
    // A device that is gone can leave a pin without a link.
    let _ = fs::remove_file(path);
    pin::add(link.as_fd(), path).or_kernel(format!("pin the link at {}", path.display()))
}

/// Detaches; a link that is already gone is no error.
pub(super) fn detach(path: &Path) -> Result<()> {
    let Ok(link) = pin::open(path) else { return Ok(()) };
    match link::detach(link.as_fd()) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let why = "this is not a link: another program has pinned something else at this path; move it away and \
                       repeat the command";
            return Err(Error::io(path, io::Error::other(why)));
        }
        // ENOLINK: the device is gone. EOPNOTSUPP: before Linux 5.10 a link goes with its last reference.
        Err(error)
            if !matches!(
                error.raw_os_error(),
                Some(libc::ENOLINK | libc::EOPNOTSUPP | libc::ENODEV)
            ) =>
        {
            return Err(Error::kernel(format!("detach the link at {}", path.display()), error));
        }
        _ => {}
    }
    fs::remove_file(path).map_err(|error| Error::io(path, error))
}

/// Pins a link at another path as well.
pub(super) fn share(path: &Path, other: &Path) -> Result<()> {
    let link = pin::open(path).or_kernel(format!("open the link at {}", path.display()))?;
    pin::add(link.as_fd(), other).or_kernel(format!("pin the link at {}", other.display()))
}

/// The link that is pinned at a path.
pub(super) fn info(path: &Path) -> Option<LinkInfo> {
    link::info(pin::open(path).ok()?.as_fd()).ok()
}

/// Whether the device that a link holds is one of this namespace: a device that is moved keeps its links, and its new
/// index may belong to another device here.
pub(super) fn is_here(info: LinkInfo, kind: Kind, direction: DeviceDirection) -> bool {
    let found = match (kind, direction) {
        (Kind::XdpNative | Kind::XdpGeneric, _) => {
            link::xdp_programs(info.ifindex).map(|(native, generic)| [native, generic].contains(&info.program))
        }
        (_, DeviceDirection::Ingress) => is_at(info, libbpf_sys::BPF_TCX_INGRESS),
        (_, DeviceDirection::Egress) => is_at(info, libbpf_sys::BPF_TCX_EGRESS),
    };
    match found {
        Ok(found) => found,
        // Without the right to ask, the link's own index is used.
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn is_at(info: LinkInfo, attach_type: u32) -> io::Result<bool> {
    let attached = link::attached_at(info.ifindex, attach_type)?;
    Ok(attached.iter().any(|(_, link)| *link == info.id))
}

fn why(point: HookPoint<'_>, kind: Kind, error: io::Error) -> Error {
    let what = format!("attach by {} to {}", kind.name(), point.device);
    let xdp = matches!(kind, Kind::XdpNative | Kind::XdpGeneric);
    let problem = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => return Error::kernel(what, error),
        Some(libc::EBUSY | libc::EEXIST) if xdp => AttachProblem::OtherXdp(others(point)),
        Some(libc::EOPNOTSUPP | libc::EINVAL) if kind == Kind::XdpNative => AttachProblem::NoNativeXdp,
        Some(libc::ENODEV) => AttachProblem::DeviceGone,
        Some(libc::E2BIG | libc::ERANGE) if kind == Kind::XdpNative => AttachProblem::MtuTooLarge,
        _ => AttachProblem::Kernel(error.into()),
    };
    let hook = if xdp {
        kind.name().to_owned()
    } else {
        format!("tcx {}", point.direction.name())
    };
    Error::Attach {
        device: point.device.to_owned(),
        hook,
        problem,
    }
}

/// Names the XDP programs that are attached to the device.
fn others(point: HookPoint<'_>) -> String {
    let (native, generic) = link::xdp_programs(point.ifindex).unwrap_or_default();
    let named: Vec<String> = [native, generic]
        .into_iter()
        .filter(|id| *id != 0)
        .map(|id| {
            let name = bpf::by_id(id).and_then(|program| bpf::info(program.as_fd()));
            match name {
                Ok((_, name)) => format!("XDP program {id} (`{name}`)"),
                Err(_) => format!("XDP program {id}"),
            }
        })
        .collect();
    if named.is_empty() {
        "another XDP program".to_owned()
    } else {
        named.join(" and ")
    }
}
