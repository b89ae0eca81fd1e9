//! Subflows by their connections.

use crate::{Connection, Flow};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A connection and its subflows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Group {
    /// `None`: it is unknown whether these subflows belong together.
    pub connection: Option<Connection>,
    /// Its subflows, in their order.
    pub flows: Vec<Flow>,
}

/// Connections in their order, each [including](Connection::include) what its subflows carry; then, as the last group,
/// the subflows that belong to none of them: their connection was never known, was evicted, or a subflow began in
/// between.
pub fn grouped(connections: Vec<Connection>, flows: Vec<Flow>) -> Vec<Group> {
    let mut position = HashMap::with_capacity(connections.len());
    let mut groups = Vec::with_capacity(connections.len() + 1);
    for connection in connections {
        position.insert(connection.id, groups.len());
        groups.push(Group {
            connection: Some(connection),
            flows: Vec::new(),
        });
    }
    let position = |flow: &Flow| {
        flow.connection
            .and_then(|connection| position.get(&connection))
            .copied()
    };
    // Counted first: with a hundred thousand connections, vectors that grow take four times the memory.
    let mut counts = vec![0; groups.len()];
    for position in flows.iter().filter_map(position) {
        counts[position] += 1;
    }
    for (group, count) in groups.iter_mut().zip(counts) {
        group.flows.reserve_exact(count);
    }
    let mut others = Vec::new();
    for flow in flows {
        match position(&flow) {
            Some(position) => groups[position].flows.push(flow),
            None => others.push(flow),
        }
    }
    for group in &mut groups {
        if let Some(connection) = &mut group.connection {
            connection.include(&group.flows);
        }
    }
    if !others.is_empty() {
        groups.push(Group {
            connection: None,
            flows: others,
        });
    }
    groups
}
