//! Limits of the kernel and of `abi.h`, for the policy set as a whole.

use super::exclusive::disjoint;
use super::policy::{Draft, described};
use crate::diagnostics::Reporter;
use crate::expression::vocabulary;
use crate::file::{POLICIES, too_many_policies};
use crate::manifest::Hook;
use crate::plan::{Attach, DeviceDirection, Rule};
use std::collections::BTreeMap;

/// Most rules of the classifier.
pub const RULES: usize = emptcp_abi::RULES as usize;
/// Slots of one kernel hook for nodes that are not the head of a policy.
pub const SLOTS: usize = (emptcp_abi::SLOT_LAST_ELEMENT - emptcp_abi::SLOT_FIRST_ELEMENT + 1) as usize;
/// Tail calls that the chains of one packet may use together.
pub const CHAIN_LIMIT: usize = emptcp_abi::CHAIN_LIMIT as usize;
/// Tail calls per packet that the kernel allows.
const KERNEL_LIMIT: u32 = emptcp_abi::TAIL_CALLS;
/// Blocks of counters: one for each policy and each node.
pub const COUNTER_BLOCKS: usize = (emptcp_abi::COUNTERS / emptcp_abi::ELEMENT_COUNTERS) as usize;

/// Checks everything that concerns more than one policy.
pub(crate) fn check(drafts: &[Draft], rules: &[Rule], reporter: &mut Reporter<'_>) {
    if let Some(draft) = drafts.get(POLICIES) {
        too_many_policies(&draft.plan.name, drafts.len(), draft.span.clone(), reporter);
        // All other sums would exceed their limits for the same reason.
        return;
    }
    if let Some(rule) = rules.get(RULES) {
        let draft = &drafts[rule.policy];
        let message = format!(
            "with policy `{}` the set needs more than {RULES} rules in the classifier ({})",
            draft.plan.name,
            rules.len()
        );
        let help = "expected fewer addresses, ports and devices in conditions; prefixes and ranges of ports count once";
        reporter.report(draft.span.clone(), message, help);
        return;
    }
    slots(drafts, reporter);
    counters(drafts, reporter);
    shared_hooks(drafts, reporter);
    tail_calls(drafts, reporter);
}

fn slots(drafts: &[Draft], reporter: &mut Reporter<'_>) {
    for hook in [Hook::Xdp, Hook::TcIngress, Hook::TcEgress] {
        let mut used = 0;
        for draft in drafts.iter().filter(|draft| draft.plan.hooks.contains(&hook)) {
            used += draft.plan.nodes.len().saturating_sub(1);
            if used > SLOTS {
                let message = format!(
                    "policy `{}` does not fit: {used} elements beside the heads at {}",
                    draft.plan.name,
                    described(&[hook])
                );
                let help = format!(
                    "expected at most {SLOTS}; a set `{{A, B}}` of dynamic tests takes one element for each value"
                );
                reporter.report(draft.span.clone(), message, help);
                return;
            }
        }
    }
}

fn counters(drafts: &[Draft], reporter: &mut Reporter<'_>) {
    let mut used = 0;
    for draft in drafts {
        used += 1 + draft.plan.nodes.len();
        if used > COUNTER_BLOCKS {
            let message = format!(
                "policy `{}` does not fit: {used} policies and elements need counters",
                draft.plan.name
            );
            let help = format!("expected at most {COUNTER_BLOCKS} policies and elements in all");
            reporter.report(draft.span.clone(), message, help);
            return;
        }
    }
}

/// Ingress of a device is at tc or at XDP, native or generic: its policies must agree.
fn shared_hooks(drafts: &[Draft], reporter: &mut Reporter<'_>) {
    let mut left: BTreeMap<&str, (Vec<Hook>, Attach)> = BTreeMap::new();
    for draft in drafts
        .iter()
        .filter(|draft| draft.plan.direction == DeviceDirection::Ingress)
    {
        for device in &draft.plan.devices {
            let start = (vec![Hook::Xdp, Hook::TcIngress], Attach::Auto);
            let (hooks, attach) = left.entry(device).or_insert(start);
            let both: Vec<Hook> = hooks
                .iter()
                .copied()
                .filter(|hook| draft.plan.hooks.contains(hook))
                .collect();
            let modes = [*attach, draft.plan.attach];
            let two_xdp = modes.contains(&Attach::XdpNative) && modes.contains(&Attach::XdpGeneric);
            if draft.plan.hooks.is_empty() {
                // Reported with the policy.
                continue;
            }
            if both.is_empty() || two_xdp {
                let (mine, theirs) = match two_xdp {
                    true => ("one kind of XDP".to_owned(), "the other".to_owned()),
                    false => (described(&draft.plan.hooks), described(hooks)),
                };
                let message = format!(
                    "policy `{}` needs {mine} on ingress of `{device}`, the policies before it need {theirs}",
                    draft.plan.name
                );
                let help = "expected policies of one device to have an ingress hook in common (see `attach`)";
                reporter.report(draft.span.clone(), message, help);
                return;
            }
            *hooks = both;
            if draft.plan.attach != Attach::Auto {
                *attach = draft.plan.attach;
            }
        }
    }
}

/// Policies of which at most one matches any flow, and the longest path among them.
struct Group<'a> {
    members: Vec<&'a Draft>,
    longest: usize,
}

/// A packet runs the chains of all policies that match its flow, with one jump through the next-policy program between
/// two of them. The worst case is bounded from above: policies are put into groups of which at most one member can
/// match a flow, first fit in the order of the file, and the longest path of each group counts.
fn tail_calls(drafts: &[Draft], reporter: &mut Reporter<'_>) {
    let mut places: Vec<(DeviceDirection, &str)> = drafts
        .iter()
        .flat_map(|draft| {
            draft
                .plan
                .devices
                .iter()
                .map(|device| (draft.plan.direction, device.as_str()))
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut named: Vec<&str> = Vec::new();
    for (direction, device) in places {
        let here = drafts.iter().filter(|draft| {
            draft.plan.direction == direction
                && draft.plan.devices.iter().any(|known| known == device)
                && draft
                    .constraints
                    .iter()
                    .all(|constraint| constraint.allows(device, direction))
        });
        let mut groups: Vec<Group<'_>> = Vec::new();
        for draft in here {
            let longest = draft.plan.longest_path;
            let alone = |group: &&mut Group<'_>| {
                group
                    .members
                    .iter()
                    .all(|member| disjoint(&member.constraints, &draft.constraints))
            };
            match groups.iter_mut().find(alone) {
                Some(group) => {
                    group.members.push(draft);
                    group.longest = group.longest.max(longest);
                }
                None => groups.push(Group {
                    members: vec![draft],
                    longest,
                }),
            }
            let count = groups.iter().map(|group| group.longest).sum::<usize>() + groups.len() - 1;
            if count <= CHAIN_LIMIT {
                continue;
            }
            let name = draft.plan.name.as_str();
            if !named.contains(&name) {
                named.push(name);
                let message = format!(
                    "with policy `{name}` a packet at {} of `{device}` can need {count} tail calls",
                    vocabulary::direction(direction)
                );
                let help = format!(
                    "expected at most {CHAIN_LIMIT}, the kernel's limit of {KERNEL_LIMIT} less one for tracking the flow; `{name}` has {longest} elements on its longest path. \
                     Shorten conditions, or let static conditions of policies exclude each other (disjoint prefixes, ports, IP version)"
                );
                reporter.report(draft.span.clone(), message, help);
            }
            break;
        }
    }
}
