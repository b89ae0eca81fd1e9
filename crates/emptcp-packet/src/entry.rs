//! The entry programs of an instance, which are attached to devices.

use crate::{
    core_programs,
    error::{OrKernel, Result},
    instance::Instance,
    maps::hook_file_name,
};
use emptcp_load::pin as bpffs;
use emptcp_plan::manifest::Hook;
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    panic,
    path::PathBuf,
    thread,
};

/// The entry program of a hook and kind of link: loaded once per instance and pinned. A pin that
/// this call made is added to `pinned`.
pub(crate) fn entry(instance: &Instance, hook: Hook, link_header: u32, pinned: &mut Vec<PathBuf>) -> Result<OwnedFd> {
    let path = path(instance, hook, link_header);
    if let Ok(program) = bpffs::open(&path) {
        return Ok(program);
    }
    let program = core_programs::load_entry(&instance.maps, hook, link_header)?;
    pin(&program, path, pinned)?;
    Ok(program)
}

/// Loads and pins those of `wanted`, each a hook and a length of the link header, that are not there yet. The verifier takes
/// its time for each: they are loaded side by side, and beside what `meanwhile` does.
pub(crate) fn prepare(
    instance: &Instance,
    mut wanted: BTreeSet<(Hook, u32)>,
    pinned: &mut Vec<PathBuf>,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    wanted.retain(|&(hook, link_header)| bpffs::open(&path(instance, hook, link_header)).is_err());
    let maps = &instance.maps;
    let loaded = thread::scope(|scope| {
        let entries: Vec<_> = wanted
            .iter()
            .map(|&(hook, link_header)| scope.spawn(move || core_programs::load_entry(maps, hook, link_header)))
            .collect();
        meanwhile()?;
        entries
            .into_iter()
            .map(|entry| entry.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>>>()
    })?;
    for ((hook, link_header), program) in wanted.into_iter().zip(loaded) {
        pin(&program, path(instance, hook, link_header), pinned)?;
    }
    Ok(())
}

fn path(instance: &Instance, hook: Hook, link_header: u32) -> PathBuf {
    instance
        .folder
        .join(format!("entry_{}_{link_header}", hook_file_name(hook)))
}

fn pin(program: &OwnedFd, path: PathBuf, pinned: &mut Vec<PathBuf>) -> Result<()> {
    bpffs::add(program.as_fd(), &path).or_kernel("pin the entry program")?;
    pinned.push(path);
    Ok(())
}
