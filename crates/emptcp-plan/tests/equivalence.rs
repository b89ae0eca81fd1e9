//! The compiled form agrees with the text: rules and chains are evaluated and compared with the syntax tree.

mod common;

use common::strategies::{expressions, primaries};
use common::world::{World, worlds};
use common::{compiled, policy};
use emptcp_plan::expression::{Expression, Primary, Test};
use emptcp_plan::plan::{DeviceDirection, Plan};
use proptest::collection::vec;
use proptest::prelude::*;

/// A file with one policy per condition; `None` if the set is too long for the kernel, or a part of a condition can
/// never hold.
fn plan_of(conditions: &[Expression]) -> Option<Plan> {
    let texts = conditions.iter().enumerate();
    let text: String = texts
        .map(|(at, condition)| policy(&format!("p{at}"), &condition.to_string(), "count"))
        .collect();
    match compiled(&text) {
        Ok(plan) => Some(plan),
        Err(diagnostics) => {
            let all = diagnostics
                .iter()
                .all(|found| found.message.contains("tail calls") || never(&found.message));
            assert!(all, "{diagnostics}");
            None
        }
    }
}

/// Whether this is the message about tests that exclude each other.
fn never(message: &str) -> bool {
    message.contains("never hold")
}

fn check(plan: &Plan, conditions: &[Expression], world: &World) -> Result<(), TestCaseError> {
    let accepted = world.accepted(plan);
    for (at, condition) in conditions.iter().enumerate() {
        let here = world.direction == DeviceDirection::Ingress && world.device != "eth9";
        let (acted, ran) = world.acts(plan, at);
        prop_assert_eq!(
            accepted.contains(&at) && acted,
            here && world.holds(condition),
            "{} in {:?}",
            condition,
            world
        );
        prop_assert!(ran <= plan.policies[at].longest_path);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_and_chain_together_mean_the_condition(
        condition in expressions(primaries(), 14),
        worlds in vec(worlds(), 24),
    ) {
        let conditions = [condition];
        if let Some(plan) = plan_of(&conditions) {
            for world in &worlds {
                check(&plan, &conditions, world)?;
            }
        }
    }

    #[test]
    fn policies_of_one_file_do_not_disturb_each_other(
        conditions in vec(expressions(primaries(), 4), 1..5),
        worlds in vec(worlds(), 24),
    ) {
        if let Some(plan) = plan_of(&conditions) {
            for world in &worlds {
                check(&plan, &conditions, world)?;
            }
        }
    }

    #[test]
    fn tests_that_are_said_to_exclude_each_other_hold_in_no_packet(
        tests in vec((primaries(), any::<bool>()), 1..4),
        worlds in vec(worlds(), 40),
    ) {
        let part = |(primary, not): (Primary, bool)| {
            let test = Expression::Test(Test { primary, span: 0..0 });
            if not { Expression::Not(Box::new(test)) } else { test }
        };
        let condition = Expression::And(tests.into_iter().map(part).collect());
        let text = policy("p", &condition.to_string(), "count");
        if let Err(refused) = compiled(&text) {
            prop_assert!(refused.iter().all(|found| never(&found.message)), "{}", refused);
            for world in worlds.iter().filter(|world| world.direction == DeviceDirection::Ingress) {
                prop_assert!(!world.holds(&condition), "{} in {:?}", refused, world);
            }
        }
    }
}
