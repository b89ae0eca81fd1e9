//! The maps that all programs of an instance share: made once, pinned, reused by every program.

use crate::{
    error::{OrKernel, Result},
    fault,
};
use emptcp_abi::{RULES, Rule};
use emptcp_load::{map::Shape, pin, program};
use emptcp_plan::{manifest::Hook, plan::Tables};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};
use zerocopy::IntoBytes;

/// All hooks, each of which has a chain.
pub(crate) const HOOKS: [Hook; 3] = [Hook::Xdp, Hook::TcIngress, Hook::TcEgress];

/// The chain's name in the objects.
const CHAIN: &str = "emptcp_chain";

/// The name of a hook's chain.
fn chain_name(hook: Hook) -> String {
    format!("{CHAIN}_{}", hook_file_name(hook))
}

/// Number of a core: the chains and entry programs that one build made for the instance. `0` is the first; a build that
/// takes the instance over makes another, with the number of its first policy set.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct CoreNumber(pub(crate) u32);

impl CoreNumber {
    /// The name of a pin of this core. No other name contains `@`.
    pub(crate) fn file(self, name: &str) -> String {
        match self {
            Self(0) => name.to_owned(),
            Self(number) => format!("{name}@{number}"),
        }
    }

    /// The name without the number, and the number.
    pub(crate) fn of_file(file: &str) -> (&str, Self) {
        let split = file.split_once('@');
        let numbered = split.and_then(|(name, number)| Some((name, Self(number.parse().ok()?))));
        numbered.unwrap_or((file, Self(0)))
    }
}

/// A hook in file names.
pub(crate) fn hook_file_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Xdp => "xdp",
        Hook::TcIngress => "tc_ingress",
        Hook::TcEgress => "tc_egress",
    }
}

/// Shared maps of an instance: the core's, and those that belong to an element.
#[derive(Debug)]
pub(crate) struct Maps {
    /// The name of the instance, for errors; empty for maps that are not pinned.
    instance: String,
    core: BTreeMap<String, MapHandle>,
    private: BTreeMap<(String, String), MapHandle>,
    state_entries: u32,
}

impl Maps {
    /// The map that all programs of this hook share under this name.
    pub(crate) fn core(&self, name: &str, hook: Hook) -> Option<&MapHandle> {
        if name == CHAIN {
            self.core.get(&chain_name(hook))
        } else {
            self.core.get(name)
        }
    }

    /// An element's own map, made by an earlier load.
    pub(crate) fn private(&self, element: &str, name: &str) -> Option<&MapHandle> {
        self.private.get(&(element.to_owned(), name.to_owned()))
    }

    /// Entries of maps that hold per-flow state.
    pub(crate) fn state_entries(&self) -> u32 {
        self.state_entries
    }

    /// Makes the core's maps. `shapes` has each map once per core program that declares it, with its number of entries.
    pub(crate) fn create(state_entries: u32, shapes: &[Shape]) -> Result<Self> {
        let mut core = BTreeMap::new();
        for map in shapes {
            let names = if map.name == CHAIN {
                HOOKS.map(chain_name).to_vec()
            } else {
                vec![map.name.clone()]
            };
            for kept in names {
                if let Entry::Vacant(free) = core.entry(kept) {
                    let handle = map.create(free.key())?;
                    free.insert(handle);
                }
            }
        }
        Ok(Self {
            instance: String::new(),
            core,
            private: BTreeMap::new(),
            state_entries,
        })
    }

    /// Pins every core map into a folder.
    pub(crate) fn pin(&self, folder: &Path) -> Result<()> {
        for (name, map) in &self.core {
            pin::add(map.as_fd(), &folder.join(format!("map_{name}"))).or_kernel(format!("pin the map `{name}`"))?;
        }
        Ok(())
    }

