//! Hooks and directions in words, for messages.

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
