//! Where the entry programs of an instance are pinned, of every core.

use crate::{
    identity,
    maps::{CoreNumber, HOOKS, hook_file_name},
};
use emptcp_load::{pin, program as bpf};
use emptcp_plan::manifest::Hook;
use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Prefix of their pins.
const PREFIX: &str = "entry_";

/// What an entry program was loaded for: the hook, and the length of the link header.
pub(crate) type For = (Hook, u32);

/// A pinned entry program of an instance.
#[derive(Debug)]
pub(crate) struct Pinned {
    /// The core that it belongs to.
    pub(crate) core: CoreNumber,
    /// The hook and link header that it was loaded for.
    pub(crate) what: For,
    /// The program.
    pub(crate) program: OwnedFd,
    /// Its id.
    pub(crate) id: u32,
}

impl Pinned {
    fn read(path: PathBuf) -> Option<Self> {
        let (name, core) = CoreNumber::of_file(path.file_name()?.to_str()?);
        let (hook, link_header) = name.strip_prefix(PREFIX)?.rsplit_once('_')?;
        let hook = HOOKS.into_iter().find(|known| hook_file_name(*known) == hook)?;
        let what = (hook, link_header.parse().ok()?);
        let program = pin::open(&path).ok()?;
        let (id, _) = bpf::info(program.as_fd()).ok()?;
        Some(Self {
            core,
            what,
            program,
            id,
        })
    }

    /// All entry programs that are pinned in a folder, of every core.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let pins = identity::pins(folder, PREFIX);
        pins.into_iter().filter_map(Self::read).collect()
    }
}

/// The name of the pin.
pub(crate) fn file((hook, link_header): For, core: CoreNumber) -> String {
    core.file(&format!("{PREFIX}{}_{link_header}", hook_file_name(hook)))
}
