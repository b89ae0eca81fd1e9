//! Loads the program of one object: fills in constants, sets shared maps, explains the verifier's refusal.

use crate::{
    error::{Error, LOADING, Misfit, OrKernel, Result},
    ffi,
    map::is_section,
    messages, numbers,
    refusal::Refusal,
    rodata::{self, Constant, Layout},
};
use emptcp_host::rights;
use libbpf_rs::{MapCore, MapHandle, ObjectBuilder, OpenObject, btf::Btf};
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
};

/// Size of the buffer for the verifier's log; only used when it refuses.
const LOG_BYTES: usize = 16 << 20;

/// The value of a member of a constant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A number, in as many bytes as the member has: 1, 2, 4 or 8.
    Integer(u64),
    /// Two numbers, each in half of the member. A second one of `u64::MAX` stands for the largest that fits.
    Pair(u64, u64),
    /// These bytes.
    Bytes {
        /// As many as the member has.
        bytes: Vec<u8>,
        /// Their type in C.
        of: &'static str,
    },
}

/// A constant to be filled in: a structure in `.rodata`.
#[derive(Clone, Debug)]
pub struct Fill<'a> {
    /// The variable.
    pub variable: &'a str,
    /// Its members.
    pub members: Vec<(&'a str, Value)>,
    /// Whether it must exist.
    pub presence: Presence,
}

/// Whether a constant must be in the object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// With exactly these members; it may be missing if there are none.
    Exact,
    /// With at least these members.
    Required,
    /// Only if the object has it.
    Optional,
}

/// Maps that a program shares with others.
pub trait Maps {
    /// The map that it must share under this name; the shapes must be equal.
    fn shared(&self, name: &str) -> Option<&MapHandle>;
    /// A map that an earlier load made under this name; shared if the shapes are equal.
    fn made_before(&self, name: &str) -> Option<&MapHandle>;
    /// Entries of a map that it makes, if they differ from its own number.
    fn entries(&self, name: &str) -> Option<u32>;
}

/// For a program that shares nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoMaps;

impl Maps for NoMaps {
    fn shared(&self, _: &str) -> Option<&MapHandle> {
        None
    }

    fn made_before(&self, _: &str) -> Option<&MapHandle> {
        None
    }

    fn entries(&self, _: &str) -> Option<u32> {
        None
    }
}

/// A program in the kernel.
#[derive(Debug)]
pub struct Loaded {
    /// The program.
    pub program: OwnedFd,
    /// Maps that were made by this load, by name.
    pub made: BTreeMap<String, MapHandle>,
}

/// Opens an object.
///
/// # Errors
/// [`Misfit::Object`], and when the system has no memory or open files left to read it.
pub fn open(bytes: &[u8]) -> Result<OpenObject> {
    messages::redirect();
    let opened = ObjectBuilder::default().open_memory(bytes);
    opened.map_err(|error| unreadable(error, Misfit::Object))
}

/// Why an object cannot be read: the object is at fault, unless the system has no memory or open files left.
fn unreadable(error: libbpf_rs::Error, misfit: fn(String) -> Misfit) -> Error {
    let said = format!("{error:#}");
    match numbers::is_lack(&said) {
        true => Error::libbpf("read a BPF object", error),
        false => misfit(numbers::explained(said)).into(),
    }
}

/// The types of an object; `None` when it holds none.
///
/// # Errors
/// When libbpf cannot read them.
pub fn types(object: &OpenObject) -> libbpf_rs::Result<Option<Btf<'_>>> {
    ffi::object::btf(object)
}

/// The layout of the constants of an object.
///
/// # Errors
/// [`Misfit::Types`], and when the system has no memory or open files left to read them.
pub fn layout(object: &OpenObject) -> Result<Layout> {
    Layout::read(object).map_err(|error| unreadable(error, Misfit::Types))
}

