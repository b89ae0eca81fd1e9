//! Ingress and egress.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The direction of a packet at a network device.
///
/// It says nothing about client and server: at ingress the remote [side](mptcp_wire::Side) sends, at egress the local.
///
/// ```
/// use emptcp_model::DeviceDirection;
///
/// assert_eq!(DeviceDirection::Ingress.to_string(), "ingress");
/// assert_eq!(DeviceDirection::Ingress.opposite(), DeviceDirection::Egress);
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceDirection {
    /// Packets that arrive at the device.
    Ingress,
    /// Packets that leave through the device.
    Egress,
}

impl DeviceDirection {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The word in a policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }

    /// The number in BPF programs: `enum emptcp_direction`.
    pub const fn number(self) -> u32 {
        match self {
            Self::Egress => 0,
            Self::Ingress => 1,
        }
    }

    /// The direction with this number, if there is one.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Egress),
            1 => Some(Self::Ingress),
            _ => None,
        }
    }
}

impl fmt::Display for DeviceDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
