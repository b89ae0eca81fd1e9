//! The elements that policies can use: those in this crate and those that an operator has installed.

use crate::{
    clang::Variant,
    embedded,
    error::{Error, Result},
};
use emptcp_plan::manifest::{Hook, Manifest};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Where an element comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Shipped with emptcp.
    BuiltIn,
    /// Installed by an operator, in this folder.
    Installed(PathBuf),
}

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

    /// An element from a folder that holds `element.toml` and the objects `tc.o` and `xdp.o`.
    ///
    /// # Errors
    /// When the manifest cannot be read, or an object that it promises is missing.
    pub(crate) fn from_folder(folder: &Path) -> Result<Self> {
        let manifest = read_manifest(folder)?;
        let object = |variant: Variant| {
            let path = folder.join(format!("{}.o", variant.name()));
            if manifest.hooks.iter().any(|hook| variant_of(*hook) == variant) {
                fs::read(&path)
                    .map(|bytes| Some(Cow::Owned(bytes)))
                    .map_err(|source| Error::io(path, source))
            } else {
                Ok(None)
            }
        };
        let (tc, xdp) = (object(Variant::Tc)?, object(Variant::Xdp)?);
        Ok(Self {
            manifest,
            origin: Origin::Installed(folder.to_owned()),
            tc,
            xdp,
        })
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
/// When it is missing, malformed, or names an element other than its folder.
pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join("element.toml");
    let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    Manifest::parse(&path.display().to_string(), &text).map_err(|diagnostics| Error::Element {
        element: path.display().to_string(),
        detail: diagnostics.to_string(),
    })
}

/// All elements by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    elements: BTreeMap<String, Element>,
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
        }
    }

    /// The shipped and the installed elements.
    ///
    /// # Errors
    /// When an installed element cannot be read.
    pub fn load() -> Result<Self> {
        Self::load_from(&installed_folder())
    }

    /// The shipped elements and those in `folder`, which need not exist.
    ///
    /// # Errors
    /// When an installed element cannot be read.
    pub fn load_from(folder: &Path) -> Result<Self> {
        let mut catalog = Self::built_in();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(catalog),
            Err(error) => return Err(Error::io(folder, error)),
        };
        for entry in entries.flatten().filter(|entry| {
            !entry.file_name().to_string_lossy().starts_with('.') && entry.path().join("element.toml").is_file()
        }) {
            let element = Element::from_folder(&entry.path())?;
            // A shipped element cannot be replaced: policies would change their meaning silently.
            catalog.elements.entry(element.manifest.name.clone()).or_insert(element);
        }
        Ok(catalog)
    }

    /// An element by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn element(&self, name: &str) -> Result<&Element> {
        self.elements
            .get(name)
            .ok_or_else(|| Error::UnknownElement(name.to_owned()))
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
