//! What leaves no trace in the capture: nobody can be asked to find it.

use super::Seen;
use crate::plan::{Happening, Plan};
use crate::truth::{Fact, Ledger};
use emptcp_trace::Span;

/// Packets that come so long after something was lost may show it: it was missed, and sent again.
const LATER: Span = Span(150_000_000);

/// Takes back what leaves no trace:
///
/// * a dead path, when the capture has nothing after it: it might as well have been stopped then; or when it never had
///   anything of the subflow;
/// * an option removed from a subflow that has no option at all in the capture: it is somebody's plain TCP.
pub(super) fn settle(plan: &Plan, seen: &[Seen], ledger: &mut Ledger) {
    for (number, happening) in plan.unusual() {
        let facts = ledger.facts.iter().filter(|fact| fact.happening == Some(number));
        let leaves_trace = match happening {
            Happening::Dead { .. } | Happening::HostGone { .. } => facts.clone().any(|fact| goes_on(fact, seen)),
            Happening::Strip { .. } => facts.clone().any(|fact| is_multipath(fact, seen)),
            _ => true,
        };
        if let Some(weighs) = ledger.weighs.get_mut(number) {
            *weighs &= leaves_trace;
        }
    }
}

fn goes_on(fact: &Fact, seen: &[Seen]) -> bool {
    let of_subflow = |seen: &&Seen| fact.subflow.is_none_or(|subflow| seen.record.packet.subflow == subflow);
    let since = fact.span[0] + LATER;
    let is_later = |seen: &Seen| seen.record.time > since && seen.record.packet.space() > 0;
    seen.iter().any(|seen| of_subflow(&seen)) && seen.iter().any(is_later)
}

fn is_multipath(fact: &Fact, seen: &[Seen]) -> bool {
    let mut packets = seen.iter().map(|seen| &seen.record.packet);
    packets.any(|packet| Some(packet.subflow) == fact.subflow && packet.mptcp().next().is_some())
}
