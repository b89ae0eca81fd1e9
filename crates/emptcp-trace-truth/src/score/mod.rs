//! The story that the analysis tells of a capture, compared with the truth about it.
//!
//! * This file: one capture. `analysis.rs`: runs the analysis. `figures.rs`: its figures. `tally.rs`, `many.rs`: many
//!   captures; `text.rs`: as a table.
//!
//! A sentence that names causes is right when it names at most three, and one of them happened, in its direction, on
//! its subflow, at its time. A sentence without causes says only what the packets show and is not scored here.

mod analysis;
mod figures;
mod many;
mod tally;
mod text;

pub use analysis::{Story, stories};
pub use tally::{Example, Kind, Share, Tally};
pub use text::AIMS;

use crate::capture::Capture;
use crate::truth::Fact;
use emptcp_trace::record::{Cause, Certainty};
use emptcp_trace::{Direction, PacketNumber, Timestamp};
use emptcp_trace_report::explain::{Sentence, SentenceKind};
use std::net::SocketAddr;

/// The most causes that a sentence may name.
const MOST_CAUSES: usize = 3;
/// A sentence may begin this long after what it is about: timers are long. Nanoseconds.
const AFTER: i64 = 5_000_000_000;
/// It may begin this long before: with the packet that was the last to be answered.
const BEFORE: i64 = 500_000_000;

/// A sentence that names causes.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The sentence.
    pub text: String,
    /// The causes that it names.
    pub causes: Vec<Cause>,
    /// Whether the path is among them.
    pub accuses: bool,
    /// Whether it is true.
    pub is_right: bool,
    /// If not, why.
    pub why: &'static str,
}

/// A planned happening.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its kind.
    pub kind: &'static str,
    /// Its cause.
    pub cause: Cause,
    /// Whether the capture can show it.
    pub shown: bool,
    /// Whether a right sentence names it.
    pub named: bool,
    /// Whether it is the only possible cause of what the packets show.
    pub has_one_cause: bool,
    /// Whether a sentence that is certain names it and nothing else.
    pub certain: bool,
}

/// One capture, scored.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The seed of the capture.
    pub seed: u64,
    /// Its packets.
    pub packets: usize,
    /// The whole story, sentence by sentence.
    pub story: Vec<String>,
    /// Every sentence that names causes.
    pub verdicts: Vec<Verdict>,
    /// Every planned happening.
    pub outcomes: Vec<Outcome>,
    /// Figures that are not exact.
    pub wrong_figures: Vec<String>,
}

impl Scored {
    /// Makes the capture of a seed, analyses it, and compares.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(&Capture::new(seed))
    }

    /// The same for a capture that is there already.
    #[must_use]
    pub fn of(capture: &Capture) -> Self {
        let analysis = analysis::Analysis::of(capture);
        let facts = &capture.truth.facts;
        let shown = capture.can_be_shown();
        let mut outcomes: Vec<_> = capture
            .happenings()
            .zip(shown)
            .map(|(happening, shown)| Outcome {
                kind: happening.kind(),
                cause: happening.cause(),
                shown,
                named: false,
                has_one_cause: happening.has_one_cause(),
                certain: false,
            })
            .collect();
        let mut verdicts = Vec::new();
        for story in &analysis.stories {
            for sentence in &story.sentences {
                let evidence = &sentence.evidence;
                if evidence.causes.is_empty() {
                    continue;
                }
                let claim = Claim::new(sentence, story, capture);
                let matched: Vec<_> = facts.iter().filter(|fact| claim.is_about(fact, capture)).collect();
                let is_right = evidence.causes.len() <= MOST_CAUSES && !matched.is_empty();
                for happening in matched.iter().filter_map(|fact| fact.happening).filter(|_| is_right) {
                    let outcome = &mut outcomes[happening];
                    outcome.named = true;
                    outcome.certain |= evidence.certainty == Certainty::Certain && evidence.causes.len() == 1;
                }
                verdicts.push(Verdict {
                    text: sentence.text.clone(),
                    causes: evidence.causes.iter().collect(),
                    accuses: evidence.accuses_path(),
                    is_right,
                    why: if is_right { "" } else { claim.why_wrong(facts, capture) },
                });
            }
        }
        let sentences = analysis.stories.iter().flat_map(|story| &story.sentences);
        Self {
            story: sentences
                .map(|sentence| format!("{:.3} {}", sentence.t.seconds(), sentence.text))
                .collect(),
            seed: capture.seed(),
            packets: capture.len(),
            verdicts,
            outcomes,
            wrong_figures: figures::wrong(capture, &analysis),
        }
    }
}