    /// Opens what is pinned in a folder, with the chains of this core.
    pub(crate) fn open(folder: &Path, tables: &Tables, core: CoreNumber) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default();
        let mut maps = Self {
            instance: name.to_string_lossy().into_owned(),
            core: BTreeMap::new(),
            private: BTreeMap::new(),
            state_entries: tables.state,
        };
        let entries = std::fs::read_dir(folder).map_err(|e| crate::Error::io(folder, e))?;
        for entry in entries.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = file.strip_prefix("map_") else {
                continue;
            };
            let (name, number) = CoreNumber::of_file(name);
            if name.starts_with(CHAIN) && number != core {
                continue;
            }
            let handle = MapHandle::from_pinned_path(entry.path()).or_kernel(format!("open the map `{name}`"))?;
            match name.split_once('-') {
                Some((element, map)) => maps.private.insert((element.to_owned(), map.to_owned()), handle),
                None => maps.core.insert(name.to_owned(), handle),
            };
        }
        Ok(maps)
    }

    /// Keeps an element's own map for programs that are loaded later; replaces one with another shape.
    pub(crate) fn adopt(&mut self, element: &str, maps: BTreeMap<String, MapHandle>) {
        for (name, map) in maps {
            self.private.insert((element.to_owned(), name), map);
        }
    }

    /// Pins the maps of the elements in `used`: new ones, and those whose shape changed. Every step is added to `done`
    /// before it is taken.
    pub(crate) fn pin_private(
        &self,
        folder: &Path,
        used: &dyn Fn(&str) -> bool,
        done: &mut Vec<Replaced>,
    ) -> Result<()> {
        for ((element, name), map) in self.private.iter().filter(|((element, _), _)| used(element)) {
            let path = folder.join(private_file(element, name));
            let former = MapHandle::from_pinned_path(&path).ok();
            let pinned = former.as_ref().and_then(|map| map.info().ok()).map(|i| i.info.id);
            let wanted = map.info().or_kernel("ask about a map")?.info.id;
            if pinned == Some(wanted) {
                continue;
            }
            done.push(Replaced {
                path: path.clone(),
                former,
            });
            fault::step("pinning a map", || {
                let _ = std::fs::remove_file(&path);
                pin::add(map.as_fd(), &path).or_kernel(format!("pin the map `{name}` of `{element}`"))
            })?;
        }
        Ok(())
    }

    /// Removes the maps of elements that are not in `used`.
    pub(crate) fn forget_private(&mut self, folder: &Path, used: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut result = Ok(());
        self.private.retain(|(element, name), _| {
            let keep = used(element);
            if !keep {
                let path = folder.join(private_file(element, name));
                if let Err(error) = remove_if_there(&path) {
                    result = Err(error);
                }
            }
            keep
        });
        result
    }

    /// A core map by name.
    pub(crate) fn get(&self, name: &str) -> Result<&MapHandle> {
        self.core.get(name).ok_or_else(|| crate::Error::State {
            instance: self.instance.clone(),
            detail: format!("its map `{name}` is missing"),
        })
    }

    /// Writes the rules of a bank.
    pub(crate) fn write_rules(&self, bank: u32, rules: &[Rule]) -> Result<()> {
        let map = self.get("emptcp_rules")?;
        for (index, rule) in (bank * RULES..).zip(rules) {
            map.update(index.as_bytes(), rule.as_bytes(), MapFlags::ANY)
                .or_kernel("write a rule")?;
        }
        Ok(())
    }

    /// A hook's chain.
    pub(crate) fn chain(&self, hook: Hook) -> Result<&MapHandle> {
        self.get(&chain_name(hook))
    }

    /// Replaces the chains by empty ones, with pins of another core; returns the former ones.
    pub(crate) fn renew_chains(&mut self, folder: &Path, core: CoreNumber) -> Result<Chains> {
        let mut former = Vec::new();
        for hook in HOOKS {
            let name = chain_name(hook);
            let chain = self.chain(hook)?;
            let made = Shape {
                name: name.clone(),
                kind: chain.map_type(),
                key: chain.key_size(),
                value: chain.value_size(),
                entries: chain.max_entries(),
                flags: 0,
            }
            .create(&name)?;
            pin::add(made.as_fd(), &folder.join(core.file(&format!("map_{name}"))))
                .or_kernel(format!("pin the map `{name}`"))?;
            former.extend(self.core.insert(name, made).map(|chain| (hook, chain)));
        }
        Ok(Chains(former))
    }

    /// Puts former chains back.
    pub(crate) fn put_back_chains(&mut self, former: Chains) {
        for (hook, chain) in former.0 {
            self.core.insert(chain_name(hook), chain);
        }
    }

    /// Makes and pins the maps of these that are missing.
    pub(crate) fn complete(&mut self, folder: &Path, shapes: &[Shape]) -> Result<()> {
        for shape in shapes.iter().filter(|shape| shape.name != CHAIN) {
            if !self.core.contains_key(&shape.name) {
                let map = shape.create(&shape.name)?;
                let path = folder.join(format!("map_{}", shape.name));
                pin::add(map.as_fd(), &path).or_kernel(format!("pin the map `{}`", shape.name))?;
                self.core.insert(shape.name.clone(), map);
            }
        }
        Ok(())
    }

    /// Describes the first of these maps that exists with another shape. The number of entries does not matter.
    pub(crate) fn misfit(&self, shapes: &[Shape]) -> Option<String> {
        let hooks = |shape: &Shape| match shape.name == CHAIN {
            true => HOOKS.map(chain_name).to_vec(),
            false => vec![shape.name.clone()],
        };
        let named = shapes
            .iter()
            .flat_map(|shape| hooks(shape).into_iter().map(move |name| (name, shape)));
        for (name, shape) in named {
            let Some(map) = self.core.get(&name) else { continue };
            let flags = map.info().map_or(shape.flags, |info| info.info.map_flags);
            let there = (map.map_type(), map.key_size(), map.value_size(), flags);
            if there != (shape.kind, shape.key, shape.value, shape.flags) {
                return Some(format!(
                    "its map `{name}` is of type {:?} with keys of {} and values of {} bytes, where this build has type {:?} \
                     with {} and {}",
                    there.0, there.1, there.2, shape.kind, shape.key, shape.value
                ));
            }
        }
        None
    }

    /// Private maps of elements: element, name, map.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&str, &str, &MapHandle)> {
        self.private
            .iter()
            .map(|((element, name), map)| (element.as_str(), name.as_str(), map))
    }
}

