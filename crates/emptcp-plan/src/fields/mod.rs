//! Fields: the words that begin a test. Those that elements declare, and those of the compiler itself.
//!
//! * [`Fields`]: the table that the parser looks into. `core`: the compiler's own words.
//!
//! Elements also declare the compiler's own words, to test them where the classifier cannot ([`Form::Core`]).

pub(crate) mod core;

pub(crate) use self::core::CORE;
use crate::manifest::{Argument, ArgumentType, Declaration, Form, Manifest};
use crate::plan::Value;
use crate::suggest;
use crate::values::{self, ValueError, packet_types};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A declared field, resolved against the arguments of its element.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The element that declares it.
    pub element: String,
    /// As it is declared.
    pub declaration: Declaration,
    /// The values that it has in conditions.
    value: Argument,
    /// The argument that takes them.
    takes: Argument,
    /// Kinds of segments that can have it.
    segments: Option<u32>,
}

impl Field {
    /// `None` if the declaration does not fit the element: a manifest with such a field is refused.
    fn of(manifest: &Manifest, declaration: &Declaration) -> Option<Self> {
        let name = declaration.arguments.first()?;
        let takes = manifest.arguments.iter().find(|argument| argument.name == *name)?;
        Some(Self {
            element: manifest.name.clone(),
            value: Argument {
                ty: declaration.ty.unwrap_or(takes.ty),
                ..takes.clone()
            },
            takes: takes.clone(),
            segments: match &declaration.segments {
                Some(segments) => Some(packet_types::parse(segments).ok()?),
                None => None,
            },
            declaration: declaration.clone(),
        })
    }

    /// The word of conditions.
    pub fn name(&self) -> &str {
        &self.declaration.name
    }

    /// How a test of it is written.
    pub fn form(&self) -> Form {
        self.declaration.form
    }

    /// The type of its values.
    pub(crate) fn ty(&self) -> ArgumentType {
        self.value.ty
    }

    /// The largest number that it can have.
    pub(crate) fn largest(&self) -> u64 {
        self.value.max.unwrap_or(u64::MAX)
    }

    /// Kinds of segments that can have it.
    pub(crate) fn segments(&self) -> Option<u32> {
        self.segments
    }

    /// The words of a choice.
    pub fn words(&self) -> &[String] {
        &self.value.values
    }

    /// Reads a value as it is written in a condition.
    pub(crate) fn read(&self, text: &str) -> Result<Value, ValueError> {
        values::parse(&self.value, text).map_err(|mut error| {
            let is_bounded = self.value.min.is_some() || self.value.max.is_some();
            if self.value.ty == ArgumentType::Integer && is_bounded {
                error.help = format!("expected {}", values::describe(&self.value));
            }
            let meant = self.declaration.names.get(&text.to_lowercase());
            error.perhaps_meant(meant.cloned())
        })
    }

    /// Reads a number as it is written in a condition.
    pub(crate) fn read_number(&self, text: &str) -> Result<u64, ValueError> {
        match self.read(text)? {
            Value::Integer(number) => Ok(number),
            // A manifest with such a field is refused.
            _ => Err(ValueError::new("this is no number", "expected a whole number")),
        }
    }

    /// A number, or `LOW-HIGH`, both included.
    pub(crate) fn read_numbers(&self, text: &str) -> Result<(u64, u64), ValueError> {
        // Without a number at both ends it is no range: `-1`.
        let ends = text
            .split_once('-')
            .filter(|(low, high)| !low.is_empty() && !high.is_empty());
        let Some((low, high)) = ends else {
            return self.read_number(text).map(|number| (number, number));
        };
        let (low, high) = (self.read_number(low)?, self.read_number(high)?);
        if low <= high {
            return Ok((low, high));
        }
        let meant = format!("{high}-{low}");
        Err(ValueError::new(
            format!("the range `{}` is upside down", suggest::shorten(text)),
            format!("expected the lower number first: `{meant}`"),
        )
        .meant(meant))
    }

    /// Writes a value as it stands in a condition.
    pub(crate) fn written(&self, value: &Value) -> String {
        values::format(&self.value, value)
    }

