//! A crate's modules with their items, without its tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use syn::{Attribute, Item, ItemMod, Visibility};

/// Where a module is: the names of the modules around it and its own. The root is empty.
pub(super) type Place = Vec<String>;

/// A crate as it is written.
pub(super) struct Crate {
    /// Its name in paths.
    pub(super) name: String,
    pub(super) modules: BTreeMap<Place, Module>,
}

#[derive(Default)]
pub(super) struct Module {
    /// The attributes of its declaration.
    pub(super) attributes: Vec<Attribute>,
    pub(super) items: Vec<Item>,
}

impl Crate {
    /// Reads a crate from its sources: where each is below `src`, and its text.
    pub(super) fn read(package: &str, sources: &[(PathBuf, String)]) -> anyhow::Result<Self> {
        let mut read = Self {
            name: package.replace('-', "_"),
            modules: BTreeMap::new(),
        };
        let files: BTreeMap<&Path, &str> = sources.iter().map(|(path, text)| (&**path, &**text)).collect();
        read.file(&files, Path::new("lib.rs"), &Place::new(), Vec::new())?;
        Ok(read)
    }

    fn file(
        &mut self,
        files: &BTreeMap<&Path, &str>,
        path: &Path,
        place: &Place,
        attributes: Vec<Attribute>,
    ) -> anyhow::Result<()> {
        let text = files
            .get(path)
            .with_context(|| format!("{}: no such file", path.display()))?;
        let file = syn::parse_file(text).with_context(|| format!("cannot read {}", path.display()))?;
        self.module(files, place, attributes, file.items)
    }

    fn module(
        &mut self,
        files: &BTreeMap<&Path, &str>,
        place: &Place,
        attributes: Vec<Attribute>,
        items: Vec<Item>,
    ) -> anyhow::Result<()> {
        let items: Vec<_> = items.into_iter().filter(|item| !is_test(attributes_of(item))).collect();
        for item in &items {
            let Item::Mod(inner) = item else { continue };
            let mut below = place.clone();
            below.push(inner.ident.to_string());
            let attributes = inner.attrs.clone();
            match &inner.content {
                Some((_, items)) => self.module(files, &below, attributes, items.clone())?,
                None => {
                    let path = file_of(files, &below, inner)?;
                    self.file(files, &path, &below, attributes)?;
                }
            }
        }
        self.modules.insert(place.clone(), Module { attributes, items });
        Ok(())
    }
}

/// The file of a module that is declared without its content.
fn file_of(files: &BTreeMap<&Path, &str>, place: &Place, declared: &ItemMod) -> anyhow::Result<PathBuf> {
    if declared.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
        bail!("{}: a module with `#[path]` is not understood here", place.join("::"));
    }
    let path: PathBuf = place.iter().collect();
    [path.with_extension("rs"), path.join("mod.rs")]
        .into_iter()
        .find(|path| files.contains_key(&**path))
        .with_context(|| format!("the module {} has no file", place.join("::")))
}

/// Whether it exists only in tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// The attributes of any item.
pub(super) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name of an item that has one, and whether it is `pub`.
pub(super) fn name_of(item: &Item) -> Option<(String, bool)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Mod(item) => (&item.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::TraitAlias(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((name.to_string(), is_public(visibility)))
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
