//! Named points of an apply at which a test can make it fail. Outside tests a point does nothing.

use crate::error::{Error, Result};
use std::{cell::RefCell, collections::BTreeSet, io};

thread_local! {
    static FAULTS: RefCell<Option<Faults>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Faults {
    at: BTreeSet<usize>,
    passed: Vec<String>,
}

/// A point: fails when a test of this thread wants it to.
pub(crate) fn point(when: &str, name: &str) -> Result<()> {
    FAULTS.with_borrow_mut(|faults| {
        let Some(faults) = faults else { return Ok(()) };
        let place = faults.passed.len();
        faults.passed.push(format!("{when} {name}"));
        if faults.at.contains(&place) {
            return Err(Error::kernel(
                format!("{when} {name}"),
                io::Error::from_raw_os_error(libc::EIO),
            ));
        }
        Ok(())
    })
}

/// A step with a point before and one after it.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    point("before", name)?;
    let result = work()?;
    point("after", name)?;
    Ok(result)
}

/// Runs `work` with faults at the points of these numbers, counted as this thread passes them. Also returns which
/// points it passed.
pub(crate) fn within<T>(at: &[usize], work: impl FnOnce() -> T) -> (T, Vec<String>) {
    FAULTS.set(Some(Faults {
        at: at.iter().copied().collect(),
        passed: Vec::new(),
    }));
    let result = work();
    let faults = FAULTS.take().unwrap_or_default();
    (result, faults.passed)
}
