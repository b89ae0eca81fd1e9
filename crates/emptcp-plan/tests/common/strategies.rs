//! Random conditions. Values come from small sets, so that random packets fulfil them often enough.

use super::catalog;
use emptcp_plan::Field;
use emptcp_plan::expression::*;
use emptcp_plan::plan::{DeviceDirection, Value};
use emptcp_plan::values::{Ports, Prefix};
use mptcp_wire::IpVersion as Ip;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) const ADDRESSES: &[&str] = &["10.0.0.1", "10.0.0.2", "10.1.0.1", "2001:db8::1", "2001:db8::2"];
pub(crate) const PORTS: &[u16] = &[80, 443, 1000, 1500];
pub(crate) const DEVICES: &[&str] = &["eth0", "eth1"];

fn prefixes() -> impl Strategy<Value = Prefix> {
    let texts = [
        "10.0.0.0/24",
        "10.0.0.0/8",
        "10.0.0.1",
        "10.1.0.1",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::/32",
        "2001:db8::1",
    ];
    select(texts.to_vec()).prop_map(|text| Prefix::parse(text).expect("a prefix"))
}

fn ports() -> impl Strategy<Value = Ports> {
    let ranges = [(80, 80), (443, 443), (1, 1000), (1000, 1500), (0, 65535)];
    select(ranges.to_vec()).prop_map(|(low, high)| Ports { low, high })
}

fn endpoints() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = (select(&ADDRESSES[..3]), select(&ADDRESSES[..3]));
    let v6 = (select(&ADDRESSES[3..]), select(&ADDRESSES[3..]));
    (prop_oneof![v4, v6], select(PORTS), select(PORTS)).prop_map(|((a, b), port_a, port_b)| {
        let end = |address: &str, port| SocketAddr::new(address.parse().expect("an address"), port);
        (end(a, port_a), end(b, port_b))
    })
}

fn compare() -> impl Strategy<Value = Compare> {
    use Compare::*;
    select(vec![Less, LessOrEqual, Greater, GreaterOrEqual, Equal, NotEqual])
}

/// A field that an element declares.
fn field(name: &str) -> Arc<Field> {
    let field = catalog().fields().get(name);
    field.unwrap_or_else(|| panic!("no field `{name}`")).clone()
}

/// The field with the name of a word of the compiler.
fn role_field() -> Arc<Field> {
    let mut fields = catalog().fields().iter();
    let role = fields.find(|field| field.element == "role");
    role.expect("the field of `role`").clone()
}

/// Tests of these fields.
fn tests(names: &'static [&'static str], wanted: impl Strategy<Value = Wanted>) -> impl Strategy<Value = Primary> {
    (select(names), wanted).prop_map(|(name, wanted)| Primary::Field(field(name), wanted))
}

fn ids() -> impl Strategy<Value = Wanted> {
    let ranges = || vec(select(vec![(0, 0), (1, 1), (3, 3), (1, 2), (2, 9)]), 2..4);
    prop_oneof![
        (compare(), 0u64..4).prop_map(|(compare, id)| Wanted::Compare(compare, id)),
        ranges().prop_map(Wanted::Within),
        ranges().prop_map(Wanted::Outside),
    ]
}

fn one_or_none_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Wanted> {
    (any::<bool>(), vec(values, 1..3)).prop_map(|(none, values)| match none {
        true => Wanted::NoneOf(values),
        false => Wanted::OneOf(values),
    })
}

fn prefix_values() -> impl Strategy<Value = Value> {
    prefixes().prop_map(|prefix| Value::Prefix {
        address: prefix.address,
        length: prefix.length.into(),
    })
}

fn port_values() -> impl Strategy<Value = Value> {
    ports().prop_map(|ports| Value::Pair(ports.low.into(), ports.high.into()))
}

const METRICS: &[&str] = &[
    "flow.bytes",
    "flow.packets",
    "flow.age",
    "flow.idle",
    "flow.rtt",
    "flow.retransmissions",
    "connection.bytes",
    "connection.packets",
    "connection.age",
    "connection.idle",
    "connection.rtt",
    "connection.retransmissions",
    "connection.subflows",
];

