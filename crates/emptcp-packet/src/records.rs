//! What an instance records about itself and about devices, in its map `emptcp_devices`: records of one layout.
//!
//! | key | record |
//! |---|---|
//! | device 0, 0 | [`Origin`] |
//! | device 0, 1 | the boot in which the instance was made |
//! | device 0, 3 | `ABI_VERSION` of the emptcp that made it; instances made before version 3 have none |
//! | device 0, 6 | a mark: the instance is replacing another one of its name |
//! | device 0, 4 and 5 | [`Core`] of either bank; none while the build that made the instance runs it |
//! | device, direction | [`Attachment`] |
//! | device, 2 | a root qdisc for [shaping](crate::shape) that the instance has made |
//!
//! Every version must be able to read the version of another one, and to detach what it recorded. So keys and values
//! never change: two and four words.

use crate::{
    error::{Error, OrKernel, Result},
    maps::CoreNumber,
};
use emptcp_host::boot::BootId;
use emptcp_plan::plan::DeviceDirection;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The map's name.
pub(crate) const DEVICES_MAP: &str = "emptcp_devices";

/// Most records.
const ENTRIES: u32 = 4096;

#[derive(Clone, Copy, Debug, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, PartialEq)]
#[repr(C)]
struct Key {
    /// Interface index; 0 for the instance itself.
    ifindex: u32,
    /// For a device one of `emptcp_abi::direction`, or [`Key::SHAPED`].
    kind: u32,
}

impl Key {
    const ORIGIN: Self = Self { ifindex: 0, kind: 0 };
    const BOOT: Self = Self { ifindex: 0, kind: 1 };
    const VERSION: Self = Self { ifindex: 0, kind: 3 };
    const CORES: [Self; 2] = [Self { ifindex: 0, kind: 4 }, Self { ifindex: 0, kind: 5 }];
    const TAKES_OVER: Self = Self { ifindex: 0, kind: 6 };
    /// No direction has this number.
    const SHAPED: u32 = 2;

    fn shaped(ifindex: u32) -> Self {
        let kind = Self::SHAPED;
        Self { ifindex, kind }
    }
}

impl From<HookPointKey> for Key {
    fn from(HookPointKey { ifindex, direction }: HookPointKey) -> Self {
        let kind = direction.number();
        Self { ifindex, kind }
    }
}

/// A value, as four words.
type Words = [u32; 4];

/// A device and direction. Their order is that of the numbers in the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HookPointKey {
    /// Interface index.
    pub(crate) ifindex: u32,
    /// The direction.
    pub(crate) direction: DeviceDirection,
}

impl Ord for HookPointKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |point: &Self| (point.ifindex, point.direction.number());
        numbers(self).cmp(&numbers(other))
    }
}

impl PartialOrd for HookPointKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which build made an instance, and in which network namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    /// Entries of the elements' state tables.
    pub(crate) state_entries: u32,
    /// Cookie of the network namespace, 0 where the kernel had none.
    pub(crate) cookie: u64,
    /// Which build made the maps: the fingerprint of its core.
    pub(crate) build: u32,
}

impl From<Words> for Origin {
    fn from([state_entries, low, high, build]: Words) -> Self {
        Self {
            state_entries,
            cookie: u64::from(low) | u64::from(high) << 32,
            build,
        }
    }
}

impl From<Origin> for Words {
    fn from(origin: Origin) -> Self {
        let (low, high) = (origin.cookie as u32, (origin.cookie >> 32) as u32);
        [origin.state_entries, low, high, origin.build]
    }
}

/// The core programs with which a policy set runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Core {
    /// Its chains and entry programs.
    pub(crate) number: CoreNumber,
    /// The build that loaded them: the fingerprint of its core.
    pub(crate) build: u32,
}

impl From<Words> for Core {
    fn from([number, build, ..]: Words) -> Self {
        let number = CoreNumber(number);
        Self { number, build }
    }
}

impl From<Core> for Words {
    fn from(core: Core) -> Self {
        [core.number.0, core.build, 0, 0]
    }
}

