//! Random conditions. Values come from small sets, so that random packets fulfil them often enough.

use emptcp_plan::expression::*;
use emptcp_plan::plan::DeviceDirection;
use emptcp_plan::values::{Ports, Prefix};
use mptcp_wire::{IpVersion as Ip, Side, Token};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::SocketAddr;

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

fn ids() -> impl Strategy<Value = Ids> {
    let ranges = select(vec![(0, 0), (1, 1), (3, 3), (1, 2), (2, 9)]).prop_map(|(low, high)| IdRange { low, high });
    prop_oneof![
        (compare(), 0u8..4).prop_map(|(compare, id)| Ids::Compare(compare, id)),
        (any::<bool>(), vec(ranges, 2..4)).prop_map(|(none, ranges)| Ids::OneOf(none, ranges)),
    ]
}

fn metric() -> impl Strategy<Value = Primary> {
    use What::*;
    let flow = select(vec![Bytes, Packets, Age, Idle, Rtt, Retransmissions]).prop_map(|what| (Scope::Flow, what));
    let connection = select(vec![Bytes, Packets, Age, Idle, Rtt, Retransmissions, Subflows])
        .prop_map(|what| (Scope::Connection, what));
    let value = prop_oneof![0u64..4, Just(220_000), Just(1 << 20), any::<u64>()];
    (prop_oneof![flow, connection], compare(), value)
        .prop_map(|((scope, what), compare, value)| Primary::Metric(scope, what, compare, value))
}

fn sequence() -> impl Strategy<Value = Primary> {
    let range = prop_oneof![
        Just((0, 10)),
        Just((5, 1000)),
        Just((0, u64::MAX)),
        Just((7, u64::MAX)),
        Just((0, 65_536))
    ];
    (select(vec![Space::Dsn, Space::Ssn]), any::<bool>(), range)
        .prop_map(|(space, relative, (low, high))| Primary::Sequence(space, relative, low, high))
}

/// Any test that has words of its own.
pub(crate) fn primaries() -> impl Strategy<Value = Primary> {
    use Primary::{
        AddAddrAddress, AddAddrId, AddAddrPort, Address, AddressId, Connection, Device, Dscp, IpVersion, JoinBackup,
        JoinId, PacketHas, PacketIs, Pair, Port, Sample, Subflow,
    };
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
        vec(0u8..64, 1..3).prop_map(Dscp),
        (1u32..256).prop_map(PacketIs),
        (1u32..65_536).prop_map(|bits| PacketHas(bits << 8)),
        sequence(),
        vec((0u32..4).prop_map(Token), 1..3).prop_map(Connection),
        select(vec![Role::Initial, Role::Joined, Role::Backup]).prop_map(Primary::Role),
        (select(vec![Side::Local, Side::Remote]), ids()).prop_map(|(side, ids)| AddressId(side, ids)),
        (any::<bool>(), vec(prefixes(), 1..3)).prop_map(|(outside, set)| AddAddrAddress(outside, set)),
        (any::<bool>(), vec(ports(), 1..3)).prop_map(|(outside, set)| AddAddrPort(outside, set)),
        ids().prop_map(AddAddrId),
        ids().prop_map(JoinId),
        any::<bool>().prop_map(JoinBackup),
        metric(),
        (1u64..30).prop_map(Sample),
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
