//! What the kernel's own Multipath TCP offers.

use crate::ffi;
use std::io;

/// Whether an MPTCP socket answers `getsockopt(MPTCP_FULL_INFO)` (Linux 6.5).
///
/// # Errors
/// When there is no MPTCP socket at all.
pub fn has_full_info() -> io::Result<bool> {
    ffi::has_mptcp_full_info()
}
