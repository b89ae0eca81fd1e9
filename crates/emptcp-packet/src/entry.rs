//! The entry programs of an instance: the programs that are attached to devices.

use crate::{
    core_programs,
    entry_pins::{self, For},
    error::{OrKernel, Result},
    instance::Instance,
};
use emptcp_load::pin;
use emptcp_plan::manifest::Hook;
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

/// The parts of the core that an apply needs.
pub(crate) struct Wanted {
    /// Hooks that have chains.
    pub(crate) hooks: BTreeSet<Hook>,
    /// Entry programs, in addition to those that are attached.
    pub(crate) entries: BTreeSet<For>,
    /// Rules that the slow path must support.
    pub(crate) rules: usize,
}

impl Wanted {
    /// What also runs until the switch: these entry programs, with a set of this many rules.
    pub(crate) fn add(&mut self, entries: impl Iterator<Item = For>, rules: usize) {
        self.entries.extend(entries);
        self.hooks.extend(self.entries.iter().map(|(hook, _)| *hook));
        self.rules = self.rules.max(rules);
    }
}

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

/// Loads and pins missing entry programs, and at the same time the other programs of the core.
pub(crate) fn with_core(instance: &Instance, wanted: Wanted, pinned: &mut Vec<PathBuf>) -> Result<()> {
    let Wanted { hooks, entries, rules } = wanted;
    let is_missing = |&(hook, link_header): &For| pin::open(&path(instance, hook, link_header)).is_err();
    let missing: Vec<_> = entries.into_iter().filter(is_missing).collect();
    let programs = core_programs::ensure(&instance.maps, &hooks, rules, &missing)?;
    for ((hook, link_header), program) in missing.into_iter().zip(programs) {
        add(&program, path(instance, hook, link_header), pinned)?;
    }
    Ok(())
}

fn path(instance: &Instance, hook: Hook, link_header: u32) -> PathBuf {
    let name = entry_pins::file((hook, link_header), instance.core.number);
    instance.folder.join(name)
}

fn add(program: &OwnedFd, path: PathBuf, pinned: &mut Vec<PathBuf>) -> Result<()> {
    pin::add(program.as_fd(), &path).or_kernel("pin the entry program")?;
    pinned.push(path);
    Ok(())
}
