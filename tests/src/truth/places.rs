//! Where an actor is checked, where its policy is refused, and why it is not checked elsewhere.

use super::case::{Attach, Case, Moment, Place, Scale, Traffic};

/// The expectation for a case of an actor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// Traffic runs and is checked.
    Works,
    /// The policy is refused.
    Refused,
    /// No case, and why.
    Nothing(&'static str),
}

use Expect::{Nothing, Refused, Works};

const NOBODY_BEHIND: &str =
    "after an ingress hook of an end host there is only its stack, so there are no frames to check";
const NO_DATA: &str = "no data passes here";
const START_NOT_SEEN: &str = "relative numbers and figures need the handshake, which was not seen";

/// Everywhere.
pub(super) fn always(_: &Case) -> Expect {
    Works
}

/// A refusal does not depend on the traffic: one case for each place.
fn refused(case: &Case) -> Expect {
    let one = case.traffic == Traffic::Upload && !case.ipv6 && case.scale == Scale::Usual;
    if one && case.moment == Moment::Before {
        Refused
    } else {
        Nothing("refused there, whatever the traffic")
    }
}

/// XDP has neither mark nor priority, so `mark` does not run there.
fn at_tc(case: &Case, there: impl Fn(&Case) -> Expect) -> Expect {
    if case.attach == Attach::Tc {
        there(case)
    } else {
        refused(case)
    }
}

/// Shaping delays leaving packets; it is refused at ingress (docs of `rate_limit`).
pub(super) fn at_egress(case: &Case) -> Expect {
    if case.place.is_egress() { Works } else { refused(case) }
}

fn frames_show(case: &Case) -> Expect {
    match case.place {
        Place::ClientIngress | Place::ServerIngress => Nothing(NOBODY_BEHIND),
        _ => Works,
    }
}

/// `mark` where frames can be checked.
pub(super) fn where_frames_show(case: &Case) -> Expect {
    at_tc(case, frames_show)
}

fn data_frames_show(case: &Case) -> Expect {
    match frames_show(case) {
        Works if !case.traffic.goes(case.place.sees_uploads()) => Nothing(NO_DATA),
        expect => expect,
    }
}

/// `mark` on data.
pub(super) fn where_data_frames_show(case: &Case) -> Expect {
    at_tc(case, data_frames_show)
}

/// Relative numbers and figures need a visible handshake.
pub(super) fn where_starts_are_seen(case: &Case) -> Expect {
    at_tc(case, |case| match data_frames_show(case) {
        Works if case.moment != Moment::Before => Nothing(START_NOT_SEEN),
        Works if case.traffic == Traffic::Both => {
            Nothing("only one direction at a time: the other direction has other numbers")
        }
        expect => expect,
    })
}

/// Routing after the hook sees a mark.
pub(super) fn where_routing_follows(case: &Case) -> Expect {
    at_tc(case, |case| {
        if case.place.is_egress() {
            Nothing("leaving packets have been routed already: see mark-fwmark-class and mark-dscp")
        } else {
            Works
        }
    })
}

/// Classful queueing follows.
pub(super) fn where_queueing_follows(case: &Case) -> Expect {
    at_tc(case, |case| {
        if case.place.is_egress() {
            Works
        } else {
            Nothing("no queueing discipline follows; forwarding sets the priority of IPv4 anew")
        }
    })
}

/// Drops or marks where data passes, so that the sender notices.
pub(super) fn where_data_passes(case: &Case) -> Expect {
    if case.traffic.goes(case.place.sees_uploads()) {
        Works
    } else {
        Nothing(NO_DATA)
    }
}

/// Where data passes, and the connection of a subflow is known: from its handshake, or from a socket of the host.
pub(super) fn where_connections_are_known(case: &Case) -> Expect {
    match where_data_passes(case) {
        Works if case.moment != Moment::Before && case.place.is_router() => {
            Nothing("on a router the connection of a mid-stream subflow is unknown, so each subflow has the full rate")
        }
        expect => expect,
    }
}

/// MP_PRIO is sent on pure ACKs, of which there are many where only acknowledgements pass.
pub(super) fn where_acknowledgements_pass(case: &Case) -> Expect {
    if case.traffic != Traffic::Both && !case.traffic.goes(case.place.sees_uploads()) {
        Works
    } else {
        Nothing("MP_PRIO is sent on pure ACKs: few or none pass where data does")
    }
}

/// A backup subflow becomes regular in mid-transfer.
pub(super) fn where_backups_return(case: &Case) -> Expect {
    match where_acknowledgements_pass(case) {
        Works if case.moment == Moment::Before => Nothing("the subflow must be backup before"),
        expect => expect,
    }
}

/// The server announces an address, and the client opens the subflow: only at the beginning of the connection.
pub(super) fn where_announcements_pass(case: &Case) -> Expect {
    if case.place.is_router() {
        Nothing("the server has one address after the router: nothing to announce")
    } else if case.moment == Moment::Before {
        Works
    } else {
        Nothing("announced only at the beginning of a connection")
    }
}

/// The window acts on the acknowledgements.
pub(super) fn where_windows_pass(case: &Case) -> Expect {
    if !case.traffic.goes(!case.place.sees_uploads()) {
        Nothing("it changes acknowledgements of data: none pass here")
    } else if case.place.is_router() && case.moment == Moment::MidTransfer {
        Nothing("a router that has not seen the handshake does not know the window scale: counted as no_scale")
    } else if case.attach != Attach::Tc && case.traffic == Traffic::Both {
        Nothing("at XDP the window of data whose checksum the device computes is not changed: see its README")
    } else {
        Works
    }
}

/// A packet can become a reset.
pub(super) fn where_resets_can_be_made(case: &Case) -> Expect {
    if case.attach == Attach::XdpGeneric && case.place.is_router() {
        Nothing("generic XDP cannot clear gso_size of forwarded packets: use tc there (see its README)")
    } else {
        Works
    }
}

/// Keys pass in the handshake only.
pub(super) fn where_keys_are_seen(case: &Case) -> Expect {
    match where_resets_can_be_made(case) {
        Works if case.moment != Moment::Before => Nothing("keys pass only in the handshake"),
        expect => expect,
    }
}

/// Events about handshakes.
pub(super) fn where_handshakes_pass(case: &Case) -> Expect {
    if case.moment == Moment::Before {
        Works
    } else {
        Nothing("keys pass only in the handshake: no event for a connection that runs already")
    }
}

/// A policy at both hooks of a place is listed under its ingress, which has more than one kind of attachment.
pub(super) fn where_both_hooks_are_named(case: &Case) -> Expect {
    if case.place.is_egress() {
        Nothing("at both hooks: see the ingress of the same place")
    } else {
        Works
    }
}
