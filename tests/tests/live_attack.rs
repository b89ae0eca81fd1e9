//! An attacker who knows the 4-tuples of running connections cannot change their records.

use emptcp_packet::{require, testing::is_root};
use emptcp_tests::{
    attack::{Attack, attack},
    live::seconds,
};

#[test]
fn forged_segments_of_every_kind_change_no_record_of_running_connections() {
    require!(is_root(), "this test makes network namespaces");
    let plan = Attack {
        connections: 10,
        time: seconds(8.0),
        rate: 1000,
        seed: 7,
    };
    let Some(outcome) = attack(&plan) else { return };
    let forged: u64 = outcome.forged.values().sum();
    eprintln!(
        "{forged} forged segments, {} counted apart: {:?}",
        outcome.counted, outcome.forged
    );
    assert_eq!(outcome.faults, Vec::<String>::new());
    assert_eq!(
        outcome.compared,
        plan.connections * 4,
        "two subflows each, on both hosts"
    );
    assert!(forged > 4000, "{forged}");
    assert!(
        outcome.counted >= forged,
        "forged segments are counted separately: {outcome:?}"
    );
}
