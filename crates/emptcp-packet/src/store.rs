//! State of an instance, stored in the kernel: the plan of each bank. What it records about devices is in
//! [`records`](crate::records).
//!
//! The text of a bank is written while the bank is not in force; the control word selects the bank in force. So if the
//! process dies at any point, either set is whole.

use crate::{
    allocation::Allocation,
    error::{Error, OrKernel, Result},
    flow_table,
    names::Names,
};
use emptcp_abi::Generation;
use emptcp_plan::plan::{Plan, Tables};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zerocopy::{Immutable, IntoBytes, KnownLayout};

/// The map of plans.
pub(crate) const STATE_MAP: &str = "emptcp_state";

const CHUNK: usize = 4096;
const CHUNKS_PER_BANK: u32 = 1024;
/// Large enough for every policy file, though not always for its plan as well.
const _: () = assert!(emptcp_plan::FILE_BYTES <= CHUNK * CHUNKS_PER_BANK as usize);

/// The data of one policy set.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct State {
    /// The generation that it was written for.
    pub(crate) generation: u32,
    /// The plan.
    pub(crate) plan: Plan,
    /// The policy file, as the user wrote it.
    pub(crate) source: String,
    /// Its numbers.
    pub(crate) allocation: Allocation,
    /// Sizes with which the instance's maps were made.
    pub(crate) tables: Tables,
    /// Seconds since 1970 when it was applied.
    pub(crate) applied_at: u64,
    /// Interface indices of the devices when it was applied, by name: a device keeps its index when it is renamed. Sets
    /// that former versions stored have none.
    #[serde(default)]
    pub(crate) interfaces: BTreeMap<String, u32>,
}

impl State {
    /// The number of the policy set.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// Whether it has policies: a removal puts an empty set in force before it detaches.
    pub(crate) fn has_policies(&self) -> bool {
        !self.plan.policies.is_empty()
    }

    /// The name that a device had when the set was applied.
    pub(crate) fn noted_name(&self, ifindex: u32) -> Option<&str> {
        let mut noted = self.interfaces.iter();
        noted
            .find(|(_, index)| **index == ifindex)
            .map(|(name, _)| name.as_str())
    }

    /// A warning if `plan` has other table sizes than the instance was made with.
    pub(crate) fn sizes_that_stay(&self, plan: &Plan) -> Option<String> {
        let tables = &self.tables;
        (*tables != flow_table::rounded(&plan.tables)).then(|| {
            format!(
                "the tables keep the sizes with which the instance was made ({} flows, {} half-open, {} connections, \
                 {} states, {} bytes of events for each CPU); to change them, remove the instance and apply again",
                tables.flows, tables.half_open, tables.connections, tables.state, tables.events
            )
        })
    }

    /// The names of its policies.
    pub(crate) fn names(&self) -> Names {
        let names: Vec<_> = self.plan.policies.iter().map(|policy| policy.name.clone()).collect();
        let ids = self.allocation.policies.iter().map(|policy| policy.id);
        Names {
            by_id: ids.zip(names.clone()).collect(),
            sets: BTreeMap::from([(self.generation, names)]),
        }
    }
}

#[derive(Clone, Copy, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct ChunkKey {
    bank: u32,
    chunk: u32,
}

/// Makes the map of plans; it grows with use.
pub(crate) fn create_map() -> Result<MapHandle> {
    let options = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        map_flags: libbpf_sys::BPF_F_NO_PREALLOC,
        ..Default::default()
    };
    let (key, entries) = (size_of::<ChunkKey>() as u32, 2 * CHUNKS_PER_BANK);
    MapHandle::create(MapType::Hash, Some(STATE_MAP), key, CHUNK as u32, entries, &options)
        .or_kernel(format!("make the map `{STATE_MAP}`"))
}

/// Writes the state of a bank that is not in force.
pub(crate) fn write(map: &MapHandle, bank: u32, state: &State) -> Result<()> {
    let text = serde_json::to_vec(state).map_err(|error| Error::kernel("store the plan", error.into()))?;
    let mut bytes = (text.len() as u64).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&text);
    let chunks = bytes.chunks(CHUNK);
    if chunks.len() > CHUNKS_PER_BANK as usize {
        return Err(Error::TooMany {
            what: "bytes in the policy file and its plan",
            wanted: bytes.len(),
            limit: CHUNK * CHUNKS_PER_BANK as usize,
        });
    }
    for (chunk, content) in (0..).zip(chunks) {
        let mut value = [0; CHUNK];
        value[..content.len()].copy_from_slice(content);
        map.update(ChunkKey { bank, chunk }.as_bytes(), &value, MapFlags::ANY)
            .or_kernel("store the plan")?;
    }
    Ok(())
}

/// Reads the state of a bank.
pub(crate) fn read(map: &MapHandle, bank: u32, instance: &str) -> Result<State> {
    let bad = |detail: String| Error::State {
        instance: instance.to_owned(),
        detail,
    };
    let mut bytes = Vec::new();
    let mut wanted = 8;
    let mut chunk = 0;
    while bytes.len() < wanted {
        let value = map
            .lookup(ChunkKey { bank, chunk }.as_bytes(), MapFlags::ANY)
            .or_kernel("read the plan")?
            .ok_or_else(|| bad("a part of the plan is missing".to_owned()))?;
        bytes.extend_from_slice(&value);
        if chunk == 0 {
            let length = u64::from_ne_bytes(bytes[..8].try_into().expect("a chunk is longer than 8 bytes"));
            wanted = 8 + usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(CHUNK * CHUNKS_PER_BANK as usize);
        }
        chunk += 1;
    }
    serde_json::from_slice(&bytes[8..wanted]).map_err(|error| bad(error.to_string()))
}
