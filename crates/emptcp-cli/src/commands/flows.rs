//! `emptcp flows`.

use crate::{
    session::{BOLD, Session},
    table::Table,
    units,
    watch::{Frame, Watch},
    words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{
    Instance,
    abi::FlowId,
    flows::{ConnectionEntry, FlowEntry},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Show the subflows that are known, grouped by connection
#[derive(Args, Debug)]
#[command(
    long_about = "Show the subflows that are known, grouped by connection, oldest first. `local` is this side of the \
        device, `remote` the other; on a machine that only forwards, both are other hosts. Bytes are TCP payload with \
        retransmissions; a round-trip time is measured from the device to that side and back. A connection without a \
        live subflow is left out 60 seconds after its last packet, unless --closed asks for it. So is a half-open subflow \
        (state `syn`, `synack` or `adopting`) without a packet in the last 10 seconds, unless --half-open asks for it: anybody can \
        send SYNs. The last line says how many there are.\n\n\
        `device` is where the subflow was first seen: `-` for one that was taken over from a socket of this host, of which no \
        packet was seen then; `#` and an index for a device that has no name here any more.",
    after_long_help = "\
Examples:
  emptcp flows
  emptcp flows --watch 1      with the rates of the last second
  emptcp flows --closed       closed connections too, as long as they are remembered
  emptcp flows --half-open    half-open subflows too, as long as they are remembered

JSON:
  [{\"connection\": {\"id\", \"local_token\", \"remote_token\", \"subflows\", \"packets\", \"bytes\",
      \"retransmissions\", \"age_ms\", \"idle_ms\", \"version\"} or null (not known),
    \"flows\": [{\"id\", \"local\", \"remote\", \"state\", \"role\" (null: not known), \"flags\", \"version\", \"device\", \"ifindex\" (both null: taken over from a socket),
      \"connection\", \"local_token\", \"remote_token\", \"age_ms\", \"idle_ms\",
      \"sent\": {\"packets\", \"bytes\", \"retransmissions\", \"rtt_us\", \"rtt_min_us\", \"window\",
        \"address_id\", \"dsn\"}, \"received\": {...}, \"policies\"}]},
   {\"connection\": null, \"flows\": [], \"half_open_left_out\"} (last, when there are such)]
  Ids and tokens are strings, \"0x\" and hexadecimal digits; \"dsn\" is two decimal strings. A JSON reader that keeps
  numbers as doubles would change them. \"packets\" are segments on the wire."
)]
pub(crate) struct Flows {
    #[command(flatten)]
    watch: Watch,
    /// Show connections without a live subflow as well, as long as they are remembered
    #[arg(long)]
    closed: bool,
    /// Show half-open subflows without a packet in the last 10 s as well, as long as they are remembered
    #[arg(long)]
    half_open: bool,
}

/// How long after its last packet a connection without a live subflow is shown.
const CLOSED_SHOWN_MS: u64 = 60_000;

/// How long after its last packet a half-open subflow is shown.
const HALF_OPEN_SHOWN_MS: u64 = 10_000;

/// A connection and its subflows.
#[derive(Serialize)]
struct Group {
    connection: Option<ConnectionEntry>,
    flows: Vec<FlowEntry>,
}

/// Bytes sent and received by each subflow, some time ago.
struct Before {
    when: Instant,
    bytes: BTreeMap<FlowId, (u64, u64)>,
}

impl Flows {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        session.enter_netns()?;
        let mut before = None;
        self.watch.run(session, || {
            let instance = session.open_again()?;
            let mut groups = groups(&instance)?;
            let left_out = if self.half_open {
                0
            } else {
                leave_out_half_open(&mut groups)
            };
            let known = groups.len();
            if !self.closed {
                leave_out_closed(&mut groups);
            }
            if session.wants_json() {
                return Ok(Frame::Json(json(&groups, left_out)?));
            }
            let mut text = if groups.is_empty() {
                nothing(known, left_out, instance.subflows_seen()?)
            } else {
                text(&groups, before.as_ref())
            };
            text += &half_open_left_out(left_out);
            if self.watch.is_on() {
                let flows = groups.iter().flat_map(|group| &group.flows);
                let bytes = flows
                    .map(|flow| (flow.id, (flow.sent.bytes, flow.received.bytes)))
                    .collect();
                before = Some(Before {
                    when: Instant::now(),
                    bytes,
                });
            }
            Ok(Frame::Text(text))
        })
    }
}

/// Connections in their order, then what belongs to none that is known.
fn groups(instance: &Instance) -> Result<Vec<Group>> {
    let mut flows = instance.flows()?;
    let mut groups = Vec::new();
    for mut connection in instance.connections()? {
        let (own, others) = flows
            .into_iter()
            .partition(|flow| flow.connection == Some(connection.id));
        flows = others;
        connection.include(&own);
        groups.push(Group {
            connection: Some(connection),
            flows: own,
        });
    }
    // Their connection was evicted, or a subflow came in between.
    if !flows.is_empty() {
        groups.push(Group {
            connection: None,
            flows,
        });
    }
    Ok(groups)
}

/// Drops half-open subflows that were silent for [`HALF_OPEN_SHOWN_MS`]; how many there were.
fn leave_out_half_open(groups: &mut Vec<Group>) -> usize {
    let all = |groups: &[Group]| groups.iter().map(|group| group.flows.len()).sum::<usize>();
    let before = all(groups);
    for group in groups.iter_mut() {
        group
            .flows
            .retain(|flow| !flow.is_half_open() || flow.idle_ms <= HALF_OPEN_SHOWN_MS);
    }
    groups.retain(|group| group.connection.is_some() || !group.flows.is_empty());
    before - all(groups)
}

/// Drops what has no live subflow and was silent for [`CLOSED_SHOWN_MS`].
fn leave_out_closed(groups: &mut Vec<Group>) {
    groups.retain_mut(|group| match &group.connection {
        Some(connection) => {
            let is_open = |flow: &FlowEntry| flow.is_live() || flow.is_half_open();
            connection.idle_ms <= CLOSED_SHOWN_MS || group.flows.iter().any(is_open)
        }
        None => {
            group
                .flows
                .retain(|flow| flow.idle_ms <= CLOSED_SHOWN_MS || flow.is_live() || flow.is_half_open());
            !group.flows.is_empty()
        }
    });
}

/// What to say when there is nothing to show of `known` connections, after `seen` subflows.
fn nothing(known: usize, half_open: usize, seen: u64) -> String {
    match (known, seen) {
        (0, seen) if half_open > 0 => format!("no MPTCP subflow is established now; seen so far: {seen}\n"),
        (0, 0) => "no MPTCP subflow was seen yet\n".to_owned(),
        (0, seen) => format!("no MPTCP subflow is known now; seen so far: {seen}\n"),
        _ => "no MPTCP subflow is live; `--closed` shows connections that were closed\n".to_owned(),
    }
}

/// The last line: how many half-open subflows are not shown.
fn half_open_left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(
            "\n{} without a packet in the last 10 s {} left out: `--half-open` shows them\n",
            units::count(count as u64, "half-open subflow"),
            if count == 1 { "is" } else { "are" }
        ),
    }
}