/// What a sentence claims, in the terms of the truth.
struct Claim<'a> {
    sentence: &'a Sentence,
    direction: Option<Direction>,
    addresses: Option<[SocketAddr; 2]>,
    span: Option<[Timestamp; 2]>,
}

impl<'a> Claim<'a> {
    fn new(sentence: &'a Sentence, story: &Story, capture: &Capture) -> Self {
        let subflow = sentence.subflow.and_then(|id| {
            let subflows = &story.connection.subflows;
            subflows.iter().find(|subflow| subflow.sf_id == id)
        });
        let time = |number: PacketNumber| capture.true_time(number.0);
        let span = sentence
            .packets
            .and_then(|[first, last]| Some([time(first)?, time(last)?]));
        Self {
            sentence,
            direction: sentence.direction,
            addresses: subflow.map(|subflow| [subflow.client, subflow.server]),
            span: span.map(|[one, other]| [one.min(other), one.max(other)]),
        }
    }

    fn is_about(&self, fact: &Fact, capture: &Capture) -> bool {
        self.names(fact) && self.same_place(fact, capture) && self.same_direction(fact) && self.same_time(fact)
    }

    fn names(&self, fact: &Fact) -> bool {
        self.sentence.evidence.causes.contains(fact.cause)
    }

    /// Data that moves, or is sent again elsewhere, does so because of the other subflow.
    fn same_place(&self, fact: &Fact, capture: &Capture) -> bool {
        let of_another = matches!(
            self.sentence.kind,
            SentenceKind::Handover | SentenceKind::Reinjection | SentenceKind::Stall
        );
        if of_another {
            return true;
        }
        let of_fact = fact
            .subflow
            .and_then(|number| capture.truth.subflows.get(number)?.addresses);
        self.addresses
            .is_none_or(|said| of_fact.is_none_or(|addresses| said == addresses))
    }

    /// Alternatives may be on either way: the direction of such a sentence is that of what was seen. So it is where
    /// data waited or was sent again, since acknowledgements may be missing as well; and that of a subflow is its
    /// opener's.
    fn same_direction(&self, fact: &Fact) -> bool {
        let of_what_was_seen = matches!(
            self.sentence.kind,
            SentenceKind::Subflow
                | SentenceKind::Retransmission
                | SentenceKind::Reinjection
                | SentenceKind::Stall
                | SentenceKind::Handover
        );
        let said = self
            .direction
            .filter(|_| self.sentence.evidence.causes.len() == 1 && !of_what_was_seen);
        said.is_none_or(|said| fact.direction.is_none_or(|direction| said == direction))
    }

    fn same_time(&self, fact: &Fact) -> bool {
        self.span.is_none_or(|[from, to]| {
            let [since, until] = fact.span;
            // Timers that double are as long as what went before.
            (from - until).0 <= AFTER + (until - since).0 && (since - to).0 <= BEFORE
        })
    }

    fn why_wrong(&self, facts: &[Fact], capture: &Capture) -> &'static str {
        let named: Vec<_> = facts.iter().filter(|fact| self.names(fact)).collect();
        let placed = |fact: &&&Fact| self.same_place(fact, capture);
        if self.sentence.evidence.causes.len() > MOST_CAUSES {
            "too many causes"
        } else if named.is_empty() {
            "did not happen"
        } else if !named.iter().any(|fact| placed(&fact)) {
            "not on this subflow"
        } else if !named.iter().filter(placed).any(|fact| self.same_direction(fact)) {
            "not this side"
        } else {
            "not at this time"
        }
    }
}
