//! The elements that policies can use: those in this crate and those that an operator has installed.

pub use super::about::Origin;
use crate::{
    elements::about,
    error::{Error, Result},
    maps::Maps,
    program::{self, Fill, Subject},
};
use emptcp_host::files;
use emptcp_load::{clang::Variant, embedded, object::Loaded};
use emptcp_plan::{
    manifest::{Hook, Manifest},
    plan::Plan,
};
use libbpf_rs::OpenObject;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Size limit, far above any object; the kernel accepts a million instructions of 8 bytes.
const OBJECT_BYTES: u64 = 32 << 20;
/// Size limit, far above any `element.toml`.
const MANIFEST_BYTES: u64 = 1 << 20;

/// An element: its manifest and its programs.
#[derive(Clone, Debug)]
pub struct Element {
    /// What it is.
    pub manifest: Manifest,
    /// Where it comes from.
    pub origin: Origin,
    tc: Option<Cow<'static, [u8]>>,
    xdp: Option<Cow<'static, [u8]>>,
}

impl Element {
    /// The object for a hook, if the element can run there.
    pub(crate) fn object(&self, hook: Hook) -> Option<&[u8]> {
        if !self.manifest.hooks.contains(&hook) {
            return None;
        }
        match hook {
            Hook::Xdp => self.xdp.as_deref(),
            Hook::TcIngress | Hook::TcEgress => self.tc.as_deref(),
        }
    }

    /// The object `bytes` of this element, compared with the manifest and filled in. Needs no rights.
    pub(crate) fn filled(&self, bytes: &[u8], subject: Subject<'_>, fills: &[Fill<'_>]) -> Result<OpenObject> {
        let mut object = program::open(bytes, subject)?;
        let layout = program::layout(&object, subject)?;
        about::agree(&object, &layout, subject, &self.manifest, &self.origin)?;
        program::fill(&mut object, &layout, subject, fills)?;
        Ok(object)
    }

    /// The same, and loads it.
    pub(crate) fn load(&self, bytes: &[u8], subject: Subject<'_>, fills: &[Fill<'_>], maps: &Maps) -> Result<Loaded> {
        program::twice(|| program::finish(self.filled(bytes, subject, fills)?, subject, maps))
    }

    /// An element from a folder that holds `element.toml` and the objects `tc.o` and `xdp.o`.
    ///
    /// # Errors
    /// When the manifest cannot be read, or an object that it promises is missing.
    pub(crate) fn from_folder(folder: &Path) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let object = |variant: Variant| {
            let path = folder.join(format!("{}.o", variant.name()));
            if manifest.hooks.iter().any(|hook| variant_of(*hook) == variant) {
                files::read_regular(&path, OBJECT_BYTES)
                    .map(|bytes| Some(Cow::Owned(bytes)))
                    .map_err(|source| Error::io(path, source))
            } else {
                Ok(None)
            }
        };
        let (tc, xdp) = (object(Variant::Tc)?, object(Variant::Xdp)?);
        let mut element = Self {
            manifest,
            origin: Origin::Installed(folder.to_owned()),
            tc,
            xdp,
        };
        element.narrow();
        Ok(element)
    }
}

impl Element {
    /// Limits numbers to what `struct arguments` holds. An object that cannot be read is reported when it is used.
    fn narrow(&mut self) {
        for hook in self.manifest.hooks.clone() {
            let subject = Subject {
                element: &self.manifest.name,
                policy: None,
                hook,
            };
            let layout = self.object(hook).and_then(|object| {
                program::open(object, subject)
                    .and_then(|object| program::layout(&object, subject))
                    .ok()
            });
            if let Some(layout) = layout {
                about::narrow(&mut self.manifest, &layout);
            }
        }
    }
}

/// The variant of the source that runs at a hook.
pub(crate) fn variant_of(hook: Hook) -> Variant {
    match hook {
        Hook::Xdp => Variant::Xdp,
        Hook::TcIngress | Hook::TcEgress => Variant::Tc,
    }
}

/// Reads `element.toml` of a folder.
///
/// # Errors
/// When it is missing or malformed.
pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join("element.toml");
    let text = files::read_regular(&path, MANIFEST_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NoElement {
            folder: folder.to_owned(),
            source,
        },
        _ => Error::io(&path, source),
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::io(&path, io::Error::other(format!("it is not UTF-8, from byte {at} on")))
    })?;
    // Each diagnostic begins with the name of the file: here the name of the folder is enough.
    Manifest::parse("element.toml", &text).map_err(|diagnostics| Error::Element {
        element: folder.display().to_string(),
        detail: diagnostics.to_string(),
    })
}

/// Policies find an element by its name, operators by its folder.
pub(crate) fn named_as_its_folder(folder: &Path, manifest: &Manifest) -> Result<()> {
    let whole = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    if name == manifest.name {
        return Ok(());
    }
    Err(Error::Element {
        element: folder.display().to_string(),
        detail: format!(
            "the folder is named `{name}`, but element.toml says `name = \"{}\"`; both must be the same",
            manifest.name
        ),
    })
}

/// Two elements cannot declare the same word of conditions.
fn no_conflict(others: &emptcp_plan::Catalog, manifest: &Manifest) -> Result<()> {
    others.conflict(manifest).map_or(Ok(()), |why| {
        Err(Error::Element {
            element: manifest.name.clone(),
            detail: format!("{why}; choose another word"),
        })
    })
}

