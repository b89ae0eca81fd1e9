//! `emptcp trace`: the program `emptcp-trace`.
//!
//! It is a separate program: the command that root runs then contains no code that reads captures, and either can be
//! installed without the other.

use crate::session::Session;
use anyhow::{Context, Result};
use clap::Args;
use std::{env, ffi::OsString, os::unix::process::CommandExt, path::PathBuf, process::Command};

/// The program's name.
const PROGRAM: &str = "emptcp-trace";

/// Show what happened in the MPTCP connections of a capture
#[derive(Args, Debug)]
#[command(
    long_about = "Show what happened in the MPTCP connections of a capture: pcap and pcapng files, or live packets. Both \
        versions of MPTCP. Captures are read as a stream, so their length does not matter.\n\n\
        This runs the program `emptcp-trace`, from the folder of `emptcp` or from PATH. Its commands:\n\
        \n  analyze  a summary, JSON, CSV or Parquet tables\
        \n  explain  what happened in one connection, in sentences\
        \n  plot     one connection as a picture\
        \n  report   a page with tables and figures\
        \n  compare  two captures of the same traffic\
        \n  split    one connection as a capture of its own\
        \n  live     connections that pass a device",
    after_long_help = "\
Examples:
  emptcp trace analyze capture.pcap
  emptcp trace analyze --parquet tables day*.pcap.zst
  emptcp trace explain --help"
)]
pub(crate) struct Trace {
    /// A command of `emptcp-trace` and what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<OsString>,
}

impl Trace {
    /// Returns only when the program cannot be run.
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let program = program().with_context(|| {
            format!(
                "the program `{PROGRAM}` is neither in the folder of `emptcp` nor in PATH; \
                 `cargo build --release --package emptcp-trace-cli` makes it: put it beside `emptcp`"
            )
        })?;
        let mut command = Command::new(program);
        command.args(&self.arguments);
        if session.wants_json() {
            command.arg("--json");
        }
        if let Some(netns) = session.netns() {
            command.args(["--netns", netns]);
        }
        let error = command.exec();
        let program = command.get_program().to_string_lossy();
        Err(error).with_context(|| format!("{program} cannot be run"))
    }
}

/// The program in the folder of this one, else the one in PATH. Root must run no program of the folder where it happens
/// to be, so that parts of PATH that are empty or relative are left out.
fn program() -> Option<PathBuf> {
    let beside = env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut all = beside.into_iter().chain(folders.map(|folder| folder.join(PROGRAM)));
    all.find(|path| path.is_file())
}
