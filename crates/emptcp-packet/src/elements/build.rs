//! Custom elements of an operator: build, install, list, remove.

pub use crate::elements::catalog::installed_folder;
use crate::{
    elements::about,
    elements::catalog::{self, Catalog, Element, Origin, named_as_its_folder, variant_of},
    elements::sdk,
    error::{Error, HostError, Result},
    program::{self, Fill, Presence, Subject},
    tables,
};
use emptcp_host::{
    files,
    work_folder::{WorkFolder, write_files},
};
use emptcp_load::clang::{self, Variant};
use emptcp_plan::{
    manifest::{ArgumentType, Hook, Kind, Manifest, Need},
    plan::Value,
};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Prefix of folders in which an installation is prepared.
const PREPARED: &str = ".emptcp-install-";
/// Prefix of folders with headers for the compiler.
const HEADERS: &str = "emptcp-headers-";
/// Size limit, far above any source or object.
const SOURCE_BYTES: u64 = 32 << 20;

/// An element that was built.
#[derive(Clone, Debug, Serialize)]
pub struct Built {
    /// Its name.
    pub name: String,
    /// Selector or actor.
    pub kind: Kind,
    /// The objects, beside the source: `tc.o`, `xdp.o`.
    pub objects: Vec<PathBuf>,
    /// Hooks for which the verifier of this kernel has accepted it.
    pub checked: Vec<Hook>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// An element in a list.
#[derive(Clone, Debug, Serialize)]
pub struct ElementInfo {
    /// Its name.
    pub name: String,
    /// Selector or actor.
    pub kind: Kind,
    /// One line.
    pub summary: String,
    /// Where it can run.
    pub hooks: Vec<Hook>,
    /// The folder of an installed element; `None` for one that is shipped.
    pub folder: Option<PathBuf>,
    /// Everything else.
    pub manifest: Manifest,
}

/// Compiles the element in `folder` and lets this kernel's verifier check it for every hook.
///
/// # Errors
/// A manifest that cannot be used, clang's refusal, the verifier's refusal.
pub fn build(folder: &Path) -> Result<Built> {
    let manifest = catalog::read_manifest(folder)?;
    named_as_its_folder(folder, &manifest)?;
    // The compiler would wait for input on a pipe or device.
    for file in sources(folder)? {
        files::is_regular_or_missing(&file).map_err(|error| Error::io(file, error))?;
    }
    names_nothing_private(folder, &manifest)?;
    let source = folder.join("element.bpf.c");
    if !source.is_file() {
        return Err(Error::Element {
            element: manifest.name.clone(),
            detail: format!("{} is missing", source.display()),
        });
    }
    let sdk = WorkFolder::new(&std::env::temp_dir(), HEADERS)?;
    sdk::write_headers(sdk.path())?;
    let mut objects = Vec::new();
    for variant in Variant::ALL {
        let object = folder.join(format!("{}.o", variant.name()));
        if manifest.hooks.iter().any(|hook| variant_of(*hook) == variant) {
            files::is_regular_or_missing(&object).map_err(|error| Error::io(&object, error))?;
            clang::compile(&source, &object, variant, &sdk::include_folders(sdk.path())).map_err(|failure| {
                Error::Compile {
                    element: manifest.name.clone(),
                    variant: variant.name(),
                    failure,
                }
            })?;
            objects.push(object);
        }
    }
    let element = Element::from_folder(folder)?;
    compare(&element, &manifest)?;
    let mut built = Built {
        name: manifest.name.clone(),
        kind: manifest.kind,
        objects,
        checked: Vec::new(),
        warnings: Vec::new(),
    };
    if Catalog::built_in().not_shipped(&built.name).is_err() {
        built.warnings.push(
            "a shipped element has this name, and policies mean that one: this one cannot be installed; choose another name"
                .to_owned(),
        );
    }
    if let Some(why) = Catalog::built_in().manifests().conflict(&manifest) {
        built.warnings.push(format!(
            "{why}: `emptcp element install` refuses this one; choose another word"
        ));
    }
    match check(&element) {
        Ok(()) => built.checked = manifest.hooks,
        Err(Error::Host(HostError::NotPermitted { .. })) => built.warnings.push(
            "built, but not checked by the verifier: that needs root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                .to_owned(),
        ),
        Err(error) => return Err(error),
    }
    Ok(built)
}

/// Prefix of the core's private headers: `emptcp/private.h`.
const PRIVATE: [&str; 2] = ["emptcp_scratch", "emptcp/private.h"];

/// Refuses a source that includes private headers of the core.
fn names_nothing_private(folder: &Path, manifest: &Manifest) -> Result<()> {
    for file in sources(folder)?
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e != "toml"))
    {
        let Ok(text) = files::read_regular(file, SOURCE_BYTES) else {
            continue; // Reported when it is compiled.
        };
        let text = String::from_utf8_lossy(&text);
        let found = (1..).zip(text.lines()).find_map(|(number, line)| {
            let name = PRIVATE.iter().find(|name| line.contains(**name))?;
            Some((number, name))
        });
        if let Some((number, name)) = found {
            return Err(Error::Element {
                element: manifest.name.clone(),
                detail: format!(
                    "{}:{number}: `{name}` is private to emptcp's core, and changes without notice; the headers of the SDK \
                     have functions for what an element may do",
                    file.display()
                ),
            });
        }
    }
    Ok(())
}

