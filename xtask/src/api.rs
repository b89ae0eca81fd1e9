//! `cargo xtask api`: the public items of each library crate, in a file beside it.
//!
//! A change of a public item changes that file, so that it is noticed. The lines come from the sources: types and paths
//! as they are written, not resolved. `#[cfg]` is shown, but not evaluated; macros count by their text.
//!
//! * [`source`]: the modules of a crate with their items.
//! * [`names`]: what a path names.
//! * [`public`]: which items others can name, and by which paths.
//! * [`lines`]: those items as lines; [`text`]: code on one line.

mod lines;
mod names;
mod public;
mod source;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::report;
use crate::rust_files;
use source::Crate;

/// Options of `cargo xtask api`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write the files instead of comparing them
    #[arg(long)]
    bless: bool,
}

/// Libraries that only programs of this repository use.
const OF_PROGRAMS: &[&str] = &["emptcp-trace-cli", "emptcp-trace-truth"];

/// Name of the file in a crate's folder.
const FILE: &str = "api.txt";

/// Compares the files with the sources, or writes them.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !arguments.bless {
        let faults = faults(&crate::root())?;
        if !faults.is_empty() {
            bail!("\n  {}", faults.join("\n  "));
        }
        return Ok(());
    }
    for folder in libraries(&crate::root())? {
        let path = folder.join(FILE);
        let new = snapshot(&folder)?;
        if fs::read_to_string(&path).is_ok_and(|old| old == new) {
            continue;
        }
        fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))?;
        report::note(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Where a file and the sources differ, one line each.
pub(crate) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for folder in libraries(root)? {
        let name = name(&folder);
        let new = snapshot(&folder)?;
        let Ok(old) = fs::read_to_string(folder.join(FILE)) else {
            faults.push(format!("{name} has no {FILE}; `cargo xtask api --bless` writes it"));
            continue;
        };
        let changes = changes(&old, &new);
        if !changes.is_empty() {
            faults.push(format!(
                "the public items of {name} are others than {FILE} says; if that is meant: `cargo xtask api --bless`"
            ));
            faults.extend(changes);
        }
    }
    Ok(faults)
}

/// Lines that only one of both has.
fn changes(old: &str, new: &str) -> Vec<String> {
    let only = |sign: char, these: &str, those: &str| -> Vec<String> {
        let others: std::collections::BTreeSet<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !others.contains(line));
        lines.map(|line| format!("  {sign} {line}")).collect()
    };
    let mut changes = only('-', old, new);
    changes.extend(only('+', new, old));
    if changes.is_empty() && old != new {
        changes.push("  the order of the lines".to_owned());
    }
    changes
}

/// The folders of the crates that others may build on.
fn libraries(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let crates = root.join("crates");
    let mut folders = Vec::new();
    for entry in crates
        .read_dir()
        .with_context(|| format!("cannot read {}", crates.display()))?
    {
        let folder = entry?.path();
        if folder.join("src/lib.rs").is_file() && !OF_PROGRAMS.contains(&&*name(&folder)) {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// A crate's folder has its name.
fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn snapshot(folder: &Path) -> anyhow::Result<String> {
    let name = name(folder);
    let sources = rust_files::below(&folder.join("src"))?;
    let read = Crate::read(&name, &sources).with_context(|| format!("the public items of {name}"))?;
    let lines = lines::of(&read).join("\n");
    Ok(format!(
        "# The public items of {name}. `cargo xtask api --bless` writes this file.\n{lines}\n"
    ))
}

#[cfg(test)]
mod tests;
