//! The objects of the core's programs: those that this build embeds; in a test, those of another build.

use crate::error::{Error, Result};
use emptcp_load::embedded::{self, CoreObject};
use emptcp_plan::manifest::Hook;
use std::cell::Cell;

thread_local! {
    static OTHER: Cell<Option<CoreObjects>> = const { Cell::new(None) };
}

/// The core of one build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreObjects(&'static [CoreObject]);

impl CoreObjects {
    /// The core that this thread loads. It must be passed to threads that this one starts.
    pub(crate) fn current() -> Self {
        OTHER.get().unwrap_or(Self(embedded::CORE))
    }

    /// The object of a program for a hook.
    pub(crate) fn object(self, name: &str, hook: Hook) -> Result<&'static [u8]> {
        let (_, tc, xdp) = self
            .0
            .iter()
            .find(|(core, ..)| *core == name)
            .ok_or_else(|| Error::Mismatch {
                element: name.to_owned(),
                hook: "core".to_owned(),
                detail: "this build has no such core program".to_owned(),
                rebuild: false,
            })?;
        Ok(if hook == Hook::Xdp { xdp } else { tc })
    }

    /// Names and tc objects of all programs.
    pub(crate) fn all_for_tc(self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        self.0.iter().map(|(name, tc, _)| (*name, *tc))
    }

    /// Distinguishes builds with different core programs.
    pub(crate) fn fingerprint(self) -> u32 {
        embedded::fingerprint(self.0)
    }
}

/// Runs `work` in this thread as another build, whose core has these objects.
pub(crate) fn within<T>(objects: &'static [CoreObject], work: impl FnOnce() -> T) -> T {
    let before = OTHER.replace(Some(CoreObjects(objects)));
    let result = work();
    OTHER.set(before);
    result
}
