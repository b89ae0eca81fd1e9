//! Subflows and connections of `emptcp flows` for people.

use crate::{session::BOLD, table::Table, units, words};
use emptcp::{
    abi::FlowId,
    model::{Connection, Flow, Group, SubflowRole},
    wire::Side,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Bytes sent and received by each subflow at an earlier time.
pub(super) struct Before {
    pub(super) when: Instant,
    pub(super) bytes: BTreeMap<FlowId, (u64, u64)>,
}

/// The text when none of `known` connections is shown, after `seen` subflows.
pub(super) fn nothing(known: usize, half_open: usize, seen: u64) -> String {
    match (known, seen) {
        (0, seen) if half_open > 0 => format!("no MPTCP subflow is established now; seen so far: {seen}\n"),
        (0, 0) => "no MPTCP subflow was seen yet\n".to_owned(),
        (0, seen) => format!("no MPTCP subflow is known now; seen so far: {seen}\n"),
        _ => "no MPTCP subflow is live; `--closed` shows connections that were closed\n".to_owned(),
    }
}

/// The last line: how many half-open subflows are not shown.
pub(super) fn half_open_left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(
            "\n{} without a packet in the last 10 s {} left out: `--half-open` shows them\n",
            units::count(count as u64, "half-open subflow"),
            if count == 1 { "is" } else { "are" }
        ),
    }
}

/// All groups, each below its heading.
pub(super) fn text(groups: &[Group], before: Option<&Before>) -> String {
    let groups = groups.iter().map(|group| {
        let heading = match &group.connection {
            Some(connection) => heading(connection),
            None => not_known(group.flows.len()),
        };
        if group.flows.is_empty() {
            format!("{heading}  no subflow is left\n")
        } else {
            heading + &table(&group.flows, before, group.connection.is_none()).render(2)
        }
    });
    groups.collect::<Vec<_>>().join("\n")
}

/// Subflows whose connections are unknown.
fn not_known(count: usize) -> String {
    let which = match count {
        1 => "1 subflow, its connection is not known".to_owned(),
        count => format!("{count} subflows, their connections are not known"),
    };
    format!("{BOLD}{which}{BOLD:#}\n")
}

fn heading(connection: &Connection) -> String {
    format!(
        "{BOLD}connection {}{BOLD:#}: tokens {} <-> {}, MPTCP v{}, {}, {}, {}, age {}, idle {}\n",
        connection.id,
        words::known(connection.local_token),
        words::known(connection.remote_token),
        words::known(connection.version),
        units::count(u64::from(connection.subflows), "subflow"),
        units::bytes(connection.bytes),
        units::count(connection.retransmissions, "retransmission"),
        units::milliseconds(connection.age_ms),
        units::milliseconds(connection.idle_ms),
    )
}

/// One line for each subflow; with its own tokens where no heading has them.
fn table(flows: &[Flow], before: Option<&Before>, with_tokens: bool) -> Table {
    let columns = [
        "local",
        "remote",
        "tokens",
        "device",
        "state",
        "role",
        "opened by",
        "address ids",
        ">sent",
        ">received",
        ">retransmitted",
        ">RTT remote",
        ">RTT local",
        ">idle",
        "policies",
    ];
    let shown = |column: &str| with_tokens || column != "tokens";
    let headings: Vec<_> = columns.into_iter().filter(|column| shown(column)).collect();
    let mut table = Table::new(&headings).with_last_wrapped();
    for flow in flows {
        let then = before.and_then(|before| Some((before.when.elapsed(), before.bytes.get(&flow.id)?)));
        let volume = |bytes: u64, then: Option<(Duration, u64)>| match then {
            Some((time, then)) => format!(
                "{} ({})",
                units::bytes(bytes),
                units::rate(bytes.saturating_sub(then), time)
            ),
            None => units::bytes(bytes),
        };
        let cells = [
            flow.local.to_string(),
            flow.remote.to_string(),
            format!(
                "{} <-> {}",
                words::known(flow.local_token),
                words::known(flow.remote_token)
            ),
            device(flow),
            flow.state.to_string(),
            role(flow),
            flow.opened_by.map_or("-", side).to_owned(),
            address_ids(flow),
            volume(flow.sent.bytes, then.map(|(time, bytes)| (time, bytes.0))),
            volume(flow.received.bytes, then.map(|(time, bytes)| (time, bytes.1))),
            flow.retransmissions().to_string(),
            units::microseconds(flow.sent.rtt_us),
            units::microseconds(flow.received.rtt_us),
            units::milliseconds(flow.idle_ms),
            flow.policies.join(", "),
        ];
        let cells = columns.iter().zip(cells).filter(|(column, _)| shown(column));
        table.row(cells.map(|(_, cell)| cell));
    }
    table
}

