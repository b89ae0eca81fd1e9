//! Tests as calls of selector elements: `ip.src in P` becomes `src` with `prefix=P`.

use super::formula::Formula;
use crate::expression::{
    CallArgument, Compare, End, Expression, IdRange, Ids, PortSide, Primary, Scope, Test, What, vocabulary as words,
};
use crate::values::{format_range, packet_types};
use std::ops::Range;

/// One selector to be called; spans are bytes of the condition.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) element: String,
    pub(crate) arguments: Vec<CallArgument>,
    /// Where the name of the element stands, or the test that stands for it.
    pub(crate) name_span: Range<usize>,
    /// The test as a whole.
    pub(crate) span: Range<usize>,
    /// The user wrote the name of the element.
    pub(crate) by_name: bool,
}

/// A condition as a formula over calls; sets become alternatives.
pub(crate) fn formula(expression: &Expression) -> Formula<Call> {
    match expression {
        Expression::Or(parts) => Formula::Or(parts.iter().map(formula).collect()),
        Expression::And(parts) => Formula::And(parts.iter().map(formula).collect()),
        Expression::Not(inner) => Formula::Not(Box::new(formula(inner))),
        Expression::Test(test) => calls(test),
    }
}

fn calls(test: &Test) -> Formula<Call> {
    let call = |element: &str, arguments: Vec<(&str, String)>| {
        let argument = |(name, value): (&str, String)| CallArgument {
            name: name.to_owned(),
            value,
            name_span: test.span.clone(),
            value_span: test.span.clone(),
        };
        Formula::Atom(Call {
            element: element.to_owned(),
            arguments: arguments.into_iter().map(argument).collect(),
            name_span: test.span.clone(),
            span: test.span.clone(),
            by_name: false,
        })
    };
    match &test.primary {
        Primary::Address(end, prefixes) => {
            let element = match end {
                End::Source => "src",
                End::Destination => "dst",
            };
            any(prefixes, |prefix| call(element, vec![("prefix", prefix.to_string())]))
        }
        Primary::Pair(source, destination) => call(
            "ip_pair",
            vec![("source", source.to_string()), ("destination", destination.to_string())],
        ),
        Primary::Subflow(a, b) => call(
            "subflow",
            vec![
                ("address_a", a.ip().to_string()),
                ("port_a", a.port().to_string()),
                ("address_b", b.ip().to_string()),
                ("port_b", b.port().to_string()),
            ],
        ),
        Primary::Port(side, ports) => {
            let side = match side {
                PortSide::Source => "source",
                PortSide::Destination => "destination",
                PortSide::Either => "either",
            };
            any(ports, |ports| {
                call("ports", vec![("side", side.to_owned()), ("ports", ports.to_string())])
            })
        }
        Primary::IpVersion(versions) => any(versions, |version| {
            call("ip_version", vec![("version", version.to_string())])
        }),
        Primary::Device(devices) => any(devices, |device| call("device", vec![("device", device.clone())])),
        Primary::Direction(direction) => call(
            "direction",
            vec![("direction", words::direction(*direction).to_owned())],
        ),
        Primary::Dscp(values) => any(values, |value| call("dscp", vec![("value", value.to_string())])),
        Primary::PacketIs(bits) | Primary::PacketHas(bits) => {
            call("packet_type", vec![("types", packet_types::format(*bits))])
        }
        Primary::Sequence(space, relative, low, high) => call(
            "sequence",
            vec![
                ("space", words::space(*space).to_owned()),
                ("relative", if *relative { "yes" } else { "no" }.to_owned()),
                ("range", format_range(*low, *high)),
            ],
        ),
        Primary::Connection(tokens) => any(tokens, |token| call("connection", vec![("token", token.to_string())])),
        Primary::Role(role) => call("role", vec![("role", words::role(*role).to_owned())]),
        Primary::AddressId(side, ids) => address_ids(ids, &|compare, id| {
            let side = ("side", side.to_string());
            call("address_id", vec![side, ("compare", compare), ("value", id)])
        }),
        Primary::AddAddrAddress(outside, prefixes) => each_or_none(*outside, prefixes, |inside, prefix| {
            call(
                "add_addr_address",
                vec![("prefix", prefix.to_string()), ("inside", inside.to_owned())],
            )
        }),
        Primary::AddAddrPort(outside, ports) => each_or_none(*outside, ports, |inside, ports| {
            call(
                "add_addr_port",
                vec![("ports", ports.to_string()), ("inside", inside.to_owned())],
            )
        }),
        Primary::AddAddrId(ids) => address_ids(ids, &|compare, id| {
            call("add_addr_id", vec![("compare", compare), ("value", id)])
        }),
        Primary::JoinId(ids) => address_ids(ids, &|compare, id| {
            call("join_id", vec![("compare", compare), ("value", id)])
        }),
        Primary::JoinBackup(set) => call(
            "join_backup",
            vec![("backup", if *set { "yes" } else { "no" }.to_owned())],
        ),
        Primary::Metric(scope, what, compare, value) => metric(*scope, *what, compare.word(), *value, &call),
        Primary::Sample(n) => call("sample", vec![("n", n.to_string())]),
        Primary::Call { name, arguments } => Formula::Atom(Call {
            element: name.clone(),
            arguments: arguments.clone(),
            name_span: test.span.start..test.span.start + name.len(),
            span: test.span.clone(),
            by_name: true,
        }),
    }
}

fn metric(
    scope: Scope,
    what: What,
    compare: &str,
    value: u64,
    call: &impl Fn(&str, Vec<(&str, String)>) -> Formula<Call>,
) -> Formula<Call> {
    call(
        "metric",
        vec![
            ("of", words::scope(scope).to_owned()),
            ("what", what.word().to_owned()),
            ("compare", compare.to_owned()),
            ("value", value.to_string()),
        ],
    )
}

/// Comparisons that an id fulfils: where there is no id none holds, so "outside" is no negation.
fn address_ids(ids: &Ids, call: &impl Fn(String, String) -> Formula<Call>) -> Formula<Call> {
    let compare = |compare: Compare, id: u8| call(compare.word().to_owned(), id.to_string());
    let within = |range: &IdRange| match range.low == range.high {
        true => compare(Compare::Equal, range.low),
        false => Formula::And(vec![
            compare(Compare::GreaterOrEqual, range.low),
            compare(Compare::LessOrEqual, range.high),
        ]),
    };
    let outside = |range: &IdRange| match range.low == range.high {
        true => compare(Compare::NotEqual, range.low),
        false => Formula::Or(vec![
            compare(Compare::Less, range.low),
            compare(Compare::Greater, range.high),
        ]),
    };
    match ids {
        Ids::Compare(sign, id) => compare(*sign, *id),
        Ids::OneOf(false, ranges) => any(ranges, within),
        Ids::OneOf(true, ranges) => Formula::And(ranges.iter().map(outside).collect()),
    }
}

/// Inside one of the values, or outside of all of them: both only where there is something to compare.
fn each_or_none<T>(outside: bool, values: &[T], each: impl Fn(&str, &T) -> Formula<Call>) -> Formula<Call> {
    if outside {
        Formula::And(values.iter().map(|value| each("no", value)).collect())
    } else {
        any(values, |value| each("yes", value))
    }
}

fn any<T>(values: &[T], each: impl Fn(&T) -> Formula<Call>) -> Formula<Call> {
    Formula::Or(values.iter().map(each).collect())
}
