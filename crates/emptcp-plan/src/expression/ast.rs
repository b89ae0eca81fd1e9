//! The syntax tree of a condition, and how it is written.

use super::vocabulary as words;
use crate::fields::Field;
use crate::plan::{DeviceDirection, Value};
use crate::values::{Ports, Prefix, format_range, packet_types};
use mptcp_wire::IpVersion;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

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

/// What a declared field must be for a test to hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// One of these values.
    OneOf(Vec<Value>),
    /// None of these values; a packet without a value is not that.
    NoneOf(Vec<Value>),
    /// A number that compares so with this one.
    Compare(Compare, u64),
    /// A number in one of these ranges, both ends included.
    Within(Vec<(u64, u64)>),
    /// A number in none of them.
    Outside(Vec<(u64, u64)>),
    /// This word of a choice, by its position.
    Word(usize),
    /// Yes or no.
    Flag(bool),
    /// Numbers from the first, included, to the last, not included.
    Range {
        /// They count from the start.
        relative: bool,
        /// The first.
        low: u64,
        /// The one after the last.
        high: u64,
    },
    /// One packet in n, at random.
    OneIn(u64),
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
    /// `packet is`: any of these bits of `KINDS`
    PacketIs(u32),
    /// `packet has`: any of these bits of `OPTIONS`
    PacketHas(u32),
    /// A field that an element declares.
    Field(Arc<Field>, Wanted),
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
            Self::PacketIs(bits) => write!(out, "{} is {}", words::PACKET, packet_types::format(*bits)),
            Self::PacketHas(bits) => write!(out, "{} has {}", words::PACKET, packet_types::format(*bits)),
            Self::Field(field, wanted) => wanted.write(out, field),
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

impl Wanted {
    /// A test of `field`, as it stands in a condition.
    fn write(&self, out: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
        let name = field.name();
        let written = |values: &[Value]| -> Vec<String> { values.iter().map(|value| field.written(value)).collect() };
        let ranges = |ranges: &[(u64, u64)]| -> Vec<String> {
            let range = |(low, high): &(u64, u64)| match low == high {
                true => low.to_string(),
                false => format!("{low}-{high}"),
            };
            ranges.iter().map(range).collect()
        };
        match self {
            Self::OneOf(values) => one_or_none_of(out, name, false, &written(values)),
            Self::NoneOf(values) => one_or_none_of(out, name, true, &written(values)),
            Self::Within(values) => one_or_none_of(out, name, false, &ranges(values)),
            Self::Outside(values) => one_or_none_of(out, name, true, &ranges(values)),
            Self::Compare(compare, value) => {
                let value = field.written(&Value::Integer(*value));
                write!(out, "{name} {} {value}", compare.symbol())
            }
            Self::Word(position) => {
                let word = field.words().get(*position).map_or("", String::as_str);
                write!(out, "{name} {} {word}", words::IS)
            }
            Self::Flag(set) => write!(out, "{name} == {}", if *set { "yes" } else { "no" }),
            Self::Range { relative, low, high } => {
                let range = format_range(*low, *high);
                match range.split_once("..") {
                    Some((low, "")) if *relative => write!(out, "{name} in +{low}.."),
                    Some((low, high)) if *relative => write!(out, "{name} in +{low}..+{high}"),
                    _ => write!(out, "{name} in {range}"),
                }
            }
            Self::OneIn(n) => write!(out, "{name} 1 in {n}"),
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
