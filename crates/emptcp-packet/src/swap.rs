//! Exchanges the programs at an instance's tcx hooks within a millisecond, without loading any, so that one transfer
//! can be measured with the policies, with empty programs, and without programs.

use crate::{
    baseline::Baseline,
    error::{AttachProblem, Error, OrKernel, Result},
    instance::Instance,
};
use emptcp_load::{link, program as bpf};
use emptcp_plan::{manifest::Hook, plan::DeviceDirection};
use std::os::fd::{AsFd, OwnedFd};

/// What runs at the hooks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occupant {
    /// No program at all.
    Nothing,
    /// A program that does nothing.
    Empty,
    /// The instance's programs.
    Policies,
}

/// The hook of one device and direction.
#[derive(Debug)]
struct SwappedHook {
    ifindex: u32,
    attach_type: u32,
    empty: Baseline,
    policies: OwnedFd,
}

/// The hooks of one instance, taken over for measurements. Programs attached here are detached when this is dropped.
#[derive(Debug)]
pub struct Swap {
    hooks: Vec<SwappedHook>,
    links: Vec<OwnedFd>,
}

impl Swap {
    /// Takes the instance's programs off its hooks; they stay loaded. Call it, and [`Swap::put`], in the instance's
    /// network namespace. [`remove`](crate::remove()) cleans up afterwards.
    ///
    /// # Errors
    /// When there is no such instance, or it is attached by something other than tcx.
    pub fn take(instance: &str) -> Result<Self> {
        let instance = Instance::open(instance)?;
        let mut hooks = Vec::new();
        for attachment in instance.attached()? {
            let (hook, attach_type) = match attachment.direction {
                DeviceDirection::Ingress => (Hook::TcIngress, libbpf_sys::BPF_TCX_INGRESS),
                DeviceDirection::Egress => (Hook::TcEgress, libbpf_sys::BPF_TCX_EGRESS),
            };
            let link = attachment.link.ok_or_else(|| Error::Attach {
                device: attachment.device.clone().unwrap_or_default(),
                hook: attachment.kind.name().to_owned(),
                problem: AttachProblem::NoLink,
            })?;
            let link = link::by_id(link).or_kernel("open a link")?;
            let program = link::info(link.as_fd()).or_kernel("ask for a link")?.program;
            hooks.push(SwappedHook {
                ifindex: attachment.ifindex,
                attach_type,
                empty: Baseline::new(hook)?,
                policies: bpf::by_id(program).or_kernel("open a program")?,
            });
            link::detach(link.as_fd()).or_kernel("detach a link")?;
        }
        Ok(Self {
            hooks,
            links: Vec::new(),
        })
    }

    /// Changes what runs at every hook.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn put(&mut self, occupant: Occupant) -> Result<()> {
        self.links.clear();
        for hook in &self.hooks {
            let program = match occupant {
                Occupant::Nothing => return Ok(()),
                Occupant::Empty => hook.empty.program(),
                Occupant::Policies => hook.policies.as_fd(),
            };
            let link = link::create(program, hook.ifindex, hook.attach_type, 0);
            self.links.push(link.or_kernel("attach by tcx")?);
        }
        Ok(())
    }
}
