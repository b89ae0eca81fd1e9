//! Figures of the analysis that differ from the truth.

use super::analysis::Analysis;
use crate::capture::Capture;
use emptcp_trace::record::Subflow;
use emptcp_trace::{Direction, PerDirection};
use std::net::SocketAddr;

pub(super) fn wrong(capture: &Capture, analysis: &Analysis) -> Vec<String> {
    let truth = &capture.truth;
    let mut wrong = Vec::new();
    if truth.headers_cut {
        return wrong;
    }
    let mut compare = |what: String, found: u64, expected: u64| {
        if found != expected {
            wrong.push(format!("{what}: {found} for {expected}"));
        }
    };
    // A capture of the middle shows a connection, but not that it was opened.
    if truth.connections > 0 || analysis.stories.is_empty() {
        compare("connections".to_owned(), analysis.totals.connections, truth.connections);
    }
    let joins = analysis.totals.joins + analysis.totals.orphan_joins;
    // Without its SYN a join counts where it belongs to no connection.
    let [with_syn, all] = truth.joins;
    compare("joins".to_owned(), joins, joins.clamp(with_syn, all));
    let subflows = || analysis.stories.iter().flat_map(|story| &story.connection.subflows);
    let sum = |addresses: [SocketAddr; 2], of: &dyn Fn(&Subflow) -> PerDirection<u64>, direction: Direction| {
        let same = subflows().filter(|subflow| [subflow.client, subflow.server] == addresses);
        same.map(|subflow| of(subflow)[direction]).sum::<u64>()
    };
    for (number, subflow) in truth.subflows.iter().enumerate() {
        let Some(addresses) = subflow.addresses.filter(|_| subflow.is_multipath) else {
            continue;
        };
        for direction in Direction::BOTH {
            let name = |what| format!("{what} of subflow {number}, {}", direction.name());
            compare(
                name("payload"),
                sum(addresses, &|subflow| subflow.payload, direction),
                subflow.payload[direction],
            );
            compare(
                name("retransmitted"),
                sum(addresses, &|subflow| subflow.retx, direction),
                subflow.retransmitted[direction],
            );
        }
    }
    for direction in Direction::BOTH {
        let connections = analysis.stories.iter().map(|story| story.connection.reinj[direction]);
        compare(
            format!("reinjected, {}", direction.name()),
            connections.sum(),
            truth.reinjected[direction],
        );
    }
    wrong
}
