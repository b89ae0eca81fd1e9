//! What a path names: a module or an item of the crate, or something outside of it.

use syn::{Item, UseTree};

use super::source::{Crate, Place, is_public, name_of};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Module(Place),
    /// The module of an item, and its number there.
    Item(Place, usize),
    /// A path that leads out of the crate, or to what a macro makes.
    Outside(String),
}

/// One name that a `use` brings in, or all of a module.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// `None`: everything that the path holds.
    pub(super) name: Option<String>,
    pub(super) is_public: bool,
}

/// A chain of re-exports longer than this is a circle.
const DEPTH: usize = 12;

impl Crate {
    /// What the `use` items of a module bring in.
    pub(super) fn imports(&self, place: &Place) -> Vec<Import> {
        let mut imports = Vec::new();
        for item in &self.modules[place].items {
            if let Item::Use(item) = item {
                flatten(&item.tree, &mut Vec::new(), is_public(&item.vis), &mut imports);
            }
        }
        imports
    }

    /// What `path` names when it is written in the module at `place`.
    pub(super) fn resolve(&self, place: &Place, path: &[String]) -> Vec<Found> {
        let mut found = self.walk(place, path, DEPTH);
        found.sort();
        found.dedup();
        found
    }

    fn walk(&self, place: &Place, path: &[String], depth: usize) -> Vec<Found> {
        let outside = || vec![Found::Outside(path.join("::"))];
        let Some((first, rest)) = path.split_first().filter(|_| depth > 0) else {
            return outside();
        };
        let mut parent = place.clone();
        let mut found = match &**first {
            "crate" => vec![Found::Module(Place::new())],
            "self" => vec![Found::Module(parent)],
            "super" => {
                parent.pop();
                vec![Found::Module(parent)]
            }
            name => {
                parent.push(name.to_owned());
                // Before more segments stands a module, whatever else has its name.
                match !rest.is_empty() && self.modules.contains_key(&parent) {
                    true => vec![Found::Module(parent)],
                    false => self.lookup(place, name, depth),
                }
            }
        };
        if found.is_empty() {
            return outside();
        }
        for (at, name) in rest.iter().enumerate() {
            found = found
                .into_iter()
                .flat_map(|found| match found {
                    Found::Module(module) if name == "super" => {
                        let mut module = module;
                        module.pop();
                        vec![Found::Module(module)]
                    }
                    Found::Module(module) => {
                        let inner = self.lookup(&module, name, depth);
                        match inner.is_empty() {
                            // A macro may have made it.
                            true => vec![Found::Outside(self.shown(&module, &rest[at..]))],
                            false => inner,
                        }
                    }
                    Found::Outside(path) => vec![Found::Outside(format!("{path}::{name}"))],
                    Found::Item(module, _) => vec![Found::Outside(self.shown(&module, &path[at..]))],
                })
                .collect();
        }
        found
    }

    /// What a name means in a module.
    fn lookup(&self, place: &Place, name: &str, depth: usize) -> Vec<Found> {
        let Some(module) = self.modules.get(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (number, item) in module.items.iter().enumerate() {
            match name_of(item) {
                Some((own, _)) if own == name => found.push(match item {
                    Item::Mod(_) => Found::Module([&**place, &[own]].concat()),
                    _ => Found::Item(place.clone(), number),
                }),
                _ => {}
            }
        }
        for import in self.imports(place) {
            match import.name {
                Some(own) if own == name => found.extend(self.walk(place, &import.path, depth.saturating_sub(1))),
                Some(_) => {}
                None => {
                    for inside in self.walk(place, &import.path, depth.saturating_sub(1)) {
                        if let Found::Module(module) = inside
                            && module != *place
                        {
                            found.extend(self.lookup(&module, name, depth.saturating_sub(1)));
                        }
                    }
                }
            }
        }
        found
    }

    /// A path below a module, as one would write it from outside.
    pub(super) fn shown(&self, module: &[String], rest: &[String]) -> String {
        let crate_name = std::slice::from_ref(&self.name);
        [crate_name, module, rest].concat().join("::")
    }
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, is_public: bool, imports: &mut Vec<Import>) {
    let import = |path: Vec<String>, name: Option<String>| Import { path, name, is_public };
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            flatten(&inner.tree, path, is_public, imports);
            path.pop();
        }
        UseTree::Group(group) => {
            for inner in &group.items {
                flatten(inner, path, is_public, imports);
            }
        }
        UseTree::Glob(_) => imports.push(import(path.clone(), None)),
        UseTree::Name(name) if name.ident == "self" => imports.push(import(path.clone(), path.last().cloned())),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            imports.push(import([&**path, std::slice::from_ref(&name)].concat(), Some(name)));
        }
        UseTree::Rename(rename) => {
            let mut path = path.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            imports.push(import(path, Some(rename.rename.to_string())));
        }
    }
}
