//! BPF links, and what is attached to devices.

use super::{check, owned};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr,
};

/// Attaches a program to a device by a link. `attach_type` is one of `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`, `BPF_XDP`.
///
/// # Errors
/// The error of the kernel.
pub fn create(program: BorrowedFd<'_>, ifindex: u32, attach_type: u32, flags: u32) -> io::Result<OwnedFd> {
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        flags,
        ..Default::default()
    };
    // SAFETY: `options` is valid during the call and has its own size in it.
    owned(unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            ifindex as libc::c_int,
            attach_type,
            &raw const options,
        )
    })
}

/// Replaces the program of a link.
///
/// # Errors
/// The error of the kernel.
pub fn update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libbpf_sys::bpf_link_update(link.as_raw_fd(), program.as_raw_fd(), ptr::null()) }).map(drop)
}

/// Detaches a link, even while others hold it.
///
/// # Errors
/// The error of the kernel.
pub fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

/// What the kernel reports about a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Info {
    /// The link's id.
    pub id: u32,
    /// The program's id.
    pub program: u32,
    /// The device, 0 when it is gone.
    pub ifindex: u32,
}

/// Queries a tcx or XDP link.
///
/// # Errors
/// The error of the kernel.
pub fn info(link: BorrowedFd<'_>) -> io::Result<Info> {
    let mut info = libbpf_sys::bpf_link_info::default();
    let mut size = size_of::<libbpf_sys::bpf_link_info>() as u32;
    // SAFETY: `info` has the size that is passed; every member is an integer, so that any bytes are valid.
    check(unsafe { libbpf_sys::bpf_obj_get_info_by_fd(link.as_raw_fd(), (&raw mut info).cast(), &raw mut size) })?;
    // SAFETY: both variants begin with the interface index.
    let ifindex = unsafe { info.__bindgen_anon_1.tcx.ifindex };
    Ok(Info {
        id: info.id,
        program: info.prog_id,
        ifindex,
    })
}

/// A link that exists.
///
/// # Errors
/// The error of the kernel.
pub fn by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) })
}

/// Ids of the programs and of the links that are attached to a device of this namespace at an attach type, in order;
/// the id of a link is 0 where there is none.
///
/// # Errors
/// The error of the kernel.
pub fn attached_at(ifindex: u32, attach_type: u32) -> io::Result<Vec<(u32, u32)>> {
    let (mut programs, mut links) = ([0_u32; 64], [0_u32; 64]);
    let mut options = libbpf_sys::bpf_prog_query_opts {
        sz: size_of::<libbpf_sys::bpf_prog_query_opts>() as libbpf_sys::size_t,
        prog_ids: programs.as_mut_ptr(),
        link_ids: links.as_mut_ptr(),
        ..Default::default()
    };
    options.__bindgen_anon_1.count = programs.len() as u32;
    // SAFETY: both arrays have as many entries as `count` says and outlive the call.
    check(unsafe { libbpf_sys::bpf_prog_query_opts(ifindex as libc::c_int, attach_type, &raw mut options) })?;
    // SAFETY: the kernel has set the count.
    let count = unsafe { options.__bindgen_anon_1.count } as usize;
    Ok(programs.into_iter().zip(links).take(count).collect())
}

/// The XDP programs of a device: driver, generic (0: none).
///
/// # Errors
/// The error of the kernel.
pub fn xdp_programs(ifindex: u32) -> io::Result<(u32, u32)> {
    let mut options = libbpf_sys::bpf_xdp_query_opts {
        sz: size_of::<libbpf_sys::bpf_xdp_query_opts>() as libbpf_sys::size_t,
        ..Default::default()
    };
    // SAFETY: `options` is valid during the call and has its own size in it.
    check(unsafe { libbpf_sys::bpf_xdp_query(ifindex as libc::c_int, 0, &raw mut options) })?;
    let native = if options.drv_prog_id != 0 {
        options.drv_prog_id
    } else {
        options.hw_prog_id
    };
    Ok((native, options.skb_prog_id))
}
