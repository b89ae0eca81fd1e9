//! Errors as a message on stderr and an exit code.

use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::process::ExitCode;

const BOLD_RED: Style = AnsiColor::Red.on_default().bold();

/// Reports an error. A closed pipe is not an error.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    let is_broken_pipe = |cause: &&(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(|cause| is_broken_pipe(&cause)) {
        return ExitCode::SUCCESS;
    }
    // When stderr is closed, the error cannot be reported.
    let _ = writeln!(anstream::stderr(), "{BOLD_RED}error:{BOLD_RED:#} {}", words(error));
    ExitCode::FAILURE
}

/// An error and its causes in one sentence. A cause that the text before it already contains is left out.
#[must_use]
pub fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use emptcp_trace::Error;

    #[test]
    fn nothing_is_said_twice() {
        let error = Error::Io {
            path: "a.pcap".into(),
            source: io::Error::other("no such file"),
        };
        let error = Err::<(), _>(error).context("cannot begin").expect_err("an error");
        assert_eq!(words(&error), "cannot begin: a.pcap: no such file");
    }
}