/// Opens, fills in constants, sets the maps and loads. `name`: the program in messages.
///
/// # Errors
/// When the object is no such program, or the kernel refuses it.
pub fn load(bytes: &[u8], name: &str, fills: &[Fill<'_>], maps: &dyn Maps) -> Result<Loaded> {
    let attempt = || {
        let mut object = open(bytes)?;
        let layout = layout(&object)?;
        fill(&mut object, &layout, fills)?;
        finish(object, name, maps)
    };
    twice(attempt, |error| match error {
        Error::Refused(refusal) => Some(refusal),
        _ => None,
    })
}

/// Tries once more if the verifier gives no reason; `refusal` finds its answer in an error. On a machine with little
/// memory and few processors, the verifier was seen to refuse a program that it accepted a moment later.
///
/// # Errors
/// As `attempt`.
pub fn twice<E>(
    attempt: impl Fn() -> Result<Loaded, E>,
    refusal: impl Fn(&E) -> Option<&Refusal>,
) -> Result<Loaded, E> {
    match attempt() {
        Err(error) if refusal(&error).is_some_and(|refusal| !refusal.has_reason) => {
            if let Some(refusal) = refusal(&error) {
                tracing::debug!("once more: {refusal}");
            }
            attempt()
        }
        result => result,
    }
}

/// Sets the maps and loads an object that is filled in. `name`: the program in messages.
///
/// # Errors
/// When the object is no such program, or the kernel refuses it.
pub fn finish(mut object: OpenObject, name: &str, maps: &dyn Maps) -> Result<Loaded> {
    let own = hand_over(&mut object, maps)?;
    let object = ffi::object::load(object, LOG_BYTES).map_err(|(error, log)| refused(name, error, log))?;
    let program = object.progs().next().ok_or(Misfit::NoProgram)?;
    let program = program
        .as_fd()
        .try_clone_to_owned()
        .or_kernel("duplicate a descriptor")?;
    let mut made = BTreeMap::new();
    for map in object
        .maps()
        .filter(|map| own.iter().any(|name| map.name() == name.as_str()))
    {
        let handle = MapHandle::try_from(&map).or_kernel("open a map of an element")?;
        made.insert(map.name().to_string_lossy().into_owned(), handle);
    }
    Ok(Loaded { program, made })
}

fn refused(name: &str, error: libbpf_rs::Error, log: String) -> Error {
    let action = format!("load {name}");
    if log.trim().is_empty() {
        return Error::libbpf(action, error);
    }
    let refusal = Refusal::read(log, &format!("{error:#}"));
    // Without CAP_PERFMON the verifier refuses correct programs: that is no fault of the program.
    match rights::lack(&LOADING) {
        Some(_) => emptcp_host::Error::NotPermitted {
            action,
            missing: rights::advice(&LOADING),
            answer: emptcp_host::Answer::new(refusal.words, Some(libc::EACCES)),
        }
        .into(),
        None => Error::Refused(Box::new(refusal)),
    }
}

/// Fills in the constants.
///
/// # Errors
/// When a constant or a member is missing, or a value does not fit into it.
pub fn fill(object: &mut OpenObject, layout: &Layout, fills: &[Fill<'_>]) -> Result<()> {
    let mut pieces = Vec::new();
    for fill in fills {
        let Some(constant) = layout.constant(fill.variable) else {
            let exact = match fill.presence {
                Presence::Optional => continue,
                Presence::Exact if fill.members.is_empty() => continue,
                Presence::Exact => fill.members.iter().map(|(name, _)| (*name).to_owned()).collect(),
                Presence::Required => Vec::new(),
            };
            let variable = fill.variable.to_owned();
            return Err(Misfit::NoConstant { variable, exact }.into());
        };
        if fill.presence == Presence::Exact {
            exact(constant, fill)?;
        }
        for (name, value) in &fill.members {
            let member = constant.member(name).ok_or_else(|| Misfit::NoMember {
                variable: fill.variable.to_owned(),
                member: (*name).to_owned(),
                exact: false,
            })?;
            let bytes = encode(value, member.size).map_err(|why| Misfit::Value {
                variable: fill.variable.to_owned(),
                member: (*name).to_owned(),
                why,
            })?;
            pieces.push((member.offset, bytes));
        }
    }
    rodata::write(object, &pieces).map_err(|why| Misfit::Constants(why).into())
}

/// Checks that the names on both sides are the same.
fn exact(constant: &Constant, fill: &Fill<'_>) -> Result<(), Misfit> {
    let variable = || fill.variable.to_owned();
    for (name, _) in &fill.members {
        if constant.member(name).is_none() {
            return Err(Misfit::NoMember {
                variable: variable(),
                member: (*name).to_owned(),
                exact: true,
            });
        }
    }
    for member in &constant.members {
        if !fill.members.iter().any(|(name, _)| *name == member.name) {
            return Err(Misfit::NotFilled {
                variable: variable(),
                member: member.name.clone(),
            });
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
            // A range that is open above ends at the largest number that fits.
            let high = if *high == u64::MAX {
                rodata::largest(size / 2)
            } else {
                *high
            };
            Ok([number(*low, size / 2)?, number(high, size / 2)?].concat())
        }
        Value::Pair(..) => Err(format!("has {size} bytes; a pair has 4, 8 or 16")),
        Value::Bytes { bytes, .. } if bytes.len() == size => Ok(bytes.clone()),
        Value::Bytes { bytes, of } => Err(format!("has {size} bytes; a `{of}` has {}", bytes.len())),
    }
}

/// Sets the shared maps of the object; returns the names of those that it must make.
fn hand_over(object: &mut OpenObject, maps: &dyn Maps) -> Result<Vec<String>> {
    let mut own = Vec::new();
    for mut map in object.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if is_section(&name) {
            continue;
        }
        let reuse = if let Some(shared) = maps.shared(&name) {
            if map.value_size() != shared.value_size() || map.key_size() != shared.key_size() {
                return Err(Misfit::Map(name).into());
            }
            Some(shared)
        } else {
            if let Some(entries) = maps.entries(&name) {
                map.set_max_entries(entries).or_kernel("set a map's size")?;
            }
            let known = maps.made_before(&name).filter(|known| {
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
                .or_kernel(format!("share the map `{name}`"))?;
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_not_at_fault_where_the_system_has_no_room_to_read_it() {
        for (number, is_at_fault) in [
            (libc::EMFILE, false),
            (libc::ENFILE, false),
            (libc::ENOMEM, false),
            (22, true),
        ] {
            for misfit in [Misfit::Object, Misfit::Types] {
                let error = unreadable(libbpf_rs::Error::from_raw_os_error(number), misfit);
                assert_eq!(matches!(error, Error::Misfit(_)), is_at_fault, "{error}");
                let words = std::io::Error::from_raw_os_error(number).to_string();
                assert!(error.to_string().contains(&words), "{error}");
            }
        }
    }

    #[test]
    fn a_number_goes_into_a_member_that_has_room_for_it() {
        assert_eq!(encode(&Value::Integer(7), 2).unwrap(), 7_u16.to_ne_bytes());
        assert!(encode(&Value::Integer(256), 1).unwrap_err().contains("too few for 256"));
        assert!(encode(&Value::Integer(1), 3).unwrap_err().contains("1, 2, 4 or 8"));
        let open = encode(&Value::Pair(5, u64::MAX), 4).unwrap();
        assert_eq!(open, [5_u16.to_ne_bytes(), u16::MAX.to_ne_bytes()].concat());
        let prefix = Value::Bytes {
            bytes: vec![0; 20],
            of: "struct emptcp_prefix",
        };
        assert_eq!(
            encode(&prefix, 4).unwrap_err(),
            "has 4 bytes; a `struct emptcp_prefix` has 20"
        );
    }
}
