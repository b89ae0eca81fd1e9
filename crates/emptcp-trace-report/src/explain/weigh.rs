//! From what was observed to what may have caused it: one place, one order.
//!
//! A chapter states an observation and names its candidates, each with the clause that says it in words and, where
//! packets speak against it, the reason why it is out. [`Weighing::weigh`] puts them in the order in which they are
//! weighed (the capture, the hosts, the path), decides how sure the rest is, and drops causes altogether when more
//! than [`MOST`] remain: then only the observation is said.

use super::words;
use emptcp_trace::PacketNumber;
use emptcp_trace::record::{Cause, Causes, Certainty, Evidence, Party};
use serde::Serialize;

/// The most causes that a sentence names.
pub(super) const MOST: usize = 3;

/// A cause that was weighed, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The cause.
    pub cause: Cause,
    /// To whom it belongs.
    pub party: Party,
    /// Whether the packets exclude it.
    pub excluded: bool,
    /// What happened, when it was this cause; or why it is excluded.
    pub text: String,
}

/// What a sentence rests on, and the same in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weighed {
    pub(super) evidence: Evidence,
    pub(super) reasons: Vec<Reason>,
    /// The text of the sentence names the cause itself.
    said: bool,
}

/// Candidates for the cause of one observation.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighing {
    reasons: Vec<Reason>,
    proof: Vec<PacketNumber>,
    likely: Option<Cause>,
}

impl Weighing {
    /// An observation that these packets show.
    pub(super) fn of(proof: impl IntoIterator<Item = PacketNumber>) -> Self {
        let mut proof: Vec<_> = proof.into_iter().collect();
        proof.dedup();
        Self {
            proof,
            ..Self::default()
        }
    }

    /// It may be this; `clause` says so in words.
    pub(super) fn may(self, cause: Cause, clause: impl Into<String>) -> Self {
        self.unless(cause, clause, None::<String>)
    }

    /// It is not this, for this reason.
    pub(super) fn not(self, cause: Cause, because: impl Into<String>) -> Self {
        self.unless(cause, String::new(), Some(because))
    }

    /// It may be this, unless there is a reason why not.
    pub(super) fn unless(
        mut self,
        cause: Cause,
        clause: impl Into<String>,
        because: Option<impl Into<String>>,
    ) -> Self {
        let excluded = because.is_some();
        self.reasons.push(Reason {
            cause,
            party: cause.party(),
            excluded,
            text: because.map_or_else(|| clause.into(), Into::into),
        });
        self
    }

    /// This one explains it better than the others, if it is still among them.
    pub(super) fn likely(mut self, cause: Cause) -> Self {
        self.likely = Some(cause);
        self
    }

    /// Puts the causes in order and says how sure the rest is.
    pub(super) fn weigh(mut self) -> Weighed {
        self.reasons.sort_by_key(|reason| (reason.cause, reason.excluded));
        self.reasons.dedup_by_key(|reason| reason.cause);
        let set = |excluded: bool| {
            let mut set = Causes::NONE;
            for reason in self.reasons.iter().filter(|reason| reason.excluded == excluded) {
                set = set.with(Causes::of(&[reason.cause]));
            }
            set
        };
        let (remaining, excluded) = (set(false), set(true));
        let mut evidence = Evidence::one_of(remaining, self.proof.iter().copied()).excluding(excluded);
        if remaining.len() > MOST {
            // So many alternatives say nothing: only the observation stands.
            evidence.causes = Causes::NONE;
            self.reasons.retain(|reason| reason.excluded);
        } else if remaining.len() > 1 && remaining.iter().next() == self.likely {
            evidence.certainty = Certainty::Likely;
        }
        Weighed {
            evidence,
            reasons: self.reasons,
            said: false,
        }
    }
}

impl Weighed {
    /// An observation alone.
    pub(super) fn observed(proof: impl IntoIterator<Item = PacketNumber>) -> Self {
        Weighing::of(proof).weigh()
    }

    /// The text says the cause already.
    pub(super) fn unsaid(mut self) -> Self {
        self.said = true;
        self
    }

    /// The causes that remain as a sentence, with a space before it; empty when there is none.
    pub(super) fn sentence(&self) -> String {
        let clauses: Vec<_> = self
            .reasons
            .iter()
            .filter(|reason| !reason.excluded)
            .map(|reason| reason.text.as_str())
            .collect();
        match (clauses.as_slice(), self.evidence.certainty) {
            _ if self.said => String::new(),
            ([], _) => String::new(),
            ([only], _) => format!(" {}.", words::sentence(only)),
            ([first, rest @ ..], Certainty::Likely) => {
                format!(" Most likely {first}; otherwise {}.", rest.join(", or "))
            }
            (clauses, _) => format!(" Either {}: this capture cannot tell.", clauses.join(", or ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets() -> [PacketNumber; 1] {
        [PacketNumber(7)]
    }

    #[test]
    fn the_capture_is_weighed_before_the_hosts_and_the_hosts_before_the_path() {
        let weighed = Weighing::of(packets())
            .may(Cause::OptionRemoved, "the path removed it")
            .may(Cause::NotSupported, "the server does not speak it")
            .may(Cause::NotCaptured, "the capture lacks it")
            .weigh();
        assert_eq!(
            weighed.sentence(),
            " Either the capture lacks it, or the server does not speak it, or the path removed it: this capture cannot \
             tell."
        );
        assert_eq!(weighed.evidence.certainty, Certainty::CannotTell);
    }

    #[test]
    fn one_cause_that_remains_is_certain_and_what_is_out_says_why() {
        let weighed = Weighing::of(packets())
            .not(Cause::NotCaptured, "no byte is missing")
            .may(Cause::OptionRemoved, "the path removed it")
            .weigh();
        assert_eq!(weighed.sentence(), " The path removed it.");
        assert_eq!(weighed.evidence.certainty, Certainty::Certain);
        assert!(weighed.evidence.excluded.contains(Cause::NotCaptured));
        assert_eq!(weighed.reasons[0].text, "no byte is missing");
    }

    #[test]
    fn only_the_first_cause_in_order_can_be_the_likely_one() {
        let either = |likely| {
            Weighing::of(packets())
                .may(Cause::Refused, "the server refused it")
                .may(Cause::ResetInjected, "something on the path did")
                .likely(likely)
                .weigh()
        };
        assert_eq!(
            either(Cause::Refused).sentence(),
            " Most likely the server refused it; otherwise something on the path did."
        );
        assert_eq!(either(Cause::ResetInjected).evidence.certainty, Certainty::CannotTell);
    }

    #[test]
    fn more_than_three_causes_are_not_said() {
        let weighed = Weighing::of(packets())
            .may(Cause::NotCaptured, "a")
            .may(Cause::HostGone, "b")
            .may(Cause::PacketsLost, "c")
            .may(Cause::PathDead, "d")
            .weigh();
        assert!(weighed.sentence().is_empty() && weighed.evidence.causes.is_empty());
    }
}
