//! Values that only conditions have.

use crate::suggest;
use crate::values::{self, ValueError, network};
use mptcp_wire::IpVersion;

pub(super) fn ip_version(text: &str) -> Result<IpVersion, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new(
            format!("`{}` is not an IP version", suggest::shorten(text)),
            "expected `4` or `6`",
        )
        .perhaps_meant(
            match text.to_lowercase().trim_start_matches("ip").trim_start_matches('v') {
                version @ ("4" | "6") => Some(version.to_owned()),
                _ => None,
            },
        )
    })
}

pub(super) fn device(text: &str) -> Result<String, ValueError> {
    network::device(text).map(|()| text.to_owned())
}

/// `LOW..HIGH`, or `+LOW..+HIGH` when relative to the start.
pub(super) fn sequence_range(text: &str) -> Result<(bool, u64, u64), ValueError> {
    const HELP: &str =
        "expected `LOW..HIGH` (HIGH not included), or `+LOW..+HIGH` counted from the start, such as `+0..+64KiB`";
    let wrong = |error: ValueError| ValueError::new(error.message, HELP).perhaps_meant(error.meant);
    let Some((low, high)) = text.split_once("..") else {
        return values::range(text).map(|(low, high)| (false, low, high)).map_err(wrong);
    };
    match (low.strip_prefix('+'), high.strip_prefix('+')) {
        (None, None) => values::range(text).map(|(low, high)| (false, low, high)).map_err(wrong),
        (Some(low), None) if high.is_empty() => values::range(&format!("{low}.."))
            .map(|(low, high)| (true, low, high))
            .map_err(wrong),
        (Some(low), Some(high)) if !low.is_empty() && !high.is_empty() => values::range(&format!("{low}..{high}"))
            .map(|(low, high)| (true, low, high))
            .map_err(wrong),
        (None, Some(high)) if low.is_empty() && !high.is_empty() => values::range(&format!("..{high}"))
            .map(|(low, high)| (true, low, high))
            .map_err(wrong),
        _ => Err(ValueError::new(
            format!("`{}` has a `+` at one end only", suggest::shorten(text)),
            HELP,
        )),
    }
}
