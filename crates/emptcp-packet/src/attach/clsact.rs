//! clsact, for kernels before tcx: a BPF filter at a place of its own.

use super::Spot;
use crate::error::{AttachProblem, Error, OrKernel, Result};
use emptcp_host::qdisc::{self, CLSACT_EGRESS, CLSACT_INGRESS};
use emptcp_load::error::answer;
use emptcp_plan::plan::DeviceDirection;
use libbpf_rs::{TC_EGRESS, TC_INGRESS, TcHook, TcHookBuilder};
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd},
};

fn hook(spot: Spot<'_>, program: BorrowedFd<'_>) -> TcHook {
    let point = match spot.direction {
        DeviceDirection::Ingress => TC_INGRESS,
        DeviceDirection::Egress => TC_EGRESS,
    };
    TcHookBuilder::new(program)
        .ifindex(spot.ifindex as i32)
        .replace(false)
        .hook(point)
}

fn refused(spot: Spot<'_>, error: &libbpf_rs::Error) -> Error {
    Error::Attach {
        device: spot.device.to_owned(),
        hook: format!("clsact {}", spot.direction.name()),
        problem: AttachProblem::Kernel(answer(error)),
    }
}

/// Whether the device has a clsact qdisc. An `ingress` qdisc has the same place and excludes it.
pub(super) fn is_present(spot: Spot<'_>) -> Result<bool> {
    let qdiscs = qdisc::qdiscs(spot.ifindex).or_kernel(format!("list the qdiscs of {}", spot.device))?;
    if qdiscs.iter().any(|qdisc| qdisc.kind == "ingress") {
        return Err(Error::Attach {
            device: spot.device.to_owned(),
            hook: "clsact".to_owned(),
            problem: AttachProblem::IngressQdisc,
        });
    }
    Ok(qdiscs.iter().any(|qdisc| qdisc.kind == "clsact"))
}

/// Attaches with a handle and priority that the kernel chooses among the free ones.
pub(super) fn attach(spot: Spot<'_>, program: BorrowedFd<'_>) -> Result<(u32, u32)> {
    let mut hook = hook(spot, program);
    if !is_present(spot)? {
        hook.create().map_err(|error| refused(spot, &error))?;
    }
    let attached = hook.attach().map_err(|error| refused(spot, &error))?;
    Ok((attached.get_handle(), attached.get_priority()))
}

fn parent(direction: DeviceDirection) -> u32 {
    match direction {
        DeviceDirection::Ingress => CLSACT_INGRESS,
        DeviceDirection::Egress => CLSACT_EGRESS,
    }
}

/// Detaches every filter in this direction that runs one of our entry programs.
pub(super) fn detach(spot: Spot<'_>, ours: &[u32]) -> Result<()> {
    let filters = qdisc::filters(spot.ifindex, spot.clsact_parent()).unwrap_or_default();
    for filter in filters
        .iter()
        .filter(|filter| filter.program.is_some_and(|id| ours.contains(&id)))
    {
        // Detaching goes by handle and priority; the descriptor is not looked at.
        let any = File::open("/dev/null").map_err(|error| Error::io("/dev/null", error))?;
        let mut hook = hook(spot, any.as_fd());
        hook.handle(filter.handle).priority(filter.priority);
        hook.detach().map_err(|error| refused(spot, &error))?;
    }
    Ok(())
}

/// Whether our filter is there; somebody may have replaced its program.
pub(super) fn is_attached(spot: Spot<'_>, handle: u32, priority: u32, ours: &[u32]) -> Result<bool> {
    let filters = qdisc::filters(spot.ifindex, spot.clsact_parent()).or_kernel("list filters")?;
    Ok(filters.iter().any(|filter| {
        filter.handle == handle && filter.priority == priority && filter.program.is_some_and(|id| ours.contains(&id))
    }))
}

/// Removes the qdisc when no filter is left in it, in either direction.
pub(super) fn remove_if_unused(spot: Spot<'_>) -> Result<()> {
    for direction in [DeviceDirection::Ingress, DeviceDirection::Egress] {
        if !qdisc::filters(spot.ifindex, parent(direction))
            .or_kernel("list filters")?
            .is_empty()
        {
            return Ok(());
        }
    }
    if !qdisc::qdiscs(spot.ifindex)
        .or_kernel("list qdiscs")?
        .iter()
        .any(|qdisc| qdisc.kind == "clsact")
    {
        return Ok(());
    }
    let any = File::open("/dev/null").map_err(|error| Error::io("/dev/null", error))?;
    let mut both = TcHookBuilder::new(any.as_fd())
        .ifindex(spot.ifindex as i32)
        .hook(TC_INGRESS | TC_EGRESS);
    both.destroy().map_err(|error| refused(spot, &error))
}
