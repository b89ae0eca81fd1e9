//! Conditions that no packet can fulfil: tests under one `and` that exclude each other, or a test that excludes the
//! hooks of the policy.
//!
//! Only simple cases are found: fields that have one value in each packet, tested without `not` around an `and` or
//! `or`.

use super::exclusive::{Constraint, disjoint};
use super::segments::{self, Segments};
use crate::diagnostics::Problem;
use crate::expression::{Compare, Expression, Primary, Test, Wanted, vocabulary as words};
use crate::fields::Field;
use crate::plan::{DeviceDirection, Value};
use crate::suggest;
use crate::values::Prefix;
use mptcp_wire::IpVersion;
use std::rc::Rc;
use std::sync::Arc;

/// Tests that are compared with each other; longer conditions do not fit into the kernel.
const MOST: usize = 256;

/// Numbers, both ends included.
type Interval = (u64, u64);

/// What a test says about a field that has at most one value in each packet.
enum Fact {
    /// Of the flow.
    Flow(Vec<Constraint>),
    /// The field has a number in one of these.
    Number(Arc<Field>, Vec<Interval>),
    /// The field is an address in one of these.
    Address(Arc<Field>, Vec<Prefix>),
}

/// A test that must hold, or must not (the flag).
struct Known<'e> {
    test: &'e Test,
    not: bool,
    fact: Option<Fact>,
    /// The segments that can fulfil it.
    segments: Segments,
}

/// Finds what is impossible in `expression` in a policy for these directions.
pub(crate) fn problems(text: &str, expression: &Expression, directions: &[DeviceDirection]) -> Vec<Problem> {
    let mut search = Search {
        text,
        hook: match directions {
            [only] => Some(*only),
            _ => None,
        },
        found: Vec::new(),
    };
    search.all(&[expression], Vec::new());
    search.found
}

struct Search<'t> {
    text: &'t str,
    /// The only direction of the policy.
    hook: Option<DeviceDirection>,
    found: Vec<Problem>,
}

impl<'t> Search<'t> {
    /// All `parts` must hold, together with what is already known.
    fn all<'e>(&mut self, parts: &[&'e Expression], mut known: Vec<Rc<Known<'e>>>) {
        let parts: Vec<&Expression> = parts.iter().flat_map(|part| part.conjuncts()).collect();
        for one in parts.iter().filter_map(|part| Known::of(part)) {
            let problem = self.alone(&one).or_else(|| {
                let other = known.iter().find(|other| other.excludes(&one))?;
                Some(self.together(other, &one))
            });
            match problem {
                Some(problem) => self.found.push(problem),
                None if known.len() < MOST => known.push(Rc::new(one)),
                None => {}
            }
        }
        for part in parts {
            if let Expression::Or(alternatives) = part {
                for alternative in alternatives {
                    self.all(&[alternative], known.clone());
                }
            }
        }
    }

    /// A test that never holds, independent of the others.
    fn alone(&self, one: &Known<'_>) -> Option<Problem> {
        let never = match &one.fact {
            Some(Fact::Flow(constraints)) => {
                if let Some(hook) = self.hook
                    && disjoint(constraints, &[Constraint::Direction(hook)])
                {
                    let (here, other) = match hook {
                        DeviceDirection::Ingress => ("ingress", "egress"),
                        DeviceDirection::Egress => ("egress", "ingress"),
                    };
                    let message = format!("{} never holds: this policy is for {here} only", self.written(one));
                    let help = format!("expected `hook` to have `{other}` too, or no such test");
                    return Some(Problem::new(one.test.span.clone(), message, help));
                }
                disjoint(constraints, constraints)
            }
            Some(Fact::Number(_, intervals)) => intervals.is_empty(),
            Some(Fact::Address(..)) | None => false,
        };
        never.then(|| {
            let message = format!("{} never holds", self.written(one));
            Problem::new(
                one.test.span.clone(),
                message,
                "expected a test that a packet can fulfil",
            )
        })
    }

    fn together(&self, other: &Known<'_>, one: &Known<'_>) -> Problem {
        let message = format!("{} and {} never hold together", self.written(other), self.written(one));
        let help = "expected tests that one packet can fulfil; `or`, or a set `in {A, B}`, means one of them";
        Problem::new(one.test.span.clone(), message, help)
    }

    fn written(&self, known: &Known<'_>) -> String {
        let text = self.text.get(known.test.span.clone()).unwrap_or_default();
        // `!=` and `not in` are in the text of the test; a `not` before it is not.
        let inside = text.contains("!=") || text.split_whitespace().any(|word| word == words::NOT);
        let not = if known.not && !inside { "not " } else { "" };
        format!("`{not}{}`", suggest::shorten(text))
    }
}

