//! What an element's object says about itself, compared with its `element.toml`: the version of the SDK that it was
//! built with, selector or actor, its name, its counters and its arguments. A program whose counters differ from the
//! manifest's would write to the counters of other elements.

use crate::{error::Result, program::Subject};
use emptcp_abi::{ABI_VERSION, element_kind};
use emptcp_load::{
    object,
    rodata::{self, Layout, Shape},
};
use emptcp_plan::{
    manifest::{Argument, ArgumentType, Kind, Manifest, Need},
    values,
};
use libbpf_rs::{OpenObject, btf::types::Enum};
use std::path::PathBuf;

/// Where an element comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Shipped with emptcp.
    BuiltIn,
    /// Installed by an operator, in this folder.
    Installed(PathBuf),
}

/// What an object says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct About {
    /// `EMPTCP_ABI_VERSION` of the headers; `None` before version 3, which did not have it.
    abi: Option<u64>,
    /// One of `emptcp_abi::element_kind`.
    kind: Option<u64>,
    /// Names of its programs: the argument of `SELECTOR` or `ACTOR`.
    programs: Vec<String>,
    /// Names in `COUNTERS(...)`, and their numbers.
    counters: Vec<(String, i64)>,
    /// It reads `emptcp_class`.
    class: bool,
    /// Names of its maps.
    maps: Vec<String>,
}

/// The maps that the headers of the SDK declare. An element that declares another map of the core would get it.
const SDK_MAPS: [&str; 7] = [
    "emptcp_chain",
    "emptcp_counters",
    "emptcp_event_rings",
    "emptcp_events",
    "emptcp_flows",
    "emptcp_keys",
    "emptcp_scratch",
];

