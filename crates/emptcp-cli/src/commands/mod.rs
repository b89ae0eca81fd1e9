//! One file per command.
//!
//! * Policies: [`check`], [`apply`], [`remove`]; `policy_file` reads one.
//! * In force: [`list`], [`show`], [`stats`], [`flows`], [`monitor`].
//! * Elements: [`elements`], [`element`], [`sdk`].
//! * The machine: [`doctor`].
//! * Captures: [`trace`].
//! * `in_force` is the part of [`check`] that asks the kernel.
//! * `flow_text` writes the text of [`flows`].
//! * `chains` writes chains and rules for several commands.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod element;
pub(crate) mod elements;
pub(crate) mod flows;
pub(crate) mod list;
pub(crate) mod monitor;
pub(crate) mod remove;
pub(crate) mod sdk;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod trace;

mod chains;
mod flow_text;
pub(crate) mod in_force;
mod policy_file;

use crate::session::YELLOW;

/// The elements that policies can use. Warns of installed ones that cannot be read.
///
/// # Errors
/// When the folder of installed elements cannot be read.
pub(crate) fn catalog() -> emptcp::Result<emptcp::Catalog> {
    let catalog = emptcp::Catalog::load()?;
    for broken in catalog.broken() {
        let name = broken.folder.file_name().unwrap_or_default().to_string_lossy();
        let text = format!("{broken}; install it again, or `emptcp element remove {name}`");
        anstream::eprintln!("{YELLOW}warning:{YELLOW:#} {}", emptcp::visible(&text));
    }
    Ok(catalog)
}
