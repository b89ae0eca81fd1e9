//! What changes when one plan replaces another.

use crate::plan::{Attach, Plan, PolicyPlan, Tables};
use serde::Serialize;
use std::fmt;

/// One difference, or its absence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A policy that was not there before.
    Added {
        /// Its name.
        policy: String,
    },
    /// A policy that is there no more.
    Removed {
        /// Its name.
        policy: String,
    },
    /// A policy that stays, changed.
    Changed {
        /// Its name.
        policy: String,
        /// What changed, one short line each.
        what: Vec<String>,
    },
    /// A policy that stays as it is.
    Unchanged {
        /// Its name.
        policy: String,
    },
    /// Sizes of the tables changed in the file; an instance keeps those with which it was made.
    Tables {
        /// What changed, one short line each.
        what: Vec<String>,
    },
}

impl Change {
    /// Whether nothing changes.
    pub fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { policy } => write!(out, "+ {policy}"),
            Self::Removed { policy } => write!(out, "- {policy}"),
            Self::Changed { policy, what } => write!(out, "~ {policy}: {}", what.join("; ")),
            Self::Unchanged { policy } => write!(out, "= {policy}"),
            Self::Tables { what } => write!(
                out,
                "~ tables: {} in the file; an instance keeps the sizes with which it was made",
                what.join("; ")
            ),
        }
    }
}

/// Compares by name: table sizes first, then the policies of `new` in their order, then what is gone.
pub fn diff(old: Option<&Plan>, new: &Plan) -> Vec<Change> {
    let before = old.map_or(&[][..], |plan| &plan.policies);
    let mut changes = Vec::new();
    if let Some(old) = old {
        let what = tables(&old.tables, &new.tables);
        if !what.is_empty() {
            changes.push(Change::Tables { what });
        }
    }
    // Only the order among policies that stay counts: an insertion moves none of them.
    let stays = |list: &[PolicyPlan], other: &[PolicyPlan]| -> Vec<String> {
        let kept = list
            .iter()
            .filter(|policy| other.iter().any(|known| known.name == policy.name));
        kept.map(|policy| policy.name.clone()).collect()
    };
    let (order_before, order_now) = (stays(before, &new.policies), stays(&new.policies, before));
    for policy in &new.policies {
        let name = policy.name.clone();
        changes.push(match before.iter().find(|known| known.name == name) {
            None => Change::Added { policy: name },
            Some(known) => {
                let mut what = differences(known, policy);
                if !same_rules(old, known, new, policy) && what.is_empty() {
                    what.push("rules of the classifier".to_owned());
                }
                let place = |order: &[String]| order.iter().position(|known| *known == name).map_or(0, |at| at + 1);
                let (from, to) = (place(&order_before), place(&order_now));
                if from != to {
                    what.push(format!("order {from} -> {to}"));
                }
                if what.is_empty() {
                    Change::Unchanged { policy: name }
                } else {
                    Change::Changed { policy: name, what }
                }
            }
        });
    }
    let gone = before
        .iter()
        .filter(|known| !new.policies.iter().any(|policy| policy.name == known.name));
    changes.extend(gone.map(|known| Change::Removed {
        policy: known.name.clone(),
    }));
    changes
}

fn differences(old: &PolicyPlan, new: &PolicyPlan) -> Vec<String> {
    let mut what = Vec::new();
    let mut compare = |key: &str, old: String, new: String| {
        if old != new {
            what.push(format!("{key} {old} -> {new}"));
        }
    };
    compare("hook", direction(old), direction(new));
    compare("device", old.devices.join(", "), new.devices.join(", "));
    compare("attach", attach(old.attach), attach(new.attach));
    compare("when", quoted(&old.when), quoted(&new.when));
    compare("do", old.actions.join(", "), new.actions.join(", "));
    if what.is_empty() && (old.nodes != new.nodes || old.hooks != new.hooks || old.longest_path != new.longest_path) {
        // The file is the same, but an element's manifest is not.
        what.push("elements or their defaults".to_owned());
    }
    what
}

/// Whether both policies have the same tests in the classifier.
fn same_rules(old_plan: Option<&Plan>, old: &PolicyPlan, new_plan: &Plan, new: &PolicyPlan) -> bool {
    let tests = |plan: &Plan, name: &str| {
        let position = plan.policies.iter().position(|policy| policy.name == name);
        let rules = plan.rules.iter().filter(|rule| Some(rule.policy) == position);
        rules.map(|rule| rule.test.clone()).collect::<Vec<_>>()
    };
    old_plan.is_none_or(|old_plan| tests(old_plan, &old.name) == tests(new_plan, &new.name))
}

fn direction(policy: &PolicyPlan) -> String {
    crate::expression::vocabulary::direction(policy.direction).to_owned()
}

fn attach(attach: Attach) -> String {
    match attach {
        Attach::Auto => "auto",
        Attach::Tc => "tc",
        Attach::XdpNative => "xdp-native",
        Attach::XdpGeneric => "xdp-generic",
    }
    .to_owned()
}

fn quoted(when: &str) -> String {
    if when.is_empty() {
        "(every packet)".to_owned()
    } else {
        format!("`{when}`")
    }
}

fn tables(old: &Tables, new: &Tables) -> Vec<String> {
    let pairs = [
        ("flows", old.flows, new.flows),
        ("half_open", old.half_open, new.half_open),
        ("connections", old.connections, new.connections),
        ("state", old.state, new.state),
        ("events", old.events, new.events),
    ];
    let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(key, old, new)| format!("{key} {old} -> {new}")).collect()
}
