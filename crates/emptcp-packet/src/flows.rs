//! The subflows and connections that an instance knows, converted from the kernel's records to the public types.

use crate::{error::Result, flow_table, instance::Instance, names::Names, sockets, stats};
use emptcp_abi::{self as abi, FlowKey, SCALE_UNKNOWN, Sender, bit_names, flow_flag};
use emptcp_host::device::Devices;
pub use emptcp_model::{Connection, Flow, FlowState, SenderStats, SubflowRole};
use mptcp_wire::Side;
use std::{cell::LazyCell, time::Duration};
use zerocopy::FromBytes;

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

fn sender(sender: &Sender, ids_known: bool) -> SenderStats {
    let measured = |value: u32| (value != 0).then_some(value);
    SenderStats {
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

fn role(flags: u32) -> Option<SubflowRole> {
    match flags {
        _ if flags & flow_flag::INITIAL != 0 => Some(SubflowRole::Initial),
        _ if flags & flow_flag::JOINED != 0 => Some(SubflowRole::Joined),
        _ => None,
    }
}

/// Converts a connection.
pub(crate) fn connection(connection: &abi::Connection, now: u64) -> Connection {
    Connection {
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

/// Converts a subflow.
pub(crate) fn flow(key: &FlowKey, flow: &abi::Flow, now: u64, devices: &Devices, names: &Names) -> Flow {
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
    Flow {
        id: flow.id,
        local: key.local(),
        remote: key.remote(),
        state: FlowState::from_number(flow.state),
        role: role(u32::from(flow.flags)),
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

    /// The records of subflows as they are in the table, without half-open ones, for tests that compare every number.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn raw_records(&self) -> Result<Vec<(FlowKey, abi::Flow)>> {
        let records = flow_table::records(&self.maps)?;
        Ok(records.into_iter().map(|(_, key, flow)| (key, flow)).collect())
    }

    /// All subflows, half-open ones too, oldest first.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn flows(&self) -> Result<Vec<Flow>> {
        let (now, devices) = (now_ns(), Devices::read()?);
        let names = self.state()?.map_or_else(Names::default, |state| state.names());
        let records = flow_table::Records::read(&self.maps)?;
        let mut flows = Vec::with_capacity(records.count());
        let unseen = |flow: &abi::Flow| flow.sender.iter().all(|sender| sender.packets == 0);
        // No packet may end these: it may pass devices without policies.
        let sockets = LazyCell::new(|| sockets::keys().ok());
        let is_over = |key: &FlowKey, flow: &abi::Flow| {
            unseen(flow) && sockets.as_ref().is_some_and(|sockets| !sockets.contains(key))
        };
        records.for_each(|_, key, flow| {
            if !is_over(key, flow) {
                flows.push(self::flow(key, flow, now, &devices, &names));
            }
        })?;
        self.for_each_entry("emptcp_half_open", |key, flow| {
            if let (Ok(key), Ok(flow)) = (FlowKey::read_from_bytes(key), abi::Flow::read_from_bytes(flow)) {
                flows.push(self::flow(&key, &flow, now, &devices, &names));
            }
        })?;
        // A record is large: the keys are sorted, then each record is moved once.
        flows.sort_by_cached_key(|flow| (u64::MAX - flow.age_ms, flow.id));
        Ok(flows)
    }

    /// All connections, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>> {
        let now = now_ns();
        let mut connections = Vec::new();
        self.for_each_entry("emptcp_connections", |_, value| {
            let connection = abi::Connection::read_from_bytes(value);
            connections.extend(connection.map(|connection| self::connection(&connection, now)));
        })?;
        connections.sort_by_key(|connection| u64::MAX - connection.age_ms);
        Ok(connections)
    }
}
