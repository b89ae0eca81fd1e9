//! tcx and XDP: BPF links, pinned, so that they outlive us and vanish with their pin.

use super::{Kind, Spot};
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
/// First in the row of tcx: ours lets every packet that it does not drop go on to the next program, while another's
/// may end the row.
const BPF_F_BEFORE: u32 = 1 << 3;

/// Attaches and pins.
pub(super) fn attach(spot: Spot<'_>, kind: Kind, program: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let (attach_type, flags) = match (kind, spot.direction) {
        (Kind::XdpNative, _) => (libbpf_sys::BPF_XDP, XDP_FLAGS_NATIVE),
        (Kind::XdpGeneric, _) => (libbpf_sys::BPF_XDP, XDP_FLAGS_GENERIC),
        (_, DeviceDirection::Ingress) => (libbpf_sys::BPF_TCX_INGRESS, BPF_F_BEFORE),
        (_, DeviceDirection::Egress) => (libbpf_sys::BPF_TCX_EGRESS, BPF_F_BEFORE),
    };
    let link = link::create(program, spot.ifindex, attach_type, flags).map_err(|error| why(spot, kind, error))?;
    // A pin without a link behind it can be left from a device that is gone.
    let _ = fs::remove_file(path);
    pin::add(link.as_fd(), path).or_kernel(format!("pin the link at {}", path.display()))
}

/// Detaches; a link that is gone already is no error.
pub(super) fn detach(path: &Path) -> Result<()> {
    let Ok(link) = pin::open(path) else { return Ok(()) };
    match link::detach(link.as_fd()) {
        // ENOLINK: the device is gone. EOPNOTSUPP: before Linux 5.10 a link goes with its last reference.
        Err(error)
            if !matches!(
                error.raw_os_error(),
                Some(libc::ENOLINK | libc::EOPNOTSUPP | libc::ENODEV)
            ) =>
        {
            return Err(Error::kernel("detach a link", error));
        }
        _ => {}
    }
    fs::remove_file(path).map_err(|error| Error::io(path, error))
}

/// The link that is pinned at a path.
pub(super) fn info(path: &Path) -> Option<LinkInfo> {
    link::info(pin::open(path).ok()?.as_fd()).ok()
}

/// Whether the device that a link holds is one of this namespace: a device that is moved takes its links along, and may
/// get an index that another one has here.
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
        // Whoever may not ask is told what the link itself says.
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn is_at(info: LinkInfo, attach_type: u32) -> io::Result<bool> {
    let attached = link::attached_at(info.ifindex, attach_type)?;
    Ok(attached.iter().any(|(_, link)| *link == info.id))
}

fn why(spot: Spot<'_>, kind: Kind, error: io::Error) -> Error {
    let what = format!("attach by {} to {}", kind.name(), spot.device);
    let xdp = matches!(kind, Kind::XdpNative | Kind::XdpGeneric);
    let problem = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => return Error::kernel(what, error),
        Some(libc::EBUSY | libc::EEXIST) if xdp => AttachProblem::OtherXdp(others(spot)),
        Some(libc::EOPNOTSUPP | libc::EINVAL) if kind == Kind::XdpNative => AttachProblem::NoNativeXdp,
        Some(libc::ENODEV) => AttachProblem::DeviceGone,
        Some(libc::E2BIG | libc::ERANGE) if kind == Kind::XdpNative => AttachProblem::MtuTooLarge,
        _ => AttachProblem::Kernel(error.into()),
    };
    let hook = if xdp {
        kind.name().to_owned()
    } else {
        format!("tcx {}", spot.direction.name())
    };
    Error::Attach {
        device: spot.device.to_owned(),
        hook,
        problem,
    }
}

/// The XDP programs that have the device.
fn others(spot: Spot<'_>) -> String {
    let (native, generic) = link::xdp_programs(spot.ifindex).unwrap_or_default();
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
