//! The table: each actor and mode, where it works, and its check.

use super::{
    case::{Case, Moment, Place},
    judges::{
        events::{connections_are_told, figures_are_told, subflows_are_told},
        frames::{
            a_range_is_marked, bytes_are_marked, early_frames_are_marked, every_frame_is_marked, one_in_ten_is_marked,
            what_the_filter_says_is_marked,
        },
        rates::{
            congestion_is_experienced, data_stops, each_connection_has_its_rate, each_has_its_rate, everything_stops,
            goes_on, the_rate_holds,
        },
        subflows::{
            no_subflow_comes, the_class_gets_all, the_connection_is_reset, the_peer_sends_again,
            the_peer_sends_no_more, the_subflow_is_gone,
        },
    },
    outside::Outside,
    places::{
        Expect, always, at_egress, where_acknowledgements_pass, where_announcements_pass, where_backups_return,
        where_both_hooks_are_named, where_connections_are_known, where_data_frames_show, where_data_passes,
        where_frames_show, where_handshakes_pass, where_keys_are_seen, where_queueing_follows,
        where_resets_can_be_made, where_routing_follows, where_starts_are_seen, where_windows_pass,
    },
    seen::{BedKind, Finding, Seen},
};

/// An actor with its arguments.
pub struct Actor {
    /// Name in lists.
    pub name: &'static str,
    /// Condition of the policy; empty: every packet.
    pub when: &'static str,
    /// The action.
    pub action: &'static str,
    /// An action that is in force before this one, which then starts in mid-transfer; empty: none.
    pub first: &'static str,
    /// On both paths, not only on the second.
    pub whole: bool,
    /// At both hooks of the place.
    pub both_hooks: bool,
    /// The check needs the frames after the policy, if there are any.
    pub capture: bool,
    /// The same condition as a display filter, if the check needs it.
    pub filter: &'static str,
    /// The check needs the events.
    pub events: bool,
    /// It ends the connections.
    pub ends: bool,
    /// The first path is unplugged for a while after the policy is in force.
    pub unplug: bool,
    /// The kernel set-up that shows its effect.
    pub outside: Outside,
    /// Time for the traffic to settle, in seconds.
    pub settle: f64,
    /// Additional time when the policy starts in mid-transfer.
    pub late: f64,
    /// The expectation for a case.
    pub expect: fn(&Case) -> Expect,
    /// The check.
    pub judge: fn(&Seen<'_>) -> Vec<Finding>,
}

impl Actor {
    /// Time for the traffic to settle in a case, in seconds.
    pub fn settles(&self, case: &Case) -> f64 {
        match case.moment {
            Moment::Before => self.settle,
            Moment::MidTransfer => self.settle + self.late,
        }
    }

    /// The test bed for a case.
    pub fn bed(&self, case: &Case) -> BedKind {
        match case.place {
            _ if self.name == "hold_add_addr" => BedKind::Announcing,
            Place::RouterIngress | Place::RouterEgress => BedKind::Router,
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
        first: "",
        whole: false,
        both_hooks: false,
        capture: false,
        filter: "",
        events: false,
        ends: false,
        unplug: false,
        outside: Outside::Nothing,
        settle: 1.5,
        late: 0.0,
        expect,
        judge,
    }
}

impl Actor {
    /// For actors that mark the frames that the condition selects.
    const fn marking(mut self, when: &'static str) -> Self {
        (self.when, self.capture) = (when, true);
        self
    }

    /// For rate limits: time for a sender to adapt to a rate that it does not know. Packets that are dropped at first
    /// are retransmitted, possibly after a time-out. The ramp takes at most 4 s.
    const fn limiting(mut self) -> Self {
        self.settle = 4.0;
        self
    }