/// How a program is attached to a device.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Attachment {
    /// See `attach::Kind`.
    pub(crate) kind: u32,
    /// clsact: handle of the filter, 0 while it is not attached yet.
    pub(crate) handle: u32,
    /// clsact: priority of the filter.
    pub(crate) priority: u32,
    /// clsact: we made the qdisc.
    pub(crate) made_qdisc: bool,
}

impl From<Words> for Attachment {
    fn from([kind, handle, priority, made]: Words) -> Self {
        Self {
            kind,
            handle,
            priority,
            made_qdisc: made != 0,
        }
    }
}

impl From<Attachment> for Words {
    fn from(attachment: Attachment) -> Self {
        let made = u32::from(attachment.made_qdisc);
        [attachment.kind, attachment.handle, attachment.priority, made]
    }
}

/// All records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Records {
    /// Which build made the instance, and where.
    pub(crate) origin: Option<Origin>,
    /// In which boot it was made.
    pub(crate) boot: Option<BootId>,
    /// With which ABI version it was made; `None` before version 3.
    pub(crate) version: Option<u32>,
    /// The core of each bank's policy set; `None`: that of the origin.
    pub(crate) cores: [Option<Core>; 2],
    /// It is replacing another instance of its name: see `takeover`.
    pub(crate) takes_over: bool,
    /// Where programs are attached, and how.
    pub(crate) attachments: BTreeMap<HookPointKey, Attachment>,
    /// Interface indices of the devices with a root qdisc that the instance has made.
    pub(crate) shaped: BTreeSet<u32>,
}

impl Records {
    /// Reads the map.
    pub(crate) fn read(map: &MapHandle) -> Result<Self> {
        let mut records = Self::default();
        for key in map.keys() {
            let Some(value) = map.lookup(&key, MapFlags::ANY).or_kernel("read the attachments")? else {
                continue;
            };
            if let (Ok(key), Ok(words)) = (Key::read_from_bytes(&key), Words::read_from_bytes(&value)) {
                records.insert(key, words);
            }
        }
        Ok(records)
    }

    /// A record that this version does not know is ignored.
    fn insert(&mut self, key: Key, words: Words) {
        match key {
            Key::ORIGIN => self.origin = Some(words.into()),
            Key::BOOT => self.boot = Some(BootId(words)),
            Key::VERSION => self.version = Some(words[0]),
            key if Key::CORES.contains(&key) => {
                self.cores[usize::from(key == Key::CORES[1])] = Some(words.into());
            }
            Key::TAKES_OVER => self.takes_over = true,
            Key { ifindex: 0, .. } => {}
            Key {
                ifindex,
                kind: Key::SHAPED,
            } => {
                self.shaped.insert(ifindex);
            }
            Key { ifindex, kind } => {
                if let Some(direction) = DeviceDirection::from_number(kind) {
                    self.attachments
                        .insert(HookPointKey { ifindex, direction }, words.into());
                }
            }
        }
    }
}

/// Makes the map; it grows with use.
pub(crate) fn create_map() -> Result<MapHandle> {
    let options = libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
        map_flags: libbpf_sys::BPF_F_NO_PREALLOC,
        ..Default::default()
    };
    let (key, value) = (size_of::<Key>() as u32, size_of::<Words>() as u32);
    MapHandle::create(MapType::Hash, Some(DEVICES_MAP), key, value, ENTRIES, &options)
        .or_kernel(format!("make the map `{DEVICES_MAP}`"))
}

/// The map of the instance in `folder`, if it exists.
pub(crate) fn pinned(folder: &Path) -> Result<Option<MapHandle>> {
    let path = folder.join(format!("map_{DEVICES_MAP}"));
    if !path.exists() {
        return Ok(None);
    }
    let map = MapHandle::from_pinned_path(path);
    map.map(Some).or_kernel(format!("open the map `{DEVICES_MAP}`"))
}

/// Records which build made a new instance, where and in which boot.
pub(crate) fn note_origin(map: &MapHandle, origin: Origin, version: u32, boot: Option<BootId>) -> Result<()> {
    put(map, Key::ORIGIN, origin.into())?;
    put(map, Key::VERSION, [version, 0, 0, 0])?;
    boot.map_or(Ok(()), |BootId(words)| put(map, Key::BOOT, words))
}

