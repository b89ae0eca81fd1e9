//! The format of `elements/*/cases.toml`.
//!
//! A file has cases: a policy, the preceding traffic, and packets with their expected results. A case runs at every
//! hook that the element supports, with both IP versions, unless it specifies others. Every output packet is compared
//! byte by byte with the input packet plus `changes`. The expected checksums are computed, so no case can pass with a
//! wrong one.

use crate::{describe::Packet, hosts::Peer};
use emptcp_plan::manifest::Hook;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A `cases.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The cases.
    pub case: Vec<Case>,
}

/// The traffic before the packets of a case.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// Nothing.
    Nothing,
    /// The handshake of the initial subflow.
    #[default]
    Established,
    /// The same, and the handshake of a second subflow.
    Joined,
}

/// A case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that describes the expected behaviour.
    pub name: String,
    /// Hooks; absent: all that the element supports.
    pub hooks: Option<Vec<Hook>>,
    /// IP versions.
    #[serde(default = "both_ip_versions")]
    pub ip: Vec<u8>,
    /// MPTCP versions.
    #[serde(default = "version_1")]
    pub version: Vec<u8>,
    /// The condition. `{client}`, `{server}` stand for addresses, `{client2}`, `{server2}` for those of the joined
    /// subflow, `{client_side}` and `{server_side}` for `local` or `remote`, `{client_token}`, `{server_token}`,
    /// `{client_isn}`, `{client_dsn}` (of the first byte) and `{direction}` for what the hook and the hosts are.
    #[serde(default)]
    pub when: String,
    /// Other forms of the condition: the case holds for each.
    #[serde(default)]
    pub also: Vec<String>,
    /// The actors; for a selector `count`.
    #[serde(default, rename = "do")]
    pub actors: Vec<String>,
    /// The host whose packets pass the hook.
    #[serde(default)]
    pub sender: Peer,
    /// The traffic before its packets.
    #[serde(default)]
    pub setup: Setup,
    /// The hosts require DSS checksums.
    #[serde(default)]
    pub dss_checksum: bool,
    /// B bit of the joined subflow's SYN.
    #[serde(default)]
    pub join_as_backup: bool,
    /// The packets.
    #[serde(rename = "packet")]
    pub packets: Vec<Step>,
}

fn both_ip_versions() -> Vec<u8> {
    vec![4, 6]
}

fn version_1() -> Vec<u8> {
    vec![1]
}

/// A verdict in words.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The packet continues.
    #[default]
    Pass,
    /// The packet is dropped.
    Drop,
    /// The packet is sent back (XDP_TX).
    Reflect,
    /// The packet enters the device again (tc).
    Again,
}

/// A packet and its expected result.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The packet.
    #[serde(default)]
    pub send: Packet,
    /// The expected result; absent: it passes unchanged.
    #[serde(default)]
    pub expect: Expectation,
}

/// The expected result of a packet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    /// The verdict.
    pub verdict: Word,
    /// Changes of the packet, see [`crate::expect::change`].
    pub changes: Vec<String>,
    /// Whether the packet reaches the first actor.
    pub selected: Option<bool>,
    /// Counts of the element for this packet; other counters must not change. Absent: not checked.
    pub counts: Option<BTreeMap<String, u64>>,
    /// Counts of the core for this packet, by counter.
    pub core: BTreeMap<String, u64>,
    /// Wire segments that the packet stands for afterwards (tc), 0 for a plain packet; absent: not checked.
    pub segments: Option<u32>,
    /// `skb->mark` afterwards (tc).
    pub mark: Option<u32>,
    /// `skb->priority` afterwards (tc).
    pub priority: Option<u32>,
}
