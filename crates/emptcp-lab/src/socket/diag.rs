//! `sock_diag`: what the kernel tells about a subflow only here, above all its backup flags.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::info::SubflowKey;
use crate::error::{LabError, Result};
use crate::host::Host;
use crate::netns::NetworkNamespace;

const NETLINK_HEADER: usize = 16;
/// `struct inet_diag_msg`.
const DIAG_MESSAGE: usize = 72;
/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;

/// `INET_DIAG_INFO` as an extension: without it the kernel leaves out `INET_DIAG_ULP_INFO` as well.
const WITH_INFO: u8 = 1 << (2 - 1);

/// `INET_DIAG_ULP_INFO` > `INET_ULP_INFO_MPTCP`.
const PATH_TO_MPTCP: [u16; 2] = [19, 3];
/// `MPTCP_SUBFLOW_ATTR_*` of `linux/mptcp.h`.
const REMOTE_TOKEN: u16 = 1;
const LOCAL_TOKEN: u16 = 2;
const SSN_OFFSET: u16 = 6;
const FLAGS: u16 = 8;
/// `MPTCP_SUBFLOW_FLAG_MCAP_REM` and `_LOC`, `_JOIN_REM` and `_LOC`, `_BKUP_REM` and `_LOC`.
const CAPABLE: u32 = 1 << 0 | 1 << 1;
const JOIN: u32 = 1 << 2 | 1 << 3;
const BACKUP: u32 = 1 << 4 | 1 << 5;

/// What the kernel of a host tells about one subflow, by `sock_diag`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SubflowState {
    /// State of RFC 9293 in the kernel's numbering: 1 is ESTABLISHED.
    pub tcp_state: u8,
    /// Token of this host; 0 while the kernel does not tell.
    pub local_token: u32,
    /// Token of the other host; a host that was connected to does not keep it, then 0.
    pub remote_token: u32,
    /// Initial sequence number of the other host.
    pub remote_isn: u32,
    /// Opened by MP_CAPABLE.
    pub initial: bool,
    /// Opened by MP_JOIN.
    pub joined: bool,
    /// Either host marked it as backup.
    pub backup: bool,
}

impl Host {
    /// What the kernel tells about a subflow of this host; `None` when there is none.
    ///
    /// # Errors
    /// When the namespace cannot be entered or a netlink socket not be opened.
    pub fn subflow_state(&self, subflow: &SubflowKey) -> Result<Option<SubflowState>> {
        Ok(SocketDiag::open(self.netns())?.state(subflow))
    }
}

/// A netlink socket in a namespace that answers questions about single subflows.
#[derive(Debug)]
pub(crate) struct SocketDiag(OwnedFd);

impl SocketDiag {
    pub(crate) fn open(netns: &NetworkNamespace) -> Result<Self> {
        let open = || {
            socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkSockDiag,
            )
        };
        netns
            .run(open)?
            .map(Self)
            .map_err(|errno| LabError::system("opening a sock_diag socket", errno))
    }

    /// Whether either host marked the subflow as backup; `None` if it is gone, is not a subflow, or is
    /// bound to a device (the kernel then wants to be told which).
    pub(crate) fn backup(&self, subflow: &SubflowKey) -> Option<bool> {
        self.state(subflow).map(|state| state.backup)
    }

    /// All that is told about a subflow.
    pub(crate) fn state(&self, subflow: &SubflowKey) -> Option<SubflowState> {
        let mut answer = [0_u8; 4096];
        send(self.0.as_raw_fd(), &request(subflow), MsgFlags::empty()).ok()?;
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty()).ok()?;
        let message = answer.get(..length)?;
        if u16::from_ne_bytes([message[4], message[5]]) != BY_FAMILY {
            return None;
        }
        let tcp_state = *message.get(NETLINK_HEADER + 1)?;
        let mut attributes = message.get(NETLINK_HEADER + DIAG_MESSAGE..)?;
        for kind in PATH_TO_MPTCP {
            attributes = attribute(attributes, kind)?;
        }
        let word = |kind| {
            let bytes = attribute(attributes, kind)?.get(..4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        let flags = word(FLAGS)?;
        Some(SubflowState {
            tcp_state,
            local_token: word(LOCAL_TOKEN).unwrap_or(0),
            remote_token: word(REMOTE_TOKEN).unwrap_or(0),
            remote_isn: word(SSN_OFFSET).unwrap_or(0),
            initial: flags & CAPABLE != 0,
            joined: flags & JOIN != 0,
            backup: flags & BACKUP != 0,
        })
    }
}

/// A request for exactly one socket (`struct inet_diag_req_v2`).
fn request(subflow: &SubflowKey) -> Vec<u8> {
    let family = if subflow.local.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut message = Vec::with_capacity(72);
    message.extend(72_u32.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence number and port: one question at a time
    message.extend([family as u8, libc::IPPROTO_TCP as u8, WITH_INFO, 0]);
    message.extend(u32::MAX.to_ne_bytes()); // any state
    message.extend(subflow.local.port().to_be_bytes());
    message.extend(subflow.remote.port().to_be_bytes());
    message.extend(padded(subflow.local));
    message.extend(padded(subflow.remote));
    message.extend([0; 4]); // any device
    message.extend([0xff; 8]); // INET_DIAG_NOCOOKIE
    message
}

fn padded(address: SocketAddr) -> [u8; 16] {
    match address.ip() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
    }
}

/// The value of the first attribute of this kind.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    // The two upper bits of the kind are flags (nested, byte order).
    const KIND: u16 = 0x3fff;
    loop {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let found = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & KIND;
        let value = bytes.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_behind_others_and_a_truncated_one_is_not() {
        let mut bytes = Vec::new();
        for (kind, value) in [(1_u16, &b"mptcp"[..]), (3 | 0x8000, b"\x01\x02\x03\x04")] {
            bytes.extend((4 + value.len() as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        assert_eq!(attribute(&bytes, 3), Some(&[1, 2, 3, 4][..]));
        assert_eq!(attribute(&bytes, 9), None);
        assert_eq!(attribute(&bytes[..bytes.len() - 1], 3), None);
        assert_eq!(attribute(&[0, 0, 0, 0], 3), None, "a length of zero must not loop");
    }
}
