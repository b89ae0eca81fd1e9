//! Rules that every source file keeps and that no other tool checks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The first line of every source that is compiled for the kernel: its licence.
const SPDX: &str = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause";

/// A file longer than this holds more than one idea.
const LINES: usize = 600;

/// Most columns of a comment. The formatters wrap code, but no comments.
const COLUMNS: usize = 120;

/// Folders with sources of ours.
const FOLDERS: &[&str] = &["bpf", "crates", "elements", "examples", "fuzz", "tests", "xtask"];

/// The C sources and headers, relative to `root`.
pub(super) fn c_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    files(root, &["c", "h"])
}

/// What breaks a rule, one line each.
pub(super) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files(root, &["c", "h", "rs"])? {
        let path = root.join(&file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_c = file.extension() != Some(OsStr::new("rs"));
        let is_ffi = |part: &OsStr| part == "ffi" || part == "ffi.rs";
        let may_be_unsafe = is_c || file.iter().any(is_ffi);
        faults.extend(
            faults_of(&text, is_c, may_be_unsafe)
                .into_iter()
                .map(|fault| format!("{}: {fault}", file.display())),
        );
    }
    Ok(faults)
}

fn faults_of(text: &str, is_c: bool, may_be_unsafe: bool) -> Vec<String> {
    let mut faults = Vec::new();
    if is_c && !text.lines().next().unwrap_or_default().contains(SPDX) {
        faults.push(format!("the first line must hold `{SPDX}`"));
    }
    let lines = text.lines().count();
    if lines > LINES {
        faults.push(format!(
            "{lines} lines; no file may have more than {LINES}: split it by idea"
        ));
    }
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let words: Vec<_> = code.split_whitespace().collect();
        words
            .windows(2)
            .any(|pair| pair[0] == "unsafe" && ["{", "fn", "impl", "extern"].contains(&pair[1]))
    };
    if let Some(line) = text.lines().position(is_unsafe).filter(|_| !may_be_unsafe) {
        faults.push(format!(
            "line {}: unsafe code belongs into the module `ffi` of a crate",
            line + 1
        ));
    }
    let is_comment = |line: &str| {
        ["//", "/*", "* "]
            .iter()
            .any(|begin| line.trim_start().starts_with(begin))
    };
    let is_wide = |line: &str| is_comment(line) && width(line) > COLUMNS;
    if let Some(line) = text.lines().position(is_wide) {
        faults.push(format!("line {}: a comment of more than {COLUMNS} columns", line + 1));
    }
    faults
}

/// Columns of a line; a tab goes to the next multiple of 8.
fn width(line: &str) -> usize {
    line.chars().fold(0, |column, character| match character {
        '\t' => column / 8 * 8 + 8,
        _ => column + 1,
    })
}

/// Files below [`FOLDERS`] with one of these extensions, sorted, relative to `root`.
fn files(root: &Path, extensions: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = FOLDERS
        .iter()
        .map(|folder| root.join(folder))
        .filter(|path| path.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in folder
            .read_dir()
            .with_context(|| format!("cannot read {}", folder.display()))?
        {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                // What cargo and cargo-fuzz make.
                if path.file_name() != Some(OsStr::new("target")) {
                    folders.push(path);
                }
            } else if path
                .extension()
                .and_then(OsStr::to_str)
                .is_some_and(|ending| extensions.contains(&ending))
            {
                found.push(path.strip_prefix(root).expect("it was found below the root").to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_c_file_without_its_licence_line_is_a_fault() {
        assert!(
            faults_of(
                "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n",
                true,
                false
            )
            .is_empty()
        );
        assert_eq!(faults_of("#include <linux/bpf.h>\n", true, false).len(), 1);
        assert_eq!(faults_of("", true, false).len(), 1);
    }

    #[test]
    fn a_rust_file_needs_no_licence_line() {
        assert!(faults_of("//! Map of the crate.\n", false, false).is_empty());
    }

    #[test]
    fn a_file_of_too_many_lines_is_a_fault() {
        assert!(faults_of(&"\n".repeat(LINES), false, false).is_empty());
        assert_eq!(faults_of(&"\n".repeat(LINES + 1), false, false).len(), 1);
    }

    #[test]
    fn a_comment_of_too_many_columns_is_a_fault() {
        let line = |length: usize| format!("// {}\n", "x".repeat(length));
        assert!(faults_of(&line(COLUMNS - 3), false, false).is_empty());
        assert_eq!(
            faults_of(&line(COLUMNS - 2), false, false),
            ["line 1: a comment of more than 120 columns"]
        );
        assert!(faults_of(&format!("let text = \"{}\";\n", "x".repeat(COLUMNS)), false, false).is_empty());
        assert_eq!(width("\tx\ty"), 17);
    }

    #[test]
    fn unsafe_code_is_in_the_module_for_it() {
        let text = format!("fn f() {{ {} {{ g() }} }}\n", "unsafe");
        assert_eq!(faults_of(&text, false, false).len(), 1);
        assert!(faults_of(&text, false, true).is_empty());
        assert!(faults_of("// an unsafe { block } in words\n", false, false).is_empty());
    }

    #[test]
    fn the_c_files_of_the_repository_are_found() {
        let found = c_files(&crate::root()).expect("the repository can be read");
        assert!(found.contains(&PathBuf::from("bpf/include/emptcp/abi.h")), "{found:?}");
    }
}
