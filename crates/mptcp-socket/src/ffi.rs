//! The only unsafe code of this crate: socket options with which the kernel writes through pointers. No crate wraps
//! them.
#![allow(unsafe_code)] // See above: the safe functions below own every buffer that the kernel writes to.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `SOL_MPTCP` of `linux/socket.h`.
const SOL_MPTCP: libc::c_int = 284;
/// `MPTCP_INFO` and others of `linux/mptcp.h`.
const MPTCP_INFO: libc::c_int = 1;
const MPTCP_TCPINFO: libc::c_int = 2;
const MPTCP_SUBFLOW_ADDRS: libc::c_int = 3;
const MPTCP_FULL_INFO: libc::c_int = 4;

/// Length of `struct mptcp_full_info` up to its last member, `mptcp_info`.
const FULL_INFO_HEAD: usize = 40;
/// Room for `struct mptcp_info`, which grows with the kernel.
const MPTCP_INFO_ROOM: usize = 256;
/// `struct mptcp_subflow_info`: an id, padding, two `__kernel_sockaddr_storage`.
const SUBFLOW_INFO: usize = 264;
/// Room for one `struct tcp_info`, which grows with the kernel.
const TCP_INFO_ROOM: usize = 512;
/// `struct mptcp_subflow_data`: its own length, the number of subflows, the length of an entry in the kernel and here.
const SUBFLOW_DATA: usize = 16;
/// `struct mptcp_subflow_addrs`: two `__kernel_sockaddr_storage`, as after the id in [`SUBFLOW_INFO`].
const SUBFLOW_ADDRS: usize = 256;

/// The data that the kernel wrote. Fields that it does not have are zero; the lengths show what it has.
#[derive(Debug)]
pub(crate) struct FullInfo {
    /// Number of existing subflows; may exceed the entries in `subflows` and `tcp`, which are at most `limit`.
    pub(crate) subflow_count: usize,
    /// `struct mptcp_info`, as long as this kernel has it.
    pub(crate) mptcp: Vec<u8>,
    /// One `struct mptcp_subflow_info` per subflow, [`FullInfo::subflow_stride`] apart.
    pub(crate) subflows: Vec<u8>,
    /// Length of `struct mptcp_subflow_info`.
    pub(crate) subflow_stride: usize,
    /// One `struct tcp_info` per subflow, [`FullInfo::tcp_stride`] apart.
    pub(crate) tcp: Vec<u8>,
    /// Length of `struct tcp_info` in this kernel, if that is less than the room for it.
    pub(crate) tcp_stride: usize,
}

/// Reads the state of an MPTCP socket and of at most `limit` subflows.
///
/// # Errors
/// `EOPNOTSUPP` for a socket that is plain TCP (e.g. accepted after a fallback); `ENOPROTOOPT` before Linux 5.16.
pub(crate) fn mptcp_info(socket: &impl AsFd, limit: usize) -> io::Result<FullInfo> {
    match mptcp_info_at_once(socket, limit) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => info_in_parts(socket, limit),
        result => result,
    }
}

/// Since Linux 6.5: one atomic request.
pub(crate) fn mptcp_info_at_once(socket: &impl AsFd, limit: usize) -> io::Result<FullInfo> {
    let mut subflows = vec![0_u8; limit * SUBFLOW_INFO];
    let mut tcp = vec![0_u8; limit * TCP_INFO_ROOM];
    let mut info = [0_u8; FULL_INFO_HEAD + MPTCP_INFO_ROOM];
    let put = |info: &mut [u8], at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(&mut info, 4, &(TCP_INFO_ROOM as u32).to_ne_bytes()); // size_tcpinfo_user
    put(&mut info, 12, &(SUBFLOW_INFO as u32).to_ne_bytes()); // size_sfinfo_user
    put(&mut info, 20, &(limit as u32).to_ne_bytes()); // size_arrays_user
    put(&mut info, 24, &(subflows.as_mut_ptr() as u64).to_ne_bytes()); // subflow_info
    put(&mut info, 32, &(tcp.as_mut_ptr() as u64).to_ne_bytes()); // tcp_info

    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, and through the two pointers in it at most
    // `size_arrays_user` entries of the sizes given beside them, which is exactly what the vectors hold; all
    // three live until after the call.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            SOL_MPTCP,
            MPTCP_FULL_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]) as usize;
    let end = (length as usize).clamp(FULL_INFO_HEAD, info.len());
    Ok(FullInfo {
        subflow_count: word(16),
        mptcp: info[FULL_INFO_HEAD..end].to_vec(),
        // The kernel reduces the entry sizes to its own, and these are the distances of the entries.
        subflow_stride: word(12).min(SUBFLOW_INFO),
        subflows,
        tcp_stride: word(4).min(TCP_INFO_ROOM),
        tcp,
    })
}