fn json(groups: &[Group], left_out: usize) -> Result<Value> {
    let mut answer = serde_json::to_value(groups)?;
    let all = answer.as_array_mut().into_iter().flatten();
    all.filter_map(|group| group["flows"].as_array_mut())
        .flatten()
        .for_each(words::without_index_0);
    if let Some(groups) = answer.as_array_mut().filter(|_| left_out > 0) {
        groups.push(json!({"connection": null, "flows": [], "half_open_left_out": left_out}));
    }
    Ok(answer)
}

fn text(groups: &[Group], before: Option<&Before>) -> String {
    let groups = groups.iter().map(|group| {
        let heading = match &group.connection {
            Some(connection) => heading(connection),
            None => format!("{BOLD}connection not known{BOLD:#}\n"),
        };
        if group.flows.is_empty() {
            format!("{heading}  no subflow is left\n")
        } else {
            heading + &table(&group.flows, before).render(2)
        }
    });
    groups.collect::<Vec<_>>().join("\n")
}

fn heading(connection: &ConnectionEntry) -> String {
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

fn table(flows: &[FlowEntry], before: Option<&Before>) -> Table {
    let mut table = Table::new(&[
        "local",
        "remote",
        "device",
        "state",
        "role",
        ">sent",
        ">received",
        ">retrans",
        ">RTT remote",
        ">RTT local",
        ">idle",
        "policies",
    ]);
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
        table.row([
            flow.local.to_string(),
            flow.remote.to_string(),
            device(flow),
            flow.state.clone(),
            role(flow),
            volume(flow.sent.bytes, then.map(|(time, bytes)| (time, bytes.0))),
            volume(flow.received.bytes, then.map(|(time, bytes)| (time, bytes.1))),
            flow.retransmissions().to_string(),
            units::microseconds(flow.sent.rtt_us),
            units::microseconds(flow.received.rtt_us),
            units::milliseconds(flow.idle_ms),
            flow.policies.join(", "),
        ]);
    }
    table
}

