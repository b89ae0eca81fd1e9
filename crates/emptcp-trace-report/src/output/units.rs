//! Numbers with units, for people.

use emptcp_trace::{Span, Timestamp};

/// `1.50 MB`: 1000 bytes are 1 kB.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        value /= 1000.0;
        unit = larger;
        // 999.5 would be printed as 1000.
        if value < 999.5 {
            break;
        }
    }
    format!("{} {unit}", three_digits(value))
}

/// `12 345`: digits in groups of three, from five digits on.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 packet`, `2 packets`.
#[must_use]
pub fn count(of: u64, what: &str) -> String {
    let plural = if of == 1 { "" } else { "s" };
    format!("{} {what}{plural}", number(of))
}

/// `12.3 us`, `350 ms`, `2.51 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
#[must_use]
pub fn span(span: Span) -> String {
    let seconds = span.seconds();
    if seconds < 0.0 {
        return format!("-{}", self::span(Span(span.0.saturating_neg())));
    }
    if seconds < 59.95 {
        return match seconds {
            0.0 => "0 s".to_owned(),
            s if s < 0.999_5e-3 => format!("{} us", three_digits(s * 1e6)),
            s if s < 0.999_5 => format!("{} ms", three_digits(s * 1e3)),
            s => format!("{} s", three_digits(s)),
        };
    }
    let whole = seconds.round() as u64;
    match whole {
        0..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// `20.3 ms` from milliseconds.
#[must_use]
pub fn milliseconds(milliseconds: f64) -> String {
    span(Span((milliseconds * 1e6) as i64))
}

/// `1.2 %`; a dash when `whole` is 0.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    match part as f64 * 100.0 / whole as f64 {
        0.0 => "0".to_owned(),
        share if share < 0.1 => "<0.1 %".to_owned(),
        share if share < 9.95 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// `2026-11-20 21:05:09 UTC`.
#[must_use]
pub fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(time.0.into())
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%F %T UTC").to_string())
}

/// Three significant digits, or all digits before the point if there are more.
fn three_digits(value: f64) -> String {
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.00 kB");
        assert_eq!(bytes(999_700), "1.00 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(number(1234), "1234");
        assert_eq!(number(680_153), "680 153");
        assert_eq!(count(1, "packet"), "1 packet");
        assert_eq!(count(20_000, "packet"), "20 000 packets");
    }

    #[test]
    fn times_have_the_unit_that_suits() {
        assert_eq!(span(Span(0)), "0 s");
        assert_eq!(span(Span(12_340)), "12.3 us");
        assert_eq!(span(Span(350_000_000)), "350 ms");
        assert_eq!(span(Span(999_700_000)), "1.00 s");
        assert_eq!(span(Span(-2_514_000_000)), "-2.51 s");
        assert_eq!(span(Span::from_seconds(200)), "3 min 20 s");
        assert_eq!(span(Span::from_seconds(7_500)), "2 h 5 min");
        assert_eq!(span(Span::from_seconds(357_000)), "4 d 3 h");
        assert_eq!(span(Span(i64::MIN)), "-106751 d 23 h");
        assert_eq!(milliseconds(20.312), "20.3 ms");
        assert_eq!(date(Timestamp(1_795_167_384_306_793_000)), "2026-11-20 09:36:24 UTC");
    }

    #[test]
    fn shares_say_when_they_are_small() {
        assert_eq!(percent(0, 0), "-");
        assert_eq!(percent(0, 5), "0");
        assert_eq!(percent(1, 100_000), "<0.1 %");
        assert_eq!(percent(1, 80), "1.2 %");
        assert_eq!(percent(3, 2), "150 %");
    }
}