/// Since Linux 5.16: the same in three requests, between which a subflow may begin or end. Without ids, and without the
/// fields that `struct mptcp_info` has only since 6.5.
fn info_in_parts(socket: &impl AsFd, limit: usize) -> io::Result<FullInfo> {
    let mut mptcp = vec![0_u8; MPTCP_INFO_ROOM];
    let length = ask(socket, SOL_MPTCP, MPTCP_INFO, &mut mptcp)?;
    mptcp.truncate(length);
    let (tcp_count, tcp_stride, tcp) = per_subflow(socket, MPTCP_TCPINFO, TCP_INFO_ROOM, limit)?;
    let (count, stride, addresses) = per_subflow(socket, MPTCP_SUBFLOW_ADDRS, SUBFLOW_ADDRS, limit)?;
    let mut subflows = vec![0_u8; limit * SUBFLOW_INFO];
    for (to, from) in subflows
        .chunks_exact_mut(SUBFLOW_INFO)
        .zip(addresses.chunks_exact(stride.max(1)))
    {
        to[SUBFLOW_INFO - SUBFLOW_ADDRS..][..stride].copy_from_slice(from);
    }
    Ok(FullInfo {
        subflow_count: count.min(tcp_count),
        mptcp,
        subflows,
        subflow_stride: SUBFLOW_INFO,
        tcp,
        tcp_stride,
    })
}

/// One entry per subflow: their number, their distance, and the entries.
fn per_subflow(
    socket: &impl AsFd,
    option: libc::c_int,
    room: usize,
    limit: usize,
) -> io::Result<(usize, usize, Vec<u8>)> {
    let mut answer = vec![0_u8; SUBFLOW_DATA + limit * room];
    answer[..4].copy_from_slice(&(SUBFLOW_DATA as u32).to_ne_bytes());
    answer[12..16].copy_from_slice(&(room as u32).to_ne_bytes());
    ask(socket, SOL_MPTCP, option, &mut answer)?;
    let word = |at: usize| u32::from_ne_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]) as usize;
    // The kernel reduces the size of entries to its own.
    let (count, stride) = (word(4).min(limit), word(12).min(room));
    Ok((count, stride, answer.split_off(SUBFLOW_DATA)))
}

/// `struct tcp_info` of a TCP socket, as long as this kernel has it.
pub(crate) fn tcp_info(socket: &impl AsFd) -> io::Result<Vec<u8>> {
    let mut info = vec![0_u8; TCP_INFO_ROOM];
    let length = ask(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
    info.truncate(length);
    Ok(info)
}

/// `SO_PROTOCOL`: distinguishes a TCP socket (a fallback at accept) from an MPTCP socket of an old kernel.
pub(crate) fn protocol(socket: &impl AsFd) -> io::Result<libc::c_int> {
    let mut protocol = [0; size_of::<libc::c_int>()];
    ask(socket, libc::SOL_SOCKET, libc::SO_PROTOCOL, &mut protocol)?;
    Ok(libc::c_int::from_ne_bytes(protocol))
}

/// An MPTCP socket that is not connected.
pub(crate) fn mptcp_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let number = unsafe {
        libc::socket(
            libc::AF_INET,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            libc::IPPROTO_MPTCP,
        )
    };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it, and it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn ask(socket: &impl AsFd, level: libc::c_int, option: libc::c_int, answer: &mut [u8]) -> io::Result<usize> {
    let mut length = answer.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `answer`, which is as long as that; these options hold no
    // pointers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            answer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((length as usize).min(answer.len()))
}