    /// For actors that emit events.
    const fn emitting_events(mut self) -> Self {
        (self.whole, self.events) = (true, true);
        self
    }
}

/// All entries.
pub const ACTORS: [Actor; 31] = [
    actor("count", "count", always, goes_on),
    Actor {
        when: "packet is data",
        ..actor("drop", "drop", always, data_stops)
    },
    actor("mark-dscp", "mark dscp=46", where_frames_show, every_frame_is_marked).marking(""),
    Actor {
        // A code point that rules of both versions of IP know.
        outside: Outside::BlackHole("tos 0x10"),
        ..actor("mark-dscp-rule", "mark dscp=4", where_routing_follows, everything_stops)
    },
    Actor {
        outside: Outside::BlackHole("fwmark 77"),
        ..actor("mark-fwmark", "mark fwmark=77", where_routing_follows, everything_stops)
    },
    Actor {
        outside: Outside::Classes { by_mark: true },
        ..actor(
            "mark-fwmark-class",
            "mark fwmark=77",
            where_queueing_follows,
            the_class_gets_all,
        )
    },
    Actor {
        outside: Outside::Classes { by_mark: false },
        ..actor(
            "mark-priority",
            "mark priority=458754",
            where_queueing_follows,
            the_class_gets_all,
        )
    },
    actor("sample", "mark dscp=46", where_data_frames_show, one_in_ten_is_marked)
        .marking("packet is data and sample 1 in 10"),
    Actor {
        // The first DSN depends on the keys, which pass on the first path.
        whole: true,
        ..actor("sequence-dsn", "mark dscp=46", where_starts_are_seen, a_range_is_marked)
            .marking("dsn in +1000000..+2000000")
    },
    actor("sequence-ssn", "mark dscp=46", where_starts_are_seen, bytes_are_marked).marking("ssn in +100000..+200000"),
    Actor {
        filter: "(tcp.len == 0 && tcp.flags.ack == 1 && tcp.flags.syn == 0 && tcp.flags.fin == 0 && \
                 tcp.flags.reset == 0 && tcp.port in {32768..46000}) || \
                 (tcp.len > 0 && !(tcp.option_kind == 5) && tcp.port in {46001..60999})",
        ..actor(
            "packet_type-ports",
            "mark dscp=46",
            where_frames_show,
            what_the_filter_says_is_marked,
        )
        .marking(
            "(packet is pure_ack and tcp.port in 32768-46000) or \
             (packet is data and not packet has sack and tcp.port in 46001-60999)",
        )
    },
    actor("metric", "mark dscp=46", where_starts_are_seen, early_frames_are_marked).marking("flow.bytes < 200kB"),
    actor(
        "police",
        "rate_limit rate=4mbit mode=police per=policy ramp=no",
        always,
        the_rate_holds,
    )
    .limiting(),
    Actor {
        settle: 5.0,
        ..actor(
            "police-ramp",
            "rate_limit rate=4mbit mode=police per=policy",
            always,
            the_rate_holds,
        )
        .limiting()
    },
    actor(
        "police-subflow",
        "rate_limit rate=500kbit mode=police per=subflow ramp=no",
        where_data_passes,
        each_has_its_rate,
    )
    .limiting(),
    Actor {
        whole: true,
        ..actor(
            "police-connection",
            "rate_limit rate=500kbit mode=police per=connection ramp=no",
            where_connections_are_known,
            each_has_its_rate,
        )
        .limiting()
    },
    Actor {
        outside: Outside::Ecn,
        ..actor(
            "police-ecn",
            "rate_limit rate=4mbit mode=police per=policy ramp=no",
            where_data_passes,
            congestion_is_experienced,
        )
        .limiting()
    },
    actor(
        "shape",
        "rate_limit rate=4mbit mode=shape per=policy",
        at_egress,
        the_rate_holds,
    )
    .limiting(),
    Actor {
        // At egress the ramp slows it down too.
        settle: 5.0,
        ..actor(
            "auto",
            "rate_limit rate=4mbit per=policy ramp=no",
            always,
            the_rate_holds,
        )
        .limiting()
    },
    Actor {
        settle: 5.0,
        ..actor("auto-ramp", "rate_limit rate=4mbit per=policy", always, the_rate_holds).limiting()
    },
    Actor {
        whole: true,
        // The sender uses up its earlier window first: MPTCP cannot reduce a window.
        late: 10.0,
        ..actor(
            "window",
            "rate_limit rate=1mbit mode=window",
            where_windows_pass,
            each_connection_has_its_rate,
        )
        .limiting()
    },
    Actor {
        // On the second path all subflows are joined; a router that has not seen the handshake does not know that.
        capture: true,
        ..actor("reset", "reset", where_resets_can_be_made, the_subflow_is_gone)
    },
    Actor {
        when: "flow.bytes > 300kB",
        whole: true,
        capture: true,
        ends: true,
        // An upper bound: it is over when all connections have ended.
        settle: 10.0,
        ..actor(
            "reset-connection",
            "reset connection=yes",
            where_keys_are_seen,
            the_connection_is_reset,
        )
    },
    actor(
        "set_backup",
        "set_backup",
        where_acknowledgements_pass,
        the_peer_sends_no_more,
    ),
    Actor {
        first: "set_backup",
        unplug: true,
        settle: 6.0,
        ..actor(
            "set_backup-off",
            "set_backup state=off",
            where_backups_return,
            the_peer_sends_again,
        )
    },
    Actor {
        whole: true,
        ..actor(
            "hold_add_addr",
            "hold_add_addr",
            where_announcements_pass,
            no_subflow_comes,
        )
    },
    actor(
        "get_connect",
        "get_connect",
        where_handshakes_pass,
        connections_are_told,
    )
    .emitting_events(),
    actor(
        "get_connect-keys",
        "get_connect keys=yes",
        where_handshakes_pass,
        connections_are_told,
    )
    .emitting_events(),
    actor("get_subflow", "get_subflow", always, subflows_are_told).emitting_events(),
    Actor {
        both_hooks: true,
        ..actor(
            "get_subflow-both",
            "get_subflow",
            where_both_hooks_are_named,
            subflows_are_told,
        )
        .emitting_events()
    },
    actor("record", "record every=200ms", where_data_passes, figures_are_told).emitting_events(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp_packet::Catalog;
    use emptcp_plan::manifest::Kind;

    #[test]
    fn every_actor_that_is_shipped_is_in_the_table() {
        let catalog = Catalog::built_in();
        for manifest in catalog
            .manifests()
            .iter()
            .filter(|manifest| manifest.kind == Kind::Actor)
        {
            let judged = |actor: &Actor| actor.action.split(' ').next() == Some(&manifest.name);
            assert!(ACTORS.iter().any(judged), "nobody judges {}", manifest.name);
        }
    }
}
