//! Every word of the language of conditions.

use super::ast::{Compare, End, PortSide, Role, Scope, Space};
use crate::plan::DeviceDirection;
use crate::values::packet_types;
use mptcp_wire::Side;

pub(crate) const AND: &str = "and";
pub(crate) const OR: &str = "or";
pub(crate) const NOT: &str = "not";
pub(crate) const IN: &str = "in";
pub(crate) const IS: &str = "is";
pub(crate) const HAS: &str = "has";

/// Words that join tests; no element may have such a name.
pub(crate) const KEYWORDS: &[&str] = &[AND, OR, NOT, IN, IS, HAS];

pub(crate) const IP_SRC: &str = "ip.src";
pub(crate) const IP_DST: &str = "ip.dst";
pub(crate) const IP_PAIR: &str = "ip.pair";
pub(crate) const IP_VERSION: &str = "ip.version";
pub(crate) const IP_DSCP: &str = "ip.dscp";
pub(crate) const TCP_SRCPORT: &str = "tcp.srcport";
pub(crate) const TCP_DSTPORT: &str = "tcp.dstport";
pub(crate) const TCP_PORT: &str = "tcp.port";
pub(crate) const SUBFLOW: &str = "subflow";
pub(crate) const LOCAL_ID: &str = "subflow.local_id";
pub(crate) const REMOTE_ID: &str = "subflow.remote_id";
pub(crate) const ADD_ADDR_ADDRESS: &str = "add_addr.address";
pub(crate) const ADD_ADDR_PORT: &str = "add_addr.port";
pub(crate) const ADD_ADDR_ID: &str = "add_addr.id";
pub(crate) const JOIN_ID: &str = "join.address_id";
pub(crate) const JOIN_BACKUP: &str = "join.backup";
pub(crate) const DEVICE: &str = "device";
pub(crate) const DIRECTION: &str = "direction";
pub(crate) const PACKET: &str = "packet";
pub(crate) const DSN: &str = "dsn";
pub(crate) const SSN: &str = "ssn";
pub(crate) const CONNECTION: &str = "connection";
pub(crate) const FLOW: &str = "flow";
pub(crate) const SAMPLE: &str = "sample";

/// Words that begin a test, metrics apart.
const FIELDS: &[&str] = &[
    IP_SRC,
    IP_DST,
    IP_PAIR,
    IP_VERSION,
    IP_DSCP,
    TCP_SRCPORT,
    TCP_DSTPORT,
    TCP_PORT,
    SUBFLOW,
    LOCAL_ID,
    REMOTE_ID,
    ADD_ADDR_ADDRESS,
    ADD_ADDR_PORT,
    ADD_ADDR_ID,
    JOIN_ID,
    JOIN_BACKUP,
    DEVICE,
    DIRECTION,
    PACKET,
    DSN,
    SSN,
    CONNECTION,
    SAMPLE,
];

/// Roles of a subflow.
pub(crate) const ROLES: &[(&str, Role)] = &[
    ("initial", Role::Initial),
    ("joined", Role::Joined),
    ("backup", Role::Backup),
];

/// Directions at a device.
pub(crate) const DIRECTIONS: &[(&str, DeviceDirection)] = &[
    ("ingress", DeviceDirection::Ingress),
    ("egress", DeviceDirection::Egress),
];

/// What a live metric measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// TCP payload bytes.
    Bytes,
    /// Wire segments.
    Packets,
    /// Time since the first packet.
    Age,
    /// Time since the last packet before this one.
    Idle,
    /// Smoothed round-trip time.
    Rtt,
    /// Segments sent again.
    Retransmissions,
    /// Subflows ever established; of a connection only.
    Subflows,
}

/// Metrics of a subflow; a connection has these and `subflows`.
pub(crate) const FLOW_METRICS: &[What] = &[
    What::Bytes,
    What::Packets,
    What::Age,
    What::Idle,
    What::Rtt,
    What::Retransmissions,
];
/// Metrics of a connection.
pub(crate) const CONNECTION_METRICS: &[What] = &[
    What::Bytes,
    What::Packets,
    What::Age,
    What::Idle,
    What::Rtt,
    What::Retransmissions,
    What::Subflows,
];

impl What {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Age => "age",
            Self::Idle => "idle",
            Self::Rtt => "rtt",
            Self::Retransmissions => "retransmissions",
            Self::Subflows => "subflows",
        }
    }
}

impl Compare {
    /// All comparisons.
    pub(crate) const ALL: [Self; 6] = [
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::NotEqual,
    ];

    /// As in a condition.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// As in the argument `compare` of an element.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::LessOrEqual => "le",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Equal => "eq",
            Self::NotEqual => "ne",
        }
    }
}

pub(crate) fn address(end: End) -> &'static str {
    match end {
        End::Source => IP_SRC,
        End::Destination => IP_DST,
    }
}

pub(crate) fn port(side: PortSide) -> &'static str {
    match side {
        PortSide::Source => TCP_SRCPORT,
        PortSide::Destination => TCP_DSTPORT,
        PortSide::Either => TCP_PORT,
    }
}

pub(crate) fn space(space: Space) -> &'static str {
    match space {
        Space::Dsn => DSN,
        Space::Ssn => SSN,
    }
}

pub(crate) fn address_id(side: Side) -> &'static str {
    match side {
        Side::Local => LOCAL_ID,
        Side::Remote => REMOTE_ID,
    }
}

pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Flow => FLOW,
        Scope::Connection => CONNECTION,
    }
}

pub(crate) fn direction(direction: DeviceDirection) -> &'static str {
    match direction {
        DeviceDirection::Ingress => "ingress",
        DeviceDirection::Egress => "egress",
    }
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Initial => "initial",
        Role::Joined => "joined",
        Role::Backup => "backup",
    }
}

/// Every word that begins a test, such as `ip.src` or `flow.bytes`.
pub fn fields() -> Vec<String> {
    let metrics = |scope: &str, metrics: &[What]| -> Vec<String> {
        metrics.iter().map(|what| format!("{scope}.{}", what.word())).collect()
    };
    let mut fields: Vec<String> = FIELDS.iter().map(ToString::to_string).collect();
    fields.extend(metrics(FLOW, FLOW_METRICS));
    fields.extend(metrics(CONNECTION, CONNECTION_METRICS));
    fields
}

/// Every other word of conditions: joining words, packet types, options, roles, directions, comparisons.
pub fn other_words() -> Vec<&'static str> {
    let mut words = KEYWORDS.to_vec();
    words.extend(
        packet_types::KINDS
            .iter()
            .chain(packet_types::OPTIONS)
            .map(|(name, _)| *name),
    );
    words.extend(ROLES.iter().map(|(name, _)| *name));
    words.extend(DIRECTIONS.iter().map(|(name, _)| *name));
    words.extend(Compare::ALL.map(Compare::symbol));
    words
}
