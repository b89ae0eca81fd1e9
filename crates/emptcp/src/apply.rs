//! Options of an apply.

use emptcp_packet::ApplyOptions;

/// Options of an apply. The defaults are those of `emptcp apply`.
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
    /// The defaults of `emptcp apply`: open connections of this host are taken over.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether open connections of this host are taken over. Their handshakes were not seen; the kernel reports their
    /// tokens.
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

    /// Replace the tables of another version of emptcp if this one cannot use them. What they hold is lost: records,
    /// counters, the elements' state. Without this such an apply is refused
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