impl About {
    fn read(object: &OpenObject, layout: &Layout) -> libbpf_rs::Result<Self> {
        let word = |name: &str| {
            let member = layout.constant("emptcp_about")?.member(name)?;
            rodata::read(object, member)
        };
        let btf = object::types(object)?;
        let counters = btf
            .as_ref()
            .and_then(|btf| btf.type_by_name::<Enum<'_>>("emptcp_own_counter"));
        Ok(Self {
            abi: word("abi"),
            kind: word("kind"),
            class: layout.constant("emptcp_class").is_some(),
            maps: object
                .maps()
                .map(|map| map.name().to_string_lossy().into_owned())
                .collect(),
            programs: object
                .progs()
                .map(|program| program.name().to_string_lossy().into_owned())
                .collect(),
            counters: counters
                .iter()
                .flat_map(|counters| counters.iter())
                .map(|counter| {
                    let name = counter.name.unwrap_or_default();
                    (name.to_string_lossy().into_owned(), counter.value)
                })
                .collect(),
        })
    }

    /// Why the object does not fit its element.
    fn objection(&self, manifest: &Manifest, origin: &Origin) -> Option<String> {
        let rebuild = match origin {
            Origin::Installed(_) => "build it again with this version's SDK",
            Origin::BuiltIn => "build emptcp again",
        };
        match self.abi {
            Some(version) if version == u64::from(ABI_VERSION) => {}
            Some(version) => {
                return Some(format!(
                    "it was built for ABI version {version}, this emptcp has {ABI_VERSION}; {rebuild}"
                ));
            }
            None => {
                return Some(format!(
                    "it does not say for which ABI version it was built, this emptcp has {ABI_VERSION}; {rebuild}. The \
                     source must have `SELECTOR(...)` or `ACTOR(...)`"
                ));
            }
        }
        let [program] = self.programs.as_slice() else {
            return Some(format!(
                "the object holds {} programs; an element is one `SELECTOR(...)` or one `ACTOR(...)`",
                self.programs.len()
            ));
        };
        let (written, wanted) = match manifest.kind {
            Kind::Selector => ("selector", element_kind::SELECTOR),
            Kind::Actor => ("actor", element_kind::ACTOR),
        };
        if self.kind != Some(u64::from(wanted)) {
            let of = if self.kind == Some(u64::from(element_kind::ACTOR)) {
                "ACTOR"
            } else {
                "SELECTOR"
            };
            return Some(format!(
                "element.toml says `kind = \"{written}\"`, but the source has `{of}({program})`; change one of them"
            ));
        }
        if *program != manifest.name {
            return Some(format!(
                "element.toml says `name = \"{}\"`, but the source has `{}({program})`; both must have the folder's name",
                manifest.name,
                written.to_uppercase()
            ));
        }
        self.maps_objection()
            .or_else(|| self.class_objection(manifest))
            .or_else(|| self.counters_objection(manifest))
    }

    fn maps_objection(&self) -> Option<String> {
        let is_reserved = |name: &&String| name.starts_with("emptcp_") && !SDK_MAPS.contains(&name.as_str());
        let map = self.maps.iter().find(is_reserved)?;
        Some(format!(
            "it declares the map `{map}`; names that begin with `emptcp_` are those of emptcp's own maps; give the map \
             another name"
        ))
    }

    fn class_objection(&self, manifest: &Manifest) -> Option<String> {
        match (self.class, manifest.needs.contains(&Need::Class)) {
            (true, false) => Some(
                "the source includes `emptcp/class.h`, but element.toml does not say `needs = [\"class\"]`; nothing would \
                 give it a class"
                    .to_owned(),
            ),
            (false, true) => Some(
                "element.toml says `needs = [\"class\"]`, but the source does not include `emptcp/class.h`".to_owned(),
            ),
            _ => None,
        }
    }

    fn counters_objection(&self, manifest: &Manifest) -> Option<String> {
        let declared: Vec<&str> = self.counters.iter().map(|(name, _)| name.as_str()).collect();
        let in_order = (0..)
            .zip(&self.counters)
            .all(|(position, (_, number))| position == *number);
        let wanted: Vec<&str> = manifest.counter_names().collect();
        if in_order && declared == wanted {
            return None;
        }
        let why = if in_order {
            "both must name the same counters in the same order"
        } else {
            "`COUNTERS` takes names only, without numbers"
        };
        Some(format!(
            "the source has {}, but element.toml has `counters = {wanted:?}`; {why}",
            if declared.is_empty() {
                "no `COUNTERS(...)`".to_owned()
            } else {
                format!("`COUNTERS({})`", declared.join(", "))
            }
        ))
    }
}

/// Refuses an object that is not what the element's manifest says.
pub(crate) fn agree(
    object: &OpenObject,
    layout: &Layout,
    subject: Subject<'_>,
    manifest: &Manifest,
    origin: &Origin,
) -> Result<()> {
    let about =
        About::read(object, layout).map_err(|error| subject.mismatch(format!("its BTF cannot be read: {error:#}")))?;
    let is_outdated = about.abi != Some(u64::from(ABI_VERSION)) && *origin != Origin::BuiltIn;
    match about.objection(manifest, origin) {
        Some(detail) if is_outdated => Err(subject.outdated(detail)),
        Some(detail) => Err(subject.mismatch(detail)),
        None => Ok(()),
    }
}

/// Bytes of one number in a member of `struct arguments`.
fn bytes_of_number(argument: &Argument, layout: &Layout) -> Option<usize> {
    let member = layout.constant("arguments")?.member(&argument.name)?;
    match argument.ty {
        ArgumentType::Integer | ArgumentType::Rate | ArgumentType::Size | ArgumentType::Duration => Some(member.size),
        ArgumentType::Range => Some(member.size / 2),
        _ => None,
    }
}

/// Lowers `max` of numbers to the largest value of their members, so that `check` refuses what could not be loaded.
pub(crate) fn narrow(manifest: &mut Manifest, layout: &Layout) {
    for argument in &mut manifest.arguments {
        if let Some(bytes @ 1..8) = bytes_of_number(argument, layout) {
            let largest = rodata::largest(bytes);
            argument.max = Some(argument.max.map_or(largest, |max| max.min(largest)));
        }
    }
}

/// Refuses members of `struct arguments` that cannot hold what element.toml allows.
pub(crate) fn arguments_fit(layout: &Layout, subject: Subject<'_>, manifest: &Manifest) -> Result<()> {
    let mut narrowed = manifest.clone();
    narrow(&mut narrowed, layout);
    for (argument, narrowed) in manifest.arguments.iter().zip(&narrowed.arguments) {
        let Some(member) = layout.constant("arguments").and_then(|c| c.member(&argument.name)) else {
            continue; // Reported when it is filled.
        };
        let (name, size) = (&argument.name, member.size);
        let (least, shape) = match argument.ty {
            ArgumentType::Prefix => (20, Shape::Structure),
            ArgumentType::Ports => (4, Shape::Array),
            ArgumentType::Range => (2, Shape::Array),
            ArgumentType::PacketTypes | ArgumentType::Device | ArgumentType::Token => (4, Shape::Number),
            ArgumentType::Choice if argument.values.len() > 256 => (2, Shape::Number),
            _ => (1, Shape::Number),
        };
        if size < least || member.shape != shape {
            let wanted = values::describe_member(argument.ty);
            return Err(subject.mismatch(format!(
                "`{name}` in `struct arguments` is {}, but element.toml says that it is of another type: that takes {wanted}",
                member.describe()
            )));
        }
        if let Some(max) = argument.max
            && narrowed.max.is_some_and(|largest| largest < max)
        {
            return Err(subject.mismatch(format!(
                "element.toml says `max = {max}` of `{name}`, but `{name}` in `struct arguments` has {size} bytes; lower \
                 `max`, or widen the member"
            )));
        }
        if let (Some(min), Some(largest)) = (argument.min, narrowed.max)
            && largest < min
        {
            return Err(subject.mismatch(format!(
                "element.toml says `min = {min}` of `{name}`, but the {size} bytes of `{name}` in `struct arguments` hold at \
                 most {largest}; lower `min`, or widen the member"
            )));
        }
        if let Some(default) = &argument.default
            && let Err(error) = values::parse(narrowed, default)
        {
            return Err(subject.mismatch(format!(
                "the default of `{name}` does not fit into the {size} bytes of its member: {}",
                error.message
            )));
        }
    }
    Ok(())
}
