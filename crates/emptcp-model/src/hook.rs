//! Hooks in a device's path where programs run.

use crate::DeviceDirection;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A hook of the kernel where an element can run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// XDP, ingress.
    Xdp,
    /// tc, ingress.
    TcIngress,
    /// tc, egress.
    TcEgress,
}

impl Hook {
    /// All hooks, in the order in which a forwarded packet passes them.
    pub const ALL: [Self; 3] = [Self::Xdp, Self::TcIngress, Self::TcEgress];

    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "XDP",
            Self::TcIngress => "tc ingress",
            Self::TcEgress => "tc egress",
        }
    }

    /// The direction of the packets that it sees.
    pub const fn direction(self) -> DeviceDirection {
        match self {
            Self::Xdp | Self::TcIngress => DeviceDirection::Ingress,
            Self::TcEgress => DeviceDirection::Egress,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
