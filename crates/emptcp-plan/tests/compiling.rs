//! The output of the compiler: chains, rules, hooks, limits.

mod common;

use common::{compiled, file_with, policy};
use emptcp_plan::manifest::{Hook, Kind};
use emptcp_plan::plan::{Attach, DeviceDirection, Plan, RuleTest, Target, Value};
use emptcp_plan::{CHAIN_LIMIT, COUNTER_BLOCKS, POLICIES, RULES, SLOTS};

fn good(text: &str) -> Plan {
    compiled(text).unwrap_or_else(|found| panic!("{found}"))
}

fn only_message(text: &str) -> String {
    let found = compiled(text).unwrap_err();
    assert_eq!(found.count(), 1, "{found}");
    found.iter().next().unwrap().message.clone()
}

#[test]
fn static_conditions_become_rules_and_leave_the_chain() {
    let plan = good(&file_with(
        "ip.src in 10.0.0.0/8 and tcp.dstport == 443 and packet is ack",
        "count",
    ));
    let nodes = &plan.policies[0].nodes;
    assert_eq!(
        nodes.iter().map(|node| node.element.as_str()).collect::<Vec<_>>(),
        ["packet_type", "count"]
    );
    assert_eq!(nodes[0].source, "packet is ack");
    assert_eq!((nodes[0].on_match, nodes[0].on_miss), (Target::Node(1), Target::End));
    assert!(nodes[1].first_actor);
    let tests: Vec<&RuleTest> = plan.rules.iter().map(|rule| &rule.test).collect();
    assert_eq!(tests[0], &RuleTest::Direction(DeviceDirection::Ingress));
    assert_eq!(
        tests[1..3],
        [&RuleTest::Device("eth0".into()), &RuleTest::Device("eth1".into())]
    );
    assert!(matches!(tests[3], RuleTest::Source(_, 104)));
    assert_eq!(tests[4..], [&RuleTest::DestinationPort(443, 443), &RuleTest::Accept]);
    assert_eq!(plan.rules.last().unwrap().on_match, None);
}

#[test]
fn a_static_test_beside_a_dynamic_one_stays_in_the_chain() {
    let plan = good(&file_with(
        "ip.src in {10.0.0.0/8, 2001:db8::/32} or packet is syn",
        "drop",
    ));
    let elements: Vec<_> = plan.policies[0]
        .nodes
        .iter()
        .map(|node| node.element.as_str())
        .collect();
    assert_eq!(elements, ["src", "src", "packet_type", "drop"]);
    assert_eq!(plan.policies[0].longest_path, 4);
    assert_eq!(plan.rules.len(), 4);
}

#[test]
fn not_swaps_the_jumps_and_costs_no_node() {
    let plan = good(&file_with("not (packet is syn or not sample 1 in 3)", "count"));
    let nodes = &plan.policies[0].nodes;
    assert_eq!(nodes.len(), 3);
    assert_eq!((nodes[0].on_match, nodes[0].on_miss), (Target::End, Target::Node(1)));
    assert_eq!((nodes[1].on_match, nodes[1].on_miss), (Target::Node(2), Target::End));
}

#[test]
fn a_policy_without_condition_wants_every_packet() {
    let plan = good("[[policy]]\nname = 'a'\ndevice = 'eth0'\nhook = 'egress'\ndo = ['count', 'drop']\n");
    let policy = &plan.policies[0];
    assert_eq!(
        (policy.nodes.len(), policy.longest_path, policy.when.as_str()),
        (2, 2, "")
    );
    assert_eq!(
        (policy.nodes[0].first_actor, policy.nodes[1].first_actor),
        (true, false)
    );
    assert_eq!(
        (policy.nodes[0].on_match, policy.nodes[1].on_match),
        (Target::Node(1), Target::End)
    );
    assert_eq!(policy.hooks, [Hook::TcEgress]);
}

#[test]
fn defaults_are_filled_in_and_arguments_have_the_order_of_the_manifest() {
    let plan = good(&file_with("packet is data", "rate_limit mode=police rate=4mbit"));
    let node = &plan.policies[0].nodes[1];
    assert_eq!(node.kind, Kind::Actor);
    let wanted = [("rate", 4_000_000), ("mode", 1), ("ramp", 1), ("per", 0)];
    assert_eq!(
        node.arguments,
        wanted.map(|(name, value)| (name.to_owned(), Value::Integer(value)))
    );
}

