//! The syntax tree of a condition, and how it is written.

use super::vocabulary::{self as words, What};
use crate::plan::DeviceDirection;
use crate::values::quantity::{self, DURATION_UNITS, SIZE_UNITS};
use crate::values::{Ports, Prefix, format_range, packet_types};
use mptcp_wire::{IpVersion, Side, Token};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// At least one holds.
    Or(Vec<Expression>),
    /// All hold.
    And(Vec<Expression>),
    /// Does not hold.
    Not(Box<Expression>),
    /// One test.
    Test(Test),
}

/// One test and where it stands; two tests are equal when they test the same.
#[derive(Clone, Debug)]
pub struct Test {
    /// What is tested.
    pub primary: Primary,
    /// Bytes of the text of the condition.
    pub span: Range<usize>,
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        self.primary == other.primary
    }
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The sender.
    Source,
    /// The receiver.
    Destination,
}

/// Which port of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortSide {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
    /// At least one of the two.
    Either,
}

/// Which sequence number space.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Space {
    /// Data sequence numbers of the connection.
    Dsn,
    /// Subflow sequence numbers.
    Ssn,
}

/// Role of a subflow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Opened with MP_CAPABLE.
    Initial,
    /// Opened with MP_JOIN.
    Joined,
    /// Some side asked for it to be backup.
    Backup,
}

/// What a live metric is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The subflow.
    Flow,
    /// The connection.
    Connection,
}

/// A comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compare {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// An argument of a selector that is called by its name.
#[derive(Clone, Debug)]
pub struct CallArgument {
    /// Its name; empty where a value stands alone, which is a mistake that the compiler explains.
    pub name: String,
    /// Its value as written, without quotes.
    pub value: String,
    /// Where the name stands.
    pub name_span: Range<usize>,
    /// Where the value stands.
    pub value_span: Range<usize>,
}

impl PartialEq for CallArgument {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

/// Which address ids fulfil a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ids {
    /// Those that compare so with this one.
    Compare(Compare, u8),
    /// Those in one of these ranges, or in none of them (the flag). One id alone is a comparison.
    OneOf(bool, Vec<IdRange>),
}

/// Address ids, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdRange {
    /// The lowest.
    pub low: u8,
    /// The highest.
    pub high: u8,
}

impl fmt::Display for IdRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.low == self.high {
            true => write!(out, "{}", self.low),
            false => write!(out, "{}-{}", self.low, self.high),
        }
    }
}

impl Ids {
    fn write(&self, out: &mut fmt::Formatter<'_>, field: &str) -> fmt::Result {
        match self {
            Self::Compare(compare, id) => write!(out, "{field} {} {id}", compare.symbol()),
            Self::OneOf(none, ranges) => one_or_none_of(out, field, *none, ranges),
        }
    }
}

/// What one test looks at. Lists mean "one of these".
#[derive(Clone, Debug, PartialEq)]
pub enum Primary {
    /// `ip.src`, `ip.dst`
    Address(End, Vec<Prefix>),
    /// `ip.pair == A, B`: from A to B.
    Pair(Prefix, Prefix),
    /// `subflow == A:pa <-> B:pb`, in either direction.
    Subflow(SocketAddr, SocketAddr),
    /// `tcp.srcport`, `tcp.dstport`, `tcp.port`
    Port(PortSide, Vec<Ports>),
    /// `ip.version`: 4 or 6
    IpVersion(Vec<IpVersion>),
    /// `device`
    Device(Vec<String>),
    /// `direction is`
    Direction(DeviceDirection),
    /// `ip.dscp`
    Dscp(Vec<u8>),
    /// `packet is`: any of these bits of `KINDS`
    PacketIs(u32),
    /// `packet has`: any of these bits of `OPTIONS`
    PacketHas(u32),
    /// `dsn in`, `ssn in`: the space, relative to the start or not, low inclusive, high exclusive.
    Sequence(Space, bool, u64, u64),
    /// `connection ==`
    Connection(Vec<Token>),
    /// `subflow is`
    Role(Role),
    /// `subflow.local_id`, `subflow.remote_id`
    AddressId(Side, Ids),
    /// `add_addr.address`: in one of these, or in none of them (the flag); a packet without ADD_ADDR is neither.
    AddAddrAddress(bool, Vec<Prefix>),
    /// `add_addr.port`: likewise; an announcement without a port is neither.
    AddAddrPort(bool, Vec<Ports>),
    /// `add_addr.id`
    AddAddrId(Ids),
    /// `join.address_id`: of the SYN or SYN-ACK with MP_JOIN.
    JoinId(Ids),
    /// `join.backup`: B of the SYN or SYN-ACK with MP_JOIN is set, or is not.
    JoinBackup(bool),
    /// `flow.*`, `connection.*`
    Metric(Scope, What, Compare, u64),
    /// `sample 1 in N`
    Sample(u64),
    /// `name(key=value, ...)`: a selector by its name, with which the test begins.
    Call {
        /// Name of the selector.
        name: String,
        /// Its arguments.
        arguments: Vec<CallArgument>,
    },
}

