//! The two sides of a subflow, seen from a host or from a device.

use crate::text::InvalidText;
use core::fmt;
use core::str::FromStr;

/// A side of a subflow or connection, from the point of view of one host or one network device. A side is not a
/// direction: the local side sends the packets that leave, the remote side those that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Side {
    /// This host, or the hosts on this side of the device.
    Local,
    /// The other host, or the hosts on the other side.
    Remote,
}

impl Side {
    /// Both, local first: the order of every pair.
    pub const BOTH: [Self; 2] = [Self::Local, Self::Remote];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Local => "local",
            Self::Remote => "remote",
        })
    }
}

impl FromStr for Side {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "local" => Ok(Self::Local),
            "remote" => Ok(Self::Remote),
            _ => Err(InvalidText {
                what: "a side",
                expected: "`local` or `remote`",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_side_written_is_read_back() {
        for side in Side::BOTH {
            assert_eq!(side.to_string().parse(), Ok(side));
            assert_eq!(side.other().other(), side);
        }
    }
}
