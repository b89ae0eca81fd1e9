//! `emptcp trace`: the program `emptcp-trace`.
//!
//! It is a separate program: the command that root runs then contains no code that reads captures, and either can be
//! installed without the other.

use crate::session::Session;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::{env, process::Command};

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
        is_program(&program)?;
        let mut command = Command::new(&program);
        // The name in its own usage and advice.
        command.arg0("emptcp trace");
        if let Some(netns) = session.netns() {
            command.args(["--netns", netns]);
        }
        // After the subcommand, and before a `--` that may follow.
        let (subcommand, rest) = self.arguments.split_at(self.arguments.len().min(1));
        command.args(subcommand);
        if session.wants_json() {
            command.arg("--json");
        }
        let error = command.args(rest).exec();
        Err(error).with_context(|| format!("{} cannot be run", program.display()))
    }
}

/// That the file is a program. The C library gives anything else that is executable to the shell: an empty file then
/// does nothing, without an error.
fn is_program(path: &Path) -> Result<()> {
    let mut first = Vec::new();
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.take(4)
        .read_to_end(&mut first)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let is_script = first.starts_with(b"#!");
    if is_script || first == *b"\x7fELF" {
        return Ok(());
    }
    let what = match first.as_slice() {
        [] => "is empty".to_owned(),
        bytes => format!("is no program: it begins with \"{}\"", bytes.escape_ascii()),
    };
    bail!(
        "{} {what}; `cargo build --release --package emptcp-trace-cli` makes the right one: replace the file by it, or \
         remove the file where another `{PROGRAM}` is in PATH",
        path.display()
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_program_is_named_and_not_given_to_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PROGRAM);
        for (content, expected) in [
            (&b""[..], Some("is empty")),
            (b"nonsense", Some("is no program: it begins with \"nons\"")),
            (b"\x7fEL", Some("is no program")),
            (b"\x7fELF\x02", None),
            (b"#!/bin/sh\n", None),
        ] {
            std::fs::write(&path, content).unwrap();
            match (is_program(&path), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => {
                    let text = format!("{error:#}");
                    assert!(text.contains(words) && text.contains("emptcp-trace-cli"), "{text}");
                }
                (result, _) => panic!("{content:?}: {result:?}"),
            }
        }
    }
}
