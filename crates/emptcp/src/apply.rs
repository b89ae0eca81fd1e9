//! How policies are put in force.

use emptcp_packet::ApplyOptions;

/// How to apply. All that is not said is as `emptcp apply` does it.
///
/// ```
/// let how = emptcp::Apply::new().adopt(false);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply {
    options: ApplyOptions,
    replace: bool,
}

impl Apply {
    /// As `emptcp apply` does it: connections of this host that already run are taken over.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether connections of this host that already run are taken over. Their handshakes were not seen; the kernel
    /// tells their tokens.
    #[must_use]
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.options.adopt = adopt;
        self
    }

    /// Attach by clsact filters even where the kernel has tcx.
    #[must_use]
    pub fn clsact(mut self, clsact: bool) -> Self {
        self.options.clsact = clsact;
        self
    }

    /// Put new tables in the place of those of another version of emptcp, where this one cannot go on with them. What
    /// they hold is lost: records, counters, the elements' state. Without this such an apply is refused
    /// ([`ErrorKind::OtherBuild`](crate::ErrorKind::OtherBuild)).
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    pub(crate) fn options(&self) -> &ApplyOptions {
        &self.options
    }

    pub(crate) fn may_replace(&self) -> bool {
        self.replace
    }
}
