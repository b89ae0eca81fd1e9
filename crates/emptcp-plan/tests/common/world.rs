//! One packet with everything that a test can compare, and three evaluations: by the tree, the rules and the nodes.

use super::strategies::{ADDRESSES, PORTS};
use emptcp_abi::packet_type as bits;
use emptcp_plan::expression::*;
use emptcp_plan::manifest::Kind;
use emptcp_plan::plan::{DeviceDirection, Node, Plan, RuleTest, Target, Value};
use emptcp_plan::values::Prefix;
use mptcp_wire::IpVersion;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub direction: DeviceDirection,
    pub device: &'static str,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ports: (u16, u16),
    pub dscp: u8,
    pub types: u32,
    /// By space, then absolute and relative.
    pub sequence: [[u64; 2]; 2],
    pub token: u32,
    pub roles: [bool; 3],
    pub ids: [u8; 2],
    /// Address, port and id of ADD_ADDR.
    pub add_addr: Option<(IpAddr, Option<u16>, u8)>,
    /// Id and B of MP_JOIN.
    pub join: Option<(u8, bool)>,
    /// By scope, then by metric.
    pub metrics: [[u64; 7]; 2],
    /// Bit n: `sample 1 in n` selects the packet.
    pub samples: u32,
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let pair = prop_oneof![
        (select(&ADDRESSES[..3]), select(&ADDRESSES[..3])),
        (select(&ADDRESSES[3..]), select(&ADDRESSES[3..]))
    ];
    let number = || prop_oneof![0u64..12, Just(220_000), any::<u64>()];
    let at = (
        any::<bool>(),
        select(vec!["eth0", "eth1", "eth9"]),
        pair,
        (select(PORTS), select(PORTS)),
    );
    let packet = (0u8..64, any::<u32>(), [[number(), number()], [number(), number()]]);
    let metrics = proptest::array::uniform2(proptest::array::uniform7(prop_oneof![
        0u64..4,
        Just(220_000),
        any::<u64>()
    ]));
    let roles = (0u8..3, any::<bool>()).prop_map(|(opened, backup)| [opened == 0, opened == 1, backup]);
    let flow = (0u32..4, roles, [0u8..4, 0u8..4], metrics, any::<u32>());
    let announced = (select(ADDRESSES), proptest::option::of(select(PORTS)), 0u8..4);
    let announced = announced.prop_map(|(address, port, id)| (address.parse().expect("an address"), port, id));
    let options = (
        proptest::option::of(announced),
        proptest::option::of((0u8..4, any::<bool>())),
    );
    (at, packet, flow, options).prop_map(
        |((ingress, device, (a, b), ports), (dscp, types, sequence), flow, (add_addr, join))| World {
            direction: if ingress {
                DeviceDirection::Ingress
            } else {
                DeviceDirection::Egress
            },
            device,
            source: a.parse().expect("an address"),
            destination: b.parse().expect("an address"),
            ports,
            dscp,
            types: truthful(types),
            sequence,
            token: flow.0,
            roles: flow.1,
            ids: flow.2,
            add_addr,
            join: join.filter(|_| truthful(types) & (bits::SYN | bits::SYNACK) != 0),
            metrics: flow.3,
            samples: flow.4,
        },
    )
}

/// Packet types of a possible packet: its flags and its payload decide most kinds.
fn truthful(types: u32) -> u32 {
    let has = |bit: u32| types & bit != 0;
    let (syn, ack, fin, rst) = (has(bits::SYN), has(bits::ACK), has(bits::FIN), has(bits::RST));
    let data = has(bits::DATA);
    let kinds = [
        (bits::SYN, syn && !ack),
        (bits::SYNACK, syn && ack),
        (bits::THIRD_ACK, has(bits::THIRD_ACK) && ack && !syn && !rst),
        (bits::PURE_ACK, ack && !(syn || fin || rst || data)),
        (bits::ACK, ack),
        (bits::DATA, data),
        (bits::FIN, fin),
        (bits::RST, rst),
    ];
    kinds.iter().fold(
        types,
        |types, (bit, holds)| if *holds { types | bit } else { types & !bit },
    )
}

