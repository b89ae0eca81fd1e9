//! The unusual: what is planned to happen.

use super::Target;
use crate::truth::Origin;
use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span};
use mptcp_wire::mptcp::{ResetReason, Subtype};

/// What a box does to segments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resegmenting {
    Split,
    Merge,
}

/// What is wrong with an option that a host sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A DSS with a byte too few.
    ShortDss,
    /// MP_PRIO with a byte too many.
    LongPrio,
    /// ADD_ADDR of no length that an RFC defines.
    OddAddAddr,
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
    /// The link of a host is gone: nothing comes from it any more.
    HostGone { target: Target },
    /// The path drops SYNs that have this option.
    Blocked { target: Target, subtype: Subtype },
    /// A box mirrors the option of the SYN.
    Mirror { target: Target },
    /// The path changes ports.
    Translate { target: Target },
    /// The path changes payload, once.
    Rewrite { target: Target },
    /// The path splits or merges segments.
    Resegment { target: Target, how: Resegmenting },
    /// The path resets a subflow: the sender alone, or both ends. The RSTs look like those of Linux, or do not.
    Reset { target: Target, both: bool, plain: bool },
    /// The path changes the order of packets: so many of a thousand are late.
    Reorder { target: Target, per_mille: u64 },

    /// The server does not speak Multipath TCP.
    PlainServer,
    /// The server refuses the connection.
    Refused,
    /// The server refuses joins.
    JoinRefused { reason: ResetReason },
    /// An application writes nothing for a while.
    Idle { host: Direction },
    /// A host aborts the connection; as RFC 8684 describes it with ACKs, or with RSTs as Linux.
    Fastclose { host: Direction, at: Span, by_ack: bool },
    /// A host falls back to TCP by itself: an infinite mapping.
    FallsBack { host: Direction, at: Span },
    /// A host removes an address.
    Removed { path: usize, at: Span },
    /// A host asks to use a subflow as backup from now on.
    BackupSwitch { host: Direction, at: Span },
    /// A host sends an option that is malformed.
    Malformed { host: Direction, at: Span, fault: Fault },

    /// The capture misses packets: so many of a thousand.
    NotCaptured { per_mille: u64 },
    /// The capture misses packets one after the other: after so many of a thousand, so many.
    Gap { after_per_mille: u64, packets: usize },
    /// The capture has packets twice, the second time after so long; routed in between or not.
    Twice { later: Span, routed: bool },
    /// The capture begins after so many of a thousand packets.
    Begins { after_per_mille: u64 },
    /// The capture ends after so many of a thousand packets.
    Ends { after_per_mille: u64 },
    /// The capture has so many bytes of each packet.
    CutShort { bytes: usize },
    /// The capture has only what this host sends.
    OneDirection { sender: Direction },
    /// Packets are in the file by device, not by time.
    Order { by: Span },
    /// The capturing host merges segments of its own or for itself.
    Offload { most: usize },
    /// The clock is set.
    ClockStep { after_per_mille: u64, by: Span },
}

