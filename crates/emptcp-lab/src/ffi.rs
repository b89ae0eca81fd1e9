//! The only unsafe code of this crate: two options of packet sockets that no crate wraps.
#![allow(unsafe_code)] // See above; the macro passes a buffer of its own to the kernel.

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
    /// `PACKET_IGNORE_OUTGOING` of packet(7): do not receive frames that this machine sends.
    PacketIgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool,
    SetBool
);
