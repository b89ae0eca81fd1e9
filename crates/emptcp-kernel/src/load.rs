//! Loads one program: constants filled in, shared maps handed over, the verifier's refusal explained.

use crate::{
    error::LOADING,
    error::{Error, Result},
    ffi, libbpf_log, libbpf_words,
    refusal::Refusal,
    rodata::{self, Constant, Layout},
    words::hook_name,
};
use emptcp_host::rights;
use emptcp_plan::{manifest::Hook, plan::Value};
use libbpf_rs::{MapCore, MapHandle, ObjectBuilder, OpenObject};
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
};

/// Room for the verifier's words; only touched when it refuses.
const LOG_BYTES: usize = 16 << 20;

/// Which program it is, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    /// Element, or name of a core program.
    pub(crate) element: &'a str,
    /// The policy that uses it.
    pub(crate) policy: Option<&'a str>,
    /// The hook.
    pub(crate) hook: Hook,
}

impl Who<'_> {
    pub(crate) fn mismatch(&self, detail: impl Into<String>) -> Error {
        Error::Mismatch {
            element: self.element.to_owned(),
            hook: hook_name(self.hook).to_owned(),
            detail: detail.into(),
        }
    }
}

/// A constant to be filled.
#[derive(Clone, Debug)]
pub(crate) struct Fill<'a> {
    /// The variable.
    pub(crate) variable: &'a str,
    /// Its members.
    pub(crate) members: Vec<(&'a str, Value)>,
    /// How strictly it must be there.
    pub(crate) presence: Presence,
}

/// How strictly a constant must be in the object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Presence {
    /// With exactly these members; left out only when there are none.
    Exact,
    /// With at least these members.
    Required,
    /// Only if the object has it.
    Optional,
}

/// Maps that programs share.
pub(crate) trait SharedMaps {
    /// The map that all programs of this hook share under this name.
    fn core(&self, name: &str, hook: Hook) -> Option<&MapHandle>;
    /// An element's own map, made by an earlier load.
    fn private(&self, element: &str, name: &str) -> Option<&MapHandle>;
    /// Entries of maps that hold per-flow state.
    fn state_entries(&self) -> u32;
}

/// A program in the kernel.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The program.
    pub(crate) program: OwnedFd,
    /// Maps of its own that were made by this load, by name.
    pub(crate) private: BTreeMap<String, MapHandle>,
}

/// Opens an object.
pub(crate) fn open(bytes: &[u8], who: Who<'_>) -> Result<OpenObject> {
    libbpf_log::redirect();
    ObjectBuilder::default().open_memory(bytes).map_err(|error| {
        who.mismatch(libbpf_words::explained(format!(
            "the object cannot be read: {error:#}; build the element again: `emptcp element install FOLDER`"
        )))
    })
}

/// Whether libbpf made the map for a data section.
pub(crate) fn is_section(name: &str) -> bool {
    [".rodata", ".data", ".bss", ".kconfig"]
        .iter()
        .any(|section| name.contains(section))
}

/// Fills, hands over the maps and loads.
pub(crate) fn load(bytes: &[u8], who: Who<'_>, fills: &[Fill<'_>], maps: &dyn SharedMaps) -> Result<Loaded> {
    twice(|| {
        let mut object = open(bytes, who)?;
        let layout = layout(&object, who)?;
        fill(&mut object, &layout, who, fills)?;
        finish(object, who, maps)
    })
}

/// Tries once more when the verifier gives no reason. It was seen to refuse a program that it took a moment later, on a
/// machine that was short of memory and processors.
pub(crate) fn twice(attempt: impl Fn() -> Result<Loaded>) -> Result<Loaded> {
    match attempt() {
        Err(Error::Refused(refusal)) if !refusal.has_reason => {
            tracing::debug!("once more: {refusal}");
            attempt()
        }
        result => result,
    }
}

/// Where the constants of an object lie.
pub(crate) fn layout(object: &OpenObject, who: Who<'_>) -> Result<Layout> {
    Layout::read(object)
        .map_err(|error| who.mismatch(libbpf_words::explained(format!("its BTF cannot be read: {error:#}"))))
}

/// Hands over the maps and loads.
pub(crate) fn finish(mut object: OpenObject, who: Who<'_>, maps: &dyn SharedMaps) -> Result<Loaded> {
    let own = hand_over(&mut object, who, maps)?;
    let object = ffi::load(object, LOG_BYTES).map_err(|(error, log)| refused(who, error, log))?;
    let program = object
        .progs()
        .next()
        .ok_or_else(|| who.mismatch("the object holds no program"))?;
    let program = program
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| Error::kernel("duplicate a descriptor", e))?;
    let mut private = BTreeMap::new();
    for map in object
        .maps()
        .filter(|map| own.iter().any(|name| map.name() == name.as_str()))
    {
        let handle = MapHandle::try_from(&map).map_err(|e| Error::libbpf("open a map of an element", e))?;
        private.insert(map.name().to_string_lossy().into_owned(), handle);
    }
    Ok(Loaded { program, private })
}

