//! A compiled plan in words: chains node by node, and the rules of the classifier.

use crate::{
    session::{BOLD, DIM},
    table::Table,
    words,
};
use emptcp::values::{self, Prefix};
use emptcp::{
    Catalog,
    plan::{Node, Plan, PolicyPlan, Rule, RuleTest, Target, Value},
};

/// All policies and rules.
pub(crate) fn plan(plan: &Plan, catalog: &Catalog) -> String {
    let policies: String = plan
        .policies
        .iter()
        .map(|policy| self::policy(policy, catalog) + "\n")
        .collect();
    format!("{policies}{}", rules(plan))
}

/// One policy with its chain.
pub(crate) fn policy(policy: &PolicyPlan, catalog: &Catalog) -> String {
    let mut text = format!(
        "{BOLD}policy {}{BOLD:#}: {} of {}, attach {}\n",
        policy.name,
        words::direction(policy.direction),
        policy.devices.join(", "),
        words::attach(policy.attach),
    );
    let when = if policy.when.is_empty() {
        "every MPTCP packet"
    } else {
        policy.when.trim()
    };
    text += &format!(
        "  when  {}\n",
        when.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    );
    text += &format!("  do    {}\n", policy.actions.join(", "));
    let mut table = Table::new(&[">node", "element", "written as", "arguments", "on match", "on miss"]);
    for (position, node) in policy.nodes.iter().enumerate() {
        table.row([
            position.to_string(),
            node.element.clone(),
            node.source.clone(),
            arguments(node, catalog),
            target(node.on_match),
            if node.on_miss == node.on_match {
                String::new()
            } else {
                target(node.on_miss)
            },
        ]);
    }
    text + &table.render(2)
}

/// The rules, in the order in which they are looked at.
pub(crate) fn rules(plan: &Plan) -> String {
    let mut table = Table::new(&[">rule", "policy", "test", "on match", "on miss"]);
    for (position, rule) in plan.rules.iter().enumerate() {
        let name = plan
            .policies
            .get(rule.policy)
            .map_or("?", |policy| policy.name.as_str());
        table.row([
            position.to_string(),
            name.to_owned(),
            test(rule),
            next(rule.on_match),
            next(rule.on_miss),
        ]);
    }
    format!(
        "{BOLD}rules{BOLD:#} {DIM}(evaluated once per subflow){DIM:#}\n{}",
        table.render(2)
    )
}

/// All arguments, with defaults, as they would be written in a policy.
fn arguments(node: &Node, catalog: &Catalog) -> String {
    let manifest = catalog.element(&node.element).ok().map(|element| &element.manifest);
    let written = node.arguments.iter().map(|(name, value)| {
        let argument = manifest.and_then(|manifest| manifest.arguments.iter().find(|argument| argument.name == *name));
        match argument {
            Some(argument) => format!("{name}={}", values::format(argument, value)),
            None => format!("{name}={}", raw(value)),
        }
    });
    written.collect::<Vec<_>>().join(" ")
}

/// A value of an element that was removed, so that its type is unknown.
fn raw(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Prefix { address, length } => Prefix {
            address: *address,
            length: u8::try_from(*length).unwrap_or(u8::MAX),
        }
        .to_string(),
        Value::Pair(first, second) => format!("{first},{second}"),
        Value::Device(device) => device.clone(),
    }
}

fn target(target: Target) -> String {
    match target {
        Target::Node(node) => node.to_string(),
        Target::End => "end".to_owned(),
    }
}

fn next(rule: Option<usize>) -> String {
    rule.map_or_else(|| "end".to_owned(), |rule| rule.to_string())
}

fn test(rule: &Rule) -> String {
    let prefix = |address: [u8; 16], length: u8| Prefix { address, length }.to_string();
    let ports = |low: u16, high: u16| {
        if low == high {
            low.to_string()
        } else {
            format!("{low}-{high}")
        }
    };
    match &rule.test {
        RuleTest::Accept => "accept".to_owned(),
        RuleTest::Direction(direction) => format!("direction is {}", words::direction(*direction)),
        RuleTest::Device(device) => format!("device == {device}"),
        RuleTest::IpVersion(version) => format!("ip.version == {version}"),
        RuleTest::Source(address, length) => format!("ip.src in {}", prefix(*address, *length)),
        RuleTest::Destination(address, length) => format!("ip.dst in {}", prefix(*address, *length)),
        RuleTest::SourcePort(low, high) => format!("tcp.srcport in {}", ports(*low, *high)),
        RuleTest::DestinationPort(low, high) => format!("tcp.dstport in {}", ports(*low, *high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_an_element_that_was_removed_are_written_as_values() {
        let prefix = Value::Prefix {
            address: "::ffff:10.0.0.0".parse::<std::net::Ipv6Addr>().unwrap().octets(),
            length: 104,
        };
        for (value, written) in [
            (Value::Integer(1200), "1200"),
            (prefix, "10.0.0.0/8"),
            (Value::Pair(80, 443), "80,443"),
            (Value::Device("eth0".to_owned()), "eth0"),
        ] {
            assert_eq!(raw(&value), written);
        }
    }
}
