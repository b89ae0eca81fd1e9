//! Running the system's own configuration tools and keeping their words when they fail.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use crate::error::{LabError, Result};
use crate::netns::NetworkNamespace;

/// Runs a command in the namespace of the calling thread and returns its standard output.
pub(crate) fn run_here(program: &'static str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    judge(program, &arguments.join(" "), "of this thread", output)
}

/// Runs a command in `netns` and returns its standard output.
pub(crate) fn run_in(netns: &NetworkNamespace, program: &'static str, arguments: &[&str]) -> Result<String> {
    let output = netns.run(|| Command::new(program).args(arguments).stdin(Stdio::null()).output())?;
    judge(program, &arguments.join(" "), netns.name(), output)
}

/// Feeds many lines to one `ip -batch` in `netns`: one process instead of one per line.
pub(crate) fn ip_batch(netns: &NetworkNamespace, lines: &[String]) -> Result<()> {
    feed_ip(netns, &["-batch", "-"], lines)
}

/// The same for lines about IPv6, where the kind of line (a rule) does not tell.
pub(crate) fn ip_batch_v6(netns: &NetworkNamespace, lines: &[String]) -> Result<()> {
    feed_ip(netns, &["-6", "-batch", "-"], lines)
}

fn feed_ip(netns: &NetworkNamespace, arguments: &[&str], lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let text = lines.join("\n") + "\n";
    let output = netns.run(|| {
        let mut child = Command::new("ip")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        child.wait_with_output()
    })?;
    judge(
        "ip",
        &format!("{} ({})", arguments.join(" "), lines.join("; ")),
        netns.name(),
        output,
    )
    .map(drop)
}

fn judge(program: &'static str, arguments: &str, netns: &str, output: std::io::Result<Output>) -> Result<String> {
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
