//! The checks of each actor, by the kernels of both hosts and by tshark. No check reads a counter of emptcp.
//!
//! * [`rates`]: rates by the receivers' kernels; [`frames`]: frames after the hook, by tshark.
//! * [`subflows`]: subflows of the kernels, and counts of the classes of a queueing discipline.
//! * [`events`]: events, compared with the kernels.

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

/// A direction without a policy has at least this rate on its path, Mbit/s: more than any limit here. With small
/// windows all data may fit the shorter path.
pub(super) fn free(seen: &Seen<'_>) -> f64 {
    if seen.case.scale == Scale::None { 0.2 } else { 5.0 }
}

/// The hosts have the window scale of the case.
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
    // Connections that the policy ends may have ended.
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
