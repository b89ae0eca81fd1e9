//! Counters: of the core, of every policy and of every element.

use crate::{Counter, DeviceDirection, DeviceState, Generation, PolicyId, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named counter of an element.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NamedCounter {
    /// Its name in `element.toml`.
    pub name: String,
    /// What its `packets` count.
    pub unit: Unit,
    /// The count in that unit, and payload bytes; events have none.
    #[serde(flatten)]
    pub counter: Counter,
}

/// Counters of one element in a policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ElementStats {
    /// The element.
    pub element: String,
    /// As the user wrote it.
    pub source: String,
    /// Its counters, in the order of `element.toml`.
    pub counters: Vec<NamedCounter>,
}

/// Counters of one policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PolicyStats {
    /// Its name.
    pub name: String,
    /// Its stable id.
    pub id: PolicyId,
    /// Its direction.
    pub direction: DeviceDirection,
    /// Its devices.
    pub devices: Vec<String>,
    /// Segments that reached its first actor, and their payload bytes.
    pub matched: Counter,
    /// Its elements, in the order of the chain.
    pub elements: Vec<ElementStats>,
}

/// How full a table is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TableStats {
    /// Its name, without `emptcp_`.
    pub name: String,
    /// Entries.
    pub used: u64,
    /// Entries that it can hold.
    pub size: u64,
    /// Entries that newer ones evicted; `None` if unknown.
    pub evicted: Option<u64>,
}

/// All counters of an instance.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stats {
    /// The instance.
    pub instance: String,
    /// The policy set in force.
    pub generation: Generation,
    /// Counters of the core, by name: packets as the hook sees them, an aggregate is one.
    pub core: BTreeMap<String, u64>,
    /// State of the devices: whether they really run the policies.
    pub devices: Vec<DeviceState>,
    /// Policies, in the order of the file.
    pub policies: Vec<PolicyStats>,
    /// Tables.
    pub tables: Vec<TableStats>,
}
