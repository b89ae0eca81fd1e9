//! Namespaces, devices and tiny elements for the tests of this crate.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod other_build;
pub mod packets;
pub mod pair;

use emptcp_host::namespace;
use emptcp_packet::{Catalog, Error};
use emptcp_plan::plan::Plan;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Runs a command that must succeed.
pub fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace with a pair of virtual devices, `a0` and `b0`; removed when dropped.
pub struct Namespace {
    /// Its name.
    pub name: String,
}

impl Namespace {
    /// Makes one with a unique name.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("emk-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.run("ip link add a0 type veth peer name b0");
        namespace.run("ip link set lo up");
        namespace.run("ip link set a0 up");
        namespace.run("ip link set b0 up");
        namespace
    }

    /// Runs a command inside.
    pub fn run(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.name))
    }

    /// Runs code inside.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        namespace::within(&self.name, work).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = namespace::within(&self.name, || {
            for instance in emptcp_packet::Instance::list().unwrap_or_default() {
                let _ = emptcp_packet::remove(&instance);
            }
        });
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A folder with an element.
pub fn element(folder: &Path, name: &str, toml: &str, source: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("element.toml"), toml).unwrap();
    fs::write(folder.join("element.bpf.c"), source).unwrap();
    folder
}

/// A folder with an element that `docs/writing-elements.md` shows.
pub fn documented(folder: &Path, name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/writing-elements.md");
    let text = fs::read_to_string(path).unwrap();
    let block = |language: &str, word: &str| {
        let fence = format!("```{language}\n");
        let mut blocks = text.split(&fence).skip(1);
        let found = blocks.find_map(|rest| rest.split("```").next().filter(|block| block.contains(word)));
        found
            .unwrap_or_else(|| panic!("no {language} with `{word}`"))
            .to_owned()
    };
    let toml = block("toml", &format!("name = \"{name}\""));
    element(folder, name, &toml, &block("c", &format!("({name})\n{{")))
}

/// A manifest for a test element that runs everywhere.
pub fn manifest(name: &str, kind: &str, rest: &str) -> String {
    format!(
        "name = \"{name}\"\nkind = \"{kind}\"\nsummary = \"For a test.\"\n\
         hooks = [\"xdp\", \"tc_ingress\", \"tc_egress\"]\n{rest}"
    )
}

/// A counting actor with a rate, to apply.
pub const TALLY: &str = r"
#include <emptcp/element.h>
struct arguments { __u64 weight; __u32 side; };
ARGUMENTS;
COUNTERS(seen, heavy);
STATE(state_tally, __u64);
ACTOR(tally)
{
	__u64 zero = 0;
	__u64 *count = emptcp_state(&state_tally, packet->flow_id, &zero);

	emptcp_count(packet, seen);
	if (count && ++*count > arguments.weight)
		emptcp_count(packet, heavy);
	return EMPTCP_CONTINUE;
}
";

/// Its manifest.
pub fn tally_manifest() -> String {
    manifest(
        "tally",
        "actor",
        "counters = [\"seen\", \"heavy\"]\n\
         [[argument]]\nname = \"weight\"\ntype = \"integer\"\nhelp = \"w\"\ndefault = \"10\"\n\
         [[argument]]\nname = \"side\"\ntype = \"choice\"\nhelp = \"s\"\nvalues = [\"left\", \"right\"]\ndefault = \"right\"\n",
    )
}

/// A catalog with `tally` installed in `folder`.
pub fn catalog_with_tally(folder: &Path) -> Catalog {
    catalog_with(folder, "tally", &tally_manifest(), TALLY)
}

/// A catalog with an element of a test installed in `folder`.
pub fn catalog_with(folder: &Path, name: &str, toml: &str, source: &str) -> Catalog {
    let source = element(&folder.join("source"), name, toml, source);
    let installed = folder.join("installed");
    emptcp_packet::element::install_into(&source, &installed).unwrap();
    Catalog::load_from(&installed).unwrap()
}

/// Compiles a policy file.
pub fn plan(catalog: &Catalog, text: &str) -> Plan {
    emptcp_plan::compile("test.toml", text, &catalog.manifests()).unwrap_or_else(|error| panic!("{error}"))
}

/// The text of an error.
pub fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.to_string(),
    }
}

/// Makes a thread end, also when an assertion in another thread fails.
pub struct SetWhenDropped<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