impl Happening {
    /// The cause that a diagnosis should name.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Loss { .. } => Cause::PacketsLost,
            Self::Strip { .. } => Cause::OptionRemoved,
            Self::Dead { .. } => Cause::PathDead,
            Self::HostGone { .. } => Cause::HostGone,
            Self::Blocked { .. } => Cause::OptionBlocked,
            Self::Mirror { .. } => Cause::OptionMirrored,
            Self::Translate { .. } => Cause::AddressTranslated,
            Self::Rewrite { .. } => Cause::PayloadChanged,
            Self::Resegment { .. } => Cause::Resegmented,
            Self::Reset { .. } => Cause::ResetInjected,
            Self::Reorder { .. } => Cause::Reordered,
            Self::PlainServer => Cause::NotSupported,
            Self::Refused | Self::JoinRefused { .. } => Cause::Refused,
            Self::Idle { .. } => Cause::Idle,
            Self::Fastclose { .. } | Self::Removed { .. } => Cause::HostClosed,
            Self::FallsBack { .. } => Cause::HostFellBack,
            Self::BackupSwitch { .. } => Cause::Scheduler,
            Self::Malformed { .. } => Cause::Violation,
            Self::NotCaptured { .. } | Self::Gap { .. } => Cause::NotCaptured,
            Self::Twice { .. } => Cause::CapturedTwice,
            Self::Begins { .. } | Self::Ends { .. } => Cause::PartOnly,
            Self::CutShort { .. } => Cause::CutShort,
            Self::OneDirection { .. } => Cause::OneDirection,
            Self::Order { .. } => Cause::CaptureOrder,
            Self::Offload { .. } => Cause::Offload,
            Self::ClockStep { .. } => Cause::ClockStep,
        }
    }

    /// Where on the path it is, if it is there.
    pub(crate) fn target(self) -> Option<Target> {
        match self {
            Self::Loss { target, .. }
            | Self::Strip { target, .. }
            | Self::Dead { target }
            | Self::HostGone { target }
            | Self::Blocked { target, .. }
            | Self::Mirror { target }
            | Self::Translate { target }
            | Self::Rewrite { target }
            | Self::Resegment { target, .. }
            | Self::Reset { target, .. }
            | Self::Reorder { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Whether the packets exclude every other cause, so that a diagnosis can be certain.
    pub(crate) fn has_one_cause(self) -> bool {
        matches!(
            self,
            Self::Fastclose { .. }
                | Self::Removed { .. }
                | Self::Twice { .. }
                | Self::Begins { .. }
                | Self::CutShort { .. }
                | Self::OneDirection { .. }
        )
    }

    /// As the origin of facts.
    pub(crate) fn origin(self, number: usize) -> Origin {
        Origin {
            cause: self.cause(),
            what: self.what(),
            happening: Some(number),
        }
    }

    /// The name of its kind.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Loss { .. } => "loss",
            Self::Strip { target, .. } => match (target.direction, target.from.0) {
                _ if target.before_capture => "strip before capture",
                (None, _) => "strip both ways",
                (Some(_), 0) => "strip one way",
                (Some(_), _) => "strip one way later",
            },
            Self::Dead { target } if target.direction.is_some() => "dead one way",
            Self::Dead { .. } => "dead path",
            Self::HostGone { .. } => "host gone",
            Self::Blocked { .. } => "option blocked",
            Self::Mirror { .. } => "mirrored",
            Self::Translate { .. } => "translated",
            Self::Rewrite { .. } => "payload changed",
            Self::Resegment { how, .. } => match how {
                Resegmenting::Split => "split",
                Resegmenting::Merge => "merged",
            },
            Self::Reset { both, .. } => match both {
                true => "reset both ends",
                false => "reset one end",
            },
            Self::Reorder { .. } => "reordered",
            Self::PlainServer => "plain server",
            Self::Refused => "refused",
            Self::JoinRefused { .. } => "join refused",
            Self::Idle { .. } => "idle",
            Self::Fastclose { by_ack, .. } => match by_ack {
                true => "fastclose by ACK",
                false => "fastclose by RST",
            },
            Self::FallsBack { .. } => "host falls back",
            Self::Removed { .. } => "address removed",
            Self::BackupSwitch { .. } => "backup switch",
            Self::Malformed { .. } => "malformed option",
            Self::NotCaptured { .. } => "not captured",
            Self::Gap { .. } => "not captured, gap",
            Self::Twice { .. } => "captured twice",
            Self::Begins { .. } => "begins later",
            Self::Ends { .. } => "ends early",
            Self::CutShort { .. } => "cut short",
            Self::OneDirection { .. } => "one direction",
            Self::Order { .. } => "out of order",
            Self::Offload { .. } => "offload",
            Self::ClockStep { .. } => "clock step",
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
            Self::HostGone { .. } => "the link of the host is gone",
            Self::Blocked { .. } => "the path drops SYNs with an MPTCP option",
            Self::Mirror { .. } => "a box sends the option of the SYN back",
            Self::Translate { .. } => "the path changes ports",
            Self::Rewrite { .. } => "the path changes payload",
            Self::Resegment { .. } => "the path splits or merges segments",
            Self::Reset { .. } => "the path sends a RST",
            Self::Reorder { .. } => "the path changes the order of packets",
            Self::PlainServer => "the server does not speak Multipath TCP",
            Self::Refused => "the server refuses the connection",
            Self::JoinRefused { .. } => "the server refuses joins",
            Self::Idle { .. } => "the application has nothing to send",
            Self::Fastclose { .. } => "a host aborts the connection",
            Self::FallsBack { .. } => "a host falls back by itself",
            Self::Removed { .. } => "a host removes an address",
            Self::BackupSwitch { .. } => "a host makes a subflow backup",
            Self::Malformed { .. } => "a host sends a malformed option",
            Self::NotCaptured { .. } | Self::Gap { .. } => "packets are not captured",
            Self::Twice { .. } => "packets are captured twice",
            Self::Begins { .. } => "the capture begins in mid-connection",
            Self::Ends { .. } => "the capture ends in mid-connection",
            Self::CutShort { .. } => "the capture has the first bytes of each packet only",
            Self::OneDirection { .. } => "the capture has one direction only",
            Self::Order { .. } => "the packets are not in the order of time",
            Self::Offload { .. } => "the capturing host merges segments",
            Self::ClockStep { .. } => "the clock of the capture is set",
        }
    }
}
