//! Connections.

use crate::{ConnectionId, Flow, Totals};
use mptcp_wire::{Token, Version};
use serde::{Deserialize, Serialize};

/// One MPTCP connection, as an instance knows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Token of the local host.
    pub local_token: Option<Token>,
    /// Token of the remote host.
    pub remote_token: Option<Token>,
    /// Subflows ever established.
    pub subflows: u32,
    /// Segments, both directions. Once [`Connection::include`] has the subflows in the table, of all subflows.
    pub packets: u64,
    /// Payload bytes, counted the same way.
    pub bytes: u64,
    /// Retransmitted segments, counted the same way.
    pub retransmissions: u64,
    /// Milliseconds since the first packet.
    pub age_ms: u64,
    /// Milliseconds since the last packet.
    pub idle_ms: u64,
    /// MPTCP version, `None` unknown.
    pub version: Option<Version>,
    /// What its ended subflows carried. Not in JSON: the totals there include it.
    #[serde(skip)]
    pub ended: Totals,
}

impl Connection {
    /// Adds what the subflows in the table carry to what ended ones have carried. The data path counts for the whole
    /// connection only while a policy requests it; then evicted subflows are included too. So the greater value is
    /// used.
    pub fn include<'a>(&mut self, flows: impl IntoIterator<Item = &'a Flow>) {
        let Totals {
            mut packets,
            mut bytes,
            mut retransmissions,
        } = self.ended;
        for flow in flows {
            packets += flow.sent.packets + flow.received.packets;
            bytes += flow.sent.bytes + flow.received.bytes;
            retransmissions += flow.retransmissions();
            self.idle_ms = self.idle_ms.min(flow.idle_ms);
        }
        self.packets = self.packets.max(packets);
        self.bytes = self.bytes.max(bytes);
        self.retransmissions = self.retransmissions.max(retransmissions);
    }
}
