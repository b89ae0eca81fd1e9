//! The program that does nothing, run like any other: the baseline for costs.

use crate::{
    core_objects::CoreObjects,
    error::{OrKernel, Result},
    program::{self, Subject},
};
use emptcp_load::{program as bpf, program::TestRun};
use emptcp_plan::manifest::Hook;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The empty program, loaded for one hook.
#[derive(Debug)]
pub struct Baseline {
    program: OwnedFd,
}

impl Baseline {
    /// Loads the program.
    ///
    /// # Errors
    /// Missing rights.
    pub fn new(hook: Hook) -> Result<Self> {
        let subject = Subject {
            element: "empty",
            policy: None,
            hook,
        };
        Ok(Self {
            program: program::load_alone(CoreObjects::current().object("empty", hook)?, subject)?.program,
        })
    }

    /// The program.
    pub(crate) fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// Mean nanoseconds of one run on `packet`, out of `repeat`.
    ///
    /// # Errors
    /// When the kernel refuses the packet.
    pub fn run(&self, packet: &[u8], repeat: u32) -> Result<u32> {
        let run = TestRun {
            packet,
            context: &mut Vec::new(),
            repeat,
        };
        Ok(bpf::test_run(self.program.as_fd(), run)
            .or_kernel("run a program on a packet")?
            .duration_ns)
    }
}