#[test]
fn two_hooks_make_two_policies() {
    let text = file_with("packet is syn", "count").replace("'ingress'", "['ingress', 'egress']\nattach = 'tc'");
    let plan = good(&text);
    let [ingress, egress] = plan.policies.as_slice() else {
        panic!("two policies")
    };
    assert_eq!((ingress.name.as_str(), egress.name.as_str()), ("p/ingress", "p/egress"));
    assert_eq!((ingress.attach, egress.attach), (Attach::Tc, Attach::Auto));
    assert_eq!(
        (&ingress.hooks[..], &egress.hooks[..]),
        (&[Hook::TcIngress][..], &[Hook::TcEgress][..])
    );
}

#[test]
fn hooks_are_those_where_every_element_can_run() {
    assert_eq!(
        good(&file_with("packet is syn", "count")).policies[0].hooks,
        [Hook::Xdp, Hook::TcIngress]
    );
    assert_eq!(
        good(&file_with("packet is syn", "reset")).policies[0].hooks,
        [Hook::TcIngress]
    );
    assert_eq!(good(&file_with("xdp_only()", "count")).policies[0].hooks, [Hook::Xdp]);
}

#[test]
fn features_are_what_the_elements_need() {
    assert_eq!(good(&file_with("packet is syn", "count")).features, 0);
    assert_eq!(good(&file_with("subflow is initial", "count")).features, 1);
    assert_eq!(good(&file_with("connection.bytes > 1MB", "count")).features, 3);
}

#[test]
fn tables_have_defaults_and_can_be_set() {
    let plan = good(&format!(
        "[tables]\nflows = 100\nevents = 4096\n{}",
        file_with("packet is syn", "count")
    ));
    assert_eq!(
        (plan.tables.flows, plan.tables.events, plan.tables.half_open),
        (100, 4096, 2048)
    );
}

/// One policy with `length` elements on its longest path.
fn long(name: &str, length: usize, statics: &str) -> String {
    let dynamic = vec!["packet is data"; length - 1].join(" and ");
    policy(name, &format!("{statics}{dynamic}"), "count")
}

#[test]
fn a_chain_may_use_every_tail_call_and_not_one_more() {
    assert_eq!(good(&long("a", CHAIN_LIMIT, "")).policies[0].longest_path, CHAIN_LIMIT);
    let message = only_message(&long("a", CHAIN_LIMIT + 1, ""));
    assert_eq!(
        message,
        "with policy `a` a packet at ingress of `eth0` can need 33 tail calls"
    );
}

#[test]
fn policies_that_may_want_one_flow_are_summed_with_the_jumps_between_them() {
    good(&(long("a", 16, "") + &long("b", 15, "")));
    let message = only_message(&(long("a", 16, "") + &long("b", 16, "")));
    assert_eq!(
        message,
        "with policy `b` a packet at ingress of `eth0` can need 33 tail calls"
    );
}

#[test]
fn policies_that_exclude_each_other_are_not_summed() {
    let texts = (0..20).map(|n| long(&format!("p{n}"), 32, &format!("ip.src in 10.{n}.0.0/16 and ")));
    assert_eq!(good(&texts.collect::<String>()).policies.len(), 20);
    let egress = long("b", 32, "").replace("'ingress'", "'egress'");
    good(&(long("a", 32, "") + &egress));
    let elsewhere = long("b", 32, "").replace("['eth0', 'eth1']", "'eth2'");
    good(&(long("a", 32, "") + &elsewhere));
    good(&(long("a", 32, "device == eth0 and ") + &long("b", 32, "device == eth1 and ")));
}

#[test]
fn one_policy_that_overlaps_several_exclusive_ones_counts_with_the_longest() {
    let exclusive = long("a", 10, "ip.version == 4 and ") + &long("b", 20, "ip.version == 6 and ");
    good(&(exclusive.clone() + &long("c", 11, "")));
    let message = only_message(&(exclusive + &long("c", 12, "")));
    assert!(message.contains("`c`") && message.contains("33"), "{message}");
}

#[test]
fn there_may_be_64_policies_and_not_one_more() {
    let all = |count: usize| -> String {
        (0..count)
            .map(|n| policy(&format!("p{n}"), &format!("tcp.dstport == {n}"), "count"))
            .collect()
    };
    assert_eq!(good(&all(POLICIES)).policies.len(), POLICIES);
    assert!(only_message(&all(POLICIES + 1)).starts_with("policy `p64` is the first beyond 64"));
}

