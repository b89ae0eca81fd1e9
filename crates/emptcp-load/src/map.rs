//! Makes maps as an object declares them, and computes their memory.

use crate::error::{OrKernel, Result};
use libbpf_rs::{MapCore, MapHandle, MapType, OpenMap, OpenObject};

/// Whether libbpf made the map for a data section.
pub fn is_section(name: &str) -> bool {
    [".rodata", ".data", ".bss", ".kconfig"]
        .iter()
        .any(|section| name.contains(section))
}

/// Whether a map forgets the least recently used entry when it is full.
pub fn is_lru(map: &MapHandle) -> bool {
    matches!(map.map_type(), MapType::LruHash | MapType::LruPercpuHash)
}

/// The kernel keeps 15 characters of a map's name.
fn short(name: &str) -> &str {
    &name[..name.len().min(15)]
}

/// The shape of a map.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name in the object.
    pub name: String,
    /// Its type.
    pub kind: MapType,
    /// Bytes of a key.
    pub key: u32,
    /// Bytes of a value.
    pub value: u32,
    /// Most entries.
    pub entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
}

impl Shape {
    /// The maps that an object declares, without those that libbpf makes for data sections.
    pub fn all(object: &OpenObject) -> Vec<Self> {
        let shape = |map: OpenMap<'_>| Self {
            name: map.name().to_string_lossy().into_owned(),
            kind: map.map_type(),
            key: map.key_size(),
            value: map.value_size(),
            entries: map.max_entries(),
            flags: map.map_flags(),
        };
        object.maps().map(shape).filter(|map| !is_section(&map.name)).collect()
    }

    /// Makes such a map under the name `name`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn create(&self, name: &str) -> Result<MapHandle> {
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
            map_flags: self.flags,
            ..Default::default()
        };
        MapHandle::create(
            self.kind,
            Some(short(name)),
            self.key,
            self.value,
            self.entries,
            &options,
        )
        .or_kernel(format!("make the map `{name}`"))
    }

    /// Bytes that the kernel takes for it on a machine with `cpus` possible CPUs.
    ///
    /// As `map_mem_usage` of kernel/bpf/arraymap.c and hashtab.c counts: an element of a hash table has a header of 48
    /// bytes, a bucket 16.
    pub fn bytes(&self, cpus: u32) -> u64 {
        let aligned = |bytes: u32| u64::from(bytes).next_multiple_of(8);
        let (key, value) = (aligned(self.key), aligned(self.value));
        let (entries, cpus) = (u64::from(self.entries), u64::from(cpus));
        let hash = |element| entries * element + entries.next_power_of_two() * 16;
        match self.kind {
            MapType::PercpuArray => entries * value * cpus,
            MapType::ProgArray => entries * 8,
            MapType::Hash | MapType::LruHash => hash(48 + key + value),
            MapType::PercpuHash | MapType::LruPercpuHash => hash(48 + key + 8 + value * cpus),
            _ => entries * value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_table_takes_its_entries_with_their_headers_and_its_buckets() {
        let shape = |kind| Shape {
            name: String::new(),
            kind,
            key: 5,
            value: 12,
            entries: 3,
            flags: 0,
        };
        assert_eq!(shape(MapType::Array).bytes(2), 3 * 16);
        assert_eq!(shape(MapType::PercpuArray).bytes(2), 3 * 16 * 2);
        assert_eq!(shape(MapType::LruHash).bytes(2), 3 * (48 + 8 + 16) + 4 * 16);
        assert_eq!(shape(MapType::PercpuHash).bytes(2), 3 * (48 + 8 + 8 + 32) + 4 * 16);
    }
}
