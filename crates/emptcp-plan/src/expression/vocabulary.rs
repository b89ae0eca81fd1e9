//! Every word of the language of conditions that is the compiler's own; elements declare the others
//! ([`crate::Fields`]).

use super::ast::{Compare, End, PortSide};
pub(crate) use crate::fields::core::*;
use crate::plan::DeviceDirection;
use crate::values::packet_types;

pub(crate) const AND: &str = "and";
pub(crate) const OR: &str = "or";
pub(crate) const NOT: &str = "not";
pub(crate) const IN: &str = "in";
pub(crate) const IS: &str = "is";
pub(crate) const HAS: &str = "has";

/// Words that join tests; no element may have such a name.
pub(crate) const KEYWORDS: &[&str] = &[AND, OR, NOT, IN, IS, HAS];

/// Directions at a device.
pub(crate) const DIRECTIONS: &[(&str, DeviceDirection)] = &[
    ("ingress", DeviceDirection::Ingress),
    ("egress", DeviceDirection::Egress),
];

impl Compare {
    /// All comparisons.
    pub(crate) const ALL: [Self; 6] = [
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::NotEqual,
    ];

    /// As in a condition.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// As in the argument `compare` of an element.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::LessOrEqual => "le",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Equal => "eq",
            Self::NotEqual => "ne",
        }
    }
}

pub(crate) fn address(end: End) -> &'static str {
    match end {
        End::Source => IP_SRC,
        End::Destination => IP_DST,
    }
}

pub(crate) fn port(side: PortSide) -> &'static str {
    match side {
        PortSide::Source => TCP_SRCPORT,
        PortSide::Destination => TCP_DSTPORT,
        PortSide::Either => TCP_PORT,
    }
}

pub(crate) fn direction(direction: DeviceDirection) -> &'static str {
    match direction {
        DeviceDirection::Ingress => "ingress",
        DeviceDirection::Egress => "egress",
    }
}

/// Every word of conditions that begins no test and belongs to no element: joining words, packet types, options,
/// directions, comparisons.
pub fn other_words() -> Vec<&'static str> {
    let mut words = KEYWORDS.to_vec();
    words.extend(
        packet_types::KINDS
            .iter()
            .chain(packet_types::OPTIONS)
            .map(|(name, _)| *name),
    );
    words.extend(DIRECTIONS.iter().map(|(name, _)| *name));
    words.extend(Compare::ALL.map(Compare::symbol));
    words
}
