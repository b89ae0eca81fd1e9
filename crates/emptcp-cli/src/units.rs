//! Numbers with units, for people.

use emptcp::abi::Counter;
use std::time::Duration;

/// `a` is, or `a`, `b` are.
pub(crate) fn listed(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{} {}", quoted.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// `1.5 MB`: 1000 bytes are 1 kB.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    scaled(bytes as f64, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// `4.00 Mbit/s`: the rate of `bytes` in a time.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    if bytes == 0 || time.is_zero() {
        return "0 bit/s".to_owned();
    }
    scaled(
        bytes as f64 * 8.0 / time.as_secs_f64(),
        &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"],
    )
}

/// Three digits and the largest unit that gives at least 1.
fn scaled(mut value: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // 999.5 would be printed as 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", units[unit])
}

/// `350 ms`, `2.5 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
pub(crate) fn milliseconds(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `20.3 ms`; a dash if it was not measured.
pub(crate) fn microseconds(microseconds: Option<u32>) -> String {
    microseconds.map_or_else(
        || "-".to_owned(),
        |us| match us {
            0..1000 => format!("{us} us"),
            1000..1_000_000 => format!("{:.1} ms", f64::from(us) / 1e3),
            _ => format!("{:.2} s", f64::from(us) / 1e6),
        },
    )
}

/// `12 segments, 1.5 kB`: an aggregate counts as its segments.
pub(crate) fn counter(counter: Counter) -> String {
    format!("{}, {}", count(counter.packets, "segment"), bytes(counter.bytes))
}

/// `1 packet`, `2 packets`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// `1 policy`, `2 policies`.
pub(crate) fn count_of(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// `37 %`; a dash if the whole is 0.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        "-".to_owned()
    } else {
        format!("{:.0} %", part as f64 * 100.0 / whole as f64)
    }
}

/// Seconds since 1970 as `2026-11-20 22:05:09 +0100`, in local time.
pub(crate) fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "?".to_owned(),
            |time| {
                time.to_zoned(jiff::tz::TimeZone::system())
                    .strftime("%F %T %z")
                    .to_string()
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_rates_keep_three_digits() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.00 kB");
        assert_eq!(bytes(219_960), "220 kB");
        assert_eq!(bytes(999_700), "1.00 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(rate(500_000, Duration::from_secs(1)), "4.00 Mbit/s");
        assert_eq!(rate(500_000, Duration::ZERO), "0 bit/s");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(milliseconds(350), "350 ms");
        assert_eq!(milliseconds(2_560), "2.5 s");
        assert_eq!(milliseconds(200_000), "3 min 20 s");
        assert_eq!(milliseconds(7_500_000), "2 h 5 min");
        assert_eq!(milliseconds(357_000_000), "4 d 3 h");
        assert_eq!(microseconds(Some(20_312)), "20.3 ms");
        assert_eq!(microseconds(None), "-");
    }

    #[test]
    fn one_segment_is_not_segments() {
        assert_eq!(
            counter(Counter {
                packets: 1,
                bytes: 1_460
            }),
            "1 segment, 1.46 kB"
        );
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(0, 0), "-");
    }
}
