//! Loads one program of the packet plane: an element's for a policy, or the core's. What it is told by
//! [`emptcp_load`] names the element, the policy and the hook from here on.

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

/// Which program it is.
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
            hook: self.hook.name().to_owned(),
            detail: detail.into(),
            rebuild: false,
        }
    }

    /// The same, where the objects must be built again.
    pub(crate) fn outdated(&self, detail: impl Into<String>) -> Error {
        Error::Mismatch {
            element: self.element.to_owned(),
            hook: self.hook.name().to_owned(),
            detail: detail.into(),
            rebuild: true,
        }
    }

    /// What went wrong with this program.
    fn told(&self, error: emptcp_load::Error) -> Error {
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

/// How an object does not fit, in words of who wrote the element.
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

/// A constant to be filled, with values as a plan has them.
#[derive(Clone, Debug)]
pub(crate) struct Fill<'a> {
    /// The variable.
    pub(crate) variable: &'a str,
    /// Its members.
    pub(crate) members: Vec<(&'a str, Value)>,
    /// How strictly it must be there.
    pub(crate) presence: Presence,
}

impl<'a> Fill<'a> {
    fn resolved(&self, who: Who<'_>) -> Result<object::Fill<'a>> {
        let value = |name: &str, value: &Value| {
            Ok(match value {
                Value::Integer(value) => object::Value::Integer(*value),
                Value::Pair(low, high) => object::Value::Pair(*low, *high),
                Value::Prefix { address, length } => object::Value::Bytes {
                    bytes: [address.as_slice(), length.to_ne_bytes().as_slice()].concat(),
                    of: "struct emptcp_prefix",
                },
                Value::Device(device) => {
                    return Err(who.mismatch(format!(
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

fn resolved<'a>(fills: &[Fill<'a>], who: Who<'_>) -> Result<Vec<object::Fill<'a>>> {
    fills.iter().map(|fill| fill.resolved(who)).collect()
}

/// The maps of an instance, as one program shares them.
struct Shared<'a>(&'a Maps, Who<'a>);

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
pub(crate) fn open(bytes: &[u8], who: Who<'_>) -> Result<OpenObject> {
    object::open(bytes).map_err(|error| who.told(error))
}

/// Where the constants of an object lie.
pub(crate) fn layout(object: &OpenObject, who: Who<'_>) -> Result<Layout> {
    object::layout(object).map_err(|error| who.told(error))
}

/// Fills in the constants.
pub(crate) fn fill(object: &mut OpenObject, layout: &Layout, who: Who<'_>, fills: &[Fill<'_>]) -> Result<()> {
    object::fill(object, layout, &resolved(fills, who)?).map_err(|error| who.told(error))
}

/// Hands over the maps and loads.
pub(crate) fn finish(object: OpenObject, who: Who<'_>, maps: &Maps) -> Result<Loaded> {
    object::finish(object, &who.name(), &Shared(maps, who)).map_err(|error| who.told(error))
}

/// Fills, hands over the maps and loads.
pub(crate) fn load(bytes: &[u8], who: Who<'_>, fills: &[Fill<'_>], maps: &Maps) -> Result<Loaded> {
    let fills = resolved(fills, who)?;
    object::load(bytes, &who.name(), &fills, &Shared(maps, who)).map_err(|error| who.told(error))
}

/// The same for a program that uses no map.
pub(crate) fn load_alone(bytes: &[u8], who: Who<'_>) -> Result<Loaded> {
    object::load(bytes, &who.name(), &[], &object::NoMaps).map_err(|error| who.told(error))
}

/// Tries once more when the verifier gives no reason.
pub(crate) fn twice(attempt: impl Fn() -> Result<Loaded>) -> Result<Loaded> {
    object::twice(attempt, |error| match error {
        Error::Refused(refusal) => Some(&refusal.verifier),
        _ => None,
    })
}
