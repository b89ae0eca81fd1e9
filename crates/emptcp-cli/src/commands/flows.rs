//! `emptcp flows`.

use crate::{
    commands::flow_text::{self, Before},
    document::{Document, write_array},
    session::Session,
    watch::{Frame, Watch},
};
use anyhow::Result;
use clap::Args;
use emptcp::model::{Flow, Group, grouped};
use serde_json::json;
use std::{
    io::{self, Write},
    time::Instant,
};

/// Show the subflows that are known, grouped by connection
#[derive(Args, Debug)]
#[command(
    long_about = "Show the known subflows, grouped by connection, oldest first; those whose connection is not \
        known come last, each with its known tokens, for use in `connection == TOKEN`. `local` is this side of the \
        device, `remote` the other; on a machine that only forwards, both are other hosts. `opened by` is the side that sent \
        the SYN, `address ids` are those of both sides; `-` and `?` are not known. --json has more: \
        data sequence numbers, windows, least round-trip times and packets. Bytes are TCP payload with \
        retransmissions; a round-trip time is measured from the device to that side and back. A connection without a \
        live subflow is left out 60 seconds after its last packet, unless --closed asks for it. So is a half-open subflow \
        (state `syn`, `synack` or `adopting`) without a packet in the last 10 seconds, unless --half-open asks for it: any host can \
        send SYNs. The last line says how many there are.\n\n\
        `device` is where the subflow was first seen: `-` for one that was taken over from a socket of this host before a packet of it was seen, and stays so \
        later; the age of such a one counts from then; `#` and an index for a device that has no name here any more.",
    after_long_help = "\
Examples:
  emptcp flows
  emptcp flows --watch 1      with the rates of the last second
  emptcp flows --closed       closed connections too, as long as they are remembered
  emptcp flows --half-open    half-open subflows too, as long as they are remembered

JSON:
  [{\"connection\": {\"id\", \"local_token\", \"remote_token\", \"subflows\", \"packets\", \"bytes\",
      \"retransmissions\", \"age_ms\", \"idle_ms\", \"version\"} or null (not known, and not the same for all of these subflows),
    \"flows\": [{\"id\", \"local\", \"remote\", \"state\", \"role\", \"opened_by\" (\"local\", \"remote\"; both null: not known), \"flags\", \"version\", \"device\", \"ifindex\" (both null: taken over from a socket),
      \"connection\", \"local_token\", \"remote_token\", \"age_ms\", \"idle_ms\",
      \"sent\": {\"packets\", \"bytes\", \"retransmissions\", \"rtt_us\", \"rtt_min_us\", \"window\",
        \"address_id\", \"dsn\"}, \"received\": {...}, \"policies\"}]},
   {\"connection\": null, \"flows\": [], \"half_open_left_out\"} (last, if any are left out)]
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

impl Flows {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let instance = session.instance()?;
        let mut before = None;
        self.watch.run(session, || {
            // Connections are read after their subflows: so a subflow that begins in between has its connection.
            let flows = instance.flows()?;
            let mut groups = grouped(instance.connections()?, flows);
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
                return Ok(Frame::Json(Box::new(Answer { groups, left_out })));
            }
            let mut text = if groups.is_empty() {
                flow_text::nothing(known, left_out, instance.subflows_seen()?)
            } else {
                flow_text::text(&groups, before.as_ref())
            };
            text += &flow_text::half_open_left_out(left_out);
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

/// Drops half-open subflows without a packet for [`HALF_OPEN_SHOWN_MS`]; returns how many.
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

/// Drops connections without a live subflow and without a packet for [`CLOSED_SHOWN_MS`].
fn leave_out_closed(groups: &mut Vec<Group>) {
    groups.retain_mut(|group| match &group.connection {
        Some(connection) => {
            let is_open = |flow: &Flow| flow.is_live() || flow.is_half_open();
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

/// The groups, then the number of half-open subflows that are left out, if any.
struct Answer {
    groups: Vec<Group>,
    left_out: usize,
}

impl Document for Answer {
    fn write(&self, out: &mut dyn Write, pretty: bool) -> io::Result<()> {
        let left_out =
            (self.left_out > 0).then(|| json!({"connection": null, "flows": [], "half_open_left_out": self.left_out}));
        write_array(&self.groups, left_out, out, pretty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::flow_text::tests::flow;
    use emptcp::model::FlowState;

    fn written(answer: &Answer) -> serde_json::Value {
        let mut out = Vec::new();
        answer.write(&mut out, true).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_connection_without_a_live_subflow_is_left_out_after_a_minute() {
        let group = |idle_ms: u64, state: FlowState| {
            let mut flow = flow(1, 5);
            (flow.idle_ms, flow.state) = (idle_ms, state);
            Group {
                connection: None,
                flows: vec![flow],
            }
        };
        let mut groups = vec![
            group(60_001, FlowState::Closed),
            group(60_000, FlowState::Closed),
            group(600_000, FlowState::Established),
            group(600_000, FlowState::Closing),
        ];
        leave_out_closed(&mut groups);
        let left: Vec<_> = groups.iter().map(|group| group.flows[0].state).collect();
        assert_eq!(left, [FlowState::Closed, FlowState::Established, FlowState::Closing]);
    }

    #[test]
    fn half_open_subflows_that_are_silent_are_a_number_in_text_and_in_json_until_they_are_asked_for() {
        let of = |flows: &[(FlowState, u64)]| {
            let flows = flows.iter().map(|(state, idle_ms)| Flow {
                state: *state,
                idle_ms: *idle_ms,
                ..flow(1, 5)
            });
            vec![Group {
                connection: None,
                flows: flows.collect(),
            }]
        };
        let mut groups = of(&[
            (FlowState::Syn, 10_001),
            (FlowState::Established, 70_000),
            (FlowState::SynAck, 9_000),
            (FlowState::Adopting, 300_000),
        ]);
        let asked_for = groups[0].flows.len();
        leave_out_closed(&mut groups);
        assert_eq!(groups[0].flows.len(), asked_for, "they are not closed");
        let left_out = leave_out_half_open(&mut groups);
        let shown: Vec<_> = groups[0].flows.iter().map(|flow| flow.state).collect();
        assert_eq!((left_out, shown), (2, vec![FlowState::Established, FlowState::SynAck]));

        let last = flow_text::half_open_left_out(left_out);
        assert!(
            last.trim().starts_with("2 half-open subflows ") && last.contains("--half-open"),
            "{last}"
        );
        let answer = written(&Answer { groups, left_out });
        assert_eq!(
            answer[1],
            json!({"connection": null, "flows": [], "half_open_left_out": 2})
        );

        let mut groups = of(&[(FlowState::Syn, 11_000)]);
        assert_eq!(leave_out_half_open(&mut groups), 1);
        assert!(groups.is_empty(), "there is nothing to head");
        assert_eq!(flow_text::half_open_left_out(0), "");
        let nothing = Answer {
            groups: Vec::new(),
            left_out: 0,
        };
        assert_eq!(written(&nothing), json!([]));
    }
}