#[test]
fn rules_are_limited() {
    let ports = |count: usize| {
        let ports: Vec<String> = (0..count).map(|port| (2 * port).to_string()).collect();
        policy("many", &format!("tcp.dstport in {{{}}}", ports.join(", ")), "count")
    };
    assert_eq!(good(&ports(RULES - 4)).rules.len(), RULES);
    let complaint = format!("with policy `many` the set needs more than {RULES} rules");
    assert!(only_message(&ports(RULES - 3)).starts_with(&complaint));
}

#[test]
fn slots_are_limited() {
    // 31 selectors and an actor: 31 elements beside the head.
    let one = |n: usize| long(&format!("p{n}"), 32, &format!("ip.src in 10.{n}.0.0/16 and "));
    let fit = SLOTS / 31;
    good(&(0..fit).map(one).collect::<String>());
    let message = only_message(&(0..=fit).map(one).collect::<String>());
    assert!(
        message.starts_with(&format!("policy `p{fit}` does not fit")),
        "{message}"
    );
}

#[test]
fn counters_are_limited() {
    // Each direction fits into its slots, both together do not fit into the counters.
    let one = |n: usize, hook: &str| {
        long(&format!("{hook}{n}"), 32, &format!("ip.src in 10.{n}.0.0/16 and "))
            .replace("'ingress'", &format!("'{hook}'"))
    };
    let half: String = (0..COUNTER_BLOCKS / 33 / 2).map(|n| one(n, "ingress")).collect();
    let rest = |count: usize| (0..count).map(|n| one(n, "egress")).collect::<String>();
    let fit = COUNTER_BLOCKS / 33 - COUNTER_BLOCKS / 33 / 2;
    good(&(half.clone() + &rest(fit)));
    let message = only_message(&(half + &rest(fit + 1)));
    assert!(message.contains("need counters"), "{message}");
}

#[test]
fn a_missing_selector_element_is_named() {
    let message = |without: &str, condition: &str| {
        let others = common::catalog().iter().filter(|manifest| manifest.name != without);
        let catalog = others.cloned().collect();
        let found = emptcp_plan::compile("p.toml", &file_with(condition, "count"), &catalog).err()?;
        Some(found.iter().next().unwrap().message.clone())
    };
    let unknown = message("sample", "sample 1 in 3");
    assert_eq!(unknown.as_deref(), Some("unknown word `sample`"));
    // The classifier tests addresses; an element is needed where it cannot.
    assert_eq!(message("src", "ip.src == 10.0.0.1 and packet is syn"), None);
    assert_eq!(
        message("src", "ip.src == 10.0.0.1 or packet is syn").as_deref(),
        Some("no element is there that could answer `ip.src == 10.0.0.1` for each packet")
    );
}

#[test]
fn a_word_that_runs_at_egress_only_is_refused_at_ingress_and_taken_at_egress() {
    let ingress = file_with("packet is data", "rate_limit rate=4mbit mode=shape");
    let message = only_message(&ingress);
    assert_eq!(
        message,
        "`mode=shape` of `rate_limit` cannot run at XDP or tc ingress, where policy `p` needs it"
    );
    let plan = good(&ingress.replace("'ingress'", "'egress'"));
    assert_eq!(plan.policies[0].hooks, [Hook::TcEgress]);
}

#[test]
fn a_condition_nested_as_deep_as_allowed_compiles() {
    let deep = emptcp_plan::expression::DEEPEST - 1;
    for (open, close) in [("(", ")"), ("not (", ")")] {
        // A `not` is one more level.
        let times = deep / open.split_whitespace().count();
        let condition = format!("{}packet is syn{}", open.repeat(times), close.repeat(times));
        good(&file_with(&condition, "count"));
    }
}

#[test]
fn a_packet_without_the_option_fulfils_neither_a_test_of_an_announcement_nor_its_opposite() {
    let plan = good(&file_with(
        "add_addr.address not in {10.0.0.0/8, 2001:db8::/32}",
        "count",
    ));
    let elements: Vec<_> = plan.policies[0]
        .nodes
        .iter()
        .map(|node| node.element.as_str())
        .collect();
    assert_eq!(elements, ["add_addr_address", "add_addr_address", "count"]);
    let outside = ("inside".to_owned(), Value::Integer(0));
    assert!(
        plan.policies[0].nodes[..2]
            .iter()
            .all(|node| node.arguments.contains(&outside))
    );
}

#[test]
fn a_plan_survives_json() {
    let plan = good(&file_with(
        "ip.src in 10.0.0.0/8 and flow.bytes < 220kB",
        "rate_limit rate=4mbit",
    ));
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
}
