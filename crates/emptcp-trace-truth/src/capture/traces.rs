//! What leaves no trace in the capture: nobody can be asked to find it.

use super::Seen;
use crate::plan::{Happening, Plan};
use crate::truth::{Fact, Ledger};
use emptcp_trace::Span;
use mptcp_wire::tcp::{Flags, Stage};

/// Packets that come so long after something was lost may show it: it was missed, and sent again.
const LATER: Span = Span(150_000_000);

/// Takes back what leaves no trace:
///
/// * a dead path, when the capture has nothing after it: it might as well have been stopped then; or when it never had
///   anything of the subflow;
/// * anything, when the capture has no MPTCP option that is whole: there is no connection to tell of;
/// * a refusal without the SYN or without the RST, and a mirrored option without the SYN or without the SYN+ACK;
/// * an option removed from a subflow that has no option at all in the capture: it is somebody's plain TCP.
pub(super) fn settle(plan: &Plan, seen: &[Seen], ledger: &mut Ledger) {
    let is_readable = seen.iter().any(has_whole_option);
    for (number, happening) in plan.unusual() {
        let facts = ledger.facts.iter().filter(|fact| fact.happening == Some(number));
        let leaves_trace = match happening {
            Happening::Dead { .. } | Happening::HostGone { .. } => facts.clone().any(|fact| goes_on(fact, seen)),
            Happening::Strip { .. } => facts.clone().any(|fact| is_multipath(fact, seen)),
            Happening::Mirror { .. } => facts
                .clone()
                .any(|fact| has(fact, seen, Stage::Syn) && has(fact, seen, Stage::SynAck)),
            Happening::Refused | Happening::JoinRefused { .. } => facts.clone().any(|fact| {
                let is_reset = |seen: &Seen| seen.record.packet.flags.contains(Flags::RST);
                has(fact, seen, Stage::Syn) && of(fact, seen).any(is_reset)
            }),
            _ => true,
        } && is_readable;
        if let Some(weighs) = ledger.weighs.get_mut(number) {
            *weighs &= leaves_trace;
        }
    }
}

fn has_whole_option(seen: &Seen) -> bool {
    let packet = &seen.record.packet;
    packet.mptcp().next().is_some() && super::headers(seen) <= seen.most
}

/// The packets of the subflow of a fact.
fn of<'a>(fact: &Fact, seen: &'a [Seen]) -> impl Iterator<Item = &'a Seen> {
    let subflow = fact.subflow;
    seen.iter()
        .filter(move |seen| Some(seen.record.packet.subflow) == subflow)
}

fn has(fact: &Fact, seen: &[Seen], stage: Stage) -> bool {
    of(fact, seen).any(|seen| seen.record.packet.flags.stage() == Some(stage))
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
