//! Assigns slots, counters and numbers to the nodes of a policy set. Pure arithmetic.
//!
//! A policy that is the same as before keeps its id, its counters and the instance numbers of its nodes, and with them
//! its per-flow state. Slots are assigned anew in each bank.

use crate::error::{Error, Result};
use emptcp_abi::{BANK_SLOTS, COUNTERS, ELEMENT_COUNTERS, POLICIES, SLOT_FIRST_ELEMENT, SLOT_LAST_ELEMENT};
use emptcp_plan::plan::{Plan, PolicyPlan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The largest minor number of a class: 0xffff means "the root" to traffic control.
const LAST_CLASS: u16 = 0xfffe;

/// Numbers of one node.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct NodeNumbers {
    /// Slot, counted from the start of the bank.
    pub(crate) slot: u32,
    /// Unique per use of an element.
    pub(crate) instance: u32,
    /// First counter.
    pub(crate) counters: u32,
}

/// Numbers of one policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct PolicyNumbers {
    /// Stable id.
    pub(crate) id: u32,
    /// First of the policy's own counters.
    pub(crate) counters: u32,
    /// Minor number of its class where it is shaped, 1 to 0xfffe.
    pub(crate) class: u16,
    /// Nodes, in the order of the plan.
    pub(crate) nodes: Vec<NodeNumbers>,
    /// The policy was in the set before, unchanged.
    #[serde(skip)]
    pub(crate) kept: bool,
}

/// Numbers of a whole set.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Allocation {
    /// Policies, in the order of the plan.
    pub(crate) policies: Vec<PolicyNumbers>,
    /// The next policy id and instance number that were never used.
    pub(crate) next: u32,
}

/// The same chain under the same name: its counters and state stay valid.
pub(crate) fn same_policy(a: &PolicyPlan, b: &PolicyPlan) -> bool {
    a.name == b.name && a.direction == b.direction && a.nodes == b.nodes && a.when == b.when
}

