//! Hooks and directions in words, for messages, and as maps hold them.

use emptcp_plan::{manifest::Hook, plan::Direction};

/// A hook in words.
pub(crate) fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Xdp => "XDP",
        Hook::TcIngress => "tc ingress",
        Hook::TcEgress => "tc egress",
    }
}

/// A direction in words.
pub(crate) fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// A direction as the maps hold it.
pub(crate) fn direction_number(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => emptcp_abi::direction::INGRESS,
        Direction::Egress => emptcp_abi::direction::EGRESS,
    }
}

/// A direction from a map.
pub(crate) fn direction_from(number: u32) -> Option<Direction> {
    match number {
        emptcp_abi::direction::INGRESS => Some(Direction::Ingress),
        emptcp_abi::direction::EGRESS => Some(Direction::Egress),
        _ => None,
    }
}
