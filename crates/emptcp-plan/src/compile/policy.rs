//! Compiles one policy of the file to one compiled policy per direction.

use super::chain::{self, Link};
use super::exclusive::Constraint;
use super::formula::Formula;
use super::{calls, impossible, rules};
use crate::catalog::Catalog;
use crate::class::ClassRequest;
use crate::diagnostics::Reporter;
use crate::expression::{self, Expression, Primary, vocabulary};
use crate::file::{RawPolicy, Text};
use crate::manifest::{Hook, Need};
use crate::plan::{Attach, DeviceDirection, PolicyPlan, RuleTest};
use crate::suggest;
use emptcp_abi::feature;
use std::collections::HashSet;
use std::ops::Range;

/// A compiled policy, not yet compared with the others.
pub(crate) struct Draft {
    pub(crate) plan: PolicyPlan,
    /// What the classifier tests.
    pub(crate) condition: Formula<RuleTest>,
    /// What every flow of the policy fulfils.
    pub(crate) constraints: Vec<Constraint>,
    /// Bits of `enum emptcp_feature`.
    pub(crate) features: u32,
    /// The position for mistakes of the whole policy.
    pub(crate) span: Range<usize>,
}

/// Compiles a policy; one with several directions becomes one per direction.
pub(crate) fn compile(raw: &RawPolicy, catalog: &Catalog, reporter: &mut Reporter<'_>) -> Vec<Draft> {
    let when = raw
        .when
        .as_ref()
        .and_then(|text| match expression::parse(text.as_str(), catalog.fields()) {
            Ok(expression) => Some((text, expression)),
            Err(problems) => {
                chain::report(
                    text,
                    problems,
                    &|text| chain::condition_problems(text, catalog),
                    reporter,
                );
                None
            }
        });
    let mut statics = Vec::new();
    let mut constraints = Vec::new();
    let mut dynamics = Vec::new();
    if let Some((text, expression)) = &when {
        check_devices(raw, text, expression, reporter);
        for problem in impossible::problems(text.as_str(), expression, &raw.directions) {
            reporter.report(text.place(problem.span), problem.message, problem.help);
        }
        for conjunct in expression.conjuncts() {
            match rules::formula(conjunct) {
                Some(formula) => {
                    constraints.extend(Constraint::of(conjunct));
                    statics.push(formula);
                }
                None => dynamics.push(calls::formula(conjunct, catalog.fields())),
            }
        }
    }
    let chain_condition = when.as_ref().map(|(text, _)| (*text, Formula::And(dynamics)));
    let links = chain::build(chain_condition, &raw.actions, catalog, reporter);
    let name = raw.name.as_deref().unwrap_or_default();
    one_class(&links, reporter);
    raw.directions
        .iter()
        .map(|direction| {
            // Egress is always at tc.
            let attach = if *direction == DeviceDirection::Egress {
                Attach::Auto
            } else {
                raw.attach
            };
            let nodes: Vec<_> = links.iter().map(|link| link.node.clone()).collect();
            Draft {
                plan: PolicyPlan {
                    name: match raw.directions.as_slice() {
                        [_] => name.to_owned(),
                        _ => format!("{name}/{}", vocabulary::direction(*direction)),
                    },
                    direction: *direction,
                    devices: raw.devices.clone(),
                    attach,
                    longest_path: chain::longest_path(&nodes),
                    nodes,
                    hooks: hooks(name, *direction, attach, &links, reporter),
                    when: raw
                        .when
                        .as_ref()
                        .map(|text| text.as_str().trim().to_owned())
                        .unwrap_or_default(),
                    actions: raw.actions.iter().map(|text| text.as_str().trim().to_owned()).collect(),
                },
                condition: rules::condition(*direction, &raw.devices, statics.clone()),
                constraints: constraints.clone(),
                features: links.iter().fold(0, |bits, link| bits | features(&link.manifest.needs)),
                span: raw.span.clone(),
            }
        })
        .collect()
}

fn features(needs: &[Need]) -> u32 {
    needs.iter().fold(0, |bits, need| {
        bits | match need {
            Need::FlowView => feature::FLOW_VIEW,
            Need::Connection => feature::CONNECTION,
            Need::Class => 0,
        }
    })
}

