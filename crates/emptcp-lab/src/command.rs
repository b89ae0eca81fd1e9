//! Running the system's own configuration tools and keeping their words when they fail.

use std::io::{self, ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use crate::error::{LabError, Result};

/// Runs a command in the namespace of the calling thread and returns its standard output.
pub(crate) fn run_here(program: &'static str, arguments: &[&str]) -> Result<String> {
    judge(
        program,
        &arguments.join(" "),
        "of this thread",
        output(program, arguments),
    )
}

/// Runs a command where the calling thread is.
pub(crate) fn output(program: &str, arguments: &[&str]) -> io::Result<Output> {
    Command::new(program).args(arguments).stdin(Stdio::null()).output()
}

/// The same with `input` as its standard input.
pub(crate) fn output_with_input(program: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

/// The standard output of a command that ended well, or an error with its words. `netns` is where it ran.
pub(crate) fn judge(program: &'static str, arguments: &str, netns: &str, output: io::Result<Output>) -> Result<String> {
    let command = format!("{program} {arguments}");
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(LabError::Unsupported {
            feature: program,
            reason: format!("`{program}` is not installed"),
        }),
        Err(error) => Err(LabError::system(format!("running `{command}`"), error)),
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(LabError::Command {
            command,
            netns: netns.to_owned(),
            message: format!("{} ({})", String::from_utf8_lossy(&output.stderr).trim(), output.status),
        }),
    }
}
