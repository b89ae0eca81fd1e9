//! The subflows and connections that an instance knows, for people and for `--json`.

use crate::{error::Result, flow_table, instance::Instance, names::Names, sockets, stats};
use emptcp_abi::{
    Connection, ConnectionId, Flow, FlowId, FlowKey, SCALE_UNKNOWN, Sender, Totals, bit_names, flow_flag, flow_state,
    value_name,
};
use emptcp_host::device::Devices;
use mptcp_wire::{AddressId, DataSequenceNumber, Side, Token, Version};
use serde::Serialize;
use std::{net::SocketAddr, time::Duration};
use zerocopy::FromBytes;

/// What one side of a subflow has sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SenderEntry {
    /// Wire segments.
    pub packets: u64,
    /// Payload bytes, retransmissions included.
    pub bytes: u64,
    /// Retransmitted segments.
    pub retransmissions: u32,
    /// Smoothed round trip from the device to this side's peer and back, microseconds; `None` not measured.
    pub rtt_us: Option<u32>,
    /// Least round trip, microseconds.
    pub rtt_min_us: Option<u32>,
    /// Advertised receive window in bytes; `None` when the scale is not known.
    pub window: Option<u32>,
    /// MPTCP address id, when known.
    pub address_id: Option<AddressId>,
    /// Lowest and one past the highest data sequence number mapped.
    pub dsn: Option<(DataSequenceNumber, DataSequenceNumber)>,
}

/// One subflow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowEntry {
    /// Its number.
    pub id: FlowId,
    /// Address and port on this side of the device.
    pub local: SocketAddr,
    /// Address and port on the other side.
    pub remote: SocketAddr,
    /// `adopting`, `syn`, `synack`, `established`, `closing`, `closed`.
    pub state: String,
    /// `initial` or `joined`; `None` when the handshake was not seen and no socket of this host tells.
    pub role: Option<String>,
    /// Which side sent the SYN; `None` when the handshake was not seen and no socket of this host tells.
    pub opened_by: Option<Side>,
    /// Words for what is known: `initial`, `joined`, `backup_local`, `partial`...
    pub flags: Vec<String>,
    /// MPTCP version, `None` unknown.
    pub version: Option<Version>,
    /// The device where it was first seen.
    pub device: Option<String>,
    /// Interface index of that device.
    pub ifindex: u32,
    /// Its connection, `None` unknown.
    pub connection: Option<ConnectionId>,
    /// Token of the local host.
    pub local_token: Option<Token>,
    /// Token of the remote host.
    pub remote_token: Option<Token>,
    /// Since the first packet.
    pub age_ms: u64,
    /// Since the last packet.
    pub idle_ms: u64,
    /// What the local side has sent.
    pub sent: SenderEntry,
    /// What the remote side has sent.
    pub received: SenderEntry,
    /// Names of the policies that want it, of egress before those of ingress, each once, as its last packet in each
    /// direction found them. A direction adds none that had no packet since the policy set was replaced.
    pub policies: Vec<String>,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionEntry {
    /// Its number.
    pub id: ConnectionId,
    /// Token of the local host.
    pub local_token: Option<Token>,
    /// Token of the remote host.
    pub remote_token: Option<Token>,
    /// Subflows ever established.
    pub subflows: u32,
    /// Segments, both directions. Once [`ConnectionEntry::include`] has the subflows in the table, of all subflows.
    pub packets: u64,
    /// Payload bytes, likewise.
    pub bytes: u64,
    /// Retransmitted segments, likewise.
    pub retransmissions: u64,
    /// Since the first packet.
    pub age_ms: u64,
    /// Since the last packet.
    pub idle_ms: u64,
    /// MPTCP version, `None` unknown.
    pub version: Option<Version>,
    /// What its ended subflows carried.
    #[serde(skip)]
    pub ended: Totals,
}

/// CLOCK_MONOTONIC now, ns.
pub(crate) fn now_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(now: u64, then: u64) -> u64 {
    now.saturating_sub(then) / 1_000_000
}

fn sender(sender: &Sender, ids_known: bool) -> SenderEntry {
    let measured = |value: u32| (value != 0).then_some(value);
    SenderEntry {
        packets: sender.packets,
        bytes: sender.bytes,
        retransmissions: sender.retransmissions,
        rtt_us: measured(sender.rtt_us),
        rtt_min_us: measured(sender.rtt_min_us),
        window: (sender.window_scale != SCALE_UNKNOWN).then_some(sender.window),
        address_id: ids_known.then_some(sender.address_id),
        dsn: (sender.dsn_next.0 != 0).then_some((sender.dsn_first, sender.dsn_next)),
    }
}

fn opener(flags: u32) -> Option<Side> {
    match (
        flags & flow_flag::LOCAL_OPENED != 0,
        flags & flow_flag::REMOTE_OPENED != 0,
    ) {
        (true, false) => Some(Side::Local),
        (false, true) => Some(Side::Remote),
        _ => None,
    }
}

pub(crate) fn connection_entry(connection: &Connection, now: u64) -> ConnectionEntry {
    ConnectionEntry {
        id: connection.id,
        local_token: connection.token[0].known(),
        remote_token: connection.token[1].known(),
        subflows: connection.subflows,
        packets: connection.packets,
        bytes: connection.bytes,
        retransmissions: connection.retransmissions,
        age_ms: milliseconds(now, connection.first_ns),
        idle_ms: milliseconds(now, connection.last_ns),
        version: connection.version(),
        ended: connection.ended,
    }
}

