//! Counters of a host's kernel for MPTCP and TCP connections.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{LabError, Result};
use crate::host::Host;
use crate::netns::NetworkNamespace;

/// A reading of `/proc/net/netstat` and `/proc/net/snmp`; keys such as `MPTcpExt.MPCapableFallbackACK` or
/// `Tcp.InCsumErrors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mib(BTreeMap<String, i64>);

/// Counters that show that a connection, or a subflow, was not MPTCP or fell back to TCP.
const FALLBACKS: [&str; 18] = [
    "MPCapableFallbackACK",
    "MPCapableFallbackSYNACK",
    "MPCapableSYNTXDrop",
    "MPCapableSYNTXDisabled",
    "MPCapableDataFallback",
    "MPFallbackTokenInit",
    "MD5SigFallback",
    "SimultConnectFallback",
    "DssFallback",
    "DSSNotMatching",
    "DSSNoMatchTCP",
    "DSSCorruptionFallback",
    "DSSCorruptionReset",
    "InfiniteMapTx",
    "InfiniteMapRx",
    "FallbackFailed",
    "MPFailTx",
    "MPFailRx",
];

impl Mib {
    /// Reads the counters of a namespace.
    pub fn read(netns: &impl AsRef<NetworkNamespace>) -> Result<Self> {
        // `thread-self`: /proc/net belongs to the process, not to the thread that entered the namespace.
        let read = || ["netstat", "snmp"].map(|name| fs::read_to_string(format!("/proc/thread-self/net/{name}")));
        let mut counters = BTreeMap::new();
        for text in netns.as_ref().run(read)? {
            let text = text.map_err(|error| LabError::system("reading the counters of the kernel", error))?;
            parse(&text, &mut counters);
        }
        Ok(Self(counters))
    }

    /// One counter, e.g. `("MPTcpExt", "MPJoinAckRx")`; 0 if this kernel does not have it.
    pub fn get(&self, group: &str, name: &str) -> i64 {
        self.0.get(&format!("{group}.{name}")).copied().unwrap_or(0)
    }

    /// The differences since `before`, without unchanged counters.
    pub fn since(&self, before: &Self) -> Self {
        let changed = self.0.iter().filter_map(|(name, value)| {
            let change = value - before.0.get(name).copied().unwrap_or(0);
            (change != 0).then(|| (name.clone(), change))
        });
        Self(changed.collect())
    }

    /// Fallbacks to TCP and failed mappings, by whatever cause: the sum of the kernel's counters for them.
    pub fn fallbacks(&self) -> i64 {
        FALLBACKS.iter().map(|name| self.get("MPTcpExt", name)).sum()
    }

    /// The fallback counters that are not 0.
    pub fn fallback_causes(&self) -> Vec<(&'static str, i64)> {
        FALLBACKS
            .iter()
            .map(|name| (*name, self.get("MPTcpExt", name)))
            .filter(|(_, value)| *value != 0)
            .collect()
    }

    /// Packets with a wrong checksum: TCP's own and the checksum of DSS mappings.
    pub fn checksum_errors(&self) -> i64 {
        self.get("Tcp", "InCsumErrors") + self.get("MPTcpExt", "DataCsumErr")
    }

    /// All counters, `Group.Name` to value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl Host {
    /// Reads the host's counters: see [`Mib`].
    pub fn mib(&self) -> Result<Mib> {
        Mib::read(self)
    }
}

/// Both files have pairs of lines: `Group: Name Name ...`, then `Group: value value ...`.
fn parse(text: &str, into: &mut BTreeMap<String, i64>) {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let Some((group, names)) = names.split_once(':') else {
            continue;
        };
        let Some((_, values)) = values.split_once(':') else {
            continue;
        };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                into.insert(format!("{group}.{name}"), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_lines_become_counters_and_differences_drop_what_did_not_change() {
        let read = |text| {
            let mut counters = BTreeMap::new();
            parse(text, &mut counters);
            Mib(counters)
        };
        let before = read("Tcp: InSegs InCsumErrors\nTcp: 5 1\nMPTcpExt: DssFallback MPFailRx\nMPTcpExt: 0 2\n");
        let after = read("Tcp: InSegs InCsumErrors\nTcp: 9 1\nMPTcpExt: DssFallback MPFailRx\nMPTcpExt: 3 2\n");
        let change = after.since(&before);
        assert_eq!(
            change.iter().collect::<Vec<_>>(),
            [("MPTcpExt.DssFallback", 3), ("Tcp.InSegs", 4)]
        );
        assert_eq!((change.fallbacks(), change.checksum_errors()), (3, 0));
        assert_eq!((after.fallbacks(), after.checksum_errors()), (5, 1));
    }
}