/// Compares the objects with the manifest, as its author wrote it. Needs no rights.
fn compare(element: &Element, manifest: &Manifest) -> Result<()> {
    for &hook in &manifest.hooks {
        let Some(object) = element.object(hook) else { continue };
        let subject = Subject {
            element: &manifest.name,
            policy: None,
            hook,
        };
        let object = element.filled(object, subject, &example(manifest, 0))?;
        about::arguments_fit(&program::layout(&object, subject)?, subject, manifest)?;
    }
    Ok(())
}

/// Loads an element for every hook. Twice, with different arguments: a constant can hide a branch from the verifier.
fn check(element: &Element) -> Result<()> {
    let maps = tables::small()?;
    for &hook in &element.manifest.hooks {
        let Some(object) = element.object(hook) else { continue };
        // Departure times and a class give two different branches.
        let fillers: &[u64] = match element.manifest.needs.contains(&Need::Class) {
            true => &[0, 1, 2],
            false => &[0, 1],
        };
        for &filler in fillers {
            let subject = Subject {
                element: &element.manifest.name,
                policy: None,
                hook,
            };
            element.load(object, subject, &example(&element.manifest, filler), &maps)?;
        }
    }
    Ok(())
}

/// Constants as a policy could fill them.
fn example(manifest: &Manifest, filler: u64) -> Vec<Fill<'_>> {
    let argument = |ty: ArgumentType| match ty {
        ArgumentType::Prefix => Value::Prefix {
            address: [filler as u8; 16],
            length: 96 + filler as u32,
        },
        ArgumentType::Ports | ArgumentType::Range => Value::Pair(filler, filler + 1),
        _ => Value::Integer(filler),
    };
    let watched = emptcp_load::kernel::programs_read_kernel_memory().into();
    let required = |variable, names: &[&'static str]| Fill {
        variable,
        members: names.iter().map(|name| (*name, Value::Integer(filler))).collect(),
        presence: Presence::Required,
    };
    vec![
        Fill {
            variable: "arguments",
            members: manifest
                .arguments
                .iter()
                .map(|a| (a.name.as_str(), argument(a.ty)))
                .collect(),
            presence: Presence::Exact,
        },
        required("emptcp_next", &["on_match", "on_miss"]),
        required(
            "emptcp_self",
            &[
                "counters",
                "policy",
                "instance",
                "flags",
                "policy_counters",
                "counters_used",
            ],
        ),
        Fill {
            variable: "emptcp_class",
            members: vec![
                ("handle", Value::Integer(filler)),
                ("departure", Value::Integer(filler % 2)),
                ("watched", Value::Integer(filler.min(watched))),
                ("rate", Value::Integer(filler)),
            ],
            presence: Presence::Optional,
        },
    ]
}