fn state_name(state: u32) -> String {
    value_name(flow_state::ALL, state).unwrap_or_else(|| state.to_string())
}

impl ConnectionEntry {
    /// Adds what the subflows in the table carry to what ended ones have carried. The data path counts for the
    /// connection as a whole only while a policy asks for that; then forgotten subflows are in as well. So the greater
    /// value counts.
    pub fn include<'a>(&mut self, flows: impl IntoIterator<Item = &'a FlowEntry>) {
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

impl FlowEntry {
    /// Retransmitted segments of both sides.
    pub fn retransmissions(&self) -> u64 {
        u64::from(self.sent.retransmissions) + u64::from(self.received.retransmissions)
    }

    /// Established and not yet closed by both sides or by RST.
    pub fn is_live(&self) -> bool {
        self.state == state_name(flow_state::ESTABLISHED) || self.state == state_name(flow_state::CLOSING)
    }

    /// Not established yet: its handshake, or the other direction of one met in mid-stream, is awaited.
    pub fn is_half_open(&self) -> bool {
        let states = [flow_state::ADOPTING, flow_state::SYN, flow_state::SYNACK];
        states.into_iter().any(|state| self.state == state_name(state))
    }

    pub(crate) fn new(key: &FlowKey, flow: &Flow, now: u64, devices: &Devices, names: &Names) -> Self {
        let role = bit_names(
            flow_flag::ALL,
            u32::from(flow.flags) & (flow_flag::INITIAL | flow_flag::JOINED),
        );
        let ids_known = u32::from(flow.flags) & flow_flag::ADDRESS_IDS != 0;
        let mut policies: Vec<String> = Vec::new();
        let others = flow.passage.iter().map(|passage| &passage.other);
        for resolution in flow.resolution.iter().chain(others) {
            for name in names.of(resolution.generation, resolution.policies) {
                if !policies.iter().any(|known| known == name) {
                    policies.push(name.to_owned());
                }
            }
        }
        Self {
            id: flow.id,
            local: key.local(),
            remote: key.remote(),
            state: state_name(u32::from(flow.state)),
            role: role.into_iter().next(),
            opened_by: opener(u32::from(flow.flags)),
            flags: bit_names(flow_flag::ALL, u32::from(flow.flags) & !flow_flag::COUNTED),
            version: flow.version(),
            device: devices.name(flow.ifindex).map(str::to_owned),
            ifindex: flow.ifindex,
            connection: flow.connection.is_known().then_some(flow.connection),
            local_token: flow.local_token.known(),
            remote_token: flow.remote_token.known(),
            age_ms: milliseconds(now, flow.first_ns),
            idle_ms: milliseconds(now, flow.last_ns),
            sent: sender(flow.local(), ids_known),
            received: sender(flow.remote(), ids_known),
            policies,
        }
    }
}

impl Instance {
    /// How many subflows were seen or taken over since the instance was made, forgotten ones included.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn subflows_seen(&self) -> Result<u64> {
        let core = stats::core(&self.maps)?;
        let count = |name: &str| core.get(name).copied().unwrap_or_default();
        // One that was taken over was never new.
        Ok((count("flow_new") + count("flow_partial")).max(count("flow_established")))
    }

    /// The records of subflows as they lie in the table, without half-open ones, for those who compare every number.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn raw_records(&self) -> Result<Vec<(FlowKey, Flow)>> {
        let records = flow_table::records(&self.maps)?;
        Ok(records.into_iter().map(|(_, key, flow)| (key, flow)).collect())
    }

    /// All subflows, half-open ones too, oldest first.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn flows(&self) -> Result<Vec<FlowEntry>> {
        let (now, devices) = (now_ns(), Devices::read()?);
        let names = self.state()?.map_or_else(Names::default, |state| state.names());
        let mut flows = Vec::new();
        let records = flow_table::records(&self.maps)?;
        let unseen = |flow: &Flow| flow.sender.iter().all(|sender| sender.packets == 0);
        // No packet will end these: it may pass other devices than those with policies.
        let sockets = match records.iter().any(|(_, _, flow)| unseen(flow)) {
            true => sockets::keys().ok(),
            false => None,
        };
        for (_, key, flow) in records {
            if unseen(&flow) && sockets.as_ref().is_some_and(|sockets| !sockets.contains(&key)) {
                continue;
            }
            flows.push(FlowEntry::new(&key, &flow, now, &devices, &names));
        }
        for (key, value) in self.entries("emptcp_half_open")? {
            let (Ok(key), Ok(flow)) = (FlowKey::read_from_bytes(&key), Flow::read_from_bytes(&value)) else {
                continue;
            };
            flows.push(FlowEntry::new(&key, &flow, now, &devices, &names));
        }
        flows.sort_by_key(|flow| (u64::MAX - flow.age_ms, flow.id));
        Ok(flows)
    }

    /// All connections, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn connections(&self) -> Result<Vec<ConnectionEntry>> {
        let now = now_ns();
        let entries = self.entries("emptcp_connections")?;
        let connections = entries
            .iter()
            .filter_map(|(_, value)| Connection::read_from_bytes(value).ok());
        let mut connections: Vec<_> = connections
            .map(|connection| connection_entry(&connection, now))
            .collect();
        connections.sort_by_key(|connection| u64::MAX - connection.age_ms);
        Ok(connections)
    }
}
