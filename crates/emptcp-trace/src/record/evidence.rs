//! Evidence: the packets that show a statement, what may have caused it, and how sure that is.
//!
//! A statement about a connection is an observation ("the SYN+ACK has no MP_CAPABLE") and its possible causes ("the
//! server does not support Multipath TCP" or "the path removed the option"). Causes are weighed in one order: first
//! the capture itself ([`Party::Capture`]), then the hosts ([`Party::Host`]), and only then the path
//! ([`Party::Path`]).

use crate::PacketNumber;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

/// To whom a cause belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The capture: the hosts and the path may have done nothing unusual.
    Capture,
    /// A host: its kernel, its settings, or its application.
    Host,
    /// The path between the hosts.
    Path,
}

/// What may have caused what the packets show. A sender or direction, where one matters, is that of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Cause {
    /// The capture has a packet more than once, as with all devices of a host that has a bridge, a VLAN or a bond.
    CapturedTwice,
    /// Packets passed that the capture does not have.
    NotCaptured,
    /// The packets were cut off (snapshot length).
    CutShort,
    /// The capture has only one direction of a subflow.
    OneDirection,
    /// The capture begins after the subflow or the connection was opened, or ends before it was closed.
    PartOnly,
    /// Segments were merged or split by an offload of the capturing host.
    Offload,
    /// The clock of the capture was set, forward or back.
    ClockStep,
    /// Packets of several devices or files are not in the order in which they passed.
    CaptureOrder,

    /// The host does not support Multipath TCP, or has it switched off.
    NotSupported,
    /// The host refused: RST in place of a SYN+ACK, or a join that it does not accept.
    Refused,
    /// The host fell back to TCP by itself.
    HostFellBack,
    /// The host closed or reset: FIN, RST, `MP_FASTCLOSE`, `REMOVE_ADDR`.
    HostClosed,
    /// The host had nothing to send.
    Idle,
    /// The host chose the subflow: its scheduler, priorities, or a reinjection.
    Scheduler,
    /// The host sent what the RFC forbids.
    Violation,
    /// The host is gone or its address is: power, link or address lost.
    HostGone,

    /// The path removed an option.
    OptionRemoved,
    /// The path changed an option.
    OptionChanged,
    /// The path, or a host that is not one of Multipath TCP, sent the options back that it got.
    OptionMirrored,
    /// The path changed payload.
    PayloadChanged,
    /// The path split or merged segments.
    Resegmented,
    /// The path sent a RST in the name of a host.
    ResetInjected,
    /// The path lost packets.
    PacketsLost,
    /// The path carries nothing any more, in one or both directions.
    PathDead,
    /// The path drops packets because of their option.
    OptionBlocked,
    /// The path changes addresses or ports.
    AddressTranslated,
    /// The path changed the order of packets, or duplicated them.
    Reordered,
}

impl Cause {
    /// All causes, in the order in which they are weighed.
    pub const ALL: [Self; 27] = [
        Self::CapturedTwice,
        Self::NotCaptured,
        Self::CutShort,
        Self::OneDirection,
        Self::PartOnly,
        Self::Offload,
        Self::ClockStep,
        Self::CaptureOrder,
        Self::NotSupported,
        Self::Refused,
        Self::HostFellBack,
        Self::HostClosed,
        Self::Idle,
        Self::Scheduler,
        Self::Violation,
        Self::HostGone,
        Self::OptionRemoved,
        Self::OptionChanged,
        Self::OptionMirrored,
        Self::PayloadChanged,
        Self::Resegmented,
        Self::ResetInjected,
        Self::PacketsLost,
        Self::PathDead,
        Self::OptionBlocked,
        Self::AddressTranslated,
        Self::Reordered,
    ];

