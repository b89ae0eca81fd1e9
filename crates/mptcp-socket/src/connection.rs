//! `MPTCP_FULL_INFO`, or its equivalents in kernels before 6.5: the state of a connection and of every subflow.

use crate::error::Error;
use crate::ffi;
use crate::fields::Fields;
use crate::tcp::TcpInfo;
use mptcp_wire::{DataSequenceNumber, FourTuple, Token};
use std::os::fd::AsFd;

/// More than the kernel allows (8) and room for subflows that are closing.
const SUBFLOW_LIMIT: usize = 32;

/// Offsets in `struct mptcp_info` of `linux/mptcp.h`.
mod field {
    pub(super) const FLAGS: usize = 8;
    pub(super) const TOKEN: usize = 12;
    pub(super) const RECEIVE_NEXT: usize = 32;
    pub(super) const CHECKSUM_ENABLED: usize = 42;
    pub(super) const RETRANSMITS: usize = 44;
    pub(super) const BYTES_SENT: usize = 56;
    pub(super) const BYTES_RECEIVED: usize = 64;
    pub(super) const BYTES_ACKED: usize = 72;

    // `struct mptcp_subflow_info`: id, padding, two socket addresses of 128 bytes.
    pub(super) const SUBFLOW_ID: usize = 0;
    pub(super) const SUBFLOW_LOCAL: usize = 8;
    pub(super) const SUBFLOW_REMOTE: usize = 136;
}

/// `MPTCP_INFO_FLAG_FALLBACK`.
const FALLBACK: u32 = 1;

/// State of one subflow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SubflowInfo {
    /// Its addresses; local is the host of the socket.
    pub addresses: FourTuple,
    /// The kernel's number of the subflow within its connection; 0 before Linux 6.5.
    pub id: u32,
    /// Its TCP connection.
    pub tcp: TcpInfo,
}

/// State of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ConnectionInfo {
    /// The connection is, or has become, plain TCP.
    pub fallback: bool,
    /// Token of this host (RFC 8684, 3.2); `None` after a fallback.
    pub token: Option<Token>,
    /// DSS checksums are in use.
    pub dss_checksum: bool,
    /// Bytes of the application that the kernel sent.
    pub bytes_sent: u64,
    /// Bytes received at the level of the connection.
    pub bytes_received: u64,
    /// The data sequence number that this host expects next.
    pub data_next: DataSequenceNumber,
    /// Bytes acknowledged at the level of the connection.
    pub bytes_acked: u64,
    /// Reinjections at the level of the connection.
    pub retransmits: u32,
    /// Subflows, the initial one included.
    pub subflows: Vec<SubflowInfo>,
}

impl ConnectionInfo {
    /// Queries a socket. A socket that is plain TCP, because it was opened so or because the connection fell back
    /// before it was accepted, has [`fallback`](Self::fallback) set and no subflows.
    ///
    /// Before Linux 6.5 this takes three requests; a subflow may begin or end in between.
    ///
    /// # Errors
    /// [`Error::Unsupported`] before Linux 5.16; [`Error::System`] for example when this is not a socket.
    pub fn of(socket: &impl AsFd) -> Result<Self, Error> {
        let plain = Self {
            fallback: true,
            ..Self::default()
        };
        match ffi::mptcp_info(socket, SUBFLOW_LIMIT) {
            Ok(full) => Ok(Self::parse(&full)),
            // Not an MPTCP socket.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(plain),
            // The same from other kernels, or an MPTCP socket of an old one.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => match ffi::protocol(socket) {
                Ok(libc::IPPROTO_TCP) => Ok(plain),
                _ => Err(Error::Unsupported),
            },
            Err(source) => Err(Error::System {
                action: "reading the state of an MPTCP socket",
                source,
            }),
        }
    }

    fn parse(full: &ffi::FullInfo) -> Self {
        let mptcp = Fields(&full.mptcp);
        let count = full.subflow_count.min(SUBFLOW_LIMIT);
        let subflows = (0..count).filter_map(|index| {
            let addresses = full.subflows.chunks_exact(full.subflow_stride.max(1)).nth(index)?;
            let tcp = full.tcp.chunks_exact(full.tcp_stride.max(1)).nth(index)?;
            SubflowInfo::parse(Fields(addresses), tcp)
        });
        Self {
            fallback: mptcp.u32(field::FLAGS) & FALLBACK != 0,
            token: Token(mptcp.u32(field::TOKEN)).known(),
            dss_checksum: mptcp.u8(field::CHECKSUM_ENABLED) != 0,
            data_next: DataSequenceNumber(mptcp.u64(field::RECEIVE_NEXT)),
            retransmits: mptcp.u32(field::RETRANSMITS),
            bytes_sent: mptcp.u64(field::BYTES_SENT),
            bytes_received: mptcp.u64(field::BYTES_RECEIVED),
            bytes_acked: mptcp.u64(field::BYTES_ACKED),
            subflows: subflows.collect(),
        }
    }
}

impl SubflowInfo {
    fn parse(subflow: Fields<'_>, tcp: &[u8]) -> Option<Self> {
        Some(Self {
            addresses: FourTuple::new(
                subflow.socket_address(field::SUBFLOW_LOCAL)?,
                subflow.socket_address(field::SUBFLOW_REMOTE)?,
            ),
            id: subflow.u32(field::SUBFLOW_ID),
            tcp: TcpInfo::parse(tcp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_a_shorter_structure_leaves_zeros() {
        let mut mptcp = vec![0; 48];
        mptcp[12..16].copy_from_slice(&0x1234_abcd_u32.to_ne_bytes());
        mptcp[44] = 3;
        let info = ConnectionInfo::parse(&ffi::FullInfo {
            subflow_count: 0,
            mptcp,
            subflows: Vec::new(),
            subflow_stride: 0,
            tcp: Vec::new(),
            tcp_stride: 0,
        });
        assert_eq!((info.token, info.retransmits), (Some(Token(0x1234_abcd)), 3));
        assert_eq!((info.bytes_sent, info.fallback), (0, false));
    }
}