/// The chains of all hooks.
#[derive(Debug)]
pub(crate) struct Chains(Vec<(Hook, MapHandle)>);

impl Chains {
    /// Hook and chain of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Hook, &MapHandle)> {
        self.0.iter().map(|(hook, chain)| (*hook, chain))
    }
}

/// The program in a slot of a chain; the kernel returns its id.
pub(crate) fn program_in(chain: &MapHandle, slot: u32) -> Result<Option<OwnedFd>> {
    let value = chain.lookup(slot.as_bytes(), MapFlags::ANY).or_kernel("read a chain")?;
    let id = value.and_then(|value| <[u8; 4]>::try_from(value.as_slice()).ok());
    id.map(u32::from_ne_bytes)
        .map(program::by_id)
        .transpose()
        .or_kernel("open a program of a chain")
}

/// Puts a program into a slot of a chain.
pub(crate) fn set_slot(chain: &MapHandle, slot: u32, program: BorrowedFd<'_>) -> Result<()> {
    chain
        .update(slot.as_bytes(), program.as_raw_fd().as_bytes(), MapFlags::ANY)
        .or_kernel(format!("put a program into slot {slot} of a chain"))
}

/// A pin of an element's map that was made or replaced.
#[derive(Debug)]
pub(crate) struct Replaced {
    path: PathBuf,
    former: Option<MapHandle>,
}

impl Replaced {
    /// Pins the former map again, or none.
    pub(crate) fn put_back(&self) -> Result<()> {
        remove_if_there(&self.path)?;
        match &self.former {
            Some(map) => pin::add(map.as_fd(), &self.path).or_kernel("pin the former map of an element"),
            None => Ok(()),
        }
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(crate::Error::io(path, error)),
        _ => Ok(()),
    }
}

/// No C name and no element's name contains a dash.
fn private_file(element: &str, name: &str) -> String {
    format!("map_{element}-{name}")
}
