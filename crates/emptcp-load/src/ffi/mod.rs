//! Every call that Rust cannot check: the parts of libbpf and libc that have no safe wrapper.
//!
//! No logic here: each function wraps one call and returns owned descriptors, slices and `io::Result`.
#![allow(unsafe_code, reason = "the one module of this crate that may call C")]

pub mod link;
pub mod mapping;
pub mod pin;
pub mod program;

pub(crate) mod batch;
pub(crate) mod kernel;
pub(crate) mod object;
pub(crate) mod print;

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// libbpf and libc return a negative number; libbpf also sets errno.
fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer >= 0 {
        Ok(answer)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn owned(answer: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(answer)?;
    // SAFETY: the call has just made this descriptor and nothing else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
