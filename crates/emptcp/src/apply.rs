//! How policies are put in force, and what that did.

use crate::{Instance, Report, model::Generation};
use emptcp_packet::ApplyOptions;

/// How to apply. All that is not said is as `emptcp apply` does it.
///
/// ```
/// let how = emptcp::Apply::new().adopt(false);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply(ApplyOptions);

impl Apply {
    /// As `emptcp apply` does it: connections of this host that already run are taken over.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether connections of this host that already run are taken over. Their handshakes were not seen; the kernel
    /// tells their tokens.
    #[must_use]
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.0.adopt = adopt;
        self
    }

    /// Attach by clsact filters even where the kernel has tcx.
    #[must_use]
    pub fn clsact(mut self, clsact: bool) -> Self {
        self.0.clsact = clsact;
        self
    }

    pub(crate) fn options(&self) -> &ApplyOptions {
        &self.0
    }
}

/// Policies are in force.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Where.
    pub instance: Instance,
    /// What was done.
    pub report: Report,
}

impl Applied {
    /// The number of the policy set that is in force now.
    pub fn generation(&self) -> Generation {
        self.report.generation
    }
}
