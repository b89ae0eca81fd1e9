//! A column of a table: its name, its type, and its value for a record. CSV and Parquet both use these.

use emptcp_trace::record::RttSummary;
use emptcp_trace::{Direction, PerDirection, Span, Timestamp};
use mptcp_wire::mptcp::ResetReason;
use mptcp_wire::{AddressId, Version};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What a column holds. The units are those of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A whole number: a count, an identifier, bytes.
    Integer,
    /// A number: a span in seconds, a round-trip time in milliseconds.
    Real,
    /// A point in time, UTC, nanoseconds.
    Time,
    /// A text.
    Text,
    /// A set of strings, never null.
    Words,
    /// Counts by string, never null.
    Counts,
}

/// The value of one column in one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Of [`Type::Boolean`].
    Boolean(bool),
    /// Of [`Type::Integer`].
    Integer(i64),
    /// Of [`Type::Real`].
    Real(f64),
    /// Of [`Type::Time`].
    Time(Timestamp),
    /// Of [`Type::Text`].
    Text(Cow<'a, str>),
    /// Of [`Type::Words`].
    Words(Vec<Cow<'a, str>>),
    /// Of [`Type::Counts`].
    Counts(&'a BTreeMap<&'static str, u64>),
}

type Fill<R> = dyn for<'a> Fn(&'a R) -> Value<'a> + Send + Sync;

/// A column of a table whose rows are made from `R`.
pub struct Column<R> {
    /// Its short name: the field, with a suffix for the part of the field. See [`Names`](super::Names).
    pub name: String,
    /// What it holds.
    pub kind: Type,
    fill: Box<Fill<R>>,
}

impl<R> Column<R> {
    /// Its value for this record.
    pub fn value<'a>(&self, record: &'a R) -> Value<'a> {
        (self.fill)(record)
    }
}

impl<R> fmt::Debug for Column<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.name, self.kind)
    }
}

/// The columns of a table under construction.
pub(super) struct Columns<R>(Vec<Column<R>>);

impl<R: 'static> Columns<R> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn finish(self) -> Vec<Column<R>> {
        self.0
    }

    /// A column for a field of one value.
    pub(super) fn one(
        mut self,
        name: impl Into<String>,
        kind: Type,
        fill: impl for<'a> Fn(&'a R) -> Value<'a> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(Column {
            name: name.into(),
            kind,
            fill: Box::new(fill),
        });
        self
    }

    /// A Boolean column.
    pub(super) fn flag(self, name: &str, of: fn(&R) -> bool) -> Self {
        self.one(name, Type::Boolean, move |record| of(record).into())
    }

    /// A column of whole numbers that is never null.
    pub(super) fn number(self, name: &str, of: fn(&R) -> u64) -> Self {
        self.one(name, Type::Integer, move |record| of(record).into())
    }

    /// Two columns for a field with two values: `name_first` and `name_second`.
    pub(super) fn pair<V: Into<Value<'static>> + Copy + 'static>(
        self,
        name: &str,
        parts: [&str; 2],
        kind: Type,
        of: fn(&R) -> [V; 2],
    ) -> Self {
        let [first, second] = parts;
        self.one(format!("{name}_{first}"), kind, move |record| of(record)[0].into())
            .one(format!("{name}_{second}"), kind, move |record| of(record)[1].into())
    }

    /// Two columns for a field with a value for each direction.
    pub(super) fn both<V: Into<Value<'static>> + Copy + 'static>(
        self,
        name: &str,
        kind: Type,
        of: fn(&R) -> PerDirection<V>,
    ) -> Self {
        Direction::BOTH.into_iter().fold(self, |columns, direction| {
            columns.one(format!("{name}_{}", direction.name()), kind, move |record| {
                of(record)[direction].into()
            })
        })
    }

    /// Two columns for numbers, one for each direction.
    pub(super) fn numbers(self, name: &str, of: fn(&R) -> PerDirection<u64>) -> Self {
        self.both(name, Type::Integer, of)
    }

    /// Columns for a distribution of round-trip times in each direction.
    pub(super) fn rtt(self, name: &str, of: fn(&R) -> PerDirection<RttSummary>) -> Self {
        type Part = (&'static str, fn(&RttSummary) -> Option<f64>);
        const PARTS: [Part; 7] = [
            ("mean", |rtt| rtt.mean),
            ("min", |rtt| rtt.min),
            ("max", |rtt| rtt.max),
            ("stdev", |rtt| rtt.stdev),
            ("p50", |rtt| rtt.p50),
            ("p95", |rtt| rtt.p95),
            ("p99", |rtt| rtt.p99),
        ];
        Direction::BOTH.into_iter().fold(self, |columns, direction| {
            let prefix = format!("{name}_{}", direction.name());
            let columns = columns.one(format!("{prefix}_n"), Type::Integer, move |record| {
                of(record)[direction].n.into()
            });
            PARTS.into_iter().fold(columns, |columns, (part, get)| {
                columns.one(format!("{prefix}_{part}"), Type::Real, move |record| {
                    get(&of(record)[direction]).into()
                })
            })
        })
    }
}

/// An enumerated value, as in JSON.
pub(super) fn word<T: Serialize + Copy>(word: T) -> Value<'static> {
    Value::Text(text_of(word).into())
}

/// A set of enumerated values, as in JSON.
pub(super) fn words<T: Serialize + Copy>(words: impl IntoIterator<Item = T>) -> Value<'static> {
    Value::Words(words.into_iter().map(|word| text_of(word).into()).collect())
}

fn text_of<T: Serialize>(word: T) -> String {
    struct Word<T>(T);
    impl<T: Serialize> fmt::Display for Word<T> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            // A formatter serializes unit variants and numbers.
            self.0.serialize(formatter)
        }
    }
    Word(word).to_string()
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        // Databases handle signed integers best; no count exceeds their range.
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<AddressId> for Value<'_> {
    fn from(id: AddressId) -> Self {
        Self::Integer(id.0.into())
    }
}

impl From<Version> for Value<'_> {
    fn from(version: Version) -> Self {
        Self::Integer(version.number().into())
    }
}

impl From<ResetReason> for Value<'_> {
    fn from(reason: ResetReason) -> Self {
        Self::Integer(reason.0.into())
    }
}

impl From<u16> for Value<'_> {
    fn from(value: u16) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Span> for Value<'_> {
    fn from(value: Span) -> Self {
        Self::Real(value.seconds())
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Time(value)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(value: IpAddr) -> Self {
        Self::Text(value.to_string().into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl<'a, V: Into<Value<'a>>> From<Option<V>> for Value<'a> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
