//! Numbers with units, and other parts of sentences.

use emptcp_trace::record::Cause;
use emptcp_trace::{Direction, Span, SubflowId};
use std::net::IpAddr;

/// A number in groups of three digits: `36 099`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number and what is counted: `1 packet`, `75 packets`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// A size, exact up to a million: `1 byte`, `36 099 bytes`, `6.00 MB`.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1_000_000 => counted(number, "byte"),
        1_000_000..1_000_000_000 => format!("{} MB", significant(number as f64 / 1e6)),
        _ => format!("{} GB", significant(number as f64 / 1e9)),
    }
}

/// Bits per second.
pub(crate) fn rate(bits: f64) -> String {
    match bits {
        bits if bits < 1e3 => format!("{bits:.0} bit/s"),
        bits if bits < 1e6 => format!("{} kbit/s", significant(bits / 1e3)),
        bits if bits < 1e9 => format!("{} Mbit/s", significant(bits / 1e6)),
        bits => format!("{} Gbit/s", significant(bits / 1e9)),
    }
}

/// A span in the unit that suits: `350 us`, `20.5 ms`, `3.21 s`, `12 min 5 s`, `3 h 20 min`.
pub(crate) fn duration(span: Span) -> String {
    let seconds = span.seconds();
    let whole = span.0 / 1_000_000_000;
    match seconds.abs() {
        size if size >= 7200.0 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        size if size >= 600.0 => format!("{} min {} s", whole / 60, whole % 60),
        size if size >= 0.9995 => format!("{} s", significant(seconds)),
        size if size >= 0.000_999_5 => format!("{} ms", significant(seconds * 1e3)),
        size if size >= 1e-6 => format!("{:.0} us", seconds * 1e6),
        _ => "0 s".to_owned(),
    }
}

/// Milliseconds, as the record has round-trip times.
pub(crate) fn milliseconds(value: f64) -> String {
    duration(Span((value * 1e6) as i64))
}

/// A share: `29 %`, `0.5 %`, `less than 0.1 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    match share {
        share if part == 0 || share >= 9.95 => {
            // 99.99 % must not read as 100 %.
            let share = if part < whole { share.min(99.0) } else { share };
            format!("{share:.0} %")
        }
        share if share >= 0.1 => format!("{share:.1} %"),
        _ => "less than 0.1 %".to_owned(),
    }
}

/// Three significant digits.
pub(crate) fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// `subflow 1`.
pub(crate) fn subflow(id: SubflowId) -> String {
    format!("subflow {id}")
}

/// `subflow 1`, `subflows 1 and 2`; for more than eight, only their number.
pub(crate) fn subflows(ids: &[SubflowId]) -> String {
    match ids {
        [only] => subflow(*only),
        ids if ids.len() > 8 => counted(ids.len() as u64, "subflow"),
        ids => format!(
            "subflows {}",
            list(&ids.iter().map(ToString::to_string).collect::<Vec<_>>())
        ),
    }
}

/// The sender: `the client`.
pub(crate) fn sender(direction: Direction) -> String {
    format!("the {}", direction.sender())
}

/// The receiver: `the server`.
pub(crate) fn receiver(direction: Direction) -> String {
    sender(direction.reverse())
}

/// What an address is that is not reachable from everywhere, such as `a private address (RFC 1918)`.
pub(crate) fn private(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            match address {
                _ if address.is_private() => Some("a private address (RFC 1918)"),
                _ if address.is_link_local() => Some("a link-local address (RFC 3927)"),
                _ if address.is_loopback() => Some("a loopback address"),
                _ if first == 100 && (64..128).contains(&second) => {
                    Some("an address behind a carrier's NAT (RFC 6598)")
                }
                _ => None,
            }
        }
        IpAddr::V6(address) => match address {
            _ if address.is_unique_local() => Some("a unique local address (RFC 4193)"),
            _ if address.is_unicast_link_local() => Some("a link-local address (RFC 4291)"),
            _ if address.is_loopback() => Some("a loopback address"),
            _ => None,
        },
    }
}

