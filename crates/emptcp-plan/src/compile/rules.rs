//! Static conditions as rules of the classifier.

use super::formula::{Formula, Goal, jumps};
use crate::expression::{End, Expression, PortSide, Primary};
use crate::plan::{DeviceDirection, Rule, RuleTest};
use crate::values::{Ports, Prefix};
use std::net::SocketAddr;

/// What the classifier tests before it assigns a flow to a policy.
pub(crate) fn condition(
    direction: DeviceDirection,
    devices: &[String],
    conjuncts: Vec<Formula<RuleTest>>,
) -> Formula<RuleTest> {
    let devices = devices
        .iter()
        .map(|device| Formula::Atom(RuleTest::Device(device.clone())))
        .collect();
    let mut parts = vec![Formula::Atom(RuleTest::Direction(direction)), Formula::Or(devices)];
    parts.extend(conjuncts);
    Formula::And(parts)
}

/// Appends the rules of one policy: its condition, then Accept, then on to the next policy's first rule.
pub(crate) fn append(rules: &mut Vec<Rule>, policy: usize, condition: Formula<RuleTest>) {
    let jumps = jumps(condition);
    let first = rules.len();
    let accept = first + jumps.len();
    let next = accept + 1;
    let target = |goal| {
        Some(match goal {
            Goal::Atom(position) => first + position,
            Goal::Holds => accept,
            Goal::Fails => next,
        })
    };
    rules.extend(jumps.into_iter().map(|jump| Rule {
        policy,
        test: jump.atom,
        on_match: target(jump.on_match),
        on_miss: target(jump.on_miss),
    }));
    rules.push(Rule {
        policy,
        test: RuleTest::Accept,
        on_match: Some(next),
        on_miss: Some(next),
    });
}

/// After the last policy there is no next one: its jumps to it end the evaluation.
pub(crate) fn close(rules: &mut [Rule]) {
    let end = rules.len();
    for rule in rules {
        rule.on_match = rule.on_match.filter(|target| *target < end);
        rule.on_miss = rule.on_miss.filter(|target| *target < end);
    }
}

/// `expression` for the classifier, if it only tests properties that all packets of a flow, direction and device share.
pub(crate) fn formula(expression: &Expression) -> Option<Formula<RuleTest>> {
    let all = |parts: &[Expression]| parts.iter().map(formula).collect::<Option<Vec<_>>>();
    match expression {
        Expression::Or(parts) => all(parts).map(Formula::Or),
        Expression::And(parts) => all(parts).map(Formula::And),
        Expression::Not(inner) => formula(inner).map(|inner| Formula::Not(Box::new(inner))),
        Expression::Test(test) => primary(&test.primary),
    }
}

fn primary(primary: &Primary) -> Option<Formula<RuleTest>> {
    Some(match primary {
        Primary::Address(end, prefixes) => any(prefixes, |prefix| address(*end, *prefix)),
        Primary::Pair(source, destination) => Formula::And(vec![
            address(End::Source, *source),
            address(End::Destination, *destination),
        ]),
        Primary::Subflow(a, b) => Formula::Or(vec![from_to(*a, *b), from_to(*b, *a)]),
        Primary::Port(side, ports) => any(ports, |ports| port(*side, *ports)),
        Primary::IpVersion(versions) => any(versions, |version| Formula::Atom(RuleTest::IpVersion(*version))),
        Primary::Device(devices) => any(devices, |device| Formula::Atom(RuleTest::Device(device.clone()))),
        Primary::Direction(direction) => Formula::Atom(RuleTest::Direction(*direction)),
        Primary::PacketIs(_) | Primary::PacketHas(_) | Primary::Field(..) | Primary::Call { .. } => return None,
    })
}

fn any<T>(values: &[T], each: impl Fn(&T) -> Formula<RuleTest>) -> Formula<RuleTest> {
    Formula::Or(values.iter().map(each).collect())
}

fn address(end: End, prefix: Prefix) -> Formula<RuleTest> {
    Formula::Atom(match end {
        End::Source => RuleTest::Source(prefix.address, prefix.length),
        End::Destination => RuleTest::Destination(prefix.address, prefix.length),
    })
}

fn port(side: PortSide, ports: Ports) -> Formula<RuleTest> {
    match side {
        PortSide::Source => Formula::Atom(RuleTest::SourcePort(ports.low, ports.high)),
        PortSide::Destination => Formula::Atom(RuleTest::DestinationPort(ports.low, ports.high)),
        PortSide::Either => Formula::Or(vec![port(PortSide::Source, ports), port(PortSide::Destination, ports)]),
    }
}

/// Packets from `source` to `destination`.
fn from_to(source: SocketAddr, destination: SocketAddr) -> Formula<RuleTest> {
    let exactly = |port| Ports { low: port, high: port };
    Formula::And(vec![
        address(End::Source, Prefix::host(source.ip())),
        port(PortSide::Source, exactly(source.port())),
        address(End::Destination, Prefix::host(destination.ip())),
        port(PortSide::Destination, exactly(destination.port())),
    ])
}