/// The device; none when no packet was seen on one yet, its index when it has no name here any more.
fn device(flow: &FlowEntry) -> String {
    match (&flow.device, flow.ifindex) {
        (Some(name), _) => name.clone(),
        (None, 0) => "-".to_owned(),
        (None, index) => format!("#{index}"),
    }
}

/// `joined, backup (remote)`.
fn role(flow: &FlowEntry) -> String {
    let role = flow.role.as_deref();
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
mod tests {
    use super::*;
    use emptcp::{
        abi::{ConnectionId, Totals},
        flows::SenderEntry,
        wire::{Token, Version},
    };

    fn sender(bytes: u64) -> SenderEntry {
        SenderEntry {
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

    fn flow(id: u64, connection: u64) -> FlowEntry {
        FlowEntry {
            id: FlowId(id),
            local: "10.0.0.1:5000".parse().unwrap(),
            remote: "[2001:db8::1]:443".parse().unwrap(),
            state: "established".to_owned(),
            role: Some("joined".to_owned()),
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
        let mut connection = ConnectionEntry {
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
        // What the connection's record does not know, its subflows do.
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
    fn a_subflow_that_was_taken_over_from_a_socket_has_no_device() {
        let mut flow = flow(1, 5);
        (flow.device, flow.ifindex) = (None, 0);
        assert_eq!(device(&flow), "-");
        let mut answer = serde_json::to_value(&flow).unwrap();
        words::without_index_0(&mut answer);
        assert!(answer["device"].is_null() && answer["ifindex"].is_null(), "{answer}");
        flow.ifindex = 7;
        assert_eq!(device(&flow), "#7");
    }

    #[test]
    fn a_connection_without_a_live_subflow_is_left_out_after_a_minute() {
        let group = |idle_ms: u64, state: &str| {
            let mut flow = flow(1, 5);
            (flow.idle_ms, flow.state) = (idle_ms, state.to_owned());
            Group {
                connection: None,
                flows: vec![flow],
            }
        };
        let mut groups = vec![
            group(60_001, "closed"),
            group(60_000, "closed"),
            group(600_000, "established"),
            group(600_000, "closing"),
        ];
        leave_out_closed(&mut groups);
        let left: Vec<_> = groups.iter().map(|group| group.flows[0].state.as_str()).collect();
        assert_eq!(left, ["closed", "established", "closing"]);
    }

    #[test]
    fn half_open_subflows_that_are_silent_are_a_number_in_text_and_in_json_until_they_are_asked_for() {
        let of = |flows: &[(&str, u64)]| {
            let flows = flows.iter().map(|(state, idle_ms)| FlowEntry {
                state: (*state).to_owned(),
                idle_ms: *idle_ms,
                ..flow(1, 5)
            });
            vec![Group {
                connection: None,
                flows: flows.collect(),
            }]
        };
        let mut groups = of(&[
            ("syn", 10_001),
            ("established", 70_000),
            ("synack", 9_000),
            ("adopting", 300_000),
        ]);
        let asked_for = groups[0].flows.len();
        leave_out_closed(&mut groups);
        assert_eq!(groups[0].flows.len(), asked_for, "they are not closed");
        let left_out = leave_out_half_open(&mut groups);
        let shown: Vec<_> = groups[0].flows.iter().map(|flow| flow.state.as_str()).collect();
        assert_eq!((left_out, shown), (2, vec!["established", "synack"]));

        let last = half_open_left_out(left_out);
        assert!(
            last.trim().starts_with("2 half-open subflows ") && last.contains("--half-open"),
            "{last}"
        );
        let answer = super::json(&groups, left_out).unwrap();
        assert_eq!(
            answer[1],
            json!({"connection": null, "flows": [], "half_open_left_out": 2})
        );

        let mut groups = of(&[("syn", 11_000)]);
        assert_eq!(leave_out_half_open(&mut groups), 1);
        assert!(groups.is_empty(), "there is nothing to head");
        assert_eq!(half_open_left_out(0), "");
        assert_eq!(super::json(&[], 0).unwrap(), json!([]));
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
    fn nothing_to_show_is_told_as_it_is() {
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
        let shown = table(&[flow(1, 5), flow(2, 5)], Some(&before)).render(0);
        assert!(shown.lines().nth(1).unwrap().contains("Mbit/s"), "{shown}");
        assert!(
            !shown.lines().nth(2).unwrap().contains("bit/s"),
            "a new subflow has no rate yet: {shown}"
        );
    }
}
