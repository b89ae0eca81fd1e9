//! Single records of a sandbox, by key, and a change of their times.

use super::Sandbox;
use crate::{
    error::{OrKernel, Result},
    flow_table,
    maps::Maps,
};
use emptcp_abi::{Connection, ConnectionId, FLOW_WAYS, Flow, FlowKey, FlowSet, Slot};
use libbpf_rs::{MapCore, MapFlags};
use std::time::Duration;
use zerocopy::{FromBytes, IntoBytes};

fn read<T: FromBytes>(maps: &Maps, table: &str, key: &[u8]) -> Result<Option<T>> {
    let value = maps.get(table)?.lookup(key, MapFlags::ANY).or_kernel("read a table")?;
    Ok(value.and_then(|value| T::read_from_bytes(&value).ok()))
}

/// Makes the record this much older: its creation and its last change.
fn age(flow: &mut Flow, nanoseconds: u64) {
    let back = |time: &mut u64| {
        if *time != 0 {
            *time = time.wrapping_sub(nanoseconds);
        }
    };
    back(&mut flow.first_ns);
    back(&mut flow.last_ns);
    for sender in &mut flow.sender {
        back(&mut sender.last_ns);
        back(&mut sender.rtt_sent_ns);
    }
}

impl Sandbox {
    /// The established record of a subflow.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn record(&self, key: &FlowKey) -> Result<Option<Flow>> {
        let table = flow_table::description(&self.maps)?;
        let hash = key.hash(&table.secret);
        let set = hash.set(table.set_mask);
        let tags: FlowSet = read(&self.maps, "emptcp_flow_sets", set.as_bytes())?.unwrap_or_default();
        for step in 0..FLOW_WAYS {
            let way = (hash.home() + step) % FLOW_WAYS;
            if tags.tag[way as usize] != hash.tag() {
                continue;
            }
            let slot: Option<Slot> = read(&self.maps, "emptcp_flows", (set * FLOW_WAYS + way).as_bytes())?;
            if let Some(slot) = slot.filter(|slot| slot.key == *key) {
                return Ok(Some(slot.flow));
            }
        }
        Ok(None)
    }

    /// Where the flow table searches a subflow: its set, its first way (slot) there, its tag.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn place_of(&self, key: &FlowKey) -> Result<(u32, u32, u8)> {
        let table = flow_table::description(&self.maps)?;
        let hash = key.hash(&table.secret);
        Ok((hash.set(table.set_mask), hash.home(), hash.tag()))
    }

    /// The half-open record of a subflow.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn half_open(&self, key: &FlowKey) -> Result<Option<Flow>> {
        read(&self.maps, "emptcp_half_open", key.as_bytes())
    }

    /// A connection.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn connection(&self, id: ConnectionId) -> Result<Option<Connection>> {
        read(&self.maps, "emptcp_connections", id.as_bytes())
    }

    /// Makes all records this much older. No program may run at the same time.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn age(&self, time: Duration) -> Result<()> {
        self.shift(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// As if the clock of the next packets' CPU were this much behind that of the packets before. Coarse clocks of two
    /// CPUs may differ by a tick. No program may run at the same time.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn turn_back(&self, time: Duration) -> Result<()> {
        self.shift(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).wrapping_neg())
    }

    fn shift(&self, nanoseconds: u64) -> Result<()> {
        for (index, key, mut flow) in flow_table::records(&self.maps)? {
            age(&mut flow, nanoseconds);
            let slot = Slot { flow, key, reserved: 0 };
            self.maps
                .get("emptcp_flows")?
                .update(index.as_bytes(), slot.as_bytes(), MapFlags::ANY)
                .or_kernel("write a flow record")?;
        }
        let half_open = self.maps.get("emptcp_half_open")?;
        for key in half_open.keys().collect::<Vec<_>>() {
            let Some(mut flow) = read::<Flow>(&self.maps, "emptcp_half_open", &key)? else {
                continue;
            };
            age(&mut flow, nanoseconds);
            half_open
                .update(&key, flow.as_bytes(), MapFlags::EXIST)
                .or_kernel("write a flow record")?;
        }
        Ok(())
    }
}
