//! The generated captures themselves: what must hold of any. tshark judges them in `tests/tests/trace_truth.rs`.

use emptcp_trace::record::Cause;
use emptcp_trace_truth::{Capture, Fact, Scored};
use std::collections::BTreeSet;

fn bytes(capture: &Capture) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture.write(&mut bytes).expect("memory can be written to");
    bytes
}

#[test]
fn a_seed_gives_the_same_capture_and_the_same_truth_each_time() {
    for seed in 0..20 {
        let [one, other] = [Capture::new(seed), Capture::new(seed)];
        assert_eq!(bytes(&one), bytes(&other), "seed {seed}");
        assert_eq!(one.truth, other.truth, "seed {seed}");
    }
}

#[test]
fn every_cause_happens_and_can_be_shown_in_some_capture() {
    // Nobody who sees one point of the path can show that it changed addresses or options, and an offload does no harm.
    let never = [Cause::AddressTranslated, Cause::OptionChanged, Cause::Offload];
    let mut missing: BTreeSet<_> = Cause::ALL.into_iter().filter(|cause| !never.contains(cause)).collect();
    for capture in (0..3000).map(Capture::new) {
        let is_new = |fact: &&Fact| fact.happening.is_some() && missing.contains(&fact.cause);
        let news: Vec<_> = capture.truth.facts.iter().filter(is_new).cloned().collect();
        if !news.is_empty() {
            let shown = capture.can_be_shown();
            let shown = news
                .into_iter()
                .filter(|fact| fact.happening.is_some_and(|number| shown[number]));
            shown.for_each(|fact| {
                missing.remove(&fact.cause);
            });
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never shown: {missing:?}");
}

#[test]
fn where_nothing_unusual_happens_all_figures_are_exact_and_nobody_is_accused() {
    let mut seen = 0;
    for seed in 0..150 {
        let capture = Capture::new(seed);
        if capture.can_be_shown().is_empty() {
            let scored = Scored::of(&capture);
            assert_eq!(scored.wrong_figures, Vec::<String>::new(), "seed {seed}");
            let accused: Vec<_> = scored.verdicts.iter().filter(|verdict| verdict.accuses).collect();
            assert!(accused.is_empty(), "seed {seed}: {accused:?}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} captures without anything unusual");
}