fn refused(who: Who<'_>, error: libbpf_rs::Error, log: String) -> Error {
    let action = format!("load `{}` for {}", who.element, hook_name(who.hook));
    if log.trim().is_empty() {
        return Error::libbpf(action, error);
    }
    let refusal = Refusal::read(who.element, who.policy, who.hook, log, &format!("{error:#}"));
    // Without CAP_PERFMON the verifier refuses what is right: that is no fault of the program.
    match rights::lack(&LOADING) {
        Some(_) => Error::NotPermitted {
            action,
            missing: rights::advice(&LOADING),
            said: refusal.words,
        },
        None => Error::Refused(Box::new(refusal)),
    }
}

/// Fills in the constants.
pub(crate) fn fill(object: &mut OpenObject, layout: &Layout, who: Who<'_>, fills: &[Fill<'_>]) -> Result<()> {
    let mut pieces = Vec::new();
    for fill in fills {
        let Some(constant) = layout.constant(fill.variable) else {
            match fill.presence {
                Presence::Optional => continue,
                Presence::Exact if fill.members.is_empty() => continue,
                Presence::Exact => {
                    let names: Vec<_> = fill.members.iter().map(|(name, _)| format!("`{name}`")).collect();
                    return Err(who.mismatch(format!(
                        "element.toml has the argument(s) {} but the source does not declare `ARGUMENTS;`",
                        names.join(", ")
                    )));
                }
                Presence::Required => {
                    return Err(who.mismatch(format!("the constant `{}` is missing", fill.variable)));
                }
            }
        };
        if fill.presence == Presence::Exact {
            exact(who, constant, fill)?;
        }
        for (name, value) in &fill.members {
            let member = constant
                .member(name)
                .ok_or_else(|| who.mismatch(format!("`{}` has no member `{name}`", fill.variable)))?;
            let bytes = encode(value, member.size)
                .map_err(|why| who.mismatch(format!("`{name}` in `struct {}` {why}", fill.variable)))?;
            pieces.push((member.offset, bytes));
        }
    }
    rodata::write(object, &pieces).map_err(|detail| who.mismatch(detail))
}

/// Names on both sides must be the same.
fn exact(who: Who<'_>, constant: &Constant, fill: &Fill<'_>) -> Result<()> {
    for (name, _) in &fill.members {
        if constant.member(name).is_none() {
            return Err(who.mismatch(format!(
                "argument `{name}` is in element.toml but not in `struct {}`",
                fill.variable
            )));
        }
    }
    for member in &constant.members {
        if !fill.members.iter().any(|(name, _)| *name == member.name) {
            return Err(who.mismatch(format!(
                "argument `{}` is in `struct {}` but not in element.toml",
                member.name, fill.variable
            )));
        }
    }
    Ok(())
}

/// A value as the bytes of a member of this size.
fn encode(value: &Value, size: usize) -> Result<Vec<u8>, String> {
    let number = |value: u64, size: usize| match size {
        1 | 2 | 4 | 8 if size == 8 || value >> (8 * size) == 0 => Ok(value.to_ne_bytes()[..size].to_vec()),
        1 | 2 | 4 => Err(format!("has {size} bytes, too few for {value}")),
        _ => Err(format!("has {size} bytes; a number has 1, 2, 4 or 8")),
    };
    match value {
        Value::Integer(value) => number(*value, size),
        Value::Pair(low, high) if size.is_multiple_of(2) => {
            // A range that is open above ends at the largest number that there is room for.
            let high = if *high == u64::MAX {
                rodata::largest(size / 2)
            } else {
                *high
            };
            Ok([number(*low, size / 2)?, number(high, size / 2)?].concat())
        }
        Value::Pair(..) => Err(format!("has {size} bytes; a pair has 4, 8 or 16")),
        Value::Prefix { address, length } if size == 20 => {
            Ok([address.as_slice(), length.to_ne_bytes().as_slice()].concat())
        }
        Value::Prefix { .. } => Err(format!("has {size} bytes; a `struct emptcp_prefix` has 20")),
        Value::Device(name) => Err(format!("holds the device `{name}`, which was not resolved")),
    }
}

/// Gives the object the shared maps; returns the names of those that it must make.
fn hand_over(object: &mut OpenObject, who: Who<'_>, maps: &dyn SharedMaps) -> Result<Vec<String>> {
    let mut own = Vec::new();
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if is_section(&name) {
            continue;
        }
        let reuse = if let Some(core) = maps.core(&name, who.hook) {
            if map.value_size() != core.value_size() || map.key_size() != core.key_size() {
                return Err(who.mismatch(format!(
                    "its map `{name}` differs from the core's; build it again with this version's SDK"
                )));
            }
            Some(core)
        } else {
            let is_state = name.starts_with("state");
            if is_state {
                map.set_max_entries(maps.state_entries())
                    .map_err(|e| Error::libbpf("set a map's size", e))?;
            }
            let known = maps.private(who.element, &name).filter(|known| {
                known.key_size() == map.key_size()
                    && known.value_size() == map.value_size()
                    && known.map_type() == map.map_type()
                    && known.max_entries() == map.max_entries()
            });
            if known.is_none() {
                own.push(name.clone());
            }
            known
        };
        if let Some(reuse) = reuse {
            map.reuse_fd(reuse.as_fd())
                .map_err(|e| Error::libbpf(format!("share the map `{name}`"), e))?;
        }
    }
    Ok(own)
}
