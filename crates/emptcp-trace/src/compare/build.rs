//! From counts to the result: groups subflows into connections, and turns points into sender and receiver.

use super::clock::Clock;
use super::comparison::{
    ComparedConnection, ComparedDirection, ComparedKind, ComparedSubflow, Comparison, EndsAt, OptionComparison,
    PayloadComparison, Unpaired,
};
use super::flow::{Ends, Flow, FlowDirection};
use super::flows::{FlowNumber, Flows};
use super::packet::PayloadMatch;
use super::tally::{Single, Tally};
use super::{Capture, Point};
use crate::{ConnectionId, Direction, PerDirection, Span, SubflowId};
use hashbrown::HashMap;
use mptcp_wire::crypto::derive;
use mptcp_wire::{Token, Version};

pub(super) fn comparison(captures: [Capture; 2], clock: Clock, flows: Flows, exceeded: u64) -> Comparison {
    let not_followed = flows.not_followed;
    let [a, b] = captures;
    let overlap = overlap(&a, &b, &clock);
    Comparison {
        connections: connections(flows, &clock),
        clock,
        a,
        b,
        overlap,
        exceeded,
        not_followed,
    }
}

fn overlap(a: &Capture, b: &Capture, clock: &Clock) -> Option<(crate::Timestamp, crate::Timestamp)> {
    let back = Span(clock.offset.0.saturating_neg());
    let begin = a.first?.max(b.first? + back);
    let end = a.last?.min(b.last? + back);
    (begin <= end).then_some((begin, end))
}

/// The order of subflows: as in A, then those that are only in B.
fn place(flow: &Flow) -> (bool, u64) {
    let of = |ends: &Ends| ends.capable.unwrap_or(ends.first.1).0;
    match &flow.ends {
        [Some(a), _] => (false, of(a)),
        [None, b] => (true, b.as_ref().map_or(u64::MAX, of)),
    }
}

fn connections(flows: Flows, clock: &Clock) -> Vec<ComparedConnection> {
    let mut flows: Vec<(FlowNumber, Flow)> = flows.into_all().collect();
    flows.sort_by_key(|(_, flow)| place(flow));
    let mut connections: Vec<ComparedConnection> = Vec::new();
    // By token: the connection, and the host that has the token.
    let mut tokens: HashMap<Token, (usize, FlowDirection)> = HashMap::new();
    let (initial, others): (Vec<_>, Vec<_>) = flows
        .into_iter()
        .partition(|(_, flow)| flow.identity.capable && flow.identity.join.is_none());
    let mut next = 0;
    for (number, flow) in initial {
        let conn_id = flow.ends[0].is_some().then(|| {
            next += 1;
            ConnectionId(next - 1)
        });
        let version = flow.identity.version;
        let mut own = [None; 2];
        for flow_direction in FlowDirection::BOTH {
            let Some(key) = flow.identity.keys[flow_direction.index()] else {
                continue;
            };
            let token = derive(version.unwrap_or(Version::V1), key).token;
            own[flow_direction.index()] = Some(token);
            tokens.insert(token, (connections.len(), flow_direction));
            // Some implementations of version 1 make tokens as version 0 does.
            tokens
                .entry(derive(Version::V0, key).token)
                .or_insert((connections.len(), flow_direction));
        }
        connections.push(ComparedConnection {
            conn_id,
            kind: ComparedKind::Capable,
            version,
            tokens: own,
            subflows: vec![subflow(number, flow, ComparedKind::Capable, SubflowId(0), true, clock)],
        });
    }
    let (joins, plain): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, flow)| flow.identity.join.is_some());
    let mut rest = Vec::new();
    for (number, flow) in joins {
        let home = flow.identity.join.and_then(|token| tokens.get(&token)).copied();
        match home.and_then(|(home, of)| Some((connections.get_mut(home)?, of))) {
            Some((connection, of)) => {
                let sf_id = SubflowId(u32::try_from(connection.subflows.len()).unwrap_or(u32::MAX));
                // The token is that of the host that the SYN goes to.
                let by_client = of == FlowDirection::ToOpener;
                let subflow = subflow(number, flow, ComparedKind::Join, sf_id, by_client, clock);
                connection.subflows.push(subflow);
            }
            None => rest.push((number, flow, ComparedKind::Join)),
        }
    }
    rest.extend(
        plain
            .into_iter()
            .map(|(number, flow)| (number, flow, ComparedKind::Tcp)),
    );
    connections.extend(rest.into_iter().map(|(number, flow, kind)| ComparedConnection {
        conn_id: None,
        kind,
        version: None,
        tokens: [None; 2],
        subflows: vec![subflow(number, flow, kind, SubflowId(0), true, clock)],
    }));
    connections
}