fn metric() -> impl Strategy<Value = Wanted> {
    let value = prop_oneof![0u64..4, Just(220_000), Just(1 << 20), any::<u64>()];
    (compare(), value).prop_map(|(compare, value)| Wanted::Compare(compare, value))
}

fn sequence() -> impl Strategy<Value = Wanted> {
    let range = prop_oneof![
        Just((0, 10)),
        Just((5, 1000)),
        Just((0, u64::MAX)),
        Just((7, u64::MAX)),
        Just((0, 65_536))
    ];
    (any::<bool>(), range).prop_map(|(relative, (low, high))| Wanted::Range { relative, low, high })
}

/// Any test with its own words.
pub(crate) fn primaries() -> impl Strategy<Value = Primary> {
    use Primary::{Address, Device, IpVersion, PacketHas, PacketIs, Pair, Port, Subflow};
    let statics = prop_oneof![
        (select(vec![End::Source, End::Destination]), vec(prefixes(), 1..3)).prop_map(|(end, set)| Address(end, set)),
        (prefixes(), prefixes()).prop_map(|(a, b)| Pair(a, b)),
        endpoints().prop_map(|(a, b)| Subflow(a, b)),
        (
            select(vec![PortSide::Source, PortSide::Destination, PortSide::Either]),
            vec(ports(), 1..3)
        )
            .prop_map(|(side, set)| Port(side, set)),
        vec(select(vec![Ip::V4, Ip::V6]), 1..3).prop_map(IpVersion),
        vec(select(DEVICES).prop_map(str::to_owned), 1..3).prop_map(Device),
        select(vec![DeviceDirection::Ingress, DeviceDirection::Egress]).prop_map(Primary::Direction),
    ];
    let dynamics = prop_oneof![
        (1u32..256).prop_map(PacketIs),
        (1u32..65_536).prop_map(|bits| PacketHas(bits << 8)),
        tests(
            &["ip.dscp"],
            vec((0u64..64).prop_map(Value::Integer), 1..3).prop_map(Wanted::OneOf)
        ),
        tests(&["dsn", "ssn"], sequence()),
        tests(
            &["connection"],
            vec((0u64..4).prop_map(Value::Integer), 1..3).prop_map(Wanted::OneOf)
        ),
        (0usize..3).prop_map(|role| Primary::Field(role_field(), Wanted::Word(role))),
        tests(
            &[
                "subflow.local_id",
                "subflow.remote_id",
                "add_addr.id",
                "join.address_id"
            ],
            ids()
        ),
        tests(&["add_addr.address"], one_or_none_of(prefix_values())),
        tests(&["add_addr.port"], one_or_none_of(port_values())),
        tests(&["join.backup"], any::<bool>().prop_map(Wanted::Flag)),
        tests(METRICS, metric()),
        tests(&["sample"], (1u64..30).prop_map(Wanted::OneIn)),
    ];
    prop_oneof![statics, dynamics]
}

/// Any call of a selector by name.
pub(crate) fn calls() -> impl Strategy<Value = Primary> {
    let argument = ("[a-z][a-z_]{0,5}", "[ -!#-~]{0,12}").prop_map(|(name, value)| CallArgument {
        name,
        value,
        name_span: 0..0,
        value_span: 0..0,
    });
    ("x[a-z_]{0,6}", vec(argument, 0..3)).prop_map(|(name, arguments)| Primary::Call { name, arguments })
}

/// Any nesting of tests, with at most about `size` of them.
pub(crate) fn expressions(
    tests: impl Strategy<Value = Primary> + 'static,
    size: u32,
) -> impl Strategy<Value = Expression> {
    let leaf = tests.prop_map(|primary| Expression::Test(Test { primary, span: 0..0 }));
    leaf.prop_recursive(5, size, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expression::And),
            vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}
