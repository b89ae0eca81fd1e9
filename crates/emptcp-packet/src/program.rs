//! Loads one program of the packet plane: an element's for a policy, or the core's. Adds the element, the policy and
//! the hook to the errors of [`emptcp_load`].

use crate::{
    error::{Error, Result},
    maps::Maps,
    refusal::Refusal,
};
pub(crate) use emptcp_load::object::Presence;
use emptcp_load::{
    Misfit,
    object::{self, Loaded},
    rodata::Layout,
};
use emptcp_plan::{manifest::Hook, plan::Value};
use libbpf_rs::{MapHandle, OpenObject};

/// The program that an error concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Element, or name of a core program.
    pub(crate) element: &'a str,
    /// The policy that uses it.
    pub(crate) policy: Option<&'a str>,
    /// The hook.
    pub(crate) hook: Hook,
}

impl Subject<'_> {
    pub(crate) fn mismatch(&self, detail: impl Into<String>) -> Error {
        Error::Mismatch {
            element: self.element.to_owned(),
            hook: self.hook.name().to_owned(),
            detail: detail.into(),
            rebuild: false,
        }
    }

    /// The same, if the objects must be built again.
    pub(crate) fn outdated(&self, detail: impl Into<String>) -> Error {
        Error::Mismatch {
            element: self.element.to_owned(),
            hook: self.hook.name().to_owned(),
            detail: detail.into(),
            rebuild: true,
        }
    }

    /// An error of this program.
    fn reported(&self, error: emptcp_load::Error) -> Error {
        match error {
            emptcp_load::Error::Misfit(misfit @ (Misfit::Object(_) | Misfit::Map(_))) => {
                self.outdated(in_words(&misfit))
            }
            emptcp_load::Error::Misfit(misfit) => self.mismatch(in_words(&misfit)),
            emptcp_load::Error::Refused(verifier) => Error::Refused(Box::new(Refusal {
                element: self.element.to_owned(),
                policy: self.policy.map(str::to_owned),
                hook: self.hook,
                verifier: *verifier,
            })),
            emptcp_load::Error::Host(error) => error.into(),
        }
    }

    fn name(&self) -> String {
        format!("`{}` for {}", self.element, self.hook.name())
    }
}

/// Describes a mismatch for the author of the element.
fn in_words(misfit: &Misfit) -> String {
    match misfit {
        Misfit::Object(_) => format!("{misfit}; build the element again"),
        Misfit::NoConstant { exact, .. } if !exact.is_empty() => {
            let names: Vec<_> = exact.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "element.toml has the argument(s) {} but the source does not declare `ARGUMENTS;`",
                names.join(", ")
            )
        }
        Misfit::NoMember {
            variable,
            member,
            exact: true,
        } => format!("argument `{member}` is in element.toml but not in `struct {variable}`"),
        Misfit::NotFilled { variable, member } => {
            format!("argument `{member}` is in `struct {variable}` but not in element.toml")
        }
        Misfit::Map(name) => {
            format!("its map `{name}` differs from the core's; build it again with this version's SDK")
        }
        misfit => misfit.to_string(),
    }
}

/// A constant to be filled in, with values from a plan.
#[derive(Clone, Debug)]
pub(crate) struct Fill<'a> {
    /// The variable.
    pub(crate) variable: &'a str,
    /// Its members.
    pub(crate) members: Vec<(&'a str, Value)>,
    /// Whether it must exist.
    pub(crate) presence: Presence,
}

impl<'a> Fill<'a> {
    fn resolved(&self, subject: Subject<'_>) -> Result<object::Fill<'a>> {
        let value = |name: &str, value: &Value| {
            Ok(match value {
                Value::Integer(value) => object::Value::Integer(*value),
                Value::Pair(low, high) => object::Value::Pair(*low, *high),
                Value::Prefix { address, length } => object::Value::Bytes {
                    bytes: [address.as_slice(), length.to_ne_bytes().as_slice()].concat(),
                    of: "struct emptcp_prefix",
                },
                Value::Device(device) => {
                    return Err(subject.mismatch(format!(
                        "`{name}` in `struct {}` holds the device `{device}`, which was not resolved",
                        self.variable
                    )));
                }
            })
        };
        let members = self.members.iter().map(|(name, v)| Ok((*name, value(name, v)?)));
        Ok(object::Fill {
            variable: self.variable,
            members: members.collect::<Result<_>>()?,
            presence: self.presence,
        })
    }
}

fn resolved<'a>(fills: &[Fill<'a>], subject: Subject<'_>) -> Result<Vec<object::Fill<'a>>> {
    fills.iter().map(|fill| fill.resolved(subject)).collect()
}

/// The maps of an instance, as one program shares them.
struct Shared<'a>(&'a Maps, Subject<'a>);

impl object::Maps for Shared<'_> {
    fn shared(&self, name: &str) -> Option<&MapHandle> {
        self.0.core(name, self.1.hook)
    }

    fn made_before(&self, name: &str) -> Option<&MapHandle> {
        self.0.private(self.1.element, name)
    }

    /// Per-flow state has as many entries as the instance's tables.
    fn entries(&self, name: &str) -> Option<u32> {
        name.starts_with("state").then_some(self.0.state_entries())
    }
}

/// Opens an object.
pub(crate) fn open(bytes: &[u8], subject: Subject<'_>) -> Result<OpenObject> {
    object::open(bytes).map_err(|error| subject.reported(error))
}

/// The layout of the constants of an object.
pub(crate) fn layout(object: &OpenObject, subject: Subject<'_>) -> Result<Layout> {
    object::layout(object).map_err(|error| subject.reported(error))
}

/// Fills in the constants.
pub(crate) fn fill(object: &mut OpenObject, layout: &Layout, subject: Subject<'_>, fills: &[Fill<'_>]) -> Result<()> {
    object::fill(object, layout, &resolved(fills, subject)?).map_err(|error| subject.reported(error))
}

/// Sets the maps and loads.
pub(crate) fn finish(object: OpenObject, subject: Subject<'_>, maps: &Maps) -> Result<Loaded> {
    object::finish(object, &subject.name(), &Shared(maps, subject)).map_err(|error| subject.reported(error))
}

/// Fills in constants, sets the maps and loads.
pub(crate) fn load(bytes: &[u8], subject: Subject<'_>, fills: &[Fill<'_>], maps: &Maps) -> Result<Loaded> {
    let fills = resolved(fills, subject)?;
    object::load(bytes, &subject.name(), &fills, &Shared(maps, subject)).map_err(|error| subject.reported(error))
}

/// The same for a program that uses no map.
pub(crate) fn load_alone(bytes: &[u8], subject: Subject<'_>) -> Result<Loaded> {
    object::load(bytes, &subject.name(), &[], &object::NoMaps).map_err(|error| subject.reported(error))
}

/// Tries once more if the verifier gives no reason.
pub(crate) fn twice(attempt: impl Fn() -> Result<Loaded>) -> Result<Loaded> {
    object::twice(attempt, |error| match error {
        Error::Refused(refusal) => Some(&refusal.verifier),
        _ => None,
    })
}
