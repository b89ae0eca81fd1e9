//! Numbers as people read them.

/// What numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Just numbers.
    Number,
    /// Shares of a whole; 1 is 100 %.
    Share,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bits per second.
    BitsPerSecond,
}

/// A prefix of a unit: its factor and the unit with it.
pub(super) type Prefix = (f64, &'static str);

impl Unit {
    /// The units with prefixes, largest first.
    fn prefixes(self) -> &'static [Prefix] {
        match self {
            Self::Number => &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")],
            Self::Share => &[(0.01, "%")],
            Self::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
            Self::Bytes => &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")],
            Self::BitsPerSecond => &[(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")],
        }
    }

    /// The prefix that suits a value of this size.
    pub(super) fn prefix(self, value: f64) -> Prefix {
        let prefixes = self.prefixes();
        // Slightly less counts as reached: 0.001 is not exactly a thousandth.
        let fits = prefixes.iter().find(|(factor, _)| value.abs() >= factor * 0.999_999);
        let base = if value == 0.0 {
            prefixes.iter().find(|(factor, _)| *factor == 1.0)
        } else {
            None
        };
        base.or(fits).or(prefixes.last()).copied().unwrap_or((1.0, ""))
    }

    /// The value with its unit, three or four digits: `12.3 ms`, `1.50 MB`, `42.0 %`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "-".to_owned();
        }
        let (factor, unit) = self.prefix(value);
        let number = value / factor;
        let exact = factor == 1.0 && matches!(self, Self::Number | Self::Bytes) && number.fract() == 0.0;
        let decimals = match number.abs() {
            _ if exact => 0,
            0.0 => 0,
            size if size >= 100.0 => usize::from(self == Self::Share),
            size if size >= 10.0 => 1,
            _ => 2,
        };
        joined(Self::group(&format!("{number:.decimals$}")), unit)
    }

    /// The value with its unit, no more digits than it needs: for ticks.
    pub(super) fn short(self, value: f64) -> String {
        let (factor, unit) = self.prefix(value);
        let number = value / factor;
        // Ticks are round numbers; digits after the ninth are rounding errors.
        let text = format!("{number:.9}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        joined(Self::group(text), unit)
    }

    /// A number with a thin space between thousands, from 10 000 on.
    pub(super) fn group(number: &str) -> String {
        let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
        let (whole, fraction) = rest
            .split_once('.')
            .map_or((rest, None), |(whole, part)| (whole, Some(part)));
        let mut text = String::from(sign);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && whole.len() > 4 && (whole.len() - index).is_multiple_of(3) {
                text.push('\u{2009}');
            }
            text.push(digit);
        }
        if let Some(fraction) = fraction {
            text.push('.');
            text.push_str(fraction);
        }
        text
    }
}

fn joined(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_that_suits() {
        assert_eq!(Unit::Seconds.show(0.0123), "12.3 ms");
        assert_eq!(Unit::Seconds.show(3600.0), "3600 s");
        assert_eq!(Unit::Seconds.show(0.0), "0 s");
        assert_eq!(Unit::Bytes.show(2.0), "2 B");
        assert_eq!(Unit::Bytes.show(1_500_000.0), "1.50 MB");
        assert_eq!(Unit::Share.show(0.425), "42.5 %");
        assert_eq!(Unit::Share.show(1.0), "100.0 %");
        assert_eq!(Unit::Number.show(250.0), "250");
        assert_eq!(Unit::Number.show(f64::NAN), "-");
    }

    #[test]
    fn ticks_have_no_more_digits_than_they_need() {
        assert_eq!(Unit::Seconds.short(0.001), "1 ms");
        assert_eq!(Unit::Seconds.short(100_000.0), "100\u{2009}000 s");
        assert_eq!(Unit::Share.short(0.2), "20 %");
        assert_eq!(Unit::Number.short(0.05), "0.05");
        assert_eq!(Unit::Bytes.short(0.0), "0 B");
    }
}