impl<'e> Known<'e> {
    fn of(expression: &'e Expression) -> Option<Self> {
        match expression {
            Expression::Test(test) => Some(Self {
                test,
                not: false,
                fact: fact(&test.primary),
                segments: segments::of(&test.primary),
            }),
            Expression::Not(inner) => match inner.as_ref() {
                Expression::Test(test) => Some(Self {
                    test,
                    not: true,
                    fact: opposite(&test.primary),
                    segments: segments::without(&test.primary),
                }),
                _ => None,
            },
            Expression::And(_) | Expression::Or(_) => None,
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        // Each test of a sample draws anew, and nothing is known about a selector that is called by its name.
        let stable = !matches!(
            self.test.primary,
            Primary::Field(_, Wanted::OneIn(_)) | Primary::Call { .. }
        );
        if stable && self.not != other.not && self.test == other.test {
            return true;
        }
        if !self.segments.meet(other.segments) {
            return true;
        }
        match (&self.fact, &other.fact) {
            (Some(Fact::Flow(a)), Some(Fact::Flow(b))) => disjoint(a, b),
            (Some(Fact::Number(a, mine)), Some(Fact::Number(b, theirs))) => {
                a == b
                    && !mine
                        .iter()
                        .any(|(low, high)| theirs.iter().any(|(from, to)| low <= to && from <= high))
            }
            (Some(Fact::Address(a, mine)), Some(Fact::Address(b, theirs))) => {
                a == b
                    && !mine
                        .iter()
                        .any(|mine| theirs.iter().any(|theirs| mine.overlaps(theirs)))
            }
            _ => false,
        }
    }
}

fn fact(primary: &Primary) -> Option<Fact> {
    match primary {
        Primary::Field(field, wanted) => declared(field, wanted),
        other => {
            let constraints = Constraint::of_primary(other);
            (!constraints.is_empty()).then_some(Fact::Flow(constraints))
        }
    }
}

/// What a test says about a declared field.
fn declared(field: &Arc<Field>, wanted: &Wanted) -> Option<Fact> {
    let exactly = |value: u64| vec![(value, value)];
    let intervals = match wanted {
        _ if field.declaration.several => return None,
        Wanted::OneOf(values) => match values.iter().map(prefix).collect() {
            Some(prefixes) => return Some(Fact::Address(field.clone(), prefixes)),
            None => values.iter().map(interval).collect::<Option<_>>()?,
        },
        Wanted::Compare(compare, value) => compared(*compare, *value, field.largest()),
        Wanted::Within(ranges) => ranges.clone(),
        // Less is known than the test says: that is only more careful.
        Wanted::Outside(_) => vec![(0, field.largest())],
        Wanted::Flag(set) => exactly(u64::from(*set)),
        Wanted::Word(position) if field.declaration.exclusive.contains(field.words().get(*position)?) => {
            exactly(u64::try_from(*position).ok()?)
        }
        Wanted::NoneOf(_) | Wanted::Word(_) | Wanted::Range { .. } | Wanted::OneIn(_) => return None,
    };
    Some(Fact::Number(field.clone(), intervals))
}

fn prefix(value: &Value) -> Option<Prefix> {
    match value {
        Value::Prefix { address, length } => Some(Prefix {
            address: *address,
            length: u8::try_from(*length).ok()?,
        }),
        _ => None,
    }
}

/// A number, or ports.
fn interval(value: &Value) -> Option<Interval> {
    match value {
        Value::Integer(number) => Some((*number, *number)),
        Value::Pair(low, high) => Some((*low, *high)),
        Value::Prefix { .. } | Value::Device(_) => None,
    }
}

/// What the negation of a test says, where that is simple.
fn opposite(primary: &Primary) -> Option<Fact> {
    Some(match primary {
        Primary::IpVersion(versions) => {
            let others = [IpVersion::V4, IpVersion::V6]
                .into_iter()
                .filter(|version| !versions.contains(version));
            Fact::Flow(vec![Constraint::IpVersion(others.collect())])
        }
        Primary::Direction(DeviceDirection::Ingress) => {
            Fact::Flow(vec![Constraint::Direction(DeviceDirection::Egress)])
        }
        Primary::Direction(DeviceDirection::Egress) => {
            Fact::Flow(vec![Constraint::Direction(DeviceDirection::Ingress)])
        }
        _ => return None,
    })
}

/// Numbers up to `most` for which the comparison with `value` holds.
fn compared(compare: Compare, value: u64, most: u64) -> Vec<Interval> {
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = value
        .checked_add(1)
        .filter(|first| *first <= most)
        .map(|first| (first, most));
    match compare {
        Compare::Less => below.into_iter().collect(),
        Compare::LessOrEqual => vec![(0, value)],
        Compare::Greater => above.into_iter().collect(),
        Compare::GreaterOrEqual => vec![(value, most)],
        Compare::Equal => vec![(value, value)],
        Compare::NotEqual => below.into_iter().chain(above).collect(),
    }
}
