//! Finds policies that can never match the same flow, as far as their static conditions show it.

use crate::expression::{End, Expression, PortSide, Primary};
use crate::plan::DeviceDirection;
use crate::values::{Ports, Prefix};
use mptcp_wire::IpVersion;
use std::net::SocketAddr;

/// A condition that every flow of a policy fulfils; lists are alternatives. Only top-level tests that are not negated
/// become constraints; a missing constraint only makes the answer more careful.
#[derive(Clone, Debug)]
pub(crate) enum Constraint {
    Source(Vec<Prefix>),
    Destination(Vec<Prefix>),
    SourcePort(Vec<Ports>),
    DestinationPort(Vec<Ports>),
    IpVersion(Vec<IpVersion>),
    Subflow(SocketAddr, SocketAddr),
    Device(Vec<String>),
    Direction(DeviceDirection),
}

impl Constraint {
    /// Constraints of one static conjunct.
    pub(crate) fn of(conjunct: &Expression) -> Vec<Self> {
        let Expression::Test(test) = conjunct else {
            return Vec::new();
        };
        Self::of_primary(&test.primary)
    }

    /// Constraints of one test.
    pub(crate) fn of_primary(primary: &Primary) -> Vec<Self> {
        match primary {
            Primary::Address(End::Source, prefixes) => vec![Self::Source(prefixes.clone()), Self::versions(prefixes)],
            Primary::Address(End::Destination, prefixes) => {
                vec![Self::Destination(prefixes.clone()), Self::versions(prefixes)]
            }
            Primary::Pair(source, destination) => vec![
                Self::Source(vec![*source]),
                Self::Destination(vec![*destination]),
                Self::versions(&[*source]),
                Self::versions(&[*destination]),
            ],
            Primary::Subflow(a, b) => {
                let ends = vec![Prefix::host(a.ip()), Prefix::host(b.ip())];
                let ports: Vec<_> = [a, b]
                    .map(|end| Ports {
                        low: end.port(),
                        high: end.port(),
                    })
                    .to_vec();
                vec![
                    Self::Subflow(*a, *b),
                    Self::versions(&ends),
                    Self::Source(ends.clone()),
                    Self::Destination(ends),
                    Self::SourcePort(ports.clone()),
                    Self::DestinationPort(ports),
                ]
            }
            Primary::Port(PortSide::Source, ports) => vec![Self::SourcePort(ports.clone())],
            Primary::Port(PortSide::Destination, ports) => vec![Self::DestinationPort(ports.clone())],
            Primary::IpVersion(versions) => vec![Self::IpVersion(versions.clone())],
            Primary::Device(devices) => vec![Self::Device(devices.clone())],
            Primary::Direction(direction) => vec![Self::Direction(*direction)],
            _ => Vec::new(),
        }
    }

    fn versions(prefixes: &[Prefix]) -> Self {
        // The short prefixes around ::ffff:0:0/96 hold addresses of both versions.
        let all_ipv4 = Prefix::host(std::net::Ipv4Addr::UNSPECIFIED.into());
        let all_ipv4 = Prefix { length: 96, ..all_ipv4 };
        let mut versions = Vec::new();
        if prefixes.iter().any(|prefix| prefix.overlaps(&all_ipv4)) {
            versions.push(IpVersion::V4);
        }
        if !prefixes.iter().all(Prefix::is_ipv4) {
            versions.push(IpVersion::V6);
        }
        Self::IpVersion(versions)
    }

    /// Whether no flow can fulfil both.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Source(a), Self::Source(b)) | (Self::Destination(a), Self::Destination(b)) => {
                none(a, b, Prefix::overlaps)
            }
            (Self::SourcePort(a), Self::SourcePort(b)) | (Self::DestinationPort(a), Self::DestinationPort(b)) => {
                none(a, b, |a, b| a.low <= b.high && b.low <= a.high)
            }
            (Self::IpVersion(a), Self::IpVersion(b)) => none(a, b, IpVersion::eq),
            (Self::Subflow(a, b), Self::Subflow(c, d)) => (a, b) != (c, d) && (a, b) != (d, c),
            (Self::Device(a), Self::Device(b)) => none(a, b, String::eq),
            (Self::Direction(a), Self::Direction(b)) => a != b,
            _ => false,
        }
    }

    /// Whether a policy with this constraint can match any flow at `device` in `direction`.
    pub(crate) fn allows(&self, device: &str, direction: DeviceDirection) -> bool {
        match self {
            Self::Device(devices) => devices.iter().any(|known| known == device),
            Self::Direction(only) => *only == direction,
            _ => true,
        }
    }
}

/// Whether no flow fulfils both lists of constraints.
pub(crate) fn disjoint(a: &[Constraint], b: &[Constraint]) -> bool {
    a.iter().any(|a| b.iter().any(|b| a.excludes(b)))
}

fn none<T>(a: &[T], b: &[T], compatible: impl Fn(&T, &T) -> bool) -> bool {
    !a.iter().any(|a| b.iter().any(|b| compatible(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse;

    fn constraints(text: &str) -> Vec<Constraint> {
        let expression = parse(text, &crate::Fields::default()).unwrap();
        expression.conjuncts().into_iter().flat_map(Constraint::of).collect()
    }

    #[test]
    fn conditions_that_exclude_each_other_are_recognised() {
        for (a, b) in [
            ("ip.src in 10.0.0.0/16", "ip.src in 10.1.0.0/16"),
            (
                "ip.src in {10.0.0.0/16, 10.2.0.0/16}",
                "ip.src == 10.1.0.1 and tcp.port == 80",
            ),
            ("tcp.dstport in 1-100", "tcp.dstport in {101, 200-300}"),
            ("ip.version == 4", "ip.version == 6"),
            ("ip.version == 6", "ip.dst in 10.0.0.0/8"),
            ("ip.src in 2001:db8::/32", "ip.dst in 10.0.0.0/8"),
            (
                "subflow == 10.0.0.1:1 <-> 10.0.0.2:443",
                "subflow == 10.0.0.1:2 <-> 10.0.0.2:443",
            ),
            ("ip.pair == 10.0.0.1, 10.0.0.2", "ip.pair == 10.0.0.2, 10.0.0.1"),
            ("device == eth0", "device in {eth1, eth2}"),
            ("direction is ingress", "direction is egress"),
        ] {
            assert!(disjoint(&constraints(a), &constraints(b)), "{a} / {b}");
            assert!(disjoint(&constraints(b), &constraints(a)), "{b} / {a}");
        }
    }

    #[test]
    fn conditions_that_can_hold_together_are_not_called_exclusive() {
        for (a, b) in [
            ("ip.src in 10.0.0.0/8", "ip.src in 10.1.0.0/16"),
            ("ip.src in 10.0.0.0/16", "ip.dst in 10.1.0.0/16"),
            ("tcp.port == 80", "tcp.port == 443"),
            ("tcp.srcport == 80", "tcp.dstport == 443"),
            ("not ip.version == 4", "not ip.version == 6"),
            ("ip.src in ::/0", "ip.src in 10.0.0.0/8"),
            ("ip.src in ::/0", "ip.version == 4"),
            (
                "subflow == 10.0.0.1:1 <-> 10.0.0.2:443",
                "subflow == 10.0.0.2:443 <-> 10.0.0.1:1",
            ),
            ("ip.src == 10.0.0.1 or ip.src == 10.0.0.2", "ip.src == 10.0.0.3"),
            ("packet is syn", "packet is data"),
        ] {
            assert!(!disjoint(&constraints(a), &constraints(b)), "{a} / {b}");
        }
    }
}
