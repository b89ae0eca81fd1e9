//! Numbers, with and without units.

use super::ValueError;
use crate::suggest;

/// A unit and how many base units it holds, small ones first.
type Units = &'static [(&'static str, u64)];

/// Bits per second; decimal, as in `tc` and in every data sheet.
pub(crate) const RATE_UNITS: Units = &[
    ("bit", 1),
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
];
/// Bytes; `k`, `M`, `G` are decimal, `Ki`, `Mi`, `Gi` binary.
pub(crate) const SIZE_UNITS: Units = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
/// Nanoseconds.
pub(crate) const DURATION_UNITS: Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
];

/// Units of other tools: the unit, the corresponding unit here, and the factor.
type Habits = &'static [(&'static str, &'static str, u64)];

/// In `tc`, `bps` means bytes; in all other tools, bits.
const RATE_HABITS: Habits = &[
    ("bps", "bit", 1),
    ("b", "bit", 1),
    ("bits", "bit", 1),
    ("bit/s", "bit", 1),
    ("k", "kbit", 1),
    ("kb", "kbit", 1),
    ("kbps", "kbit", 1),
    ("kb/s", "kbit", 1),
    ("kbit/s", "kbit", 1),
    ("kbits", "kbit", 1),
    ("m", "mbit", 1),
    ("mb", "mbit", 1),
    ("mbps", "mbit", 1),
    ("mb/s", "mbit", 1),
    ("mbit/s", "mbit", 1),
    ("mbits", "mbit", 1),
    ("g", "gbit", 1),
    ("gb", "gbit", 1),
    ("gbps", "gbit", 1),
    ("gb/s", "gbit", 1),
    ("gbit/s", "gbit", 1),
    ("gbits", "gbit", 1),
];
const SIZE_HABITS: Habits = &[
    ("byte", "B", 1),
    ("bytes", "B", 1),
    ("k", "kB", 1),
    ("kilobytes", "kB", 1),
    ("ki", "KiB", 1),
    ("m", "MB", 1),
    ("megabytes", "MB", 1),
    ("mi", "MiB", 1),
    ("g", "GB", 1),
    ("gigabytes", "GB", 1),
    ("gi", "GiB", 1),
    ("t", "GB", 1000),
    ("tb", "GB", 1000),
];
const DURATION_HABITS: Habits = &[
    ("nsec", "ns", 1),
    ("usec", "us", 1),
    ("usecs", "us", 1),
    ("msec", "ms", 1),
    ("msecs", "ms", 1),
    ("milliseconds", "ms", 1),
    ("sec", "s", 1),
    ("secs", "s", 1),
    ("second", "s", 1),
    ("seconds", "s", 1),
    ("m", "min", 1),
    ("mins", "min", 1),
    ("minute", "min", 1),
    ("minutes", "min", 1),
    ("h", "min", 60),
    ("hr", "min", 60),
    ("hrs", "min", 60),
    ("hour", "min", 60),
    ("hours", "min", 60),
    ("d", "min", 1440),
    ("day", "min", 1440),
    ("days", "min", 1440),
];

/// The same quantity in a unit of this language: `1h` is `60min`.
fn in_our_units(number: &str, unit: &str, units: Units, habits: Habits) -> Option<String> {
    if let Some((name, _)) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        return Some(format!("{number}{name}"));
    }
    let lower = unit.to_lowercase();
    let (_, ours, times) = habits.iter().find(|(theirs, ..)| *theirs == lower)?;
    if *times == 1 {
        return Some(format!("{number}{ours}"));
    }
    let number: u64 = number.parse().ok()?;
    Some(format!("{}{ours}", number.checked_mul(*times)?))
}