fn octets(address: IpAddr) -> [u8; 16] {
    Prefix::host(address).address
}

/// Bit by bit, unlike `Prefix::contains`.
fn matches(address: IpAddr, prefix: [u8; 16], length: u32) -> bool {
    let address = octets(address);
    (0..usize::try_from(length).unwrap()).all(|bit| {
        let mask = 0x80u8 >> (bit % 8);
        address[bit / 8] & mask == prefix[bit / 8] & mask
    })
}

fn compared(word: &str, a: u64, b: u64) -> bool {
    match word {
        "lt" | "<" => a < b,
        "le" | "<=" => a <= b,
        "gt" | ">" => a > b,
        "ge" | ">=" => a >= b,
        "eq" | "==" => a == b,
        "ne" | "!=" => a != b,
        other => panic!("{other}"),
    }
}

/// Whether a field with these values, or without any, fulfils a test.
fn among(wanted: &Wanted, mine: u64) -> bool {
    let within = |ranges: &[(u64, u64)]| ranges.iter().any(|(low, high)| (*low..=*high).contains(&mine));
    match wanted {
        Wanted::Compare(compare, value) => compared(symbol(*compare), mine, *value),
        Wanted::Within(ranges) => within(ranges),
        Wanted::Outside(ranges) => !within(ranges),
        Wanted::OneOf(values) => values.contains(&Value::Integer(mine)),
        other => panic!("{other:?}"),
    }
}

fn symbol(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
        Compare::Greater => ">",
        Compare::GreaterOrEqual => ">=",
        Compare::Equal => "==",
        Compare::NotEqual => "!=",
    }
}

impl World {
    fn version(&self) -> IpVersion {
        self.source.into()
    }

