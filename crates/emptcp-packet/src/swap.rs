//! Exchanges what runs at an instance's tcx hooks within a millisecond and without loading anything, so that one and
//! the same transfer can be measured with the policies, with empty programs in their place, and with nothing.

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

/// One device and direction.
#[derive(Debug)]
struct Place {
    ifindex: u32,
    attach_type: u32,
    empty: Baseline,
    policies: OwnedFd,
}

/// The hooks of one instance, taken over for measurements. What is put there goes when this is dropped.
#[derive(Debug)]
pub struct Swap {
    places: Vec<Place>,
    links: Vec<OwnedFd>,
}

impl Swap {
    /// Takes the instance's programs off its hooks; they stay loaded. Call it, and [`Swap::put`], in the instance's
    /// network namespace. [`remove`](crate::remove()) cleans up afterwards as ever.
    ///
    /// # Errors
    /// When there is no such instance, or it is attached by something other than tcx.
    pub fn take(instance: &str) -> Result<Self> {
        let instance = Instance::open(instance)?;
        let mut places = Vec::new();
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
            places.push(Place {
                ifindex: attachment.ifindex,
                attach_type,
                empty: Baseline::new(hook)?,
                policies: bpf::by_id(program).or_kernel("open a program")?,
            });
            link::detach(link.as_fd()).or_kernel("detach a link")?;
        }
        Ok(Self {
            places,
            links: Vec::new(),
        })
    }

    /// Puts something else at every hook.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn put(&mut self, occupant: Occupant) -> Result<()> {
        self.links.clear();
        for place in &self.places {
            let program = match occupant {
                Occupant::Nothing => return Ok(()),
                Occupant::Empty => place.empty.program(),
                Occupant::Policies => place.policies.as_fd(),
            };
            let link = link::create(program, place.ifindex, place.attach_type, 0);
            self.links.push(link.or_kernel("attach by tcx")?);
        }
        Ok(())
    }
}
