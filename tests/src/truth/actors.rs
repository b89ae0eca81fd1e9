//! The table: each actor and mode, where it works, and what must be seen.

use super::{
    case::{Case, Moment, Place, Traffic},
    judges::{
        a_range_is_marked, data_stops, each_connection_has_its_rate, every_frame_is_marked, everything_stops, goes_on,
        no_subflow_comes, one_in_ten_is_marked, the_peer_sends_no_more, the_rate_holds, the_subflow_is_gone,
    },
    seen::{BedKind, Finding, Seen},
};

/// What a case of an actor is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// Traffic runs, and the judge speaks.
    Works,
    /// The policy is refused.
    Refused,
    /// Nobody outside could see it there, or the actor has nothing to do: no case.
    Nothing,
}

/// An actor with its arguments.
pub struct Actor {
    /// Name in lists.
    pub name: &'static str,
    /// Condition of the policy; empty: every packet.
    pub when: &'static str,
    /// The action.
    pub action: &'static str,
    /// On both paths, not only on the second.
    pub whole: bool,
    /// The judge wants the frames behind the policy.
    pub capture: bool,
    /// Commands for `ip` at the place of the policy; `ACTION` is `add`, afterwards `del`.
    pub commands: &'static [&'static str],
    /// How long the traffic has to settle, in seconds.
    pub settle: f64,
    /// What is to be expected of a case.
    pub expect: fn(&Case) -> Expect,
    /// What kernels and wire show.
    pub judge: fn(&Seen<'_>) -> Vec<Finding>,
}

impl Actor {
    /// The test bed for a case.
    pub fn bed(&self, case: &Case) -> BedKind {
        match case.place {
            _ if self.name == "hold_add_addr" => BedKind::Announcing,
            place if place.is_router() => BedKind::Router,
            _ => BedKind::Hosts,
        }
    }
}

const fn actor(
    name: &'static str,
    action: &'static str,
    expect: fn(&Case) -> Expect,
    judge: fn(&Seen<'_>) -> Vec<Finding>,
) -> Actor {
    Actor {
        name,
        when: "",
        action,
        whole: false,
        capture: false,
        commands: &[],
        settle: 1.5,
        expect,
        judge,
    }
}

/// Time for a sender to come to a rate of which it is not told: what is dropped at first is retransmitted, after a
/// time-out where all of it was.
const SWITCH: f64 = 4.0;

/// All that is judged.
pub const ACTORS: [Actor; 14] = [
    actor("pass", "count", always, goes_on),
    Actor {
        when: "packet is data",
        ..actor("drop", "drop", always, data_stops)
    },
    Actor {
        capture: true,
        ..actor("mark-dscp", "mark dscp=46", where_frames_show, every_frame_is_marked)
    },
    Actor {
        commands: &["rule ACTION fwmark 77 prio 5 blackhole"],
        ..actor("mark-fwmark", "mark fwmark=77", where_routing_follows, everything_stops)
    },
    Actor {
        when: "packet is data and sample 1 in 10",
        capture: true,
        ..actor("sample", "mark dscp=46", where_data_frames_show, one_in_ten_is_marked)
    },
    Actor {
        when: "dsn in +1000000..+2000000",
        // Numbers of the connection begin with the keys, and those pass on the first path.
        whole: true,
        capture: true,
        ..actor("sequence", "mark dscp=46", where_starts_are_seen, a_range_is_marked)
    },
    Actor {
        settle: SWITCH,
        ..actor(
            "police",
            "rate_limit rate=4mbit mode=police per=policy ramp=no",
            always,
            the_rate_holds,
        )
    },
    Actor {
        // The ramp takes 4 s at most.
        settle: 5.0,
        ..actor(
            "police-ramp",
            "rate_limit rate=4mbit mode=police per=policy",
            always,
            the_rate_holds,
        )
    },
    Actor {
        settle: SWITCH,
        ..actor(
            "shape",
            "rate_limit rate=4mbit mode=shape per=policy",
            at_egress,
            the_rate_holds,
        )
    },
    Actor {
        settle: SWITCH,
        ..actor(
            "auto",
            "rate_limit rate=4mbit per=policy ramp=no",
            always,
            the_rate_holds,
        )
    },
    Actor {
        whole: true,
        settle: SWITCH,
        ..actor(
            "window",
            "rate_limit rate=4mbit mode=window",
            always,
            each_connection_has_its_rate,
        )
    },
    Actor {
        when: "subflow is joined",
        ..actor("reset", "reset", always, the_subflow_is_gone)
    },
    actor(
        "set_backup",
        "set_backup",
        where_acknowledgements_pass,
        the_peer_sends_no_more,
    ),
    Actor {
        whole: true,
        ..actor(
            "hold_add_addr",
            "hold_add_addr",
            where_announcements_pass,
            no_subflow_comes,
        )
    },
];

fn always(_: &Case) -> Expect {
    Expect::Works
}

fn works(when: bool) -> Expect {
    if when { Expect::Works } else { Expect::Nothing }
}

/// Shaping delays what leaves; what arrives is refused (docs of `rate_limit`).
fn at_egress(case: &Case) -> Expect {
    if case.place.is_egress() {
        Expect::Works
    } else {
        Expect::Refused
    }
}

/// Behind an ingress hook of an end host there is only that host's stack.
fn where_frames_show(case: &Case) -> Expect {
    works(!matches!(case.place, Place::ClientIngress | Place::ServerIngress))
}

fn sees_data(case: &Case) -> bool {
    case.traffic.goes(case.place.sees_uploads())
}

fn sees_only_data_of_others(case: &Case) -> bool {
    case.traffic != Traffic::Both && !sees_data(case)
}

fn where_data_frames_show(case: &Case) -> Expect {
    works(where_frames_show(case) == Expect::Works && sees_data(case))
}

/// Relative numbers count from a start that was seen.
fn where_starts_are_seen(case: &Case) -> Expect {
    works(
        where_data_frames_show(case) == Expect::Works && case.moment == Moment::Before && case.traffic != Traffic::Both,
    )
}

/// A mark is there for the routing behind the hook: what leaves a host has been routed already.
fn where_routing_follows(case: &Case) -> Expect {
    works(!case.place.is_egress())
}

/// MP_PRIO rides on pure ACKs: there are many where only acknowledgements pass.
fn where_acknowledgements_pass(case: &Case) -> Expect {
    works(sees_only_data_of_others(case))
}

/// The server announces, and the client opens the subflow: only at its begin.
fn where_announcements_pass(case: &Case) -> Expect {
    works(case.moment == Moment::Before && !case.place.is_router())
}
