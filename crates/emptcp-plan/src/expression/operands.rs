//! Values that only conditions have.

use super::ast::IdRange;
use crate::suggest;
use crate::values::{self, ValueError, network, quantity};
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

pub(super) fn dscp(text: &str) -> Result<u8, ValueError> {
    quantity::integer_within(text, 0, 63, "a DSCP")
        .map(|value| u8::try_from(value).unwrap_or(u8::MAX))
        .map_err(|error| error.perhaps_meant(code_point(text)))
}

/// Names of code points: classes (RFC 2474), assured (RFC 2597) and expedited forwarding (RFC 3246).
fn code_point(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let digit = |at: usize| name.get(at..=at)?.parse::<u32>().ok();
    let value = match name.get(..2)? {
        "ef" if name.len() == 2 => 46,
        "be" | "df" if name.len() == 2 => 0,
        "cs" if name.len() == 3 => 8 * digit(2).filter(|class| *class < 8)?,
        "af" if name.len() == 4 => {
            let class = digit(2).filter(|class| (1..=4).contains(class))?;
            8 * class + 2 * digit(3).filter(|drop| (1..=3).contains(drop))?
        }
        _ => return None,
    };
    Some(value.to_string())
}

pub(super) fn address_id(text: &str) -> Result<u8, ValueError> {
    quantity::integer_within(text, 0, 255, "an address id").map(|id| u8::try_from(id).unwrap_or(u8::MAX))
}

/// An address id, or `LOW-HIGH`, both included.
pub(super) fn id_range(text: &str) -> Result<IdRange, ValueError> {
    // Without a number at both ends it is no range: `-1`.
    let ends = text
        .split_once('-')
        .filter(|(low, high)| !low.is_empty() && !high.is_empty());
    let Some((low, high)) = ends else {
        return address_id(text).map(|id| IdRange { low: id, high: id });
    };
    let (low, high) = (address_id(low)?, address_id(high)?);
    if low <= high {
        return Ok(IdRange { low, high });
    }
    let meant = format!("{high}-{low}");
    Err(ValueError::new(
        format!("the range of address ids `{}` is upside down", suggest::shorten(text)),
        format!("expected the lower id first: `{meant}`"),
    )
    .meant(meant))
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
