//! The coverage of the truth run as text: each actor with its places, and the reasons for exclusions.

use super::{
    actors::ACTORS,
    case::{Attach, Case, Place, all, word},
    places::Expect,
};
use std::collections::BTreeMap;

/// Lines about each actor: policy, places with the number of their cases, and what is left out.
pub fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    let cases = all(ACTORS.len(), |_| true);
    for (number, actor) in ACTORS.iter().enumerate() {
        let when = match actor.when {
            "" => String::new(),
            when => format!(", when {when}"),
        };
        lines.push(format!("{}: {}{when}", actor.name, actor.action));
        let (mut left_out, mut places) = (BTreeMap::<&str, usize>::new(), Vec::new());
        for (place, attach) in Place::ALL
            .into_iter()
            .flat_map(|place| Attach::ALL.map(|attach| (place, attach)))
        {
            let here = |case: &&Case| case.actor == number && case.place == place && case.attach == attach;
            let (mut run, mut refused) = (0, 0);
            for case in cases.iter().filter(here) {
                match (actor.expect)(case) {
                    Expect::Works => run += 1,
                    Expect::Refused => refused += 1,
                    Expect::Nothing(reason) => *left_out.entry(reason).or_default() += 1,
                }
            }
            let at = format!("{} {}", word(&place), word(&attach));
            match (run, refused) {
                (0, 0) => {}
                (0, _) => places.push(format!("{at} refused")),
                (run, _) => places.push(format!("{at} {run}")),
            }
        }
        lines.push(format!("  at {}", places.join(", ")));
        lines.extend(
            left_out
                .iter()
                .map(|(reason, count)| format!("  not {count}: {reason}")),
        );
    }
    lines.push(
        "other selectors and conditions: packet by packet against tshark, test selectors_agree_with_tshark".to_owned(),
    );
    lines
}