/// Records the core of a bank's policy set. Called before the set is in force.
pub(crate) fn note_core(map: &MapHandle, bank: u32, core: Core) -> Result<()> {
    put(map, Key::CORES[bank as usize % 2], core.into())
}

/// Marks an instance that is replacing another one.
pub(crate) fn mark_takeover(map: &MapHandle) -> Result<()> {
    put(map, Key::TAKES_OVER, [1, 0, 0, 0])
}

/// Removes the mark, if it is set.
pub(crate) fn forget_takeover(map: &MapHandle) -> Result<()> {
    drop(map, Key::TAKES_OVER)
}

/// Records an attachment.
pub(crate) fn note_attachment(map: &MapHandle, point: HookPointKey, attachment: Attachment) -> Result<()> {
    put(map, point.into(), attachment.into())
}

/// Removes the record of an attachment, if there is one.
pub(crate) fn forget_attachment(map: &MapHandle, point: HookPointKey) -> Result<()> {
    drop(map, point.into())
}

/// Records that a device gets a root qdisc of ours.
pub(crate) fn note_shaped(map: &MapHandle, ifindex: u32) -> Result<()> {
    put(map, Key::shaped(ifindex), [0, 0, 0, 1])
}

/// Removes the record of the root qdisc of a device, if there is one.
pub(crate) fn forget_shaped(map: &MapHandle, ifindex: u32) -> Result<()> {
    drop(map, Key::shaped(ifindex))
}

fn put(map: &MapHandle, key: Key, words: Words) -> Result<()> {
    map.update(key.as_bytes(), words.as_bytes(), MapFlags::ANY)
        .or_kernel("note an attachment")
}

fn drop(map: &MapHandle, key: Key) -> Result<()> {
    match map.delete(key.as_bytes()) {
        Err(error) if error.kind() != libbpf_rs::ErrorKind::NotFound => {
            Err(Error::libbpf("forget an attachment", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and values as emptcp has stored them since version 3.
    #[test]
    fn what_former_builds_have_stored_is_read_as_what_it_is() {
        let mut records = Records::default();
        for (key, words) in [
            ([0, 0], [65_536, 0x5566_7788, 0x1122_3344, 9]),
            ([0, 1], [1, 2, 3, 4]),
            ([0, 3], [4, 0, 0, 0]),
            ([7, 1], [2, 1, 49_152, 1]),
            ([7, 0], [1, 0, 0, 0]),
            ([7, 2], [0, 0, 0, 1]),
            ([0, 5], [17, 9, 0, 0]),
            ([0, 9], [1, 1, 1, 1]),
        ] {
            let [ifindex, kind] = key;
            records.insert(Key { ifindex, kind }, words);
        }
        let point = |direction| HookPointKey { ifindex: 7, direction };
        let filter = Attachment {
            kind: 2,
            handle: 1,
            priority: 49_152,
            made_qdisc: true,
        };
        let link = Attachment {
            kind: 1,
            ..Attachment::default()
        };
        let wanted = Records {
            origin: Some(Origin {
                state_entries: 65_536,
                cookie: 0x1122_3344_5566_7788,
                build: 9,
            }),
            boot: Some(BootId([1, 2, 3, 4])),
            version: Some(4),
            cores: [
                None,
                Some(Core {
                    number: CoreNumber(17),
                    build: 9,
                }),
            ],
            takes_over: false,
            attachments: BTreeMap::from([
                (point(DeviceDirection::Ingress), filter),
                (point(DeviceDirection::Egress), link),
            ]),
            shaped: BTreeSet::from([7]),
        };
        assert_eq!(records, wanted);
        assert_eq!(Words::from(filter), [2, 1, 49_152, 1]);
        assert_eq!(
            records.origin.map(Words::from),
            Some([65_536, 0x5566_7788, 0x1122_3344, 9])
        );
        assert!(DeviceDirection::from_number(Key::SHAPED).is_none());
    }
}
