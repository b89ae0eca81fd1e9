//! The entry programs of an instance, which are attached to devices.

use crate::{
    core_programs,
    error::{OrKernel, Result},
    instance::Instance,
    maps::hook_file_name,
};
use emptcp_load::pin;
use emptcp_plan::manifest::Hook;
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

/// The entry program of a hook and kind of link: loaded once per instance and pinned. A pin that
/// this call made is added to `pinned`.
pub(crate) fn entry(instance: &Instance, hook: Hook, link_header: u32, pinned: &mut Vec<PathBuf>) -> Result<OwnedFd> {
    let path = path(instance, hook, link_header);
    if let Ok(program) = pin::open(&path) {
        return Ok(program);
    }
    let program = core_programs::load_entry(&instance.maps, hook, link_header)?;
    add(&program, path, pinned)?;
    Ok(program)
}

/// Loads and pins those of these entry programs that are not there, and beside them the programs of the core that
/// `hooks` need for a plan of this many rules.
pub(crate) fn with_core(
    instance: &Instance,
    hooks: &BTreeSet<Hook>,
    rules: usize,
    entries: BTreeSet<(Hook, u32)>,
    pinned: &mut Vec<PathBuf>,
) -> Result<()> {
    let is_missing = |&(hook, link_header): &(Hook, u32)| pin::open(&path(instance, hook, link_header)).is_err();
    let missing: Vec<_> = entries.into_iter().filter(is_missing).collect();
    let programs = core_programs::ensure(&instance.maps, hooks, rules, &missing)?;
    for ((hook, link_header), program) in missing.into_iter().zip(programs) {
        add(&program, path(instance, hook, link_header), pinned)?;
    }
    Ok(())
}

fn path(instance: &Instance, hook: Hook, link_header: u32) -> PathBuf {
    instance
        .folder
        .join(format!("entry_{}_{link_header}", hook_file_name(hook)))
}

fn add(program: &OwnedFd, path: PathBuf, pinned: &mut Vec<PathBuf>) -> Result<()> {
    pin::add(program.as_fd(), &path).or_kernel("pin the entry program")?;
    pinned.push(path);
    Ok(())
}
