//! A packet socket on one device, with the offload state of every frame.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, SockaddrStorage, bind, recv, send,
    setsockopt, socket, sockopt,
};

use crate::error::{LabError, Result};
use crate::ffi::{PacketIgnoreOutgoing, PacketVirtioHeader};

/// The largest frame: a 64 kB aggregate with its Ethernet and virtio headers, and room for a VLAN tag.
pub(crate) const FRAME_LIMIT: usize = 65_536 + 64;

/// Receives all frames that arrive at a device, and sends frames through it.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    receive: OwnedFd,
    send: OwnedFd,
}

impl PacketSocket {
    /// Opens a socket on `device` of the calling thread's namespace. With `own` it also receives frames that this
    /// machine sends there (for captures). An emulator must not use `own`, or it would forward in a loop.
    pub(crate) fn open(device: &str, own: bool) -> Result<Self> {
        let failed =
            |what: &str, errno: Errno| LabError::system(format!("{what} of a packet socket on {device}"), errno);
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let receive = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .map_err(|errno| failed("opening", errno))?;
        setsockopt(&receive, PacketVirtioHeader, &true).map_err(|errno| failed("PACKET_VNET_HDR", errno))?;
        if !own {
            setsockopt(&receive, PacketIgnoreOutgoing, &true)
                .map_err(|errno| failed("PACKET_IGNORE_OUTGOING", errno))?;
        }
        // Aggregates of 64 kB quickly fill the default buffer of 200 kB.
        setsockopt(&receive, sockopt::RcvBufForce, &(8 << 20)).map_err(|errno| failed("SO_RCVBUFFORCE", errno))?;
        let send = sender(device)?;
        bind(receive.as_raw_fd(), &link_address(device)?).map_err(|errno| failed("bind", errno))?;
        let opened = Self { receive, send };
        // Before `bind` the socket received frames of all devices of the namespace.
        let mut scratch = vec![0; FRAME_LIMIT];
        while opened.receive(&mut scratch).is_ok() {}
        Ok(opened)
    }

    /// Reads one frame after its 10-byte virtio header; returns the total length.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.receive.as_raw_fd(), buffer, MsgFlags::empty())?)
    }

    /// Sends one whole frame with complete checksums.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.send.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }
}

/// A socket that only sends, through `device` of the calling thread's namespace.
pub(crate) fn sender(device: &str) -> Result<OwnedFd> {
    let failed = |what: &str, errno: Errno| LabError::system(format!("{what} of a packet socket on {device}"), errno);
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    // No protocol: it never receives.
    let send = socket(AddressFamily::Packet, SockType::Raw, flags, None).map_err(|errno| failed("opening", errno))?;
    bind(send.as_raw_fd(), &link_address(device)?).map_err(|errno| failed("bind", errno))?;
    Ok(send)
}

fn link_address(device: &str) -> Result<SockaddrStorage> {
    // `getifaddrs` returns a complete link address, so there is no need to build a `sockaddr_ll`.
    getifaddrs()
        .map_err(|errno| LabError::system(format!("getifaddrs for {device}"), errno))?
        .filter(|interface| interface.interface_name == device)
        .find_map(|interface| {
            interface
                .address
                .filter(|address| address.family() == Some(AddressFamily::Packet))
        })
        .ok_or_else(|| LabError::Invalid {
            what: format!("there is no device {device} in this namespace"),
            advice: "use a device of the host".to_owned(),
        })
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.receive.as_raw_fd()
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receive.as_fd()
    }
}