fn subflow(
    number: FlowNumber,
    flow: Flow,
    kind: ComparedKind,
    sf_id: SubflowId,
    opened_by_client: bool,
    clock: &Clock,
) -> ComparedSubflow {
    let flow_direction = |direction| match (direction, opened_by_client) {
        (Direction::ClientToServer, true) | (Direction::ServerToClient, false) => FlowDirection::FromOpener,
        _ => FlowDirection::ToOpener,
    };
    let from_a = flow.direction_from_a();
    let [a, b] = flow.ends.each_ref().map(|ends| {
        ends.as_ref().map(|ends| {
            let (client, server) = match opened_by_client {
                true => (ends.opener, ends.acceptor),
                false => (ends.acceptor, ends.opener),
            };
            EndsAt {
                client,
                server,
                first_packet: ends.first.1,
                t_first: ends.first.0,
            }
        })
    });
    let isn = |point: Point, flow_direction: FlowDirection| {
        flow.ends[point.index()]
            .as_ref()
            .and_then(|ends| ends.initial[flow_direction.index()])
    };
    ComparedSubflow {
        sf_id,
        number,
        kind,
        opened_by_client,
        translated: matches!((a, b), (Some(a), Some(b)) if (a.client, a.server) != (b.client, b.server)),
        a,
        b,
        isn_shift: PerDirection::from_fn(|direction| {
            let flow_direction = flow_direction(direction);
            Some(isn(Point::B, flow_direction)?.wrapping_sub(isn(Point::A, flow_direction)?))
        }),
        client_at: if flow_direction(Direction::ClientToServer) == from_a {
            Point::A
        } else {
            Point::B
        },
        directions: PerDirection::from_fn(|of| {
            let flow_direction = flow_direction(of);
            direction(&flow.tally[flow_direction.index()], flow_direction == from_a, clock)
        }),
    }
}

fn direction(tally: &Tally, from_a: bool, clock: &Clock) -> ComparedDirection {
    let (near, far) = if from_a {
        (Point::A, Point::B)
    } else {
        (Point::B, Point::A)
    };
    let order = tally.order[far.index()];
    let options = tally.options.iter().map(|(&(option, stage), counts)| OptionComparison {
        option,
        stage,
        seen: counts.seen,
        removed: counts.only[near.index()],
        first_removed: counts.first_only[near.index()],
        added: counts.only[far.index()],
        first_added: counts.first_only[far.index()],
        changed: counts.changed,
        fields: counts.fields.values().cloned().collect(),
    });
    ComparedDirection {
        packets: tally.packets,
        data_packets: tally.data_packets,
        bytes: tally.bytes,
        lost: unpaired(&tally.single[near.index()]),
        appeared: unpaired(&tally.single[far.index()]),
        same: tally.exact,
        resegmented: tally.pieces,
        delay: tally.samples.delay(clock, from_a),
        reordered: order.late,
        reorder_extent: order.extent,
        hops: tally
            .hops
            .map(|(least, most)| if from_a { (least, most) } else { (-most, -least) }),
        options: options.collect(),
        fields: tally.fields.values().cloned().collect(),
        payload: PayloadComparison {
            compared: tally.payload_compared,
            changed: tally.payload_changed,
            first: tally.first_changed.map(|(example, _)| example),
            between: tally.first_changed.and_then(|(_, sameness)| match sameness {
                PayloadMatch::Different { from, to } => Some((from, to)),
                PayloadMatch::Unknown | PayloadMatch::Same => None,
            }),
        },
    }
}

fn unpaired(single: &Single) -> Unpaired {
    Unpaired {
        packets: single.packets,
        data_packets: single.data_packets,
        bytes: single.bytes,
        resets: single.resets,
        first: single.first,
        first_reset: single.first_reset,
        first_handshake: single.handshake,
        outside: single.outside,
    }
}