impl Expression {
    /// The conditions that must all hold, nested ANDs taken apart.
    pub fn conjuncts(&self) -> Vec<&Expression> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// All tests, in the order of the text.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Not(inner) => inner.tests(),
            Self::Test(test) => vec![test],
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Test(test) => return write!(out, "{}", test.primary),
            Self::Not(inner) => {
                return match **inner {
                    Self::Or(_) | Self::And(_) => write!(out, "not ({inner})"),
                    _ => write!(out, "not {inner}"),
                };
            }
            Self::And(parts) => (parts, words::AND),
            Self::Or(parts) => (parts, words::OR),
        };
        for (position, part) in parts.iter().enumerate() {
            if position > 0 {
                write!(out, " {word} ")?;
            }
            // Parentheses that repeat the precedence are kept only where the tree needs them.
            match (self, part) {
                (_, Self::Or(_)) | (Self::And(_), Self::And(_)) => write!(out, "({part})")?,
                _ => write!(out, "{part}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(end, prefixes) => one_of(out, words::address(*end), prefixes),
            Self::Pair(source, destination) => write!(out, "{} == {source}, {destination}", words::IP_PAIR),
            Self::Subflow(a, b) => write!(out, "{} == {a} <-> {b}", words::SUBFLOW),
            Self::Port(side, ports) => one_of(out, words::port(*side), ports),
            Self::IpVersion(versions) => one_of(out, words::IP_VERSION, versions),
            Self::Device(devices) => one_of(out, words::DEVICE, devices),
            Self::Direction(direction) => write!(out, "{} is {}", words::DIRECTION, words::direction(*direction)),
            Self::Dscp(values) => one_of(out, words::IP_DSCP, values),
            Self::PacketIs(bits) => write!(out, "{} is {}", words::PACKET, packet_types::format(*bits)),
            Self::PacketHas(bits) => write!(out, "{} has {}", words::PACKET, packet_types::format(*bits)),
            Self::Sequence(space, relative, low, high) => {
                let range = format_range(*low, *high);
                match range.split_once("..") {
                    Some((low, "")) if *relative => write!(out, "{} in +{low}..", words::space(*space)),
                    Some((low, high)) if *relative => write!(out, "{} in +{low}..+{high}", words::space(*space)),
                    _ => write!(out, "{} in {range}", words::space(*space)),
                }
            }
            Self::Connection(tokens) => one_of(out, words::CONNECTION, tokens),
            Self::Role(role) => write!(out, "{} is {}", words::SUBFLOW, words::role(*role)),
            Self::AddressId(side, ids) => ids.write(out, words::address_id(*side)),
            Self::AddAddrAddress(outside, prefixes) => one_or_none_of(out, words::ADD_ADDR_ADDRESS, *outside, prefixes),
            Self::AddAddrPort(outside, ports) => one_or_none_of(out, words::ADD_ADDR_PORT, *outside, ports),
            Self::AddAddrId(ids) => ids.write(out, words::ADD_ADDR_ID),
            Self::JoinId(ids) => ids.write(out, words::JOIN_ID),
            Self::JoinBackup(set) => write!(out, "{} == {}", words::JOIN_BACKUP, if *set { "yes" } else { "no" }),
            Self::Metric(scope, what, compare, value) => {
                let value = match what {
                    What::Bytes => quantity::format(*value, SIZE_UNITS),
                    What::Age | What::Idle | What::Rtt => quantity::format(*value, DURATION_UNITS),
                    What::Packets | What::Retransmissions | What::Subflows => value.to_string(),
                };
                write!(
                    out,
                    "{}.{} {} {value}",
                    words::scope(*scope),
                    what.word(),
                    compare.symbol()
                )
            }
            Self::Sample(n) => write!(out, "{} 1 in {n}", words::SAMPLE),
            Self::Call { name, arguments } => {
                write!(out, "{name}(")?;
                for (position, argument) in arguments.iter().enumerate() {
                    let comma = if position > 0 { ", " } else { "" };
                    match argument.name.as_str() {
                        "" => write!(out, "{comma}\"{}\"", argument.value)?,
                        name => write!(out, "{comma}{name}=\"{}\"", argument.value)?,
                    }
                }
                write!(out, ")")
            }
        }
    }
}

fn one_of<T: fmt::Display>(out: &mut fmt::Formatter<'_>, field: &str, values: &[T]) -> fmt::Result {
    one_or_none_of(out, field, false, values)
}

fn one_or_none_of<T: fmt::Display>(out: &mut fmt::Formatter<'_>, field: &str, none: bool, values: &[T]) -> fmt::Result {
    let relation = if none { "not in" } else { "in" };
    if let [only] = values {
        return write!(out, "{field} {relation} {only}");
    }
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    write!(out, "{field} {relation} {{{}}}", values.join(", "))
}
