//! Which elements exist: manifests by name, and the fields that they declare.

use crate::fields::Fields;
use crate::manifest::{Kind, Manifest};
use std::collections::BTreeMap;

/// All elements that policies may use, by name, and the fields that they declare.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    elements: BTreeMap<String, Manifest>,
    fields: Fields,
}

impl Catalog {
    /// The element of this name.
    pub fn get(&self, name: &str) -> Option<&Manifest> {
        self.elements.get(name)
    }

    /// All elements, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.elements.values()
    }

    /// Adds an element; returns the one of the same name that it replaces.
    pub fn insert(&mut self, manifest: Manifest) -> Option<Manifest> {
        let replaced = self.elements.insert(manifest.name.clone(), manifest);
        self.fields = Fields::of(self.elements.values());
        replaced
    }

    /// The fields that conditions may use, in addition to the compiler's own.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Why `manifest` cannot be used beside these elements: a field, or an alias of one, that another element declares.
    pub fn conflict(&self, manifest: &Manifest) -> Option<String> {
        self.fields.conflict(manifest)
    }

    /// Names of all elements of one kind.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> + Clone {
        self.elements
            .values()
            .filter(move |manifest| manifest.kind == kind)
            .map(|manifest| manifest.name.as_str())
    }
}

/// Of several elements with one name, the last stays.
impl FromIterator<Manifest> for Catalog {
    fn from_iter<I: IntoIterator<Item = Manifest>>(manifests: I) -> Self {
        let named = manifests.into_iter().map(|manifest| (manifest.name.clone(), manifest));
        let elements: BTreeMap<_, _> = named.collect();
        let fields = Fields::of(elements.values());
        Self { elements, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_elements_with_one_name_stays() {
        let first = Manifest::parse(
            "element.toml",
            "name = 'rate_limit'\nkind = 'actor'\nsummary = 'First.'\nhooks = ['xdp']\n",
        )
        .unwrap();
        let second = Manifest {
            summary: "Other.".into(),
            ..first.clone()
        };
        let mut catalog: Catalog = [first, second.clone()].into_iter().collect();
        assert_eq!(catalog.get("rate_limit"), Some(&second));
        assert_eq!(catalog.insert(second.clone()), Some(second));
    }
}
