//! Words of the policy language for what the library names by types.

use emptcp::{
    manifest::{Hook, Kind},
    plan::{Attach, Direction},
};

/// `ingress` or `egress`.
pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// As in a policy file.
pub(crate) fn attach(attach: Attach) -> &'static str {
    match attach {
        Attach::Auto => "auto",
        Attach::Tc => "tc",
        Attach::XdpNative => "xdp-native",
        Attach::XdpGeneric => "xdp-generic",
    }
}

/// `selector` or `actor`.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Selector => "selector",
        Kind::Actor => "actor",
    }
}

/// `xdp, tc ingress, tc egress`.
pub(crate) fn hooks(hooks: &[Hook]) -> String {
    let words = hooks.iter().map(|hook| match hook {
        Hook::Xdp => "xdp",
        Hook::TcIngress => "tc ingress",
        Hook::TcEgress => "tc egress",
    });
    words.collect::<Vec<_>>().join(", ")
}
