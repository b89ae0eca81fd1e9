//! The states of a TCP connection.

use core::fmt;

/// A state of RFC 9293, 3.3.2. A subflow of MPTCP has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// No connection.
    Closed,
    /// Waits for a SYN.
    Listen,
    /// Has sent a SYN.
    SynSent,
    /// Has answered a SYN.
    SynReceived,
    /// Open in both directions.
    Established,
    /// Has sent a FIN, which is not acknowledged.
    FinWait1,
    /// Has sent a FIN, which is acknowledged.
    FinWait2,
    /// Has received a FIN.
    CloseWait,
    /// Both have sent a FIN; the own one is not acknowledged.
    Closing,
    /// Has received a FIN, then sent one that is not acknowledged.
    LastAck,
    /// Waits until no segment of the connection can be in flight.
    TimeWait,
}

impl State {
    /// The state that has this number in Linux (`include/net/tcp_states.h`), in `struct tcp_info` and in answers of
    /// `inet_diag`. `None` for a number that Linux does not show as a state of RFC 9293.
    #[must_use]
    pub fn from_linux(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is a request that has no full socket yet.
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
