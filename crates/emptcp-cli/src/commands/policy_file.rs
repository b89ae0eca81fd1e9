//! Reads and compiles a policy file.

use crate::{commands, failure::Unreadable};
use anyhow::Result;
use emptcp::{Catalog, plan::Plan};
use std::{fs, io, path::Path};

/// A policy file that is right.
pub(crate) struct PolicyFile {
    /// Its text.
    pub(crate) text: String,
    /// What it means.
    pub(crate) plan: Plan,
    /// The elements that it was compiled against.
    pub(crate) catalog: Catalog,
}

/// Reads `file`; `-` is the standard input.
///
/// # Errors
/// `Unreadable`, `Diagnostics` when it is wrong, or an element that another version of emptcp has built.
pub(crate) fn read(file: &Path) -> Result<PolicyFile> {
    let standard_input = file == Path::new("-");
    let name = if standard_input {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let text = if standard_input {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|source| Unreadable {
        file: name.clone(),
        source,
    })?;
    let catalog = commands::catalog()?;
    let plan = emptcp::compile(&name, &text, &catalog.manifests())?;
    catalog.fits(&plan)?;
    Ok(PolicyFile { text, plan, catalog })
}
