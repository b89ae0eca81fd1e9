//! `emptcp element`.

use crate::{
    commands::elements,
    progress,
    session::{BOLD, GREEN, Session, YELLOW},
    words,
};
use anyhow::Result;
use clap::{Args, Subcommand};
use emptcp::{
    PacketError,
    element::{self, Built},
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Build, install, list and remove elements of your own
#[derive(Args, Debug)]
#[command(
    long_about = "Build, install, list and remove elements of your own. An element is a folder with `element.bpf.c` \
        and `element.toml`; `emptcp sdk` writes a template. Policies use an installed element like a shipped one.",
    after_long_help = "\
Example:
  emptcp sdk mine
  emptcp element build mine/large_packet
  emptcp element install mine/large_packet
  emptcp element list
  emptcp element remove large_packet"
)]
pub(crate) struct Element {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compile an element, and let the verifier of this kernel check it
    #[command(after_long_help = "\
Example:
  emptcp element build mine/large_packet

JSON:
  {\"name\", \"kind\", \"objects\", \"checked\": [hooks that the verifier has accepted], \"warnings\"}")]
    Build {
        /// Its folder
        folder: PathBuf,
    },
    /// Build an element and install it for the policies of this machine
    #[command(after_long_help = "\
Example:
  emptcp element install mine/large_packet

JSON: as for `element build`")]
    Install {
        /// Its folder
        folder: PathBuf,
    },
    /// List the installed elements
    #[command(after_long_help = "\
Example:
  emptcp element list

JSON: as for `emptcp elements`")]
    List,
    /// Remove an installed element; policies in force that use it go on
    #[command(after_long_help = "\
Example:
  emptcp element remove large_packet

JSON:
  {\"removed\"}")]
    Remove {
        /// Its name
        name: String,
    },
}

impl Element {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        match &self.action {
            Action::Build { folder } => {
                let built = with_progress("building", folder, element::build)?;
                report(session, &built, "is built", &built.objects)
            }
            Action::Install { folder } => {
                let built = with_progress("building and installing", folder, element::install)?;
                let place = element::installed_folder().join(&built.name);
                report(session, &built, "is installed in", &[place])
            }
            Action::List => list(session),
            Action::Remove { name } => {
                element::remove(name)?;
                if session.wants_json() {
                    return session.print_json(&json!({ "removed": name }));
                }
                Ok(session.print(&format!("element {name} is removed\n"))?)
            }
        }
    }
}

fn with_progress(
    what: &str,
    folder: &Path,
    work: impl FnOnce(&Path) -> emptcp::Result<Built, PacketError>,
) -> emptcp::Result<Built, PacketError> {
    progress::during(&format!("{what} {}", folder.display()), || work(folder))
}

fn report(session: &Session, built: &Built, done: &str, places: &[PathBuf]) -> Result<()> {
    if session.wants_json() {
        return session.print_json(built);
    }
    let mut text = format!("{BOLD}{} {}{BOLD:#} {done}\n", words::kind(built.kind), built.name);
    for place in places {
        text += &format!("  {}\n", place.display());
    }
    if !built.checked.is_empty() {
        text += &format!(
            "  {GREEN}accepted{GREEN:#} by the verifier for {}\n",
            words::hooks(&built.checked)
        );
    }
    for warning in &built.warnings {
        text += &format!("{YELLOW}warning:{YELLOW:#} {warning}\n");
    }
    Ok(session.print(&text)?)
}

fn list(session: &Session) -> Result<()> {
    super::catalog()?;
    let mut installed = element::list()?;
    installed.retain(|info| info.folder.is_some());
    if session.wants_json() {
        return session.print_json(&installed);
    }
    if installed.is_empty() {
        return Ok(session.print("no element is installed; `emptcp elements` lists those of emptcp\n")?);
    }
    Ok(session.print(&elements::table(&installed).render(0))?)
}