/// Builds the element in `folder` and installs it for the policies of this machine.
///
/// # Errors
/// As [`build`]; also when a shipped element has that name.
pub fn install(folder: &Path) -> Result<Built> {
    install_into(folder, &installed_folder())
}

/// As [`install`], into another folder than the machine's.
///
/// # Errors
/// As [`install`].
pub fn install_into(folder: &Path, installed: &Path) -> Result<Built> {
    let built = build(folder)?;
    Catalog::load_from(installed)?.takes(&catalog::read_manifest(folder)?)?;
    // The source is copied too, so that it can be read later.
    let files = built.objects.iter().cloned().chain(sources(folder)?);
    let copy = |path: PathBuf| {
        let bytes = files::read_regular(&path, SOURCE_BYTES).map_err(|error| Error::io(&path, error))?;
        Ok((PathBuf::from(path.file_name().unwrap_or_default()), bytes))
    };
    let files = files.map(copy).collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(installed).map_err(|error| Error::io(installed, error))?;
    let prepared = WorkFolder::new(installed, PREPARED)?;
    let target = installed.join(&built.name);
    write_files(
        prepared.path(),
        &target,
        files.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice())),
    )?;
    prepared.move_to(&target)?;
    Ok(built)
}

/// Manifest, source and headers of an element.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let headers = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "h"));
    let named = ["element.toml", "element.bpf.c"].map(|name| folder.join(name));
    Ok(named.into_iter().chain(headers).collect())
}

/// Removes an installed element by its name, which is the name of its folder. Policies in force keep using it until
/// they are applied again.
///
/// # Errors
/// When no such element is installed, or it is a shipped one.
pub fn remove(name: &str) -> Result<()> {
    let catalog = Catalog::load()?;
    let broken = catalog.broken().iter().map(|broken| &broken.folder);
    let good = catalog.iter().filter_map(|element| match &element.origin {
        Origin::Installed(folder) => Some(folder),
        Origin::BuiltIn => None,
    });
    let folders: Vec<&PathBuf> = broken.chain(good).collect();
    if let Some(folder) = folders
        .iter()
        .find(|folder| folder.file_name().is_some_and(|own| own == name))
    {
        return fs::remove_dir_all(folder).map_err(|error| Error::io(*folder, error));
    }
    if catalog.element(name).is_ok() {
        return Err(Error::Element {
            element: name.to_owned(),
            detail: "it is shipped with emptcp and cannot be removed".to_owned(),
        });
    }
    let names = folders.iter().filter_map(|folder| folder.file_name());
    let names: Vec<_> = names.map(|name| format!("`{}`", name.to_string_lossy())).collect();
    let there = match names.as_slice() {
        [] => "no element is".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    Err(Error::Element {
        element: name.to_owned(),
        detail: format!("it is not installed; in {} {there}", installed_folder().display()),
    })
}

/// All elements that policies can use, by name.
///
/// # Errors
/// When an installed element cannot be read.
pub fn list() -> Result<Vec<ElementInfo>> {
    let catalog = Catalog::load()?;
    Ok(catalog
        .iter()
        .map(|element| ElementInfo {
            name: element.manifest.name.clone(),
            kind: element.manifest.kind,
            summary: element.manifest.summary.clone(),
            hooks: element.manifest.hooks.clone(),
            folder: match &element.origin {
                Origin::BuiltIn => None,
                Origin::Installed(folder) => Some(folder.clone()),
            },
            manifest: element.manifest.clone(),
        })
        .collect())
}
