//! The state of a subflow, and its role in the connection.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The state of a subflow (RFC 9293, 3.3.2, as a device on the path sees it).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FlowState {
    /// First seen in mid-stream, in one direction only so far.
    Adopting,
    /// SYN seen.
    Syn,
    /// SYN with ACK seen.
    SynAck,
    /// Matching third ACK seen, or adopted in mid-stream.
    Established,
    /// One FIN sent and acknowledged.
    Closing,
    /// Both FINs acknowledged, or RST.
    Closed,
    /// A state that this build does not know, by its number.
    Other(u8),
}

impl FlowState {
    /// The state with a number of `enum emptcp_flow_state`.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Adopting,
            1 => Self::Syn,
            2 => Self::SynAck,
            3 => Self::Established,
            4 => Self::Closing,
            5 => Self::Closed,
            other => Self::Other(other),
        }
    }

    /// Established and not yet closed by both sides or by RST.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Established | Self::Closing)
    }

    /// Not established yet: the end of its handshake is missing, or, if it was first seen in mid-stream, its other
    /// direction.
    pub fn is_half_open(self) -> bool {
        matches!(self, Self::Adopting | Self::Syn | Self::SynAck)
    }
}

impl fmt::Display for FlowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Adopting => "adopting",
            Self::Syn => "syn",
            Self::SynAck => "synack",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Other(number) => return number.fmt(f),
        })
    }
}

/// Text that names no state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownState;

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not the state of a subflow: expected a word such as `established`")
    }
}

impl std::error::Error for UnknownState {}

impl FromStr for FlowState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Ok(match text {
            "adopting" => Self::Adopting,
            "syn" => Self::Syn,
            "synack" => Self::SynAck,
            "established" => Self::Established,
            "closing" => Self::Closing,
            "closed" => Self::Closed,
            number => Self::from_number(number.parse().map_err(|_| UnknownState)?),
        })
    }
}

impl Serialize for FlowState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FlowState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = FlowState;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the state of a subflow, such as established")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FlowState, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The role of a subflow in its connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubflowRole {
    /// Opened with MP_CAPABLE: the first of its connection.
    Initial,
    /// Opened with MP_JOIN.
    Joined,
}

impl SubflowRole {
    /// The word in conditions and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Joined => "joined",
        }
    }
}

impl fmt::Display for SubflowRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_by_its_name_and_by_its_number() {
        for number in 0..=6 {
            let state = FlowState::from_number(number);
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!(FlowState::from_number(6).to_string(), "6");
        assert_eq!("open".parse::<FlowState>(), Err(UnknownState));
    }
}
