//! TCP flags, and the stage of the handshake that they show.

use crate::stage::Stage;
use core::ops::BitOr;

/// The twelve bits after the data offset: eight flags of RFC 9293, AE of RFC 9768, three reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgement number means something.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer means something.
    pub const URG: Self = Self(0x020);
    /// ECN-Echo.
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced.
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN.
    pub const AE: Self = Self(0x100);

    /// From the lower 12 bits of a number.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits & 0x0fff)
    }

    /// As a number.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The stage of the handshake of a segment with these flags. `None`: neither ACK nor SYN, or a reset.
    #[must_use]
    pub fn stage(self) -> Option<Stage> {
        match (
            self.contains(Self::SYN),
            self.contains(Self::ACK),
            self.contains(Self::RST),
        ) {
            (_, _, true) | (false, false, false) => None,
            (true, false, false) => Some(Stage::Syn),
            (true, true, false) => Some(Stage::SynAck),
            (false, true, false) => Some(Stage::Ack),
        }
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_show_the_stage_of_the_handshake() {
        assert_eq!((Flags::SYN | Flags::ECE).stage(), Some(Stage::Syn));
        assert_eq!((Flags::SYN | Flags::ACK).stage(), Some(Stage::SynAck));
        assert_eq!((Flags::ACK | Flags::PSH).stage(), Some(Stage::Ack));
        assert_eq!((Flags::ACK | Flags::RST).stage(), None);
        assert_eq!(Flags::FIN.stage(), None);
    }
}