/// A packet waits in one class of its device.
fn one_class(links: &[Link<'_>], reporter: &mut Reporter<'_>) {
    let needs_one = |link: &&Link<'_>| {
        matches!(
            link.manifest.class_request(&link.node.arguments),
            ClassRequest::Required { .. }
        )
    };
    let mut needing = links.iter().filter(needs_one);
    let Some(first) = needing.next() else {
        return;
    };
    for other in needing {
        let message = format!(
            "`{}` and `{}` both need a class of their own, and a packet can be in one only",
            first.node.element, other.node.element
        );
        let help = match other.manifest.class_request(&other.node.arguments) {
            ClassRequest::Required {
                instead: Some(instead), ..
            } => format!("expected one of them in this policy, or `{instead}`"),
            _ => "expected one of them in this policy".to_owned(),
        };
        reporter.report(other.span.clone(), message, help);
    }
}

/// A test for a device that the policy does not have is always a mistake.
fn check_devices(raw: &RawPolicy, text: &Text, expression: &Expression, reporter: &mut Reporter<'_>) {
    if raw.devices.is_empty() {
        return;
    }
    let own: HashSet<&str> = raw.devices.iter().map(String::as_str).collect();
    for test in expression.tests() {
        let Primary::Device(devices) = &test.primary else {
            continue;
        };
        for device in devices.iter().filter(|device| !own.contains(device.as_str())) {
            let message = format!("this policy is not at the device `{}`", suggest::shorten(device));
            let help = suggest::expected(device, raw.devices.iter().map(String::as_str));
            reporter.report(text.place(test.span.clone()), message, help);
        }
    }
}

/// Hooks that fit the direction, the attach mode and every element.
fn hooks(
    policy: &str,
    direction: DeviceDirection,
    attach: Attach,
    links: &[Link<'_>],
    reporter: &mut Reporter<'_>,
) -> Vec<Hook> {
    let allowed: &[Hook] = match (direction, attach) {
        (DeviceDirection::Egress, _) => &[Hook::TcEgress],
        (DeviceDirection::Ingress, Attach::Auto) => &[Hook::Xdp, Hook::TcIngress],
        (DeviceDirection::Ingress, Attach::Tc) => &[Hook::TcIngress],
        (DeviceDirection::Ingress, Attach::XdpNative | Attach::XdpGeneric) => &[Hook::Xdp],
    };
    let mut left = allowed.to_vec();
    for link in links {
        let element = &link.manifest.name;
        let can = |hook: &Hook| link.manifest.hooks.contains(hook);
        if let Some((written, at)) = narrowed(link)
            && !allowed.iter().any(|hook| at.contains(hook))
        {
            let message = format!(
                "`{written}` of `{element}` cannot run at {}, where policy `{policy}` needs it",
                described(allowed)
            );
            let help = format!("expected another value there; `{written}` runs at {}", described(at));
            reporter.report(link.span.clone(), message, help);
            continue;
        }
        let can = |hook: &Hook| can(hook) && narrowed(link).is_none_or(|(_, at)| at.contains(hook));
        if !allowed.iter().any(can) {
            let message = format!(
                "`{element}` cannot run at {}, where policy `{policy}` needs it",
                described(allowed)
            );
            let help = format!(
                "expected an element for that hook; `{element}` runs at {}",
                described(&link.manifest.hooks)
            );
            reporter.report(link.span.clone(), message, help);
        } else if !left.iter().any(can) {
            let message = format!(
                "`{element}` cannot run at {}, the only hook left by the elements before it in policy `{policy}`",
                described(&left)
            );
            let help = format!(
                "expected elements with a hook in common; `{element}` runs at {}",
                described(&link.manifest.hooks)
            );
            reporter.report(link.span.clone(), message, help);
        } else {
            left.retain(can);
        }
    }
    left
}

/// The first argument of a node whose word can run only at some hooks: `name=word` and these hooks.
fn narrowed<'l>(link: &'l Link<'_>) -> Option<(String, &'l [Hook])> {
    link.manifest.arguments.iter().find_map(|argument| {
        let (_, value) = link.node.arguments.iter().find(|(name, _)| *name == argument.name)?;
        let word = crate::values::format(argument, value);
        let at = argument.only_at.get(&word)?;
        Some((format!("{}={word}", argument.name), at.as_slice()))
    })
}

/// "XDP or tc ingress".
pub(crate) fn described(hooks: &[Hook]) -> String {
    let words: Vec<&str> = hooks
        .iter()
        .map(|hook| match hook {
            Hook::Xdp => "XDP",
            Hook::TcIngress => "tc ingress",
            Hook::TcEgress => "tc egress",
        })
        .collect();
    words.join(" or ")
}
