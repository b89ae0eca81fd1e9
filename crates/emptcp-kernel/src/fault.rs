//! Faults on demand, so that a test can see what an error between two steps of a transaction leaves behind.

use crate::error::{Error, Result};
use std::{cell::Cell, io};

thread_local! {
    static AT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// From now on this thread fails at the point of this name; `None`: at no point.
pub fn inject(point: Option<&'static str>) {
    AT.set(point);
}

/// Fails when a test has asked for it.
pub(crate) fn point(name: &'static str) -> Result<()> {
    if AT.get() == Some(name) {
        return Err(Error::io(name, io::Error::other("a fault that a test asked for")));
    }
    Ok(())
}
