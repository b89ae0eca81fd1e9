//! A formula over anything, and its jumps: AND, OR and NOT with short circuit.

/// A formula over atoms of any kind.
#[derive(Clone, Debug)]
pub(crate) enum Formula<A> {
    Or(Vec<Formula<A>>),
    And(Vec<Formula<A>>),
    Not(Box<Formula<A>>),
    Atom(A),
}

/// Where a jump leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Goal {
    /// The atom at this position.
    Atom(usize),
    /// The formula holds.
    Holds,
    /// The formula does not hold.
    Fails,
}

/// One atom and its jumps: always to a later atom, or to the end.
#[derive(Clone, Debug)]
pub(crate) struct Jump<A> {
    pub(crate) atom: A,
    pub(crate) on_match: Goal,
    pub(crate) on_miss: Goal,
}

/// Lays out `formula` in the order of its text; evaluation starts at the first jump. Without atoms: no jumps.
pub(crate) fn jumps<A>(formula: Formula<A>) -> Vec<Jump<A>> {
    // Built from the end, so that each atom's successors are known when it is placed; then reversed.
    let mut placed = Vec::new();
    lay_out(formula, Goal::Holds, Goal::Fails, &mut placed);
    let last = placed.len().saturating_sub(1);
    let turn = |goal| match goal {
        Goal::Atom(position) => Goal::Atom(last - position),
        other => other,
    };
    placed.reverse();
    placed
        .into_iter()
        .map(|jump| Jump {
            on_match: turn(jump.on_match),
            on_miss: turn(jump.on_miss),
            ..jump
        })
        .collect()
}

/// Places `formula` and returns where its evaluation starts.
fn lay_out<A>(formula: Formula<A>, holds: Goal, fails: Goal, placed: &mut Vec<Jump<A>>) -> Goal {
    match formula {
        Formula::Atom(atom) => {
            placed.push(Jump {
                atom,
                on_match: holds,
                on_miss: fails,
            });
            Goal::Atom(placed.len() - 1)
        }
        Formula::Not(inner) => lay_out(*inner, fails, holds, placed),
        Formula::And(parts) => parts
            .into_iter()
            .rev()
            .fold(holds, |next, part| lay_out(part, next, fails, placed)),
        Formula::Or(parts) => parts
            .into_iter()
            .rev()
            .fold(fails, |next, part| lay_out(part, holds, next, placed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(formula: &Formula<u8>, truth: u32) -> bool {
        match formula {
            Formula::Atom(atom) => truth >> atom & 1 == 1,
            Formula::Not(inner) => !value(inner, truth),
            Formula::And(parts) => parts.iter().all(|part| value(part, truth)),
            Formula::Or(parts) => parts.iter().any(|part| value(part, truth)),
        }
    }

    fn walk(jumps: &[Jump<u8>], truth: u32) -> bool {
        let mut at = 0;
        loop {
            let jump = &jumps[at];
            match if truth >> jump.atom & 1 == 1 {
                jump.on_match
            } else {
                jump.on_miss
            } {
                Goal::Holds => return true,
                Goal::Fails => return false,
                Goal::Atom(next) => {
                    assert!(next > at, "jumps lead forward");
                    at = next;
                }
            }
        }
    }

    fn formulas() -> impl Strategy<Value = Formula<u8>> {
        (0u8..20).prop_map(Formula::Atom).prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Formula::And),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Formula::Or),
                inner.prop_map(|inner| Formula::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn jumps_give_the_value_of_the_formula(formula in formulas(), truths in proptest::collection::vec(any::<u32>(), 32)) {
            let jumps = jumps(formula.clone());
            for truth in truths {
                prop_assert_eq!(walk(&jumps, truth), value(&formula, truth));
            }
        }
    }
}