/// A cause, as in `not that packets were lost`.
pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::CapturedTwice => "a packet was captured twice",
        Cause::NotCaptured => "packets were not captured",
        Cause::CutShort => "packets were cut off",
        Cause::OneDirection => "only one direction was captured",
        Cause::PartOnly => "it was captured only in part",
        Cause::Offload => "an offload merged or split segments",
        Cause::ClockStep => "the clock was set",
        Cause::CaptureOrder => "the capture is out of order",
        Cause::NotSupported => "a host does not speak Multipath TCP",
        Cause::Refused => "a host refused",
        Cause::HostFellBack => "a host fell back to TCP by itself",
        Cause::HostClosed => "a host closed it",
        Cause::Idle => "the hosts had nothing to send",
        Cause::Scheduler => "a host chose the subflow",
        Cause::Violation => "a host broke a rule of the RFC",
        Cause::HostGone => "a host or its address is gone",
        Cause::OptionRemoved => "the path removed an option",
        Cause::OptionChanged => "the path changed an option",
        Cause::OptionMirrored => "options were sent back as they came",
        Cause::PayloadChanged => "the path changed payload",
        Cause::Resegmented => "the path split or merged segments",
        Cause::ResetInjected => "the path sent a RST",
        Cause::PacketsLost => "packets were lost",
        Cause::PathDead => "the path is dead",
        Cause::OptionBlocked => "the path drops packets with the option",
        Cause::AddressTranslated => "the path changes addresses",
        Cause::Reordered => "packets overtook each other",
    }
}

/// `was` or `were`.
pub(crate) fn was(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// With a capital letter, as a sentence begins.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_counted_in_singular_and_plural() {
        assert_eq!(count(36_099), "36 099");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(counted(1, "packet"), "1 packet");
        assert_eq!(counted(0, "packet"), "0 packets");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(999_999), "999 999 bytes");
        assert_eq!(bytes(6_000_000), "6.00 MB");
    }

    #[test]
    fn addresses_that_not_everybody_can_reach_are_named() {
        let kind = |text: &str| private(text.parse().unwrap());
        assert_eq!(kind("192.168.1.1"), Some("a private address (RFC 1918)"));
        assert_eq!(kind("100.64.0.1"), Some("an address behind a carrier's NAT (RFC 6598)"));
        assert_eq!(kind("fd00::1"), Some("a unique local address (RFC 4193)"));
        assert_eq!(kind("fe80::1"), Some("a link-local address (RFC 4291)"));
        assert_eq!(
            (kind("100.128.0.1"), kind("2001:db8::1"), kind("9.9.9.9")),
            (None, None, None)
        );
    }

    #[test]
    fn spans_have_the_unit_that_suits() {
        assert_eq!(duration(Span(350_000)), "350 us");
        assert_eq!(duration(Span(20_500_000)), "20.5 ms");
        assert_eq!(duration(Span(3_210_000_000)), "3.21 s");
        assert_eq!(duration(Span::from_seconds(725)), "12 min 5 s");
        assert_eq!(duration(Span::from_seconds(12_000)), "3 h 20 min");
        assert_eq!(duration(Span(999_999_999)), "1.00 s");
        assert_eq!(rate(4_300_000.0), "4.30 Mbit/s");
    }

    #[test]
    fn a_share_below_all_is_never_a_hundred() {
        assert_eq!(percent(999_999, 1_000_000), "99 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(1, 200), "0.5 %");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(1, 1_000_000), "less than 0.1 %");
    }

    #[test]
    fn lists_are_joined_as_people_do() {
        let items: Vec<_> = ["a", "b", "c"].map(String::from).into();
        assert_eq!(list(&items), "a, b and c");
        assert_eq!(subflows(&[SubflowId(1)]), "subflow 1");
        assert_eq!(subflows(&[SubflowId(1), SubflowId(2)]), "subflows 1 and 2");
        assert_eq!(sentence("the client"), "The client");
    }
}
