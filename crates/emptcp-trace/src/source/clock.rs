//! The time of a pcapng interface: `if_tsresol` and `if_tsoffset`.

use super::capture::ByteOrder;
use crate::Timestamp;

const PER_SECOND: i128 = 1_000_000_000;

/// Numbers of options.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const TIME_RESOLUTION: u16 = 9;
    pub(super) const TIME_OFFSET: u16 = 14;
}

/// The unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// This many nanoseconds.
    Nanoseconds(u64),
    /// This many units are a nanosecond.
    PerNanosecond(u64),
    /// Two to the power of this many units are a second.
    PowerOfTwo(u8),
    /// So small that 2^64 units are less than a nanosecond.
    Vanishing,
}

/// How to convert the time of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    /// Seconds to be added.
    offset: i64,
}

impl Default for Clock {
    /// Microseconds since 1970.
    fn default() -> Self {
        Self {
            unit: Unit::Nanoseconds(1000),
            offset: 0,
        }
    }
}

impl Clock {
    /// From the options of an interface description. Other options are skipped; one that is cut off ends the list.
    pub(super) fn from_options(order: ByteOrder, mut options: &[u8]) -> Self {
        let mut clock = Self::default();
        while options.len() >= 4 {
            let (code, length) = (order.u16_at(options, 0), usize::from(order.u16_at(options, 2)));
            let Some(value) = options.get(4..4 + length) else { break };
            match (code, value) {
                (option::END, _) => break,
                (option::TIME_RESOLUTION, &[resolution]) => clock.unit = Unit::new(resolution),
                (option::TIME_OFFSET, value) if length == 8 => clock.offset = order.u64_at(value, 0).cast_signed(),
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        clock
    }

    /// The time of a number of units; the nearest that a [`Timestamp`] can hold.
    #[inline]
    pub(super) fn time(self, units: u64) -> Timestamp {
        match (self.unit, self.offset) {
            (Unit::Nanoseconds(1), 0) => Timestamp(i64::try_from(units).unwrap_or(i64::MAX)),
            (Unit::Nanoseconds(factor), 0) => {
                let nanoseconds = units
                    .checked_mul(factor)
                    .and_then(|product| i64::try_from(product).ok());
                Timestamp(nanoseconds.unwrap_or(i64::MAX))
            }
            _ => self.uncommon_time(units),
        }
    }

    #[cold]
    fn uncommon_time(self, units: u64) -> Timestamp {
        let units = i128::from(units);
        let nanoseconds = match self.unit {
            Unit::Nanoseconds(factor) => units * i128::from(factor),
            Unit::PerNanosecond(divisor) => units / i128::from(divisor),
            // At most 2^64 * 10^9 * 1, less than 2^94.
            Unit::PowerOfTwo(exponent) => (units * PER_SECOND) >> exponent,
            Unit::Vanishing => 0,
        };
        let sum = nanoseconds + i128::from(self.offset) * PER_SECOND;
        let limit = if sum < 0 { i64::MIN } else { i64::MAX };
        Timestamp(i64::try_from(sum).unwrap_or(limit))
    }
}

impl Unit {
    /// The value of `if_tsresol`: with the highest bit set a power of 2, else of 10, both negative.
    fn new(resolution: u8) -> Self {
        match resolution {
            0..=9 => Self::Nanoseconds(10_u64.pow(9 - u32::from(resolution))),
            10..=28 => Self::PerNanosecond(10_u64.pow(u32::from(resolution) - 9)),
            29..0x80 => Self::Vanishing,
            _ => Self::PowerOfTwo(resolution & 0x7f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(resolution: u8, offset: i64) -> Clock {
        Clock {
            unit: Unit::new(resolution),
            offset,
        }
    }

    #[test]
    fn resolutions_of_both_bases_give_nanoseconds() {
        assert_eq!(Clock::default().time(1_000_001), Timestamp(1_000_001_000));
        assert_eq!(clock(9, 0).time(77), Timestamp(77));
        assert_eq!(clock(0, 0).time(3), Timestamp(3_000_000_000));
        assert_eq!(clock(12, 0).time(5_000), Timestamp(5));
        assert_eq!(clock(0x80 | 10, 0).time(1024 + 512), Timestamp(1_500_000_000));
        assert_eq!(clock(0x80 | 64, 0).time(1 << 63), Timestamp(500_000_000));
        assert_eq!(clock(0xff, 0).time(u64::MAX), Timestamp(0));
        assert_eq!(clock(100, 0).time(u64::MAX), Timestamp(0));
    }

    #[test]
    fn an_offset_is_added_and_what_is_out_of_range_stays_at_the_limit() {
        assert_eq!(clock(6, -1).time(1_500_000), Timestamp(500_000_000));
        assert_eq!(clock(6, 10).time(1), Timestamp(10_000_001_000));
        assert_eq!(clock(0, 0).time(u64::MAX), Timestamp(i64::MAX));
        assert_eq!(clock(9, i64::MIN).time(0), Timestamp(i64::MIN));
        assert_eq!(clock(9, 0).time(u64::MAX), Timestamp(i64::MAX));
    }

    #[test]
    fn options_are_found_among_others_and_stop_at_the_end() {
        let options = [
            0, 2, 0, 3, b'e', b't', b'h', 0, // if_name
            0, 9, 0, 1, 9, 0, 0, 0, // if_tsresol
            0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, // if_tsoffset
            0, 0, 0, 0, // end
            0, 9, 0, 1, 3, 0, 0, 0,
        ];
        assert_eq!(Clock::from_options(ByteOrder::Big, &options), clock(9, 2));
        assert_eq!(Clock::from_options(ByteOrder::Big, &options[..14]), clock(9, 0));
        assert_eq!(Clock::from_options(ByteOrder::Big, &options[..12]), Clock::default());
        assert_eq!(Clock::from_options(ByteOrder::Little, &options), Clock::default());
    }
}
