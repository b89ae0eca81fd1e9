//! What must be seen of each actor, by the kernels of both hosts and by tshark. No judge reads a counter of ours.
//!
//! * [`rates`]: what the receivers' kernels got; [`frames`]: what tshark sees behind the hook.
//! * [`subflows`]: which subflows the kernels have, and what classes of a queueing discipline count.
//! * [`events`]: what was told, against what the kernels know.

pub mod events;
pub mod frames;
pub mod rates;
pub mod subflows;

use super::{
    case::Scale,
    seen::{Finding, PATH, Seen},
};

/// Each direction of the traffic with its rate on the path of the policies.
pub(super) fn ways<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (bool, &'static str, f64)> + 'a {
    [(true, "upload"), (false, "download")]
        .into_iter()
        .filter(|(up, _)| seen.case.traffic.goes(*up))
        .map(|(up, name)| (up, name, seen.rate(up, PATH)))
}

/// Whether the policy sees the payload of this direction.
pub(super) fn meets(seen: &Seen<'_>, up: bool) -> bool {
    seen.case.place.sees_uploads() == up
}

/// A direction that the policy does not touch has at least this much of its path, Mbit/s: more than any limit here.
/// With small windows all of it may fit the shorter path.
pub(super) fn free(seen: &Seen<'_>) -> f64 {
    if seen.case.scale == Scale::None { 0.2 } else { 5.0 }
}

/// The hosts have chosen the window scale that the case is about.
pub fn scale_is_as_wanted(seen: &Seen<'_>) -> Finding {
    // Two numbers, of both hosts: `wscale:7,7`.
    let shown = seen.sockets.split("wscale:").skip(1);
    let both = shown.filter_map(|rest| rest.split([' ', '\n']).next());
    let (mut right, mut wrong) = (0.0, 0.0);
    for scales in both {
        let large = scales == "13,13";
        match seen.case.scale {
            Scale::None => wrong += 1.0,
            Scale::Usual if large => wrong += 1.0,
            Scale::Large if !large => wrong += 1.0,
            Scale::Usual | Scale::Large => right += 1.0,
        }
    }
    // Connections that are to end may have ended.
    let least = if seen.case.scale == Scale::None || seen.actor.ends {
        0.0
    } else {
        1.0
    };
    Finding::new(
        format!("subflows with the window scale that is wanted, by ss ({wrong} with another)"),
        right - 1e3 * wrong,
        least,
        1e3,
    )
}
