//! The program that does nothing, run like any other: what every cost is compared with.

use crate::{
    bank,
    error::{OrKernel, Result},
    ffi::{self, TestRun},
    load::{self, SharedMaps, Who},
};
use emptcp_plan::manifest::Hook;
use libbpf_rs::MapHandle;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The empty program, loaded for one hook.
#[derive(Debug)]
pub struct Baseline {
    program: OwnedFd,
}

/// The empty program uses no map.
struct NoMaps;

impl SharedMaps for NoMaps {
    fn core(&self, _: &str, _: Hook) -> Option<&MapHandle> {
        None
    }

    fn private(&self, _: &str, _: &str) -> Option<&MapHandle> {
        None
    }

    fn state_entries(&self) -> u32 {
        1
    }
}

impl Baseline {
    /// Loads the program.
    ///
    /// # Errors
    /// Missing rights.
    pub fn new(hook: Hook) -> Result<Self> {
        let who = Who {
            element: "empty",
            policy: None,
            hook,
        };
        Ok(Self {
            program: load::load(bank::core_object("empty", hook)?, who, &[], &NoMaps)?.program,
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
        Ok(ffi::test_run(self.program.as_fd(), run)
            .or_kernel("run a program on a packet")?
            .duration_ns)
    }
}
