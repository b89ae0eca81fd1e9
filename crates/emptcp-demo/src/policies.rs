//! The policy files of the demo, and how they are put in force.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use emptcp::{Apply, Catalog, Instance, Namespace, Policies};

/// The instance in the client's network namespace.
const INSTANCE: &str = "demo";

/// Limits the subflow on path 2 to the cap.
pub(crate) const CAP_PATH_2: &str = include_str!("../policies/cap-path-2.toml");
/// Asks the peer to use path 1 only when nothing else is left.
pub(crate) const PATH_1_BACKUP: &str = include_str!("../policies/path-1-backup.toml");
/// The same for path 2: then the peer uses both again.
pub(crate) const PATH_2_BACKUP: &str = include_str!("../policies/path-2-backup.toml");
/// Asks for both paths as regular ones again.
pub(crate) const BOTH_REGULAR: &str = include_str!("../policies/both-regular.toml");

/// Steers one host. Leaves nothing behind when dropped.
pub(crate) struct Steering {
    instance: Instance,
    elements: Arc<Catalog>,
    in_force: bool,
}

impl Steering {
    /// For the host in the network namespace `netns`.
    pub(crate) fn new(netns: &str) -> anyhow::Result<Self> {
        let elements = Catalog::load().context("cannot read the elements")?;
        Ok(Self {
            instance: Namespace::named(netns)?.instance(INSTANCE),
            elements: Arc::new(elements),
            in_force: false,
        })
    }

    /// Replaces the policies in force by these, and returns how long it took.
    pub(crate) fn apply(&mut self, policies: &[&str]) -> anyhow::Result<Duration> {
        let text = policies.join("\n");
        let policies = Policies::parse_with("policy.toml", text, Arc::clone(&self.elements))?;
        let applied = self.instance.apply(&policies, Apply::new().adopt(true))?;
        self.in_force = true;
        Ok(applied.report.duration)
    }

    /// Removes what is in force.
    pub(crate) fn remove(&mut self) -> anyhow::Result<()> {
        if self.in_force {
            self.instance.remove()?;
            self.in_force = false;
        }
        Ok(())
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("the policies could not be removed: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_the_demo_compiles() {
        for text in [CAP_PATH_2, PATH_1_BACKUP, PATH_2_BACKUP, BOTH_REGULAR] {
            let policies = Policies::parse("policy.toml", text);
            assert!(policies.is_ok(), "{}", policies.expect_err("it is not a policy file"));
        }
    }
}
