//! `MPTCP_FULL_INFO`, or what kernels before 6.5 have for it: the state of a connection and the `tcp_info` of every subflow.
//!
//! Offsets are those of `linux/mptcp.h` and `linux/tcp.h`, which only ever grow at the end: what a kernel does not have is
//! beyond the length that it returned and reads as zero.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use serde::Serialize;

use crate::error::{LabError, Result};
use crate::ffi;

/// More than the kernel allows (8) and room for subflows that are closing.
const SUBFLOW_LIMIT: usize = 32;

/// The addresses of a subflow, seen from the host whose socket was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SubflowKey {
    /// Address and port of this host.
    pub local: SocketAddr,
    /// Address and port of the other host.
    pub remote: SocketAddr,
}

impl SubflowKey {
    /// The same subflow seen from the other host.
    pub fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }
}

impl fmt::Display for SubflowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.local, self.remote)
    }
}

/// State of one subflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubflowInfo {
    /// Its addresses.
    pub key: SubflowKey,
    /// The kernel's number of the subflow within its connection.
    pub id: u32,
    /// State of RFC 9293 in the kernel's numbering: 1 is ESTABLISHED.
    pub tcp_state: u8,
    /// Bytes of payload sent, retransmissions included.
    pub bytes_sent: u64,
    /// Bytes of payload acknowledged at the level of the subflow.
    pub bytes_acked: u64,
    /// Bytes of payload received in order at the level of the subflow.
    pub bytes_received: u64,
    /// Bytes of payload retransmitted.
    pub bytes_retransmitted: u64,
    /// Segments retransmitted.
    pub retransmits: u32,
    /// Smoothed round-trip time.
    pub smoothed_rtt: Duration,
    /// Least round-trip time seen.
    pub minimum_rtt: Duration,
    /// Congestion window in segments.
    pub congestion_window: u32,
    /// Rate at which the kernel paces, in bit/s; `None`: not paced.
    pub pacing_rate: Option<u64>,
    /// Whether either host marked the subflow as backup; filled by samplers, see [`TimeSeries`](crate::TimeSeries).
    pub backup: bool,
}

/// State of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionInfo {
    /// The connection is, or has become, plain TCP.
    pub fallback: bool,
    /// Token of this host (RFC 8684, 3.2); 0 after a fallback.
    pub token: u32,
    /// DSS checksums are in use.
    pub dss_checksum: bool,
    /// Bytes that the application gave to the connection and the kernel sent.
    pub bytes_sent: u64,
    /// Bytes received at the level of the connection.
    pub bytes_received: u64,
    /// The data sequence number that this host expects next.
    pub data_next: u64,
    /// Bytes acknowledged at the level of the connection.
    pub bytes_acked: u64,
    /// Reinjections at the level of the connection.
    pub retransmits: u32,
    /// Subflows, the initial one included.
    pub subflows: Vec<SubflowInfo>,
}

impl ConnectionInfo {
    pub(crate) fn read(socket: &impl AsFd) -> Result<Self> {
        match ffi::mptcp_info(socket, SUBFLOW_LIMIT) {
            Ok(full) => Ok(Self::parse(&full)),
            // Not an MPTCP socket at all.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(Self {
                fallback: true,
                ..Self::default()
            }),
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                if is_plain_tcp(socket) {
                    return Ok(Self {
                        fallback: true,
                        ..Self::default()
                    });
                }
                Err(LabError::Unsupported {
                    feature: "MPTCP_TCPINFO",
                    reason: "it came with Linux 5.16".to_owned(),
                })
            }
            Err(error) => Err(LabError::system("reading the state of an MPTCP socket", error)),
        }
    }

    fn parse(full: &ffi::FullInfo) -> Self {
        let mptcp = Fields {
            bytes: &full.mptcp,
            length: full.mptcp.len(),
        };
        let count = full.subflow_count.min(SUBFLOW_LIMIT);
        let subflows = (0..count).filter_map(|index| {
            let addresses = full.subflows.chunks_exact(full.subflow_stride.max(1)).nth(index)?;
            let tcp = full.tcp.chunks_exact(full.tcp_stride.max(1)).nth(index)?;
            SubflowInfo::parse(
                addresses,
                Fields {
                    bytes: tcp,
                    length: tcp.len(),
                },
            )
        });
        Self {
            fallback: mptcp.u32(8) & 1 != 0, // mptcpi_flags, MPTCP_INFO_FLAG_FALLBACK
            token: mptcp.u32(12),
            dss_checksum: mptcp.u8(42) != 0,
            data_next: mptcp.u64(32), // mptcpi_rcv_nxt
            retransmits: mptcp.u32(44),
            bytes_sent: mptcp.u64(56),
            bytes_received: mptcp.u64(64),
            bytes_acked: mptcp.u64(72),
            subflows: subflows.collect(),
        }
    }
}

