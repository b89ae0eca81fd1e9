//! What a crate shows to others: walks its public modules and follows its re-exports.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use super::names::Found;
use super::source::{Crate, Place, name_of};

/// Where the items and modules of a crate can be named from outside.
#[derive(Default)]
pub(super) struct Public {
    /// The paths of each public item: its module, its number there.
    pub(super) items: BTreeMap<(Place, usize), BTreeSet<String>>,
    /// The paths of each public module.
    pub(super) modules: BTreeMap<Place, BTreeSet<String>>,
    /// Paths that lead out of the crate, or to the output of a macro, and what follows them.
    pub(super) outside: BTreeMap<String, BTreeSet<String>>,
    /// Macros that are called where items are declared, by their module.
    pub(super) macros: BTreeSet<(Place, usize)>,
}

impl Public {
    pub(super) fn of(source: &Crate) -> Self {
        let mut public = Self::default();
        public.module(source, &Place::new(), &source.name);
        for (place, module) in &source.modules {
            for (number, item) in module.items.iter().enumerate() {
                let Item::Macro(item) = item else { continue };
                let is_exported = item
                    .attrs
                    .iter()
                    .any(|attribute| attribute.path().is_ident("macro_export"));
                match &item.ident {
                    Some(name) if is_exported => public.item(place, number, &format!("{}::{name}", source.name)),
                    // Its output is unknown, so its whole text counts.
                    _ => drop(public.macros.insert((place.clone(), number))),
                }
            }
        }
        public
    }

    /// The path by which an item is best known: the shortest.
    pub(super) fn path(&self, place: &Place, number: usize) -> Option<&str> {
        best(self.items.get(&(place.clone(), number))?)
    }

    fn module(&mut self, source: &Crate, place: &Place, path: &str) {
        // Once for each of its paths.
        if !self.modules.entry(place.clone()).or_default().insert(path.to_owned()) {
            return;
        }
        self.content(source, place, path, &mut BTreeSet::new());
    }

    /// Everything that a module holds, at a path. `open` are the modules whose content is being taken over.
    fn content(&mut self, source: &Crate, place: &Place, path: &str, open: &mut BTreeSet<Place>) {
        let Some(module) = source.modules.get(place).filter(|_| open.insert(place.clone())) else {
            return;
        };
        for (number, item) in module.items.iter().enumerate() {
            let Some((name, true)) = name_of(item) else { continue };
            let path = format!("{path}::{name}");
            match item {
                Item::Mod(_) => self.module(source, &[&**place, &[name]].concat(), &path),
                _ => self.item(place, number, &path),
            }
        }
        for import in source.imports(place).into_iter().filter(|import| import.is_public) {
            for found in source.resolve(place, &import.path) {
                match (&import.name, found) {
                    (None, Found::Module(other)) => self.content(source, &other, path, open),
                    (None, Found::Outside(other)) => self.outside(&format!("{path}::*"), format!("{other}::*")),
                    (None, Found::Item(..)) => self.outside(&format!("{path}::*"), import.path.join("::")),
                    (Some(name), Found::Module(other)) => self.module(source, &other, &format!("{path}::{name}")),
                    (Some(name), Found::Outside(other)) => self.outside(&format!("{path}::{name}"), other),
                    (Some(name), Found::Item(other, number)) => self.item(&other, number, &format!("{path}::{name}")),
                }
            }
        }
        open.remove(place);
    }

    fn item(&mut self, place: &Place, number: usize, path: &str) {
        let paths = self.items.entry((place.clone(), number)).or_default();
        paths.insert(path.to_owned());
    }

    fn outside(&mut self, path: &str, other: String) {
        self.outside.entry(path.to_owned()).or_default().insert(other);
    }
}

/// The shortest of several paths.
pub(super) fn best(paths: &BTreeSet<String>) -> Option<&str> {
    let length = |path: &&String| path.matches("::").count();
    paths.iter().min_by_key(length).map(String::as_str)
}