/// A whole number, decimal or `0x`.
pub(crate) fn integer(text: &str) -> Result<u64, ValueError> {
    const HELP: &str = "expected a whole number, such as `10` or `0x0a`";
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` takes a sign; this language has none.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        // `10k` of packets.
        let scaled = [("k", 1_000_u64), ("m", 1_000_000), ("g", 1_000_000_000)]
            .iter()
            .find_map(|(unit, scale)| {
                let number = text.to_lowercase().strip_suffix(unit)?.parse::<u64>().ok()?;
                Some(number.checked_mul(*scale)?.to_string())
            });
        return Err(
            ValueError::new(format!("`{}` is not a whole number", suggest::shorten(text)), HELP).perhaps_meant(scaled),
        );
    }
    u64::from_str_radix(digits, radix)
        .map_err(|_| ValueError::new(format!("`{}` is too large", suggest::shorten(text)), too_large()))
}

/// A whole number between `low` and `high`, both inclusive.
pub(crate) fn integer_within(text: &str, low: u64, high: u64, what: &str) -> Result<u64, ValueError> {
    let help = format!("expected {what} from {low} to {high}");
    let number = integer(text).map_err(|error| ValueError::new(error.message, help.clone()))?;
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        Err(ValueError::new(
            format!("`{}` is out of range", suggest::shorten(text)),
            help,
        ))
    }
}

/// A rate in bits per second; never 0.
pub(crate) fn rate(text: &str) -> Result<u64, ValueError> {
    let rate = with_unit(text, "rate", (RATE_UNITS, RATE_HABITS), "4mbit", false)?;
    if rate == 0 {
        return Err(ValueError::new(
            format!("`{text}` is no rate"),
            "expected a rate above 0; the actor `drop` stops traffic",
        ));
    }
    Ok(rate)
}

/// A size in bytes; a number without unit is bytes.
pub(crate) fn size(text: &str) -> Result<u64, ValueError> {
    with_unit(text, "size", (SIZE_UNITS, SIZE_HABITS), "220kB", true)
}

/// A duration in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<u64, ValueError> {
    with_unit(text, "duration", (DURATION_UNITS, DURATION_HABITS), "100ms", false)
}

/// Writes `number` in the largest unit that holds it exactly; decimal units are preferred to binary ones.
pub(crate) fn format(number: u64, units: Units) -> String {
    let exact = |binary: bool| {
        let fits = |scale: u64| scale > 1 && number != 0 && number.is_multiple_of(scale);
        units
            .iter()
            .rev()
            .find(|(name, scale)| name.ends_with("iB") == binary && fits(*scale))
    };
    let (name, scale) = exact(false).or_else(|| exact(true)).copied().unwrap_or(units[0]);
    format!("{}{name}", number / scale)
}

fn too_large() -> String {
    format!("expected at most {}", u64::MAX)
}

fn with_unit(
    text: &str,
    what: &str,
    (units, habits): (Units, Habits),
    example: &str,
    bare: bool,
) -> Result<u64, ValueError> {
    let names = || units.iter().map(|(name, _)| *name);
    let shown = suggest::shorten(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let no_number = || {
        ValueError::new(
            format!("`{shown}` is not a {what}"),
            format!(
                "expected a number with a unit ({}), such as `{example}`",
                suggest::one_of(names())
            ),
        )
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(no_number());
    }
    let scale = match units.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => *scale,
        None if unit.is_empty() && bare => 1,
        None if unit.is_empty() => {
            return Err(ValueError::new(
                format!("the {what} `{shown}` has no unit"),
                format!(
                    "expected {} after the number, such as `{example}`",
                    suggest::one_of(names())
                ),
            ));
        }
        None => {
            let meant = in_our_units(number, unit, units, habits)
                .or_else(|| suggest::meant(unit, names()).map(|name| format!("{number}{name}")));
            let hint = meant
                .as_ref()
                .map(|value| format!("; did you mean `{value}`?"))
                .unwrap_or_default();
            return Err(ValueError::new(
                format!("`{}` is not a unit of a {what}", suggest::shorten(unit)),
                format!("expected {}{hint}", suggest::one_of(names())),
            )
            .perhaps_meant(meant));
        }
    };
    let overflow = || ValueError::new(format!("the {what} `{shown}` is too large"), too_large());
    let whole: u64 = whole.parse().map_err(|_| overflow())?;
    let base = whole.checked_mul(scale).ok_or_else(overflow)?;
    base.checked_add(parts(fraction, scale).ok_or_else(|| {
        ValueError::new(
            format!("the {what} `{shown}` is not a whole number of {}", units[0].0),
            "expected fewer digits after the point, or a smaller unit",
        )
    })?)
    .ok_or_else(overflow)
}

/// `0.fraction * scale`, when that is a whole number.
fn parts(fraction: &str, scale: u64) -> Option<u64> {
    let digits = fraction.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // Eighteen digits times the largest scale fits in u128.
    let power = 10u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let scaled = digits.parse::<u128>().ok()?.checked_mul(u128::from(scale))?;
    (scaled % power == 0)
        .then(|| u64::try_from(scaled / power).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_scale_as_documented() {
        assert_eq!(rate("4mbit").unwrap(), 4_000_000);
        assert_eq!(rate("2.5gbit").unwrap(), 2_500_000_000);
        assert_eq!(size("220kB").unwrap(), 220_000);
        assert_eq!(size("64KiB").unwrap(), 65_536);
        assert_eq!(size("100").unwrap(), 100);
        assert_eq!(duration("1.5ms").unwrap(), 1_500_000);
        assert_eq!(duration("2min").unwrap(), 120_000_000_000);
        assert_eq!(integer("0x10").unwrap(), 16);
    }

    #[test]
    fn a_wrong_case_in_a_unit_is_explained() {
        assert!(rate("4Mbit").unwrap_err().help.contains("did you mean `4mbit`"));
        assert!(size("10KB").unwrap_err().help.contains("did you mean `10kB`"));
    }

    #[test]
    fn units_of_other_tools_are_translated() {
        for (found, meant) in [
            ("1h", "60min"),
            ("5m", "5min"),
            ("2d", "2880min"),
            ("10sec", "10s"),
            ("3Seconds", "3s"),
        ] {
            let error = duration(found).unwrap_err();
            assert!(error.help.contains(&format!("did you mean `{meant}`")), "{error}");
            assert_eq!(
                duration(error.meant.as_deref().unwrap()).unwrap(),
                duration(meant).unwrap()
            );
        }
        for (found, meant) in [
            ("10Mbps", "10mbit"),
            ("4Mbit/s", "4mbit"),
            ("1G", "1gbit"),
            ("2.5Gb", "2.5gbit"),
        ] {
            assert_eq!(rate(found).unwrap_err().meant.as_deref(), Some(meant));
        }
        for (found, meant) in [
            ("64K", "64kB"),
            ("1mb", "1MB"),
            ("10bytes", "10B"),
            ("2TB", "2000GB"),
            ("8Ki", "8KiB"),
        ] {
            assert_eq!(size(found).unwrap_err().meant.as_deref(), Some(meant));
        }
        assert_eq!(integer("10k").unwrap_err().meant.as_deref(), Some("10000"));
        assert_eq!(duration("1.5h").unwrap_err().meant, None);
    }

    #[test]
    fn every_unit_of_another_tool_is_read_in_ours() {
        for (units, habits) in [
            (RATE_UNITS, RATE_HABITS),
            (SIZE_UNITS, SIZE_HABITS),
            (DURATION_UNITS, DURATION_HABITS),
        ] {
            for (theirs, ours, _) in habits {
                assert!(units.iter().any(|(name, _)| name == ours), "{theirs}: {ours}");
                assert!(!units.iter().any(|(name, _)| name == theirs), "{theirs} is ours");
                assert_eq!(theirs.to_lowercase(), *theirs);
            }
        }
    }

    #[test]
    fn a_missing_unit_is_explained() {
        assert_eq!(duration("100").unwrap_err().message, "the duration `100` has no unit");
        assert!(rate("4").unwrap_err().help.contains("`4mbit`"));
    }

    #[test]
    fn overflow_is_an_error_and_not_a_wrap() {
        for text in [
            "99999999999gbit",
            "18446744073709551615kbit",
            "99999999999999999999999bit",
        ] {
            assert!(rate(text).unwrap_err().message.contains("too large"), "{text}");
        }
        assert_eq!(integer("18446744073709551615").unwrap(), u64::MAX);
        assert!(
            integer("18446744073709551616")
                .unwrap_err()
                .message
                .contains("too large")
        );
    }

    #[test]
    fn parts_of_a_base_unit_are_refused() {
        assert!(size("0.5").unwrap_err().message.contains("whole number of B"));
        assert!(duration("0.1234567891s").is_err());
        assert_eq!(duration("0.5us").unwrap(), 500);
    }

    #[test]
    fn no_number_is_refused() {
        for text in ["", ".", "1.", ".5s", "1..2s", "-3", "+3", "s", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "-1", "+1", "0x", "1e3", "0x+1"] {
            assert!(integer(text).is_err(), "{text}");
        }
        assert!(rate("0mbit").unwrap_err().help.contains("drop"));
    }

    #[test]
    fn numbers_are_written_in_the_largest_exact_unit() {
        assert_eq!(format(4_000_000, RATE_UNITS), "4mbit");
        assert_eq!(format(65_536, SIZE_UNITS), "64KiB");
        assert_eq!(format(220_000, SIZE_UNITS), "220kB");
        assert_eq!(format(1_500, SIZE_UNITS), "1500B");
        assert_eq!(format(120_000_000_000, DURATION_UNITS), "2min");
        assert_eq!(format(0, DURATION_UNITS), "0ns");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in prop_oneof![any::<u64>(), (0u64..5000).prop_map(|n| n * 1_000_000)]) {
            prop_assert_eq!(size(&format(number, SIZE_UNITS)).unwrap(), number);
            prop_assert_eq!(duration(&format(number, DURATION_UNITS)).unwrap(), number);
            if number > 0 {
                prop_assert_eq!(rate(&format(number, RATE_UNITS)).unwrap(), number);
            }
        }
    }
}
