//! Dependencies run one way: between the crates of the workspace, and between the modules of each crate.
//!
//! A module is a file beside `lib.rs`, or a folder with all that is in it. It depends on another one when it names it
//! by `crate::` or `super::`; what `lib.rs` re-exports counts as the module that it comes from. Tests beside the code
//! may name what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use crate::process::Invocation;
use crate::rust_files;

/// What each node of a graph depends on.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Crates that may depend on no other crates of ours than these; `mptcp-` stands for all whose name begins so.
const FOUNDATIONS: &[(&str, &[&str])] = &[
    ("mptcp-", &["mptcp-"]),
    ("emptcp-host", &[]),
    ("emptcp-load", &["emptcp-host"]),
    ("emptcp-model", &["mptcp-"]),
    ("emptcp-abi", &["mptcp-", "emptcp-model"]),
    ("emptcp-plan", &["mptcp-", "emptcp-model", "emptcp-abi"]),
    (
        "emptcp-packet",
        &[
            "mptcp-",
            "emptcp-model",
            "emptcp-abi",
            "emptcp-plan",
            "emptcp-host",
            "emptcp-load",
        ],
    ),
];

/// What breaks the rule, one line each.
pub(super) fn faults() -> anyhow::Result<Vec<String>> {
    let packages = packages()?;
    let mut faults = of_crates(&packages);
    for package in &packages {
        let folder = package.manifest_path.with_file_name("src");
        let graph = modules(&rust_files::below(&folder)?);
        let circles = circles(&graph);
        let lines = circles.iter().map(|circle| shown(&graph, circle));
        faults.extend(lines.map(|line| format!("{}: {line}", package.name)));
    }
    Ok(faults)
}

fn shown(graph: &Graph, circle: &[String]) -> String {
    let uses = circle.iter().map(|node| {
        let others = graph[node].iter().filter(|other| circle.contains(other));
        let others: Vec<_> = others.map(|other| format!("`{other}`")).collect();
        format!("`{node}` uses {}", others.join(", "))
    });
    format!("a circle: {}", uses.collect::<Vec<_>>().join("; "))
}

/// The part of cargo's metadata that matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` for tests, `build` for the build script, none for the crate itself.
    kind: Option<String>,
    /// Only crates of the workspace are named by a folder.
    path: Option<PathBuf>,
}

fn packages() -> anyhow::Result<Vec<Package>> {
    let output = Invocation::cargo(["metadata", "--no-deps", "--format-version", "1"]).run_for_output()?;
    let metadata: Metadata = serde_json::from_str(&output).context("cargo metadata printed something else")?;
    Ok(metadata.packages)
}

/// Circles between crates, including tests, and foundations that depend on other crates.
fn of_crates(packages: &[Package]) -> Vec<String> {
    let mut graph = Graph::new();
    let mut faults = Vec::new();
    for package in packages {
        let ours = package.dependencies.iter().filter(|other| other.path.is_some());
        // A crate names itself to switch features on for its own tests.
        let others = ours.clone().filter(|other| other.name != package.name);
        let all = others.map(|other| other.name.clone()).collect();
        let built_with = ours.filter(|other| other.kind.as_deref() != Some("dev"));
        faults.extend(too_high(&package.name, built_with.map(|other| other.name.as_str())));
        graph.insert(package.name.clone(), all);
    }
    faults.extend(circles(&graph).iter().map(|circle| shown(&graph, circle)));
    faults
}

fn too_high<'a>(name: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is = |pattern: &str, name: &str| name == pattern || pattern.ends_with('-') && name.starts_with(pattern);
    let Some((_, allowed)) = FOUNDATIONS.iter().find(|(pattern, _)| is(pattern, name)) else {
        return Vec::new();
    };
    dependencies
        .filter(|other| !allowed.iter().any(|pattern| is(pattern, other)))
        .map(|other| format!("{name} may not depend on {other}, which is above it"))
        .collect()
}

/// The modules of a crate and what they name.
fn modules(sources: &[(PathBuf, String)]) -> Graph {
    let mut texts: BTreeMap<&str, Vec<(usize, String)>> = BTreeMap::new();
    let mut root = String::new();
    for (path, text) in sources {
        let mut parts: Vec<&str> = path.iter().filter_map(OsStr::to_str).collect();
        if let Some(last) = parts.pop().and_then(|last| last.strip_suffix(".rs")) {
            parts.extend(Some(last).filter(|last| *last != "mod"));
        }
        match parts.as_slice() {
            ["lib" | "main"] => root += &code(text),
            // Programs of their own.
            ["bin", ..] | [] => {}
            [module, ..] => texts.entry(module).or_default().push((parts.len(), code(text))),
        }
    }
    let exported = exported(&root, &texts.keys().copied().collect());
    let mut graph = Graph::new();
    for (module, files) in &texts {
        let mut used = BTreeSet::new();
        for (depth, text) in files {
            let names = named(text, *depth).into_iter();
            used.extend(names.map(|name| exported.get(&name).cloned().unwrap_or(name)));
        }
        used.retain(|name| texts.contains_key(name.as_str()) && name != module);
        graph.insert((*module).to_owned(), used);
    }
    graph
}

