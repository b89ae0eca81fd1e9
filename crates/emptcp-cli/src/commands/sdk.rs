//! `emptcp sdk`.

use crate::session::{BOLD, Session};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Write the SDK for elements of your own into a folder
#[derive(Args, Debug)]
#[command(
    long_about = "Write the SDK into a folder: the headers of emptcp and libbpf, and a template of an element. \
        Existing headers are replaced, an existing template is not.",
    after_long_help = "\
Example:
  emptcp sdk mine
  $EDITOR mine/large_packet/element.bpf.c
  emptcp element build mine/large_packet

JSON:
  {\"folder\", \"files\": [...]}"
)]
pub(crate) struct Sdk {
    /// The folder; it is made if it does not exist
    folder: PathBuf,
}

impl Sdk {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let files = emptcp::sdk::write(&self.folder)?;
        if session.wants_json() {
            return session.print_json(&json!({ "folder": self.folder, "files": files }));
        }
        let folder = self.folder.display();
        Ok(session.print(&format!(
            "{BOLD}{folder}{BOLD:#}: {} files; next: emptcp element build {folder}/large_packet\n",
            files.len()
        ))?)
    }
}
