//! The only unsafe code of this crate: one socket option whose answer the kernel writes through pointers that it is given.
//! No crate wraps it.
#![allow(unsafe_code)] // See above: the safe function below owns every buffer that the kernel writes to.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::sockopt::SetBool;
use nix::{setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// `PACKET_VNET_HDR` of packet(7): a virtio header with the offload state before every frame.
    PacketVirtioHeader,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    bool,
    SetBool
);

sockopt_impl!(
    /// `PACKET_IGNORE_OUTGOING` of packet(7): do not see what this machine sends.
    PacketIgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool,
    SetBool
);

/// `SOL_MPTCP` of `linux/socket.h`.
const SOL_MPTCP: libc::c_int = 284;
/// `MPTCP_FULL_INFO` of `linux/mptcp.h`.
const MPTCP_FULL_INFO: libc::c_int = 4;

/// Length of `struct mptcp_full_info` up to its last member, `mptcp_info`.
const FULL_INFO_HEAD: usize = 40;
/// Room for `struct mptcp_info`, which grows with the kernel.
const MPTCP_INFO_ROOM: usize = 256;
/// `struct mptcp_subflow_info`: an id, padding, two `__kernel_sockaddr_storage`.
const SUBFLOW_INFO: usize = 264;
/// Room for one `struct tcp_info`, which grows with the kernel.
const TCP_INFO_ROOM: usize = 512;

/// What the kernel wrote. Fields that it does not know stay zero; lengths tell what is there.
#[derive(Debug)]
pub(crate) struct FullInfo {
    /// Subflows that exist; more than `subflows` and `tcp` hold if there were more than `limit`.
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

/// Asks an MPTCP socket for its state and that of at most `limit` subflows.
///
/// # Errors
/// `EOPNOTSUPP` for a socket that is plain TCP (e.g. accepted after a fallback); `ENOPROTOOPT` before Linux 6.5.
pub(crate) fn mptcp_full_info(socket: &impl AsFd, limit: usize) -> io::Result<FullInfo> {
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
        // The kernel shortens what it was given to what it has, and puts the entries that far apart.
        subflow_stride: word(12).min(SUBFLOW_INFO),
        subflows,
        tcp_stride: word(4).min(TCP_INFO_ROOM),
        tcp,
    })
}