    /// Writes a value as the argument of the element takes it.
    pub(crate) fn given(&self, value: &Value) -> String {
        values::format(&self.takes, value)
    }
}

/// All fields that elements declare, by their names.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    fields: BTreeMap<String, Vec<Arc<Field>>>,
    /// Words of other tools, and the field that is meant.
    aliases: BTreeMap<String, String>,
}

impl Fields {
    /// The fields of these elements. Of two that share a name the first stays.
    pub(crate) fn of<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Self {
        let mut table = Self::default();
        for manifest in manifests {
            for declaration in &manifest.fields {
                let Some(field) = Field::of(manifest, declaration) else {
                    continue;
                };
                if table.same(declaration).is_none() {
                    let named = table.fields.entry(declaration.name.clone()).or_default();
                    named.push(Arc::new(field));
                }
                for alias in &declaration.aliases {
                    table
                        .aliases
                        .entry(alias.clone())
                        .or_insert_with(|| declaration.name.clone());
                }
            }
        }
        table
    }

    /// The field that shares the name of this declaration. Two fields may, when one of them is written with `is`.
    fn same(&self, declaration: &Declaration) -> Option<&Arc<Field>> {
        let is = |form| form == Form::Is;
        let named = self.fields.get(&declaration.name)?;
        named.iter().find(|field| is(field.form()) == is(declaration.form))
    }

    /// The field of this name that is written with `is`, or the one that is not.
    pub(crate) fn named(&self, name: &str, is: bool) -> Option<&Arc<Field>> {
        let named = self.fields.get(name)?;
        named.iter().find(|field| (field.form() == Form::Is) == is)
    }

    /// The field of this name, whatever its form; where there are two, the one that is not written with `is`.
    pub fn get(&self, name: &str) -> Option<&Arc<Field>> {
        self.named(name, false).or_else(|| self.named(name, true))
    }

    /// All fields, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Field>> {
        self.fields.values().flatten()
    }

    /// Every word that begins a test, in alphabetical order.
    pub fn names(&self) -> Vec<&str> {
        let core = CORE.iter().map(|(name, _)| *name);
        let mut names: Vec<&str> = self.fields.keys().map(String::as_str).chain(core).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The field that is meant by a word of another tool.
    pub(crate) fn alias(&self, word: &str) -> Option<&str> {
        self.aliases.get(&word.to_lowercase()).map(String::as_str)
    }

    /// The field, written with `is`, of which this is a word.
    pub(crate) fn with_word(&self, word: &str) -> Option<&Arc<Field>> {
        self.iter()
            .find(|field| field.form() == Form::Is && field.words().iter().any(|known| known == word))
    }

    /// Whether the values of a field are ports.
    pub(crate) fn has_ports(&self, name: &str) -> bool {
        let declared = self.named(name, false);
        matches!(name, core::TCP_SRCPORT | core::TCP_DSTPORT | core::TCP_PORT)
            || declared.is_some_and(|field| field.form() == Form::Set && field.ty() == ArgumentType::Ports)
    }

    /// Why the fields of `manifest` cannot stand beside these: two elements declare one word.
    pub(crate) fn conflict(&self, manifest: &Manifest) -> Option<String> {
        let others = |field: &&Arc<Field>| field.element != manifest.name;
        manifest.fields.iter().find_map(|declaration| {
            let name = &declaration.name;
            if let Some(field) = self.same(declaration).filter(others) {
                return Some(format!(
                    "it declares the field `{name}`, as the element `{}` does",
                    field.element
                ));
            }
            if self.alias(name).is_some_and(|meant| meant != name) {
                return Some(format!(
                    "it declares the field `{name}`, an alias of another element's field"
                ));
            }
            let taken = |alias: &&String| {
                let known = self.get(alias).filter(others);
                let meant = self.alias(alias).and_then(|meant| self.get(meant)).filter(others);
                known.or(meant).is_some()
            };
            let alias = declaration.aliases.iter().find(taken)?;
            Some(format!(
                "the alias `{alias}` of its field `{name}` belongs to another element's field"
            ))
        })
    }
}
