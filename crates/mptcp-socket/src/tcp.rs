//! `TCP_INFO`: the state of one TCP connection, or one subflow.

use crate::error::Error;
use crate::ffi;
use crate::fields::Fields;
use mptcp_wire::tcp::State;
use std::os::fd::AsFd;
use std::time::Duration;

/// `TCPI_OPT_WSCALE`.
const OPTION_WINDOW_SCALE: u8 = 4;

/// Offsets in `struct tcp_info` of `linux/tcp.h`.
mod field {
    pub(super) const STATE: usize = 0;
    pub(super) const OPTIONS: usize = 5;
    pub(super) const WINDOW_SCALES: usize = 6;
    pub(super) const RTT: usize = 68;
    pub(super) const CONGESTION_WINDOW: usize = 80;
    pub(super) const RETRANSMITS: usize = 100;
    pub(super) const PACING_RATE: usize = 104;
    pub(super) const BYTES_ACKED: usize = 120;
    pub(super) const BYTES_RECEIVED: usize = 128;
    pub(super) const MINIMUM_RTT: usize = 148;
    pub(super) const BYTES_SENT: usize = 200;
    pub(super) const BYTES_RETRANSMITTED: usize = 208;
}

/// Window scales (RFC 7323, 2) that each host announced in its SYN: bits by which its windows are shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct WindowScales {
    /// Of this host.
    pub local: u8,
    /// Of the other host.
    pub remote: u8,
}

/// State of one TCP connection. Fields that the kernel does not report are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TcpInfo {
    /// State.
    pub state: State,
    /// Window scales; both 0 when one host did not announce any.
    pub window_scales: WindowScales,
    /// Bytes of payload sent, retransmissions included.
    pub bytes_sent: u64,
    /// Bytes of payload acknowledged; the SYN counts as one byte.
    pub bytes_acked: u64,
    /// Bytes of payload received in order.
    pub bytes_received: u64,
    /// Bytes of payload retransmitted.
    pub bytes_retransmitted: u64,
    /// Segments retransmitted.
    pub retransmits: u32,
    /// Smoothed round-trip time.
    pub smoothed_rtt: Duration,
    /// Minimum round-trip time.
    pub minimum_rtt: Duration,
    /// Congestion window in segments.
    pub congestion_window: u32,
    /// Rate at which the kernel paces, in bit/s; `None`: not paced.
    pub pacing_rate: Option<u64>,
}

impl TcpInfo {
    /// Queries a TCP socket.
    ///
    /// # Errors
    /// When it is not a TCP socket. For an MPTCP socket the kernel returns the data of its first subflow.
    pub fn of(socket: &impl AsFd) -> Result<Self, Error> {
        match ffi::tcp_info(socket) {
            Ok(bytes) => Ok(Self::parse(&bytes)),
            Err(source) => Err(Error::System {
                action: "reading the state of a TCP socket",
                source,
            }),
        }
    }

    /// Parses `struct tcp_info` from the kernel, from a socket or from an answer of `inet_diag`.
    ///
    /// ```
    /// use mptcp_socket::{TcpInfo, WindowScales};
    ///
    /// // State, four bytes, options (window scale), both scales: the other host's is in the lower half.
    /// let info = TcpInfo::parse(&[1, 0, 0, 0, 0, 4, 0x79]);
    /// assert_eq!(info.window_scales, WindowScales { local: 7, remote: 9 });
    /// assert_eq!(info.bytes_sent, 0); // not there
    /// ```
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let info = Fields(bytes);
        let scaled = info.u8(field::OPTIONS) & OPTION_WINDOW_SCALE != 0;
        // tcpi_snd_wscale is the lower half on little-endian machines and the upper one on others.
        let (sending, receiving) = match info.u8(field::WINDOW_SCALES) {
            packed if cfg!(target_endian = "little") => (packed & 0xf, packed >> 4),
            packed => (packed >> 4, packed & 0xf),
        };
        Self {
            state: State::from_linux(info.u8(field::STATE)).unwrap_or(State::Closed),
            window_scales: if scaled {
                WindowScales {
                    local: receiving,
                    remote: sending,
                }
            } else {
                WindowScales::default()
            },
            smoothed_rtt: info.microseconds(field::RTT),
            congestion_window: info.u32(field::CONGESTION_WINDOW),
            retransmits: info.u32(field::RETRANSMITS),
            pacing_rate: Some(info.u64(field::PACING_RATE))
                .filter(|bytes| *bytes != u64::MAX)
                .map(|bytes| bytes.saturating_mul(8)),
            bytes_acked: info.u64(field::BYTES_ACKED),
            bytes_received: info.u64(field::BYTES_RECEIVED),
            minimum_rtt: info.microseconds(field::MINIMUM_RTT),
            bytes_sent: info.u64(field::BYTES_SENT),
            bytes_retransmitted: info.u64(field::BYTES_RETRANSMITTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_kernel_counts_what_a_connection_carried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        client.write_all(&[7; 1000]).unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        let (sent, received) = (TcpInfo::of(&client).unwrap(), TcpInfo::of(&server).unwrap());
        assert_eq!((sent.state, received.state), (State::Established, State::Established));
        assert_eq!((sent.bytes_sent, received.bytes_received), (1000, 1000));
        assert_eq!(sent.window_scales.local, received.window_scales.remote);
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(TcpInfo::of(&file).is_err());
    }
}