/// What `lib.rs` re-exports, and from which of its modules.
fn exported(root: &str, modules: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for statement in root.split(';') {
        let Some((before, path)) = statement.rsplit_once("use ") else {
            continue;
        };
        let path = path.trim().trim_start_matches("crate::").trim_start_matches("self::");
        let (first, rest) = path.split_once("::").unwrap_or((path, ""));
        if !before.contains("pub") || !modules.contains(first) {
            continue;
        }
        let words = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty());
        exported.extend(words.map(|word| (word.to_owned(), first.to_owned())));
    }
    // A module is meant, even if another item has its name.
    exported.retain(|name, _| !modules.contains(name.as_str()));
    exported
}

/// Names of the crate's root that a file names whose module is so deep.
fn named(text: &str, depth: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in text.match_indices(&prefix) {
            // A longer path is another one: `emptcp_crate::`, `super::super::` for `super::`.
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                names.extend(first_names(&text[at + prefix.len()..]));
            }
        }
    }
    names
}

/// The first name of a path, or of each path of a group.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.trim_start().strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut names, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

/// The text without comments and without its module of tests, which ends a file.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().map_or("", |next| next.trim());
        let is_module = next.starts_with("mod ") || next.starts_with("pub(crate) mod ");
        if line.trim() == "#[cfg(test)]" && is_module {
            if next.ends_with('{') {
                break;
            }
            lines.next();
            continue;
        }
        code += line.split("//").next().unwrap_or_default();
        code.push('\n');
    }
    code
}

/// The circles of a graph, each as its nodes in order: nodes of which each can be reached from every other.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = graph[from].iter().collect();
        while let Some(node) = open.pop() {
            if reached.insert(node) {
                open.extend(graph.get(node).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|node| (node, reached(node))).collect();
    let mut found = BTreeSet::new();
    for (node, others) in reached.iter().filter(|(node, others)| others.contains(*node)) {
        let leads_back = |other: &&&String| reached.get(**other).is_some_and(|back| back.contains(node));
        let circle = others.iter().filter(leads_back);
        found.insert(circle.map(|other| (*other).clone()).collect::<Vec<_>>());
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges
            .iter()
            .map(|(node, others)| ((*node).to_owned(), names(others)))
            .collect()
    }

    #[test]
    fn every_circle_is_found_once_and_nothing_else() {
        let found = circles(&graph(&[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["b"]),
            ("d", &["a", "b"]),
        ]));
        assert_eq!(found, [["b", "c"]]);
        assert!(circles(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
    }

    #[test]
    fn a_module_depends_on_what_it_names_in_groups_by_super_and_through_the_root() {
        let files = [
            (
                "lib.rs",
                "mod a;\nmod b;\nmod c;\nmod d;\npub use d::{Thing, other as Other};\n",
            ),
            ("a.rs", "use crate::{\n    b::{self, X},\n    Thing,\n};\n"),
            ("b/mod.rs", "mod inner;\n// crate::a is only in a comment\n"),
            ("b/inner.rs", "use super::Y;\nuse super::super::c;\n"),
            (
                "c.rs",
                "fn f() { emptcp_crate::a(); }\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n",
            ),
            ("d.rs", "use super::c::Z;\n"),
        ];
        let found = modules(&files.map(|(path, text)| (path.into(), text.to_owned())));
        assert_eq!(
            found,
            graph(&[("a", &["b", "d"]), ("b", &["c"]), ("c", &[]), ("d", &["c"])])
        );
    }

    #[test]
    fn a_foundation_stands_on_nothing_above_it() {
        let faults = |name, on: &[&'static str]| too_high(name, on.iter().copied()).len();
        assert_eq!(faults("emptcp-load", &["emptcp-plan"]), 1);
        assert_eq!(faults("mptcp-socket", &["emptcp-abi"]), 1);
        assert_eq!(faults("mptcp-socket", &["mptcp-wire"]), 0);
        assert_eq!(faults("emptcp-model", &["emptcp-abi"]), 1);
        assert_eq!(faults("emptcp-cli", &["emptcp"]), 0);
    }

    #[test]
    fn dependencies_of_the_workspace_run_one_way() {
        let faults = faults().expect("cargo reports the workspace");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
