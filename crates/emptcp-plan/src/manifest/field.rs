//! `[[field]]` of an `element.toml`: a word of conditions, and how a test of it becomes a call of the element.

use super::ArgumentType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a test of a field is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `in A`, `in {A, B}`, `not in ...`, `== A`, `!= A`.
    Set,
    /// As a set, of numbers and ranges `LOW-HIGH`; also `<`, `<=`, `>`, `>=`.
    Number,
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`.
    Compare,
    /// `is WORD`: a word of a choice.
    Is,
    /// Alone, or `== yes`, `== no`, `!= yes`, `!= no`.
    Flag,
    /// `in LOW..HIGH`, `not in LOW..HIGH`; with `relative` also `in +LOW..+HIGH`.
    Range,
    /// `1 in N`.
    OneIn,
    /// A word of the compiler, such as `ip.src`: the element tests it where the classifier cannot.
    Core,
}

impl Form {
    /// As in `element.toml`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Number => "number",
            Self::Compare => "compare",
            Self::Is => "is",
            Self::Flag => "flag",
            Self::Range => "range",
            Self::OneIn => "one_in",
            Self::Core => "core",
        }
    }
}

/// A field, as its element declares it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The word of conditions: `ip.dscp`.
    pub name: String,
    /// How a test of it is written.
    pub form: Form,
    /// The argument that takes the value; for a word of the compiler, all arguments that take one.
    pub arguments: Vec<String>,
    /// How the value of a number is written, where that is not the type of the argument: `size`, `duration` or `rate`
    /// for an argument of type `integer`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<ArgumentType>,
    /// For [`Form::Number`] and [`Form::Compare`]: the argument that takes the comparison, a choice of `lt`, `le`,
    /// `gt`, `ge`, `eq` and `ne`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// For [`Form::Set`], where a packet may have no value at all: the boolean argument that is `no` when the value
    /// must lie outside. A packet without a value is neither inside nor outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// For [`Form::Range`]: the boolean argument that is `yes` when numbers count from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<String>,
    /// Further arguments, the same in each test of the field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// Words of other tools for the same; messages name the field instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Names that others have for values; messages name the value instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// A packet may have several values at once: then tests for two of them do not exclude each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,
    /// For [`Form::Is`]: words of which a packet fulfils one at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusive: Vec<String>,
    /// Kinds of segments that can have the field, as after `packet is`: `syn|synack`. Without it: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<String>,
}
