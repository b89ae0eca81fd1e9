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
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

/// The entry program of a hook and kind of link: loaded once per instance and pinned. A pin that
/// this call made is added to `pinned`.
pub(crate) fn entry(instance: &Instance, hook: Hook, link_header: u32, pinned: &mut Vec<PathBuf>) -> Result<OwnedFd> {
    let path = instance
        .folder
        .join(format!("entry_{}_{link_header}", hook_file_name(hook)));
    if let Ok(program) = pin::open(&path) {
        return Ok(program);
    }
    let program = core_programs::load_entry(&instance.maps, hook, link_header)?;
    pin::add(program.as_fd(), &path).or_kernel("pin the entry program")?;
    pinned.push(path);
    Ok(program)
}