    /// The tree, evaluated directly.
    pub(crate) fn holds(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Or(parts) => parts.iter().any(|part| self.holds(part)),
            Expression::And(parts) => parts.iter().all(|part| self.holds(part)),
            Expression::Not(inner) => !self.holds(inner),
            Expression::Test(test) => self.tests(&test.primary),
        }
    }

    fn tests(&self, primary: &Primary) -> bool {
        let within = |address, prefix: &Prefix| matches(address, prefix.address, u32::from(prefix.length));
        let goes = |a: &SocketAddr, b: &SocketAddr| {
            (self.source, self.ports.0) == (a.ip(), a.port()) && (self.destination, self.ports.1) == (b.ip(), b.port())
        };
        match primary {
            Primary::Address(End::Source, set) => set.iter().any(|prefix| within(self.source, prefix)),
            Primary::Address(End::Destination, set) => set.iter().any(|prefix| within(self.destination, prefix)),
            Primary::Pair(a, b) => within(self.source, a) && within(self.destination, b),
            Primary::Subflow(a, b) => goes(a, b) || goes(b, a),
            Primary::Port(side, set) => set.iter().any(|ports| {
                let holds = |port| ports.low <= port && port <= ports.high;
                match side {
                    PortSide::Source => holds(self.ports.0),
                    PortSide::Destination => holds(self.ports.1),
                    PortSide::Either => holds(self.ports.0) || holds(self.ports.1),
                }
            }),
            Primary::IpVersion(set) => set.contains(&self.version()),
            Primary::Device(set) => set.iter().any(|device| device == self.device),
            Primary::Direction(direction) => *direction == self.direction,
            Primary::PacketIs(bits) | Primary::PacketHas(bits) => self.types & bits != 0,
            Primary::Field(field, wanted) => self.field(field.name(), wanted),
            Primary::Call { name, .. } => panic!("`{name}` has no meaning here"),
        }
    }

    fn field(&self, name: &str, wanted: &Wanted) -> bool {
        const METRICS: [&str; 7] = ["bytes", "packets", "age", "idle", "rtt", "retransmissions", "subflows"];
        let metric = |name: &str| METRICS.iter().position(|known| *known == name);
        let address = |mine: IpAddr, value: &Value| match value {
            Value::Prefix { address, length } => matches(mine, *address, *length),
            other => panic!("{other:?}"),
        };
        let port = |mine: u16, value: &Value| match value {
            Value::Pair(low, high) => (*low..=*high).contains(&u64::from(mine)),
            other => panic!("{other:?}"),
        };
        match (name, wanted) {
            ("ip.dscp", wanted) => among(wanted, self.dscp.into()),
            ("dsn" | "ssn", Wanted::Range { relative, low, high }) => {
                let number = self.sequence[usize::from(name == "ssn")][usize::from(*relative)];
                *low <= number && number < *high
            }
            ("connection", wanted) => among(wanted, self.token.into()),
            ("subflow", Wanted::Word(role)) => self.roles[*role],
            ("subflow.local_id", wanted) => among(wanted, self.ids[0].into()),
            ("subflow.remote_id", wanted) => among(wanted, self.ids[1].into()),
            ("add_addr.address", wanted) => self.add_addr.is_some_and(|(mine, ..)| match wanted {
                Wanted::OneOf(set) => set.iter().any(|value| address(mine, value)),
                Wanted::NoneOf(set) => !set.iter().any(|value| address(mine, value)),
                other => panic!("{other:?}"),
            }),
            ("add_addr.port", wanted) => self
                .add_addr
                .and_then(|(_, mine, _)| mine)
                .is_some_and(|mine| match wanted {
                    Wanted::OneOf(set) => set.iter().any(|value| port(mine, value)),
                    Wanted::NoneOf(set) => !set.iter().any(|value| port(mine, value)),
                    other => panic!("{other:?}"),
                }),
            ("add_addr.id", wanted) => self.add_addr.is_some_and(|(.., mine)| among(wanted, mine.into())),
            ("join.address_id", wanted) => self.join.is_some_and(|(mine, _)| among(wanted, mine.into())),
            ("join.backup", Wanted::Flag(set)) => self.join.is_some_and(|(_, backup)| backup == *set),
            ("sample", Wanted::OneIn(n)) => self.samples >> n & 1 == 1,
            _ => {
                let (of, what) = name.split_once('.').expect("a metric");
                let what = metric(what).unwrap_or_else(|| panic!("`{name}` has no meaning here"));
                among(wanted, self.metrics[usize::from(of == "connection")][what])
            }
        }
    }

    /// Policies that the classifier's rules accept.
    pub(crate) fn accepted(&self, plan: &Plan) -> Vec<usize> {
        let mut accepted = Vec::new();
        let mut at = (!plan.rules.is_empty()).then_some(0);
        while let Some(position) = at {
            let rule = &plan.rules[position];
            let holds = match &rule.test {
                RuleTest::Accept => {
                    accepted.push(rule.policy);
                    true
                }
                RuleTest::Direction(direction) => *direction == self.direction,
                RuleTest::Device(device) => device == self.device,
                RuleTest::IpVersion(version) => *version == self.version(),
                RuleTest::Source(prefix, length) => matches(self.source, *prefix, u32::from(*length)),
                RuleTest::Destination(prefix, length) => matches(self.destination, *prefix, u32::from(*length)),
                RuleTest::SourcePort(low, high) => (*low..=*high).contains(&self.ports.0),
                RuleTest::DestinationPort(low, high) => (*low..=*high).contains(&self.ports.1),
            };
            let next = if holds { rule.on_match } else { rule.on_miss };
            assert!(next.is_none_or(|next| next > position), "rules lead forward");
            at = next;
        }
        accepted
    }

    /// Walks the chain of one policy: whether its first actor was reached, and how many nodes ran.
    pub(crate) fn acts(&self, plan: &Plan, policy: usize) -> (bool, usize) {
        let nodes = &plan.policies[policy].nodes;
        let (mut at, mut acted, mut ran) = (Target::Node(0), false, 0);
        while let Target::Node(position) = at {
            let node = &nodes[position];
            ran += 1;
            acted |= node.first_actor;
            at = match node.kind {
                Kind::Actor => node.on_match,
                Kind::Selector if self.selects(node) => node.on_match,
                Kind::Selector => node.on_miss,
            };
            assert!(
                !matches!(at, Target::Node(next) if next <= position),
                "chains lead forward"
            );
        }
        (acted, ran)
    }

    fn selects(&self, node: &Node) -> bool {
        let value = |name: &str| {
            let argument = node.arguments.iter().find(|(known, _)| known == name);
            &argument.unwrap_or_else(|| panic!("{} has `{name}`", node.element)).1
        };
        let number = |name: &str| match value(name) {
            Value::Integer(number) => *number,
            other => panic!("{other:?}"),
        };
        let within = |address, name: &str| match value(name) {
            Value::Prefix {
                address: prefix,
                length,
            } => matches(address, *prefix, *length),
            other => panic!("{other:?}"),
        };
        let port = |port: u16, name: &str| match value(name) {
            Value::Pair(low, high) => (*low..=*high).contains(&u64::from(port)),
            other => panic!("{other:?}"),
        };
        let compare = || ["lt", "le", "gt", "ge", "eq", "ne"][usize::try_from(number("compare")).unwrap()];
        let (source, destination) = (self.ports.0, self.ports.1);
        match node.element.as_str() {
            "src" => within(self.source, "prefix"),
            "dst" => within(self.destination, "prefix"),
            "ip_pair" => within(self.source, "source") && within(self.destination, "destination"),
            "subflow" => {
                let forth = within(self.source, "address_a") && port(source, "port_a");
                let back = within(self.source, "address_b") && port(source, "port_b");
                forth && within(self.destination, "address_b") && port(destination, "port_b")
                    || back && within(self.destination, "address_a") && port(destination, "port_a")
            }
            "ports" => match number("side") {
                0 => port(source, "ports"),
                1 => port(destination, "ports"),
                _ => port(source, "ports") || port(destination, "ports"),
            },
            "ip_version" => number("version") == u64::from(self.version().number()),
            "device" => *value("device") == Value::Device(self.device.to_owned()),
            "direction" => (number("direction") == 1) == (self.direction == DeviceDirection::Ingress),
            "dscp" => number("value") == u64::from(self.dscp),
            "packet_type" => number("types") & u64::from(self.types) != 0,
            "sequence" => {
                let place = |name| usize::try_from(number(name)).unwrap();
                let mine = self.sequence[place("space")][place("relative")];
                matches!(value("range"), Value::Pair(low, high) if *low <= mine && mine < *high)
            }
            "connection" => number("token") == u64::from(self.token),
            "role" => self.roles[usize::try_from(number("role")).unwrap()],
            "address_id" => {
                let mine = self.ids[usize::try_from(number("side")).unwrap()];
                compared(compare(), u64::from(mine), number("value"))
            }
            "add_addr_address" => self
                .add_addr
                .is_some_and(|(address, ..)| within(address, "prefix") == (number("inside") == 1)),
            "add_addr_port" => self
                .add_addr
                .and_then(|(_, port, _)| port)
                .is_some_and(|mine| port(mine, "ports") == (number("inside") == 1)),
            "add_addr_id" => self
                .add_addr
                .is_some_and(|(.., mine)| compared(compare(), mine.into(), number("value"))),
            "join_id" => self
                .join
                .is_some_and(|(mine, _)| compared(compare(), mine.into(), number("value"))),
            "join_backup" => self.join.is_some_and(|(_, backup)| backup == (number("backup") == 1)),
            "metric" => {
                let place = |name| usize::try_from(number(name)).unwrap();
                compared(compare(), self.metrics[place("of")][place("what")], number("value"))
            }
            "sample" => self.samples >> number("n") & 1 == 1,
            other => panic!("`{other}` has no meaning here"),
        }
    }
}