    /// To whom it belongs.
    #[must_use]
    pub const fn party(self) -> Party {
        match self {
            Self::CapturedTwice
            | Self::NotCaptured
            | Self::CutShort
            | Self::OneDirection
            | Self::PartOnly
            | Self::Offload
            | Self::ClockStep
            | Self::CaptureOrder => Party::Capture,
            Self::NotSupported
            | Self::Refused
            | Self::HostFellBack
            | Self::HostClosed
            | Self::Idle
            | Self::Scheduler
            | Self::Violation
            | Self::HostGone => Party::Host,
            Self::OptionRemoved
            | Self::OptionChanged
            | Self::OptionMirrored
            | Self::PayloadChanged
            | Self::Resegmented
            | Self::ResetInjected
            | Self::PacketsLost
            | Self::PathDead
            | Self::OptionBlocked
            | Self::AddressTranslated
            | Self::Reordered => Party::Path,
        }
    }
}

/// A set of causes; an array of their names in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Causes(u32);

impl Causes {
    /// No cause.
    pub const NONE: Self = Self(0);

    /// The set of these.
    #[must_use]
    pub const fn of(causes: &[Cause]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < causes.len() {
            bits |= 1 << causes[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn contains(self, cause: Cause) -> bool {
        self.0 & (1 << cause as u8) != 0
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Cause::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| self.contains(*cause))
    }
}

impl Serialize for Causes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for cause in self.iter() {
            list.serialize_element(&cause)?;
        }
        list.end()
    }
}

/// How sure the cause of a statement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The packets prove it: the statement is an observation alone, or one cause remains.
    #[default]
    Certain,
    /// One cause, the first one, explains it better than the others that remain.
    Likely,
    /// The capture does not show which of the causes it was.
    CannotTell,
}

/// What a statement rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How sure the cause is.
    pub certainty: Certainty,
    /// The causes that remain; none where the statement only says what the packets show.
    pub causes: Causes,
    /// The causes that the packets exclude.
    pub excluded: Causes,
    /// The packets that prove it, first ones first, at most [`Evidence::PACKETS`].
    pub proof: SmallVec<[PacketNumber; 2]>,
}

impl Evidence {
    /// The most packets that one statement names.
    pub const PACKETS: usize = 8;

    /// A statement that says only what these packets show.
    #[must_use]
    pub fn observed(proof: impl IntoIterator<Item = PacketNumber>) -> Self {
        Self {
            proof: proof.into_iter().take(Self::PACKETS).collect(),
            ..Self::default()
        }
    }

    /// A statement with one cause left, which these packets prove.
    #[must_use]
    pub fn certain(cause: Cause, proof: impl IntoIterator<Item = PacketNumber>) -> Self {
        Self {
            causes: Causes::of(&[cause]),
            ..Self::observed(proof)
        }
    }

    /// A statement with several causes left. One of them alone is certain.
    #[must_use]
    pub fn one_of(causes: Causes, proof: impl IntoIterator<Item = PacketNumber>) -> Self {
        Self {
            certainty: if causes.len() > 1 {
                Certainty::CannotTell
            } else {
                Certainty::Certain
            },
            causes,
            ..Self::observed(proof)
        }
    }

    /// The same, with causes that the packets exclude.
    #[must_use]
    pub fn excluding(mut self, excluded: Causes) -> Self {
        self.excluded = self.excluded.with(excluded);
        self.causes = self.causes.without(excluded);
        self
    }

    /// Whether the path is among the causes that remain: the statement accuses it.
    #[must_use]
    pub fn accuses_path(&self) -> bool {
        self.causes.iter().any(|cause| cause.party() == Party::Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_causes_have_their_own_bit_in_order() {
        for (position, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, position);
        }
        assert_eq!(Causes::of(&Cause::ALL).len(), Cause::ALL.len());
    }

    #[test]
    fn a_set_is_an_array_of_names() {
        let causes = Causes::of(&[Cause::OptionRemoved, Cause::NotCaptured]);
        assert_eq!(
            serde_json::to_string(&causes).unwrap(),
            r#"["not_captured","option_removed"]"#
        );
    }

    #[test]
    fn what_is_excluded_no_longer_remains() {
        let causes = Causes::of(&[Cause::NotCaptured, Cause::OptionRemoved]);
        let evidence = Evidence::one_of(causes, [PacketNumber(3)]).excluding(Causes::of(&[Cause::NotCaptured]));
        assert!(evidence.accuses_path() && !evidence.causes.contains(Cause::NotCaptured));
        assert!(!Evidence::observed([]).accuses_path());
    }
}
