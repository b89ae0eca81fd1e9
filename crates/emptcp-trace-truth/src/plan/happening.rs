//! The unusual: what is planned to happen.

use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span};
use mptcp_wire::mptcp::{ResetReason, Subtype};

/// Whom it concerns, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) path: usize,
    /// The sender whose packets it befalls; none when both.
    pub(crate) direction: Option<Direction>,
    /// Since the beginning of the connection.
    pub(crate) from: Span,
}

/// Something unusual.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    /// The path loses packets, so many of a thousand.
    Loss { target: Target, per_mille: u64 },
    /// The path removes an option; none when all MPTCP options.
    Strip { target: Target, subtype: Option<Subtype> },
    /// The path carries nothing any more.
    Dead { target: Target },
    /// The server does not speak Multipath TCP.
    PlainServer,
    /// The server refuses the connection.
    Refused,
    /// The server refuses joins.
    JoinRefused { reason: ResetReason },
    /// An application writes nothing for a while.
    Idle { host: Direction },
    /// A host aborts the connection.
    Fastclose { host: Direction, at: Span },
    /// The capture misses packets: so many of a thousand.
    NotCaptured { per_mille: u64 },
    /// The capture has packets twice, the second time after so long.
    Twice { later: Span },
    /// The capture begins after so many of a thousand packets.
    Begins { after_per_mille: u64 },
}

impl Happening {
    /// The cause that a diagnosis should name.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Loss { .. } => Cause::PacketsLost,
            Self::Strip { .. } => Cause::OptionRemoved,
            Self::Dead { .. } => Cause::PathDead,
            Self::PlainServer => Cause::NotSupported,
            Self::Refused | Self::JoinRefused { .. } => Cause::Refused,
            Self::Idle { .. } => Cause::Idle,
            Self::Fastclose { .. } => Cause::HostClosed,
            Self::NotCaptured { .. } => Cause::NotCaptured,
            Self::Twice { .. } => Cause::CapturedTwice,
            Self::Begins { .. } => Cause::PartOnly,
        }
    }

    /// Whether the packets exclude every other cause, so that a diagnosis can be certain.
    pub(crate) fn has_one_cause(self) -> bool {
        matches!(self, Self::Fastclose { .. } | Self::Twice { .. } | Self::Begins { .. })
    }

    /// The name of its kind.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Loss { .. } => "loss",
            Self::Strip { target, .. } => match (target.direction, target.from.0) {
                (None, _) => "strip both ways",
                (Some(_), 0) => "strip one way",
                (Some(_), _) => "strip one way later",
            },
            Self::Dead { .. } => "dead path",
            Self::PlainServer => "plain server",
            Self::Refused => "refused",
            Self::JoinRefused { .. } => "join refused",
            Self::Idle { .. } => "idle",
            Self::Fastclose { .. } => "fastclose",
            Self::NotCaptured { .. } => "not captured",
            Self::Twice { .. } => "captured twice",
            Self::Begins { .. } => "begins later",
        }
    }

    /// In words.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Loss { .. } => "the path loses packets",
            Self::Strip { subtype, .. } => match subtype {
                None => "the path removes all MPTCP options",
                Some(Subtype::MpCapable) => "the path removes MP_CAPABLE",
                Some(Subtype::MpJoin) => "the path removes MP_JOIN",
                Some(Subtype::Dss) => "the path removes DSS",
                Some(Subtype::AddAddr) => "the path removes ADD_ADDR",
                Some(_) => "the path removes an MPTCP option",
            },
            Self::Dead { .. } => "the path carries nothing any more",
            Self::PlainServer => "the server does not speak Multipath TCP",
            Self::Refused => "the server refuses the connection",
            Self::JoinRefused { .. } => "the server refuses joins",
            Self::Idle { .. } => "the application has nothing to send",
            Self::Fastclose { .. } => "a host aborts the connection",
            Self::NotCaptured { .. } => "packets are not captured",
            Self::Twice { .. } => "packets are captured twice",
            Self::Begins { .. } => "the capture begins in mid-connection",
        }
    }
}
