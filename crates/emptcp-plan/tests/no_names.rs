//! An element declares its needs in its manifest: no code of the compiler or the loader knows an element by its name.

mod common;

use common::{root, shipped};
use std::path::{Path, PathBuf};

const CRATES: [&str; 5] = ["emptcp-plan", "emptcp-packet", "emptcp-load", "emptcp-abi", "emptcp"];

/// Words that are also the name of an element, and the files where they mean something else.
const WORDS: [(&str, &str); 10] = [
    // Keys of a policy file.
    ("device", "emptcp-plan/src/file/mod.rs"),
    ("device", "emptcp-plan/src/diff.rs"),
    // Words of conditions that are the compiler's own, and words of other tools for them.
    ("device", "emptcp-plan/src/fields/core.rs"),
    ("direction", "emptcp-plan/src/fields/core.rs"),
    ("subflow", "emptcp-plan/src/fields/core.rs"),
    ("src", "emptcp-plan/src/expression/habits"),
    ("dst", "emptcp-plan/src/expression/habits"),
    ("ip_version", "emptcp-plan/src/expression/habits/fields.rs"),
    // Another name of `rst`.
    ("reset", "emptcp-plan/src/values/packet_types.rs"),
    // A member of `emptcp_entry_config`.
    ("direction", "emptcp-packet/src/core_programs.rs"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(extension) if extension == "rs" && !path.ends_with("testing.rs") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn no_code_of_the_compiler_or_the_loader_names_an_element() {
    let names: Vec<String> = shipped().into_iter().map(|manifest| manifest.name).collect();
    assert!(names.len() > 20, "the shipped elements are found");
    let mut files = Vec::new();
    for name in CRATES {
        sources(&root().join("crates").join(name).join("src"), &mut files);
    }
    let mut found = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = (1..).zip(code.lines());
        for (number, line) in lines.filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let named = names.iter().filter(|name| line.contains(&format!("\"{name}\"")));
            let shown = file.display().to_string();
            let named = named.filter(|name| {
                let is_word = |(word, place): &(&str, &str)| word == name && shown.contains(place);
                !WORDS.iter().any(is_word)
            });
            found.extend(named.map(|name| format!("{shown}:{number}: `{name}`")));
        }
    }
    assert!(found.is_empty(), "say it in element.toml: {found:#?}");
}
