//! A compiled policy file: rules for the classifier, elements and jumps for the chains.
//!
//! A [`Plan`] names devices, not interface indices, and element names, not programs: `emptcp-packet` resolves both.

use crate::manifest::{Hook, Kind};
pub use emptcp_model::DeviceDirection;
use mptcp_wire::IpVersion;
use serde::{Deserialize, Serialize};

/// Kernel hook for ingress, as the user chose it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// XDP native on physical devices that support it, tc elsewhere.
    #[default]
    Auto,
    /// tc (tcx, or clsact on older kernels).
    Tc,
    /// XDP in the driver.
    XdpNative,
    /// XDP in the stack.
    XdpGeneric,
}

/// Sizes of the tables, in entries (events: bytes for each CPU).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Established subflows; the kernel side rounds up to a power of two.
    pub flows: u32,
    /// Half-open subflows.
    pub half_open: u32,
    /// Connections.
    pub connections: u32,
    /// Per-flow state of each element.
    pub state: u32,
    /// Bytes of each CPU's event ring, a power of two from 4096 on.
    pub events: u32,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            flows: 16_384,
            half_open: 2_048,
            connections: 8_192,
            state: 8_192,
            events: 524_288,
        }
    }
}

/// An argument's value, ready to be laid out by the loader.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A number of any integer type; the width comes from `struct arguments`.
    Integer(#[serde(with = "crate::exact")] u64),
    /// Address (IPv4: mapped) in network order and prefix length 0..=128.
    Prefix {
        /// 16 bytes, network order.
        address: [u8; 16],
        /// 0..=128; IPv4 is 96 + its own length.
        length: u32,
    },
    /// Two bounds; for ports both inclusive (`__u16[2]`), for ranges the second exclusive (`__u64[2]`).
    Pair(#[serde(with = "crate::exact")] u64, #[serde(with = "crate::exact")] u64),
    /// A device name, to become an interface index (`__u32`).
    Device(String),
}

/// Where a chain continues.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Node of the same policy, by position.
    Node(usize),
    /// End of this policy's chain.
    End,
}

/// One element in a policy's chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Node {
    /// Element name.
    pub element: String,
    /// Selector or actor.
    pub kind: Kind,
    /// All arguments of the manifest, defaults filled in.
    pub arguments: Vec<(String, Value)>,
    /// Successor when a selector matches, or after an actor.
    pub on_match: Target,
    /// Successor when a selector does not match; an actor's is the same as `on_match`.
    pub on_miss: Target,
    /// The first actor of the policy: counts the policy's matches.
    pub first_actor: bool,
    /// As the user wrote it, for messages and `emptcp show`.
    pub source: String,
}

/// A static condition that the classifier evaluates.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleTest {
    /// The flow matches this policy.
    Accept,
    /// Direction of the packet at the device.
    Direction(DeviceDirection),
    /// The device.
    Device(String),
    /// The version of IP.
    IpVersion(IpVersion),
    /// Sender's address: 16 bytes (IPv4 mapped), length 0..=128.
    Source([u8; 16], u8),
    /// Receiver's address.
    Destination([u8; 16], u8),
    /// Sender's port, inclusive.
    SourcePort(u16, u16),
    /// Receiver's port, inclusive.
    DestinationPort(u16, u16),
}

/// One rule; targets are positions in [`Plan::rules`], `None` ends the evaluation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rule {
    /// The policy that it belongs to, by position in [`Plan::policies`].
    pub policy: usize,
    /// The test.
    pub test: RuleTest,
    /// Next rule when it holds.
    pub on_match: Option<usize>,
    /// Next rule when it does not.
    pub on_miss: Option<usize>,
}

/// One policy, compiled.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyPlan {
    /// Name, unique in the file.
    pub name: String,
    /// Direction.
    pub direction: DeviceDirection,
    /// Devices, as named in the file.
    pub devices: Vec<String>,
    /// Attach mode asked for.
    pub attach: Attach,
    /// The chain; node 0 is its head. Never empty.
    pub nodes: Vec<Node>,
    /// Elements on the longest path.
    pub longest_path: usize,
    /// Hooks on which every element of the chain can run and that fit the direction and `attach`.
    pub hooks: Vec<Hook>,
    /// The whole condition as the user wrote it.
    pub when: String,
    /// The actors as the user wrote them.
    pub actions: Vec<String>,
}

/// A policy file, compiled.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Plan {
    /// Policies in file order, at most `EMPTCP_POLICIES`.
    pub policies: Vec<PolicyPlan>,
    /// Classifier rules, at most `EMPTCP_RULES`; evaluation starts at rule 0.
    pub rules: Vec<Rule>,
    /// Bits of `enum emptcp_feature` that the elements need.
    pub features: u32,
    /// Table sizes.
    pub tables: Tables,
}

impl Plan {
    /// Replaces every device name by the one in `real`. A policy that names one device twice then has it once.
    pub fn rename_devices(&mut self, real: impl Fn(&str) -> Option<String>) {
        let rename = |name: &mut String| {
            if let Some(real) = real(name) {
                *name = real;
            }
        };
        for policy in &mut self.policies {
            policy.devices.iter_mut().for_each(rename);
            let mut seen = std::collections::HashSet::new();
            policy.devices.retain(|device| seen.insert(device.clone()));
            let arguments = policy.nodes.iter_mut().flat_map(|node| &mut node.arguments);
            for (_, value) in arguments {
                if let Value::Device(name) = value {
                    rename(name);
                }
            }
        }
        for rule in &mut self.rules {
            if let RuleTest::Device(name) = &mut rule.test {
                rename(name);
            }
        }
    }
}
