//! clsact, for kernels before tcx: a BPF filter with a handle and priority of its own.

use super::HookPoint;
use crate::error::{AttachProblem, Error, OrKernel, Result};
use emptcp_host::qdisc::{self, CLSACT_EGRESS, CLSACT_INGRESS};
use emptcp_load::error::answer;
use emptcp_plan::plan::DeviceDirection;
use libbpf_rs::{TC_EGRESS, TC_INGRESS, TcHook, TcHookBuilder};
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd},
};

fn hook(point: HookPoint<'_>, program: BorrowedFd<'_>) -> TcHook {
    let attach_point = match point.direction {
        DeviceDirection::Ingress => TC_INGRESS,
        DeviceDirection::Egress => TC_EGRESS,
    };
    TcHookBuilder::new(program)
        .ifindex(point.ifindex as i32)
        .replace(false)
        .hook(attach_point)
}

fn refused(point: HookPoint<'_>, error: &libbpf_rs::Error) -> Error {
    Error::Attach {
        device: point.device.to_owned(),
        hook: format!("clsact {}", point.direction.name()),
        problem: AttachProblem::Kernel(answer(error)),
    }
}

/// Whether the device has a clsact qdisc. An `ingress` qdisc has the same handle and excludes it.
pub(super) fn is_present(point: HookPoint<'_>) -> Result<bool> {
    let qdiscs = qdisc::qdiscs(point.ifindex).or_kernel(format!("list the qdiscs of {}", point.device))?;
    if qdiscs.iter().any(|qdisc| qdisc.kind == "ingress") {
        return Err(Error::Attach {
            device: point.device.to_owned(),
            hook: "clsact".to_owned(),
            problem: AttachProblem::IngressQdisc,
        });
    }
    Ok(qdiscs.iter().any(|qdisc| qdisc.kind == "clsact"))
}

/// Attaches the filter. The kernel chooses a free handle and priority.
pub(super) fn attach(point: HookPoint<'_>, program: BorrowedFd<'_>) -> Result<(u32, u32)> {
    let mut hook = hook(point, program);
    if !is_present(point)? {
        hook.create().map_err(|error| refused(point, &error))?;
    }
    let attached = hook.attach().map_err(|error| refused(point, &error))?;
    Ok((attached.get_handle(), attached.get_priority()))
}

/// Replaces the program of our filter, which keeps its handle and priority.
pub(super) fn exchange(point: HookPoint<'_>, handle: u32, priority: u32, program: BorrowedFd<'_>) -> Result<()> {
    let mut hook = hook(point, program);
    hook.replace(true).handle(handle).priority(priority);
    hook.attach().map(drop).map_err(|error| refused(point, &error))
}

/// The program of a filter.
pub(super) fn running(point: HookPoint<'_>, handle: u32, priority: u32) -> Result<Option<u32>> {
    let filters = qdisc::filters(point.ifindex, point.clsact_parent()).or_kernel("list filters")?;
    let ours = filters
        .into_iter()
        .find(|filter| filter.handle == handle && filter.priority == priority);
    Ok(ours.and_then(|filter| filter.program))
}

fn parent(direction: DeviceDirection) -> u32 {
    match direction {
        DeviceDirection::Ingress => CLSACT_INGRESS,
        DeviceDirection::Egress => CLSACT_EGRESS,
    }
}

/// Detaches every filter in this direction that runs one of our entry programs.
pub(super) fn detach(point: HookPoint<'_>, ours: &[u32]) -> Result<()> {
    let filters = qdisc::filters(point.ifindex, point.clsact_parent()).unwrap_or_default();
    for filter in filters
        .iter()
        .filter(|filter| filter.program.is_some_and(|id| ours.contains(&id)))
    {
        // The kernel detaches by handle and priority; it ignores the descriptor.
        let any = File::open("/dev/null").map_err(|error| Error::io("/dev/null", error))?;
        let mut hook = hook(point, any.as_fd());
        hook.handle(filter.handle).priority(filter.priority);
        hook.detach().map_err(|error| refused(point, &error))?;
    }
    Ok(())
}

/// Whether our filter is there; another process may have replaced its program.
pub(super) fn is_attached(point: HookPoint<'_>, handle: u32, priority: u32, ours: &[u32]) -> Result<bool> {
    let filters = qdisc::filters(point.ifindex, point.clsact_parent()).or_kernel("list filters")?;
    Ok(filters.iter().any(|filter| {
        filter.handle == handle && filter.priority == priority && filter.program.is_some_and(|id| ours.contains(&id))
    }))
}

/// Removes the qdisc when no filter is left in it, in either direction.
pub(super) fn remove_if_unused(point: HookPoint<'_>) -> Result<()> {
    for direction in [DeviceDirection::Ingress, DeviceDirection::Egress] {
        if !qdisc::filters(point.ifindex, parent(direction))
            .or_kernel("list filters")?
            .is_empty()
        {
            return Ok(());
        }
    }
    if !qdisc::qdiscs(point.ifindex)
        .or_kernel("list qdiscs")?
        .iter()
        .any(|qdisc| qdisc.kind == "clsact")
    {
        return Ok(());
    }
    let any = File::open("/dev/null").map_err(|error| Error::io("/dev/null", error))?;
    let mut both = TcHookBuilder::new(any.as_fd())
        .ifindex(point.ifindex as i32)
        .hook(TC_INGRESS | TC_EGRESS);
    both.destroy().map_err(|error| refused(point, &error))
}