/// All elements by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    elements: BTreeMap<String, Element>,
    broken: Vec<Broken>,
}

/// An installed element that cannot be read. Policies cannot use it; everything else goes on without it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// Where it is installed.
    pub folder: PathBuf,
    /// Why it cannot be read.
    pub why: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the installed element in {} is left out: {}",
            self.folder.display(),
            self.why
        )
    }
}

/// Where installed elements live, unless the environment names another folder in `EMPTCP_ELEMENTS`.
pub const INSTALLED: &str = "/var/lib/emptcp/elements";

/// The folder of installed elements.
pub fn installed_folder() -> PathBuf {
    std::env::var_os("EMPTCP_ELEMENTS").map_or_else(|| PathBuf::from(INSTALLED), PathBuf::from)
}

impl Catalog {
    /// The shipped elements only.
    pub fn built_in() -> Self {
        let elements = embedded::ELEMENTS.iter().map(|(text, tc, xdp)| {
            let manifest: Manifest = toml::from_str(text).expect("a shipped element.toml; a test reads each of them");
            let element = Element {
                manifest,
                origin: Origin::BuiltIn,
                tc: tc.map(Cow::Borrowed),
                xdp: xdp.map(Cow::Borrowed),
            };
            (element.manifest.name.clone(), element)
        });
        Self {
            elements: elements.collect(),
            broken: Vec::new(),
        }
    }

    /// The shipped and the installed elements; see [`Catalog::load_from`].
    ///
    /// # Errors
    /// When the folder of installed elements cannot be read.
    pub fn load() -> Result<Self> {
        Self::load_from(&installed_folder())
    }

    /// The shipped elements and those in `folder`, which need not exist. What cannot be read there is
    /// [`Catalog::broken`].
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn load_from(folder: &Path) -> Result<Self> {
        let mut catalog = Self::built_in();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(catalog),
            Err(error) => return Err(Error::io(folder, error)),
        };
        let found = entries.flatten().map(|entry| entry.path()).filter(|folder| {
            // One that is no file is reported. A name that begins with a dot belongs to an installation in progress.
            let hidden = folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            !hidden && fs::symlink_metadata(folder.join("element.toml")).is_ok()
        });
        // Sorted by name: of two elements that declare one field always the first is used.
        let folders: BTreeSet<PathBuf> = found.collect();
        let mut manifests = catalog.manifests();
        for folder in folders {
            let element = Element::from_folder(&folder).and_then(|element| {
                named_as_its_folder(&folder, &element.manifest)?;
                catalog.not_shipped(&element.manifest.name)?;
                no_conflict(&manifests, &element.manifest)?;
                Ok(element)
            });
            match element {
                Ok(element) => {
                    manifests.insert(element.manifest.clone());
                    catalog.elements.insert(element.manifest.name.clone(), element);
                }
                Err(error) => catalog.broken.push(Broken {
                    folder,
                    why: error.to_string(),
                }),
            }
        }
        Ok(catalog)
    }

    /// Checks that an element does not conflict with the others. The one of its own name is replaced.
    pub(crate) fn takes(&self, manifest: &Manifest) -> Result<()> {
        self.not_shipped(&manifest.name)?;
        no_conflict(&self.manifests(), manifest)
    }

    /// A shipped element cannot be replaced: policies would change their meaning silently.
    pub(crate) fn not_shipped(&self, name: &str) -> Result<()> {
        match self.elements.get(name) {
            Some(element) if element.origin == Origin::BuiltIn => Err(Error::Element {
                element: name.to_owned(),
                detail: "a shipped element has this name; choose another".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Installed elements that cannot be read.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// An element by name.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn element(&self, name: &str) -> Result<&Element> {
        self.elements
            .get(name)
            .ok_or_else(|| Error::UnknownElement(name.to_owned()))
    }

    /// Checks that the objects of all elements that `plan` uses match their manifests and this version. Does not use
    /// the kernel.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with what to do: an element that was installed by another version of emptcp must be built
    /// again.
    pub fn fits(&self, plan: &Plan) -> Result<()> {
        let mut done = BTreeSet::new();
        for policy in &plan.policies {
            for (node, hook) in policy
                .nodes
                .iter()
                .flat_map(|node| policy.hooks.iter().map(move |hook| (node, *hook)))
            {
                let element = self.element(&node.element)?;
                let Some(object) = element.object(hook) else { continue };
                if element.origin == Origin::BuiltIn || !done.insert((&node.element, hook)) {
                    continue;
                }
                let subject = Subject {
                    element: &node.element,
                    policy: Some(&policy.name),
                    hook,
                };
                let object = program::open(object, subject)?;
                about::agree(
                    &object,
                    &program::layout(&object, subject)?,
                    subject,
                    &element.manifest,
                    &element.origin,
                )?;
            }
        }
        Ok(())
    }

    /// All elements, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Element> {
        self.elements.values()
    }

    /// All manifests, for the policy compiler.
    pub fn manifests(&self) -> emptcp_plan::Catalog {
        self.elements.values().map(|element| element.manifest.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_manifests_bound_every_number_that_has_fewer_than_eight_bytes() {
        for element in Catalog::built_in().iter() {
            let mut narrowed = element.clone();
            narrowed.narrow();
            assert_eq!(narrowed.manifest, element.manifest);
        }
    }
}
