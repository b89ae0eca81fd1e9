//! The test programs of the workspace, as cargo builds them.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use crate::process::Invocation;

/// What a test program was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Library,
    Binary,
    Example,
    /// A file of the package's `tests` folder.
    Test,
}

/// A program that runs tests.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Program {
    pub(crate) package: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The package's folder, in which tests expect to run.
    pub(crate) folder: PathBuf,
    pub(crate) executable: PathBuf,
}

impl Program {
    /// The name that cargo-nextest gives it.
    pub(crate) fn nextest_id(&self) -> String {
        let Self { package, name, .. } = self;
        match self.kind {
            Kind::Library => package.clone(),
            Kind::Test => format!("{package}::{name}"),
            Kind::Binary => format!("{package}::bin/{name}"),
            Kind::Example => format!("{package}::example/{name}"),
        }
    }
}

/// Builds test programs and names them; `which`: arguments for cargo, to select packages.
pub(crate) fn build(which: &[&str]) -> anyhow::Result<Vec<Program>> {
    let build = [
        "test",
        "--locked",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ];
    let output = Invocation::cargo(build).arguments(which).run_for_output()?;
    output.lines().filter_map(|line| read(line).transpose()).collect()
}

/// The parts of cargo's messages that matter here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The test program in one message, if there is one.
fn read(line: &str) -> anyhow::Result<Option<Program>> {
    let message: Message =
        serde_json::from_str(line).with_context(|| format!("cargo printed something else: {line}"))?;
    let Message {
        package_id: Some(id),
        manifest_path: Some(manifest),
        target: Some(target),
        ..
    } = message
    else {
        return Ok(None);
    };
    let (Some(executable), true) = (message.executable, message.profile.is_some_and(|profile| profile.test)) else {
        return Ok(None);
    };
    if message.reason != "compiler-artifact" {
        return Ok(None);
    }
    let kind = match target.kind.first().map(String::as_str) {
        Some("test") => Kind::Test,
        Some("bin") => Kind::Binary,
        Some("example") => Kind::Example,
        _ => Kind::Library,
    };
    let folder = manifest.parent().context("a manifest lies in a folder")?.to_owned();
    Ok(Some(Program {
        package: package_name(&id).to_owned(),
        kind,
        name: target.name,
        folder,
        executable,
    }))
}

/// The package's name in its identity: `path+file:///r/tests#emptcp-tests@0.1.0`, or `path+file:///r/xtask#0.1.0`
/// when the folder has the package's name.
fn package_name(id: &str) -> &str {
    let (url, version) = id.rsplit_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTIFACT: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///r/tests#emptcp-tests@0.1.0",
        "manifest_path":"/r/tests/Cargo.toml","target":{"kind":["test"],"name":"rate_limit"},
        "profile":{"test":true},"executable":"/r/target/debug/deps/rate_limit-1"}"#;

    #[test]
    fn a_test_program_is_read_from_the_message_of_cargo() {
        let program = read(ARTIFACT)
            .expect("the message is well formed")
            .expect("it names a test program");
        assert_eq!(program.nextest_id(), "emptcp-tests::rate_limit");
        assert_eq!(program.folder, PathBuf::from("/r/tests"));
        assert_eq!(program.executable, PathBuf::from("/r/target/debug/deps/rate_limit-1"));
    }

    #[test]
    fn messages_about_anything_else_are_left_aside() {
        let program = ARTIFACT.replace(r#""test":true"#, r#""test":false"#);
        assert_eq!(read(&program).expect("the message is well formed"), None);
        let finished = r#"{"reason":"build-finished","success":true}"#;
        assert_eq!(read(finished).expect("the message is well formed"), None);
        assert!(read("warning: something").is_err());
    }

    #[test]
    fn a_package_is_named_by_its_folder_or_in_full() {
        assert_eq!(package_name("path+file:///r/xtask#0.1.0"), "xtask");
        assert_eq!(package_name("path+file:///r/tests#emptcp-tests@0.1.0"), "emptcp-tests");
    }
}
