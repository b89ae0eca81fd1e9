//! The three sequence spaces: TCP's, the subflow's own (relative to its start), and the connection's data.

#[cfg(feature = "serde")]
use crate::text::serde_as_text;
use crate::text::{InvalidText, decimal};

/// The order of two 32-bit sequence numbers less than 2^31 apart (RFC 9293, 3.4).
fn distance32(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// A TCP sequence or acknowledgement number.
///
/// ```
/// use mptcp_wire::SequenceNumber;
///
/// let last = SequenceNumber(u32::MAX);
/// assert_eq!(last.after(3), SequenceNumber(2));
/// assert_eq!(last.distance_to(last.after(3)), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u32);

impl SequenceNumber {
    /// The number `bytes` later; wraps.
    #[must_use]
    pub fn after(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The distance from this number to `other` (negative if `other` is earlier). Right when they are less than 2^31
    /// apart.
    #[must_use]
    pub fn distance_to(self, other: Self) -> i32 {
        distance32(self.0, other.0)
    }
}

/// A subflow sequence number as in a DSS mapping: relative, 1 is the first byte of payload (RFC 8684, 3.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubflowSequenceNumber(pub u32);

impl SubflowSequenceNumber {
    /// From the TCP sequence number and that of the subflow's SYN.
    #[must_use]
    pub fn from_tcp(sequence: SequenceNumber, initial: SequenceNumber) -> Self {
        Self(sequence.0.wrapping_sub(initial.0))
    }

    /// The TCP sequence number of this byte on a subflow whose SYN had `initial`.
    #[must_use]
    pub fn to_tcp(self, initial: SequenceNumber) -> SequenceNumber {
        initial.after(self.0)
    }
}

/// A 64-bit data sequence number, or DATA_ACK.
///
/// Text is decimal digits, as in policies. JSON has a string with the same digits, because numbers above 2^53 are not
/// exact there.
///
/// ```
/// use mptcp_wire::DataSequenceNumber;
///
/// // A 4-byte number of a DSS option is extended to the number nearest to the last known one.
/// let last = DataSequenceNumber(0x1_ffff_fff0);
/// assert_eq!(last.extend(0x10), DataSequenceNumber(0x2_0000_0010));
/// assert_eq!(last.distance_to(last.extend(0x10)), 0x20);
/// assert_eq!("8589934608".parse(), Ok(last.extend(0x10)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct DataSequenceNumber(pub u64);

impl core::fmt::Display for DataSequenceNumber {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, formatter)
    }
}

impl core::str::FromStr for DataSequenceNumber {
    type Err = InvalidText;

    /// Reads decimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        decimal(text).map(Self).ok_or(InvalidText {
            what: "a data sequence number",
            expected: "a number from 0 to 18446744073709551615",
        })
    }
}

#[cfg(feature = "serde")]
serde_as_text!(DataSequenceNumber, "a data sequence number in a string", |number| {
    *number
});

impl DataSequenceNumber {
    /// The number `bytes` later; wraps.
    #[must_use]
    pub fn after(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The distance from this number to `other` (negative if `other` is earlier). Right when they are less than 2^63
    /// apart.
    #[must_use]
    pub fn distance_to(self, other: Self) -> i64 {
        other.0.wrapping_sub(self.0).cast_signed()
    }

    /// The 4-byte form on the wire (RFC 8684, 3.3.1).
    #[must_use]
    pub fn low(self) -> u32 {
        // Truncates: the upper half is dropped.
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The number with the lower half `low` that is nearest to this one, as `expand_seq` in the kernel.
    #[must_use]
    pub fn extend(self, low: u32) -> Self {
        let distance = distance32(self.low(), low);
        Self(self.0.wrapping_add_signed(i64::from(distance)))
    }
}

/// The initial data sequence number of one direction, made from the sender's key; the first byte has the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::IntoBytes, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Idsn(pub u64);

impl Idsn {
    /// The data sequence number of the first byte of data (MP_CAPABLE takes one, as a SYN does).
    #[must_use]
    pub fn first_byte(self) -> DataSequenceNumber {
        DataSequenceNumber(self.0.wrapping_add(1))
    }
}

/// A data sequence number in a DSS option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireDataSequenceNumber {
    /// The lower 32 bits.
    Short(u32),
    /// All 64 bits.
    Long(u64),
}

impl WireDataSequenceNumber {
    /// The bytes that it takes: 4 or 8.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Short(_) => 4,
            Self::Long(_) => 8,
        }
    }

    /// The 64-bit number; a short one is extended to the number nearest to `reference`.
    #[must_use]
    pub fn extend(self, reference: DataSequenceNumber) -> DataSequenceNumber {
        match self {
            Self::Short(low) => reference.extend(low),
            Self::Long(value) => DataSequenceNumber(value),
        }
    }

    /// The value in the option.
    #[must_use]
    pub fn raw(self) -> u64 {
        match self {
            Self::Short(low) => low.into(),
            Self::Long(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_number_extends_to_the_nearest_long_one_in_both_directions() {
        let reference = DataSequenceNumber(0x1_ffff_fff0);
        assert_eq!(reference.extend(0x0000_0010), DataSequenceNumber(0x2_0000_0010));
        assert_eq!(reference.extend(0xffff_ff00), DataSequenceNumber(0x1_ffff_ff00));
        assert_eq!(DataSequenceNumber(0x2_0000_0010).extend(0xffff_fff0), reference);
        assert_eq!(WireDataSequenceNumber::Long(7).extend(reference), DataSequenceNumber(7));
    }

    #[test]
    fn extension_and_distance_wrap_at_the_end_of_the_space() {
        let last = DataSequenceNumber(u64::MAX);
        assert_eq!(last.extend(5), DataSequenceNumber(5));
        assert_eq!(last.distance_to(DataSequenceNumber(5)), 6);
        assert_eq!(SequenceNumber(5).distance_to(SequenceNumber(u32::MAX)), -6);
        assert_eq!(Idsn(u64::MAX).first_byte(), DataSequenceNumber(0));
    }

    #[test]
    fn a_subflow_number_counts_from_the_syn() {
        let initial = SequenceNumber(u32::MAX);
        assert_eq!(
            SubflowSequenceNumber::from_tcp(SequenceNumber(0), initial),
            SubflowSequenceNumber(1)
        );
        assert_eq!(SubflowSequenceNumber(1).to_tcp(initial), SequenceNumber(0));
    }
}
