//! `element.toml`: what an element is, which arguments it takes and where it can run. `field`: the words of conditions
//! that it declares. `class`: the class that it asks for.

mod class;
mod field;

pub use class::{ClassNeed, ClassWords};
pub use emptcp_model::{Hook, Unit};
pub use field::{Declaration, Form};
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Selector or actor.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answers yes or no; changes nothing.
    Selector,
    /// Does something to the packet or about it.
    Actor,
}

/// The type of an argument: how it is written in a policy and how it lies in `struct arguments`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentType {
    /// `__u64` or `__u32`: a plain number, decimal or `0x`.
    Integer,
    /// `__u8`: `yes` / `no`, `on` / `off`.
    Boolean,
    /// `__u64`: bits per second, `4mbit`, `500kbit`, `1gbit`.
    Rate,
    /// `__u64`: bytes, `220kB` (1000), `64KiB` (1024).
    Size,
    /// `__u64`: nanoseconds, `100ms`, `2s`, `50us`.
    Duration,
    /// `struct emptcp_prefix { __be32 address[4]; __u32 length; }`: an address or prefix (IPv4 as mapped, 96 + length).
    Prefix,
    /// `__u16 [2]`: a port or `low-high`, host order, both inclusive.
    Ports,
    /// `__u64 [2]`: `low..high`, low inclusive, high exclusive; sizes allowed; either end may be missing.
    Range,
    /// `__u32`: bits of `enum emptcp_packet_type`, names joined by `|`.
    PacketTypes,
    /// `__u32`: interface index; written as a device name.
    Device,
    /// `__u32`: an MPTCP token, `0x1234abcd`.
    Token,
    /// `__u32`: one of `values`, stored as its position.
    Choice,
}

/// What an element needs besides the packet itself; the core and the loader prepare only what some element needs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// `packet->flow`.
    FlowView,
    /// `packet->connection`.
    Connection,
    /// A class of its own in the queue of the device, with a rate: `emptcp_class`, see [`ClassNeed`].
    Class,
}

/// One argument of an element.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Its name in policies and in `struct arguments`.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ArgumentType,
    /// What it means, one line.
    pub help: String,
    /// Written as in a policy; an argument without a default is required.
    #[serde(default)]
    pub default: Option<String>,
    /// For numbers, rates, sizes and durations: the least that is accepted, in the base unit (bytes, ns, bit/s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The most that is accepted, in the same unit; needed where the member of `struct arguments` has fewer than 8
    /// bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// For [`ArgumentType::Choice`]: words that cannot run at every hook of the element, and the hooks where they can.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only_at: BTreeMap<String, Vec<Hook>>,
    /// For [`ArgumentType::Choice`]: the words, in the order of the C enumeration.
    #[serde(default)]
    pub values: Vec<String>,
}

/// A counter: in `element.toml` only its name, or `{ name = "emitted", unit = "events" }`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CounterName {
    /// Its name in `COUNTERS(...)`.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
}

impl<'de> Deserialize<'de> for CounterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The long form; a derived reader reports mistakes better than one that tries both forms.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            name: String,
            #[serde(default)]
            unit: Unit,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = CounterName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a counter, or `{ name = \"...\", unit = \"events\" }`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<CounterName, E> {
                Ok(CounterName {
                    name: name.to_owned(),
                    unit: Unit::default(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CounterName, A::Error> {
                let Long { name, unit } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CounterName { name, unit })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The content of an `element.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The element's name: its folder, its macro argument, its word in policies.
    pub name: String,
    /// Selector or actor.
    pub kind: Kind,
    /// One line for `emptcp elements`.
    pub summary: String,
    /// Where it can run.
    pub hooks: Vec<Hook>,
    /// Arguments, in any order.
    #[serde(default, rename = "argument")]
    pub arguments: Vec<Argument>,
    /// Arguments of which at least one must differ from its default: otherwise the element does nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<String>,
    /// Its counters, in the order of `COUNTERS(...)`.
    #[serde(default)]
    pub counters: Vec<CounterName>,
    /// What it needs besides the packet.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Words of conditions that it declares.
    #[serde(default, rename = "field", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Declaration>,
    /// With [`Need::Class`]: the class that it requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ClassNeed>,
}
