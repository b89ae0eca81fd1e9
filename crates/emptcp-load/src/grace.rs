//! Waits for running programs.

use crate::ffi::kernel;
use std::time::Duration;

/// Longer than any program runs, for kernels without a query.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Returns when every program that was running at the call has ended.
pub fn wait() {
    if !kernel::grace_period() {
        std::thread::sleep(LONG_ENOUGH);
    }
}