impl SubflowInfo {
    /// `struct mptcp_subflow_info` (id, padding, two socket addresses of 128 bytes) and `struct tcp_info`.
    fn parse(addresses: &[u8], tcp: Fields<'_>) -> Option<Self> {
        let key = SubflowKey {
            local: socket_address(addresses.get(8..136)?)?,
            remote: socket_address(addresses.get(136..264)?)?,
        };
        Some(Self {
            key,
            id: Fields {
                bytes: addresses,
                length: 4,
            }
            .u32(0),
            tcp_state: tcp.u8(0),
            smoothed_rtt: Duration::from_micros(tcp.u32(68).into()),
            congestion_window: tcp.u32(80),
            retransmits: tcp.u32(100),
            pacing_rate: Some(tcp.u64(104))
                .filter(|bytes| *bytes != u64::MAX)
                .map(|bytes| bytes.saturating_mul(8)),
            bytes_acked: tcp.u64(120),
            bytes_received: tcp.u64(128),
            minimum_rtt: Duration::from_micros(tcp.u32(148).into()),
            bytes_sent: tcp.u64(200),
            bytes_retransmitted: tcp.u64(208),
            backup: false,
        })
    }
}

/// `SO_PROTOCOL` tells a TCP socket (a fallback at accept) from an MPTCP socket of an old kernel.
fn is_plain_tcp(socket: &impl AsFd) -> bool {
    let protocol = socket2::SockRef::from(socket).protocol();
    matches!(protocol, Ok(Some(protocol)) if protocol == socket2::Protocol::TCP)
}

/// Reads fields of a kernel structure; what lies beyond its length is zero.
#[derive(Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl Fields<'_> {
    fn take<const N: usize>(self, at: usize) -> [u8; N] {
        let known = self.bytes.get(at..at + N).filter(|_| at + N <= self.length);
        known.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    fn u8(self, at: usize) -> u8 {
        self.take::<1>(at)[0]
    }

    fn u32(self, at: usize) -> u32 {
        u32::from_ne_bytes(self.take(at))
    }

    fn u64(self, at: usize) -> u64 {
        u64::from_ne_bytes(self.take(at))
    }
}

/// A `sockaddr_in` or `sockaddr_in6`.
fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    let address = match family {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(&bytes[4..8]).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(&bytes[8..24]).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_beyond_the_returned_length_read_as_zero() {
        let bytes = [0xff; 16];
        let fields = Fields {
            bytes: &bytes,
            length: 10,
        };
        assert_eq!(fields.u64(0), u64::MAX);
        assert_eq!(fields.u32(8), 0);
        assert_eq!(fields.u32(100), 0);
    }

    #[test]
    fn socket_addresses_of_both_families_are_read() {
        let mut bytes = [0; 128];
        bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        bytes[2..8].copy_from_slice(&[0x1f, 0x90, 10, 1, 0, 2]);
        assert_eq!(socket_address(&bytes), Some("10.1.0.2:8080".parse().unwrap()));
        bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        bytes[8..24].fill(0);
        bytes[8] = 0xfd;
        bytes[23] = 1;
        assert_eq!(socket_address(&bytes), Some("[fd00::1]:8080".parse().unwrap()));
        bytes[0] = 77;
        assert_eq!(socket_address(&bytes), None);
    }
}
