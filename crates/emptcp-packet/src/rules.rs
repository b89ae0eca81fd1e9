//! The classifier's rules in the kernel's layout.

use crate::{
    device::OfPolicy,
    error::{Error, Result},
};
use emptcp_abi::{RULE_END, RULES, Rule, rule_kind};
use emptcp_host::device::Devices;
use emptcp_plan::plan::{Plan, RuleTest};

/// The rules of a plan, padded to a whole bank.
pub(crate) fn bank(plan: &Plan, devices: &Devices) -> Result<Vec<Rule>> {
    if plan.rules.len() > RULES as usize {
        return Err(Error::TooMany {
            what: "classifier rules",
            wanted: plan.rules.len(),
            limit: RULES as usize,
        });
    }
    let mut rules = Vec::with_capacity(RULES as usize);
    for rule in &plan.rules {
        let target = |next: Option<usize>| next.map_or(RULE_END, |next| next as u16);
        let policy_name = plan.policies.get(rule.policy).map_or("", |policy| policy.name.as_str());
        let test = Test::lower(&rule.test, devices, policy_name)?;
        rules.push(Rule {
            kind: test.kind as u8,
            policy: rule.policy as u8,
            accept: u8::from(rule.test == RuleTest::Accept),
            reserved: 0,
            on_match: target(rule.on_match),
            on_miss: target(rule.on_miss),
            low: test.low,
            high: test.high,
            address: test.address,
            mask: test.mask,
        });
    }
    rules.resize(RULES as usize, Rule::STOP);
    Ok(rules)
}

/// What a rule compares, and with which value.
struct Test {
    kind: u32,
    low: u32,
    high: u32,
    address: [u8; 16],
    mask: [u8; 16],
}

impl Test {
    fn number(kind: u32, low: u32, high: u32) -> Self {
        Self {
            kind,
            low,
            high,
            address: [0; 16],
            mask: [0; 16],
        }
    }

    fn prefix(kind: u32, address: [u8; 16], length: u8) -> Self {
        let mask = u128::MAX
            .checked_shl(128 - u32::from(length.min(128)))
            .unwrap_or(0)
            .to_be_bytes();
        Self {
            kind,
            low: 0,
            high: u32::MAX,
            address,
            mask,
        }
    }

    fn lower(test: &RuleTest, devices: &Devices, policy: &str) -> Result<Self> {
        Ok(match *test {
            RuleTest::Accept => Self::number(rule_kind::ACCEPT, 0, u32::MAX),
            RuleTest::Direction(wanted) => {
                let wanted = wanted.number();
                Self::number(rule_kind::DIRECTION, wanted, wanted)
            }
            RuleTest::Device(ref name) => {
                let index = devices.index(name, policy)?;
                Self::number(rule_kind::DEVICE, index, index)
            }
            RuleTest::IpVersion(version) => {
                let number = version.number().into();
                Self::number(rule_kind::IP_VERSION, number, number)
            }
            RuleTest::Source(address, length) => Self::prefix(rule_kind::SOURCE, address, length),
            RuleTest::Destination(address, length) => Self::prefix(rule_kind::DESTINATION, address, length),
            RuleTest::SourcePort(low, high) => Self::number(rule_kind::SOURCE_PORT, low.into(), high.into()),
            RuleTest::DestinationPort(low, high) => Self::number(rule_kind::DESTINATION_PORT, low.into(), high.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_plan::plan::Rule as PlanRule;

    fn rule(test: RuleTest, on_match: Option<usize>) -> PlanRule {
        PlanRule {
            policy: 0,
            test,
            on_match,
            on_miss: None,
        }
    }

    #[test]
    fn rules_keep_their_order_and_the_rest_of_the_bank_stops() {
        let plan = Plan {
            rules: vec![
                rule(RuleTest::Device("a0".to_owned()), Some(1)),
                rule(RuleTest::SourcePort(80, 443), Some(2)),
                rule(RuleTest::Accept, None),
            ],
            ..Plan::default()
        };
        let rules = bank(&plan, &Devices::from_indices([("a0", 7)])).unwrap();
        assert_eq!(
            (rules[0].kind, rules[0].low, rules[0].on_match),
            (rule_kind::DEVICE as u8, 7, 1)
        );
        assert_eq!((rules[1].low, rules[1].high, rules[1].on_miss), (80, 443, RULE_END));
        assert_eq!(rules[3], Rule::STOP);
        assert_eq!(rules.len(), RULES as usize);
    }

    #[test]
    fn a_prefix_becomes_a_mask_of_its_length() {
        let test = |length| Test::prefix(rule_kind::SOURCE, [0xff; 16], length).mask;
        assert_eq!(test(0), [0; 16]);
        assert_eq!(test(128), [0xff; 16]);
        assert_eq!(test(97)[11..], [0xff, 0x80, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_device_is_named_with_those_that_are_there() {
        let plan = Plan {
            rules: vec![rule(RuleTest::Device("wlan9".to_owned()), None)],
            ..Plan::default()
        };
        let error = bank(&plan, &Devices::from_indices([("a0", 7)]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("wlan9") && error.contains("a0"), "{error}");
    }
}
