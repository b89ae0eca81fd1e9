//! The scores of many captures.

use super::Scored;
use emptcp_trace::record::Cause;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most misses and wrong sentences that are kept, per kind.
const KEPT: usize = 400;

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub whole: u64,
}

impl Share {
    fn count(&mut self, is_part: bool) {
        self.whole += 1;
        self.part += u64::from(is_part);
    }

    fn add(&mut self, other: Self) {
        self.part += other.part;
        self.whole += other.whole;
    }

    /// As a number from 0 to 1; 1 of nothing.
    #[must_use]
    pub fn value(self) -> f64 {
        match self.whole {
            0 => 1.0,
            whole => self.part as f64 / whole as f64,
        }
    }
}

/// The happenings of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Kind {
    /// How many were planned.
    pub planned: u64,
    /// Of those that the capture can show, how many a right sentence names.
    pub named: Share,
    /// Of those with one possible cause that are named, how many a sentence calls certain.
    pub certain: Share,
    /// What the sentences of captures with this happening alone said: causes, and how often; `nothing` where none
    /// names a cause.
    pub said: BTreeMap<String, u64>,
}

/// Something to look at.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// The seed of the capture.
    pub seed: u64,
    /// What was planned.
    pub planned: Vec<&'static str>,
    /// The sentence, or the figure.
    pub text: String,
}

/// The sum over captures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Captures.
    pub captures: u64,
    /// Their packets.
    pub packets: u64,
    /// Sentences that name the path among their causes: how many are right.
    pub accusing: Share,
    /// Other sentences that name causes.
    pub others: Share,
    /// Happenings that the captures can show: how many are named.
    pub recall: Share,
    /// Happenings with one possible cause that are shown: how many are called certain.
    pub certain: Share,
    /// Captures whose figures are all exact.
    pub figures: Share,
    /// By kind of happening.
    pub kinds: BTreeMap<&'static str, Kind>,
    /// Wrong sentences that accuse the path.
    pub false_accusations: Vec<Example>,
    /// Other wrong sentences.
    pub wrong: Vec<Example>,
    /// Happenings that no right sentence names.
    pub missed: Vec<Example>,
    /// Figures that are not exact.
    pub wrong_figures: Vec<Example>,
}

/// Causes as they are written in tables.
pub(super) fn names(causes: &[Cause]) -> String {
    let names: Vec<_> = causes.iter().map(|cause| format!("{cause:?}")).collect();
    names.join("|")
}

impl Tally {
    /// Adds a capture.
    pub fn add(&mut self, scored: &Scored) {
        self.captures += 1;
        self.packets += scored.packets as u64;
        self.figures.count(scored.wrong_figures.is_empty());
        let planned: Vec<_> = scored.outcomes.iter().map(|outcome| outcome.kind).collect();
        let example = |text: String| Example {
            seed: scored.seed,
            planned: planned.clone(),
            text,
        };
        for verdict in &scored.verdicts {
            let (share, list) = match verdict.accuses {
                true => (&mut self.accusing, &mut self.false_accusations),
                false => (&mut self.others, &mut self.wrong),
            };
            share.count(verdict.is_right);
            if !verdict.is_right && list.len() < KEPT {
                list.push(example(format!(
                    "[{}] {}: {}",
                    names(&verdict.causes),
                    verdict.why,
                    verdict.text
                )));
            }
        }
        for outcome in &scored.outcomes {
            let kind = self.kinds.entry(outcome.kind).or_default();
            kind.planned += 1;
            if !outcome.shown {
                continue;
            }
            kind.named.count(outcome.named);
            self.recall.count(outcome.named);
            if outcome.has_one_cause {
                kind.certain.count(outcome.certain);
                self.certain.count(outcome.certain);
            }
            if !outcome.named && self.missed.len() < KEPT {
                self.missed
                    .push(example(format!("{} ({:?})", outcome.kind, outcome.cause)));
            }
            if scored.outcomes.len() == 1 {
                let mut said: Vec<_> = scored.verdicts.iter().map(|verdict| names(&verdict.causes)).collect();
                said.sort();
                said.dedup();
                if said.is_empty() {
                    said.push("nothing".to_owned());
                }
                for said in said {
                    *kind.said.entry(said).or_default() += 1;
                }
            }
        }
        for text in scored.wrong_figures.iter().take(1) {
            if self.wrong_figures.len() < KEPT {
                self.wrong_figures.push(example(text.clone()));
            }
        }
    }

    /// Adds the captures of another one.
    pub fn merge(&mut self, other: Self) {
        self.captures += other.captures;
        self.packets += other.packets;
        self.accusing.add(other.accusing);
        self.others.add(other.others);
        self.recall.add(other.recall);
        self.certain.add(other.certain);
        self.figures.add(other.figures);
        for (name, kind) in other.kinds {
            let sum = self.kinds.entry(name).or_default();
            sum.planned += kind.planned;
            sum.named.add(kind.named);
            sum.certain.add(kind.certain);
            for (said, times) in kind.said {
                *sum.said.entry(said).or_default() += times;
            }
        }
        self.false_accusations.extend(other.false_accusations);
        self.wrong.extend(other.wrong);
        self.missed.extend(other.missed);
        self.wrong_figures.extend(other.wrong_figures);
    }
}
