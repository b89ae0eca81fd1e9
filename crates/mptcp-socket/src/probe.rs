//! Features of this kernel.

use crate::ffi;
use std::io;

/// Whether an MPTCP socket answers `MPTCP_FULL_INFO` (Linux 6.5).
///
/// # Errors
/// When no MPTCP socket can be created: a kernel without MPTCP, or with `net.mptcp.enabled = 0`.
///
/// ```
/// match mptcp_socket::has_full_info() {
///     Ok(true) => println!("the state of a connection and of its subflows at one moment"),
///     Ok(false) => println!("in parts"),
///     Err(error) => println!("no MPTCP: {error}"),
/// }
/// ```
pub fn has_full_info() -> io::Result<bool> {
    let socket = ffi::mptcp_socket()?;
    match ffi::mptcp_info_at_once(&socket, 0) {
        Ok(_) => Ok(true),
        Err(error) => Ok(!matches!(
            error.raw_os_error(),
            Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT)
        )),
    }
}
