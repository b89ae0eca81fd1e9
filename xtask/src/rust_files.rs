//! The sources of a crate.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The Rust files below a folder, which is usually the `src` of a crate: where each is in it, and its text.
pub(crate) fn below(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut sources = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in path
                .read_dir()
                .with_context(|| format!("cannot read {}", path.display()))?
            {
                open.push(entry?.path());
            }
        } else if path.extension() == Some(OsStr::new("rs")) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let inside = path.strip_prefix(folder).expect("it was found below the folder");
            sources.push((inside.to_owned(), text));
        }
    }
    Ok(sources)
}
