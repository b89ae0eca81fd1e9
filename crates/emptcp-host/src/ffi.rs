//! Every call that Rust cannot check: the parts of libc that have no safe wrapper.
//!
//! No logic here: each function wraps one call and returns owned descriptors, values and `io::Result`.
#![allow(unsafe_code, reason = "the one module of this crate that may call C")]

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
};

/// libc returns a negative number and sets errno.
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

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// The cookie of this thread's network namespace, which is never used again (Linux 5.14); `None` before.
pub(crate) fn namespace_cookie() -> Option<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))
        .or_else(|_| std::net::UdpSocket::bind(("0.0.0.0", 0)))
        .ok()?;
    let mut cookie = 0_u64;
    let mut size = size_of::<u64>() as libc::socklen_t;
    // SAFETY: `cookie` has the size that is passed.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    (answer == 0 && size as usize == mem::size_of::<u64>()).then_some(cookie)
}

/// A handle of a network namespace by which the kernel finds it while it lives (Linux 6.18): `struct file_handle` with
/// `struct nsfs_file_handle` in it (linux/nsfs.h).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct NamespaceHandle {
    bytes: u32,
    kind: i32,
    /// Its cookie, which is never used again.
    pub(crate) id: u64,
    ty: u32,
    /// Its inode number.
    pub(crate) inode: u32,
}

/// The handle of the namespace of a file such as `/proc/self/ns/net`.
pub(crate) fn namespace_handle(path: &Path) -> io::Result<NamespaceHandle> {
    let path = c_path(path)?;
    let mut handle = NamespaceHandle {
        bytes: (size_of::<NamespaceHandle>() - mem::offset_of!(NamespaceHandle, id)) as u32,
        kind: 0,
        id: 0,
        ty: 0,
        inode: 0,
    };
    let mut mount = 0;
    // SAFETY: `handle` has space for as many bytes as its size field; a file system with a longer handle returns
    // EOVERFLOW.
    check(unsafe {
        libc::name_to_handle_at(
            libc::AT_FDCWD,
            path.as_ptr(),
            (&raw mut handle).cast(),
            &raw mut mount,
            libc::AT_SYMLINK_FOLLOW,
        )
    })?;
    Ok(handle)
}

/// Opens a namespace by its handle; `any` is any namespace's file. `ESTALE` when it is gone.
pub(crate) fn open_namespace(any: BorrowedFd<'_>, handle: &mut NamespaceHandle) -> io::Result<OwnedFd> {
    // SAFETY: `handle` has as many bytes as its size field.
    owned(unsafe {
        libc::open_by_handle_at(
            any.as_raw_fd(),
            ptr::from_mut(handle).cast(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    })
}