/// As in JSON.
fn side(side: Side) -> &'static str {
    match side {
        Side::Local => "local",
        Side::Remote => "remote",
    }
}

/// MPTCP address ids, of the local and of the remote side.
fn address_ids(flow: &Flow) -> String {
    match (flow.sent.address_id, flow.received.address_id) {
        (None, None) => "-".to_owned(),
        (local, remote) => format!("{} <-> {}", words::known(local), words::known(remote)),
    }
}

/// The device: none if no packet was seen on one yet, its index if it has no name here any more.
fn device(flow: &Flow) -> String {
    match (&flow.device, flow.ifindex) {
        (Some(name), _) => name.clone(),
        (None, 0) => "-".to_owned(),
        (None, index) => format!("#{index}"),
    }
}

/// `joined, backup (remote)`.
fn role(flow: &Flow) -> String {
    let role = flow.role.map(SubflowRole::name);
    let words = flow.flags.iter().filter_map(|flag| match flag.as_str() {
        "partial" if role.is_none() => Some("role unknown: handshake not seen"),
        "partial" => Some("handshake not seen"),
        "one_direction" => Some("one direction"),
        "backup_local" => Some("backup (local)"),
        "backup_remote" => Some("backup (remote)"),
        _ => None,
    });
    role.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use emptcp::{
        abi::{ConnectionId, Totals},
        model::{FlowState, SenderStats},
        wire::{AddressId, Token, Version},
    };

    fn sender(bytes: u64) -> SenderStats {
        SenderStats {
            packets: 1,
            bytes,
            retransmissions: 2,
            rtt_us: Some(20_300),
            rtt_min_us: None,
            window: None,
            address_id: None,
            dsn: None,
        }
    }

    pub(in crate::commands) fn flow(id: u64, connection: u64) -> Flow {
        Flow {
            id: FlowId(id),
            local: "10.0.0.1:5000".parse().unwrap(),
            remote: "[2001:db8::1]:443".parse().unwrap(),
            state: FlowState::Established,
            role: Some(SubflowRole::Joined),
            opened_by: Some(Side::Local),
            flags: vec![
                "joined".to_owned(),
                "local_opened".to_owned(),
                "backup_remote".to_owned(),
            ],
            version: Some(Version::V1),
            device: Some("wwan0".to_owned()),
            ifindex: 7,
            connection: Some(ConnectionId(connection)),
            local_token: None,
            remote_token: None,
            age_ms: 4_000,
            idle_ms: 30,
            sent: sender(1_500_000),
            received: sender(0),
            policies: vec!["cap".to_owned()],
        }
    }

    #[test]
    fn a_subflow_stands_on_one_line_below_its_connection() {
        let mut connection = Connection {
            id: ConnectionId(5),
            local_token: Some(Token(0xab)),
            remote_token: None,
            subflows: 2,
            packets: 0,
            bytes: 0,
            retransmissions: 0,
            age_ms: 4_000,
            idle_ms: 4_000,
            version: Some(Version::V1),
            ended: Totals::default(),
        };
        let flows = vec![flow(1, 5)];
        connection.include(&flows);
        let group = Group {
            connection: Some(connection),
            flows,
        };
        let shown = anstream::adapter::strip_str(&text(&[group], None)).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        // The subflows have what the connection's record lacks.
        assert!(
            lines[0].ends_with("MPTCP v1, 2 subflows, 1.50 MB, 4 retransmissions, age 4.0 s, idle 30 ms"),
            "{shown}"
        );
        for wanted in [
            "[2001:db8::1]:443",
            "wwan0",
            "joined, backup (remote)",
            "20.3 ms",
            "cap",
        ] {
            assert!(lines[2].contains(wanted), "{wanted} in {shown}");
        }
    }

    #[test]
    fn subflows_of_unknown_connections_show_their_own_tokens_and_are_not_one_connection() {
        let mut joined = flow(1, 5);
        (joined.connection, joined.remote_token) = (None, Some(Token(0xabc)));
        (joined.sent.address_id, joined.received.address_id) = (Some(AddressId(3)), Some(AddressId(0)));
        let mut other = flow(2, 5);
        (other.connection, other.opened_by) = (None, None);
        let group = Group {
            connection: None,
            flows: vec![joined, other],
        };
        let shown = anstream::adapter::strip_str(&text(&[group], None)).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "2 subflows, their connections are not known");
        assert!(
            lines[2].contains("? <-> 0x00000abc") && lines[2].contains("3 <-> 0"),
            "{shown}"
        );
        assert!(
            lines[2].contains("  local  ") && lines[3].contains("? <-> ?"),
            "{shown}"
        );
        assert_eq!(
            not_known(1),
            format!("{BOLD}1 subflow, its connection is not known{BOLD:#}\n")
        );
    }

    #[test]
    fn a_subflow_that_was_taken_over_from_a_socket_has_no_device() {
        let mut flow = flow(1, 5);
        (flow.device, flow.ifindex) = (None, 0);
        assert_eq!(device(&flow), "-");
        let answer = serde_json::to_value(&flow).unwrap();
        assert!(answer["device"].is_null() && answer["ifindex"].is_null(), "{answer}");
        flow.ifindex = 7;
        assert_eq!(device(&flow), "#7");
    }

    #[test]
    fn a_subflow_whose_handshake_was_not_seen_says_so() {
        let mut flow = flow(1, 5);
        flow.flags = vec!["partial".to_owned(), "backup_local".to_owned()];
        assert_eq!(role(&flow), "joined, handshake not seen, backup (local)");
        flow.role = None;
        assert_eq!(role(&flow), "role unknown: handshake not seen, backup (local)");
        assert_eq!(serde_json::to_value(&flow).unwrap()["role"], serde_json::Value::Null);
    }

    #[test]
    fn an_empty_list_says_why_it_is_empty() {
        assert_eq!(nothing(0, 0, 0), "no MPTCP subflow was seen yet\n");
        assert!(nothing(0, 0, 2).contains("seen so far: 2"));
        assert!(nothing(1, 0, 2).contains("--closed"));
        assert!(nothing(0, 2, 2).starts_with("no MPTCP subflow is established now"));
    }

    #[test]
    fn a_rate_is_what_came_since_the_last_time() {
        let then = Instant::now()
            .checked_sub(Duration::from_secs(1))
            .expect("the machine runs longer");
        let before = Before {
            when: then,
            bytes: BTreeMap::from([(FlowId(1), (1_000_000, 0))]),
        };
        let shown = table(&[flow(1, 5), flow(2, 5)], Some(&before), false).render(0);
        assert!(shown.lines().nth(1).unwrap().contains("Mbit/s"), "{shown}");
        assert!(
            !shown.lines().nth(2).unwrap().contains("bit/s"),
            "a new subflow has no rate yet: {shown}"
        );
    }
}
