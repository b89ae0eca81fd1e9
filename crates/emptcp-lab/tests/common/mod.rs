//! Shared by the tests of this crate.

use std::sync::{Mutex, MutexGuard, PoisonError};

use emptcp_lab::{Lab, LabBuilder, LabError};

/// Builds a lab; `None`, with a message, if this machine does not support it.
pub(crate) fn build(builder: LabBuilder) -> Option<Lab> {
    match builder.build() {
        Ok(lab) => Some(lab),
        Err(LabError::Unsupported { feature, reason }) => {
            assert!(
                std::env::var_os("EMPTCP_REQUIRE_LAB").is_none(),
                "EMPTCP_REQUIRE_LAB is set, but there is no {feature}: {reason}"
            );
            eprintln!("skipped: this machine does not offer {feature} ({reason})");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Tests with traffic hold this lock: parallel tests would compete for the CPU.
#[allow(dead_code)] // Not every test file has traffic that is measured.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
