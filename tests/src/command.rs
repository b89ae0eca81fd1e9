//! Runs external programs for checks; their output counts only if they succeed.

use std::process::Command;

/// Runs a program that must succeed. Returns what it printed.
///
/// # Panics
/// When it is missing or fails, with its output.
pub(crate) fn output_of(command: &mut Command) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