/// Assigns the numbers of `plan`, without a conflict with those of the set in force.
pub(crate) fn allocate(plan: &Plan, before: Option<(&Plan, &Allocation)>) -> Result<Allocation> {
    if plan.policies.len() > POLICIES as usize {
        return Err(Error::TooMany {
            what: "policies",
            wanted: plan.policies.len(),
            limit: POLICIES as usize,
        });
    }
    let old = |policy: &PolicyPlan| {
        let (plan, allocation) = before?;
        let position = plan.policies.iter().position(|other| same_policy(other, policy))?;
        allocation.policies.get(position)
    };
    // Counters of the old set are still written to until the switch.
    let taken: BTreeSet<u32> = before
        .iter()
        .flat_map(|(_, allocation)| &allocation.policies)
        .flat_map(|policy| policy.nodes.iter().map(|node| node.counters).chain([policy.counters]))
        .collect();
    let mut free = (0..COUNTERS)
        .step_by(ELEMENT_COUNTERS as usize)
        .filter(|base| !taken.contains(base));
    let mut next = before.map_or(1, |(_, allocation)| allocation.next.max(1));
    let mut number = || {
        next += 1;
        next - 1
    };
    let nodes: usize = plan.policies.iter().map(|policy| policy.nodes.len()).sum();
    let mut counters = || {
        let limit = (COUNTERS / ELEMENT_COUNTERS) as usize;
        free.next().ok_or(Error::TooMany {
            what: "elements with counters",
            wanted: nodes + taken.len(),
            limit,
        })
    };
    // Classes of the old set still shape until the switch.
    let mut classes: BTreeSet<u16> = before
        .iter()
        .flat_map(|(_, allocation)| &allocation.policies)
        .map(|policy| policy.class)
        .collect();
    let mut class = || {
        let free = (1..=LAST_CLASS).find(|class| !classes.contains(class));
        classes.extend(free);
        free.ok_or(Error::TooMany {
            what: "policies with a class for shaping",
            wanted: plan.policies.len() + before.map_or(0, |(_, allocation)| allocation.policies.len()),
            limit: usize::from(LAST_CLASS),
        })
    };
    let mut slots = SLOT_FIRST_ELEMENT..=SLOT_LAST_ELEMENT;
    let mut policies = Vec::new();
    for (position, policy) in plan.policies.iter().enumerate() {
        let kept = old(policy);
        let mut numbers = PolicyNumbers {
            id: kept.map_or_else(&mut number, |kept| kept.id),
            counters: kept.map_or_else(&mut counters, |kept| Ok(kept.counters))?,
            class: kept.map_or_else(&mut class, |kept| Ok(kept.class))?,
            nodes: Vec::new(),
            kept: kept.is_some(),
        };
        for node in 0..policy.nodes.len() {
            let slot = if node == 0 { Some(position as u32) } else { slots.next() };
            let kept = kept.and_then(|kept| kept.nodes.get(node));
            numbers.nodes.push(NodeNumbers {
                slot: slot.ok_or(Error::TooMany {
                    what: "elements in all chains together",
                    wanted: nodes,
                    limit: BANK_SLOTS as usize,
                })?,
                instance: kept.map_or_else(&mut number, |kept| kept.instance),
                counters: kept.map_or_else(&mut counters, |kept| Ok(kept.counters))?,
            });
        }
        policies.push(numbers);
    }
    Ok(Allocation { policies, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plans;

    fn all_counters(allocation: &Allocation) -> Vec<u32> {
        let policies = &allocation.policies;
        policies
            .iter()
            .flat_map(|p| p.nodes.iter().map(|n| n.counters).chain([p.counters]))
            .collect()
    }

    #[test]
    fn heads_have_the_slot_of_their_position_and_no_slot_is_used_twice() {
        let plan = plans::named(&["a", "b", "c"], 3);
        let allocation = allocate(&plan, None).unwrap();
        let slots: Vec<u32> = allocation
            .policies
            .iter()
            .flat_map(|p| p.nodes.iter().map(|n| n.slot))
            .collect();
        assert_eq!([slots[0], slots[3], slots[6]], [0, 1, 2]);
        assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len());
        assert!(slots.iter().all(|slot| *slot <= SLOT_LAST_ELEMENT));
    }

    #[test]
    fn an_unchanged_policy_keeps_its_numbers_and_a_new_one_gets_others() {
        let before = plans::named(&["a", "b"], 2);
        let first = allocate(&before, None).unwrap();
        let after = plans::named(&["new", "b"], 2);
        let second = allocate(&after, Some((&before, &first))).unwrap();
        let (old, kept) = (&first.policies[1], &second.policies[1]);
        assert!(kept.kept && !second.policies[0].kept);
        assert_eq!((old.id, old.counters), (kept.id, kept.counters));
        assert_eq!(old.nodes[1].instance, kept.nodes[1].instance);
        let taken: BTreeSet<u32> = all_counters(&first).into_iter().collect();
        assert!(
            !taken.contains(&second.policies[0].counters),
            "the old set still counts there"
        );
        assert!(
            second.policies[0].id > old.nodes[1].instance,
            "numbers are never used again"
        );
    }

    #[test]
    fn classes_never_meet_however_far_the_ids_of_policies_lie_apart() {
        let before = plans::named(&["a"], 1);
        let mut first = allocate(&before, None).unwrap();
        // As after many changes: the next policy's id is that of `a` plus 65 534.
        first.next = first.policies[0].id + 0xfffe;
        let after = plans::named(&["new", "a", "another"], 1);
        let second = allocate(&after, Some((&before, &first))).unwrap();
        assert_eq!(second.policies[1].class, first.policies[0].class, "`a` keeps its class");
        let classes: BTreeSet<u16> = second.policies.iter().map(|policy| policy.class).collect();
        assert_eq!(classes.len(), 3);
        assert!(classes.iter().all(|class| (1..=LAST_CLASS).contains(class)));
    }

    #[test]
    fn too_many_elements_are_refused_by_number() {
        let plan = plans::named(&["a"], 2000);
        let error = allocate(&plan, None).unwrap_err().to_string();
        assert!(error.contains("too many elements"), "{error}");
    }
}
