//! Starting other programs: shown before they run, failing with their own exit status.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, bail};

use crate::report;
use crate::tally::{Said, Tally};

/// A program with its arguments, run in the root of the repository by default.
pub(crate) struct Invocation {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    folder: PathBuf,
}

impl Invocation {
    /// `program` without arguments.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: crate::root(),
        }
    }

    /// Cargo, the one that started us.
    pub(crate) fn cargo<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(arguments: I) -> Self {
        Self::new("cargo").arguments(arguments)
    }

    /// Adds arguments.
    pub(crate) fn arguments<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().into()));
        self
    }

    /// Runs in `folder` instead of the root of the repository.
    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Runs to the end with our own input and output.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        report::command(&self.line());
        let status = self.command().status().with_context(|| self.unstartable())?;
        if !status.success() {
            bail!("{}: {status}", self.name());
        }
        Ok(())
    }

    /// Runs to the end, passes the output on line by line and adds the tests that it reports to `tally`.
    pub(crate) fn run_tests(&self, tally: &mut Tally) -> anyhow::Result<()> {
        report::command(&self.line());
        let mut command = self.command();
        if std::io::stderr().is_terminal() {
            // The runners see a pipe and would drop their colours.
            command.env("CARGO_TERM_COLOR", "always");
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.unstartable())?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        let of_errors = thread::spawn(move || forward(stderr, std::io::stderr()));
        let mut said = forward(stdout, std::io::stdout())?;
        said.join(of_errors.join().expect("the thread that forwards does not panic")?);
        *tally += said.tally();
        let status = child.wait()?;
        if !status.success() {
            bail!("{}: {status}", self.name());
        }
        Ok(())
    }

    /// Runs to the end and returns what it prints on standard output; standard error stays ours.
    pub(crate) fn run_for_output(&self) -> anyhow::Result<String> {
        report::command(&self.line());
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.unstartable())?;
        if !output.status.success() {
            bail!("{}: {}", self.name(), output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no text", self.line()))
    }

    /// Whether it starts and succeeds; shows nothing.
    pub(crate) fn succeeds(&self) -> bool {
        let quiet = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success())
    }

    /// What it prints on standard output; shows nothing. `None` when it cannot start or fails.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The command as one could type it.
    pub(crate) fn line(&self) -> String {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| quoted(word));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// The command in an error: the whole of it was shown when it started.
    fn name(&self) -> String {
        let line = self.line();
        match line.char_indices().nth(120) {
            Some((end, _)) => format!("`{} ...`", &line[..end]),
            None => format!("`{line}`"),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        // Cargo describes xtask to us by these; the builds that we start are about other packages, and some build
        // scripts would run again because of them.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn unstartable(&self) -> String {
        format!("cannot start {}", self.name())
    }
}

fn forward(from: impl Read, mut to: impl Write) -> anyhow::Result<Said> {
    let mut said = Said::default();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        said.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    to.flush()?;
    Ok(said)
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./=+:,@".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{word}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_could_type_it() {
        let invocation = Invocation::new("cargo")
            .arguments(["run", "-E", "kind(lib)"])
            .variable("FLAGS", "-D warnings");
        assert_eq!(invocation.line(), "FLAGS='-D warnings' cargo run -E 'kind(lib)'");
    }

    #[test]
    fn output_is_passed_on_as_it_is_and_its_tests_are_counted() {
        let output = b"compiling\n Summary [ 1.0s] 3 tests run: 3 passed, 0 skipped\n\xff\nno end of line";
        let mut passed_on = Vec::new();
        let said = forward(&output[..], &mut passed_on).expect("memory can be read and written");
        let tally = said.tally();
        assert_eq!((tally.passed, tally.failed), (3, 0));
        assert_eq!(passed_on, output);
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let error = Invocation::new("false").run().expect_err("false fails");
        assert!(error.to_string().contains("`false`"), "{error}");
    }
}
