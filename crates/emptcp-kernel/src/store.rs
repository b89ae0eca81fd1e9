//! What an instance remembers, kept in the kernel beside its programs: the plan of each bank and the attachments.
//!
//! The text of a bank is written while the bank is not in force; the control word decides which one counts. So a death
//! at any point leaves either set, whole.

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
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The map of plans.
pub(crate) const STATE_MAP: &str = "emptcp_state";
/// The map of attachments.
pub(crate) const DEVICES_MAP: &str = "emptcp_devices";

const CHUNK: usize = 4096;
const CHUNKS_PER_BANK: u32 = 1024;
/// There is room for every policy file that is read, though not always for its plan as well.
const _: () = assert!(emptcp_plan::FILE_BYTES <= CHUNK * CHUNKS_PER_BANK as usize);

/// What belongs to one policy set.
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
    /// Interface indices of the devices when it was applied, by name: a device keeps its index when it is renamed. Sets that
    /// former versions stored have none.
    #[serde(default)]
    pub(crate) interfaces: BTreeMap<String, u32>,
}

impl State {
    /// The number of the policy set.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// The name that a device had when the set was applied.
    pub(crate) fn noted_name(&self, ifindex: u32) -> Option<&str> {
        let mut noted = self.interfaces.iter();
        noted
            .find(|(_, index)| **index == ifindex)
            .map(|(name, _)| name.as_str())
    }

    /// A warning when `plan` asks for other sizes of tables than the instance was made with.
    pub(crate) fn sizes_that_stay(&self, plan: &Plan) -> Option<String> {
        let tables = &self.tables;
        (*tables != flow_table::rounded(&plan.tables)).then(|| {
            format!(
                "the tables keep the sizes with which the instance was made ({} flows, {} half-open, {} connections, \
                 {} states, {} bytes of events for each CPU); `emptcp remove` and apply to change them",
                tables.flows, tables.half_open, tables.connections, tables.state, tables.events
            )
        })
    }

    /// What it calls its policies.
    pub(crate) fn names(&self) -> Names {
        let names: Vec<_> = self.plan.policies.iter().map(|policy| policy.name.clone()).collect();
        let ids = self.allocation.policies.iter().map(|policy| policy.id);
        Names {
            by_id: ids.zip(names.clone()).collect(),
            sets: BTreeMap::from([(self.generation, names)]),
        }
    }
}

#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct ChunkKey {
    bank: u32,
    chunk: u32,
}

/// A device and direction.
#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Ord, PartialEq, PartialOrd)]
#[repr(C)]
pub(crate) struct DeviceKey {
    /// Interface index; 0 for the record of the instance itself.
    pub(crate) ifindex: u32,
    /// One of `emptcp_abi::direction`; 2 for the shaping of the device.
    pub(crate) direction: u32,
}

/// How something is attached to a device. What the words mean depends on `kind`.
#[derive(Clone, Copy, Debug, Default, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
pub(crate) struct DeviceRecord {
    /// See `attach::Kind`, or the version of this layout in the record of the instance itself.
    pub(crate) kind: u32,
    /// clsact: handle of the filter, 0 while it is not attached yet.
    pub(crate) handle: u32,
    /// clsact: priority of the filter.
    pub(crate) priority: u32,
    /// clsact: we made the qdisc.
    pub(crate) created: u32,
}

/// The record of the instance itself among those of its devices: `handle` and `priority` hold the cookie of the network
/// namespace, `kind` the entries of the elements' state tables, `created` says which build made the maps.
pub(crate) const SELF: DeviceKey = DeviceKey {
    ifindex: 0,
    direction: 0,
};
/// The record of the boot in which the instance was made.
pub(crate) const BOOT: DeviceKey = DeviceKey {
    ifindex: 0,
    direction: 1,
};

/// The record of the version: `kind` holds `ABI_VERSION` of the emptcp that made the maps. Instances made before version 3
/// have none. Every version must be able to read this record, and to detach what the others note.
pub(crate) const VERSION: DeviceKey = DeviceKey {
    ifindex: 0,
    direction: 3,
};

/// One boot of this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BootId(pub(crate) [u32; 4]);

/// The boot that runs.
pub(crate) fn boot_id() -> Option<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let number = u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()?;
    Some(BootId([96, 64, 32, 0].map(|shift| (number >> shift) as u32)))
}

impl From<BootId> for DeviceRecord {
    fn from(BootId([kind, handle, priority, created]): BootId) -> Self {
        Self {
            kind,
            handle,
            priority,
            created,
        }
    }
}

/// Which namespace, by its cookie (0: not known), and which boot an instance belongs to.
pub(crate) fn identity(records: &[(DeviceKey, DeviceRecord)]) -> (u64, Option<BootId>) {
    let find = |wanted| records.iter().find(|(key, _)| *key == wanted).map(|(_, record)| record);
    let cookie = find(SELF).map_or(0, |own| u64::from(own.handle) | u64::from(own.priority) << 32);
    let boot = find(BOOT).map(|boot| BootId([boot.kind, boot.handle, boot.priority, boot.created]));
    (cookie, boot)
}

/// With which version of the interface the maps were made.
pub(crate) fn version(records: &[(DeviceKey, DeviceRecord)]) -> Option<u32> {
    let own = records.iter().find(|(key, _)| *key == VERSION);
    own.map(|(_, record)| record.kind)
}

/// Makes both maps; they grow with use.
pub(crate) fn create_maps() -> Result<[(&'static str, MapHandle); 2]> {
    let options = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        map_flags: libbpf_sys::BPF_F_NO_PREALLOC,
        ..Default::default()
    };
    let make = |name: &'static str, key: usize, value: usize, entries: u32| {
        MapHandle::create(MapType::Hash, Some(name), key as u32, value as u32, entries, &options)
            .or_kernel(format!("make the map `{name}`"))
            .map(|map| (name, map))
    };
    Ok([
        make(STATE_MAP, size_of::<ChunkKey>(), CHUNK, 2 * CHUNKS_PER_BANK)?,
        make(DEVICES_MAP, size_of::<DeviceKey>(), size_of::<DeviceRecord>(), 4096)?,
    ])
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

/// All records of devices.
pub(crate) fn devices(map: &MapHandle) -> Result<Vec<(DeviceKey, DeviceRecord)>> {
    let mut records = Vec::new();
    for key in map.keys() {
        let Some(value) = map.lookup(&key, MapFlags::ANY).or_kernel("read the attachments")? else {
            continue;
        };
        let (Ok(key), Ok(record)) = (DeviceKey::read_from_bytes(&key), DeviceRecord::read_from_bytes(&value)) else {
            continue;
        };
        records.push((key, record));
    }
    records.sort_by_key(|(key, _)| *key);
    Ok(records)
}

/// Writes a record.
pub(crate) fn put_device(map: &MapHandle, key: DeviceKey, record: DeviceRecord) -> Result<()> {
    map.update(key.as_bytes(), record.as_bytes(), MapFlags::ANY)
        .or_kernel("note an attachment")
}

/// Removes a record, if it is there.
pub(crate) fn drop_device(map: &MapHandle, key: DeviceKey) -> Result<()> {
    match map.delete(key.as_bytes()) {
        Err(error) if error.kind() != libbpf_rs::ErrorKind::NotFound => {
            Err(Error::libbpf("forget an attachment", error))
        }
        _ => Ok(()),
    }
}
