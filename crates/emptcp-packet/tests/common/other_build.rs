//! The core of another build: the same sources with a difference that counters reveal.

use emptcp_load::{
    clang::{self, Variant},
    embedded::{CORE, CoreObject},
};
use emptcp_packet::{Instance, sdk};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Counters of the core that no build uses.
const ENTERED: usize = 29;
const HANDED_OVER: usize = 30;
const TAKEN: usize = 31;

/// Replaces one part of a source.
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

/// Compiles the core of another build in `folder`: it counts packets at its entry program, packets that this passes to
/// the slow path, and packets at its slow path.
pub fn other_build(folder: &Path) -> &'static [CoreObject] {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf/core");
    let (core, headers) = (folder.join("core"), folder.join("sdk"));
    sdk::write(&headers).unwrap();
    fs::create_dir_all(&core).unwrap();
    for file in fs::read_dir(sources).unwrap().flatten() {
        fs::copy(file.path(), core.join(file.file_name())).unwrap();
    }
    let edit = |name: &str, old: &str, new: &str| {
        let path = core.join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, replaced(&text, old, new)).unwrap();
    };
    edit(
        "entry.bpf.c",
        "\tpacket = &scratch->packet;\n\tswitch",
        &format!("\tscratch->core[{ENTERED}]++;\n\tpacket = &scratch->packet;\n\tswitch"),
    );
    edit(
        "entry.bpf.c",
        "\nslow:\n",
        &format!("\nslow:\n\tscratch->core[{HANDED_OVER}]++;\n"),
    );
    edit(
        "slow_path.bpf.c",
        "\tpacket = &scratch->packet;\n\tif (emptcp_flow_locate",
        &format!("\tscratch->core[{TAKEN}]++;\n\tpacket = &scratch->packet;\n\tif (emptcp_flow_locate"),
    );
    for name in CHANGED {
        for variant in Variant::ALL {
            let (source, object) = (core.join(format!("{name}.bpf.c")), object(folder, name, variant));
            let compiled = clang::compile(&source, &object, variant, &[headers.join("include")]);
            compiled.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    compiled_in(folder)
}

/// Programs of the core that differ.
const CHANGED: [&str; 2] = ["entry", "slow_path"];

fn object(folder: &Path, name: &str, variant: Variant) -> PathBuf {
    folder.join(format!("{name}_{}.o", variant.name()))
}

/// The core that was compiled in a folder.
pub fn compiled_in(folder: &Path) -> &'static [CoreObject] {
    let read =
        |name: &str, variant: Variant| -> &'static [u8] { fs::read(object(folder, name, variant)).unwrap().leak() };
    let objects: Vec<CoreObject> = CORE
        .iter()
        .map(|&(name, tc, xdp)| match name {
            name if CHANGED.contains(&name) => (name, read(name, Variant::Tc), read(name, Variant::Xdp)),
            _ => (name, tc, xdp),
        })
        .collect();
    objects.leak()
}

/// Packets that the other build's programs have seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// By its entry programs.
    pub entered: u64,
    /// Passed to a slow path by its entry programs.
    pub handed_over: u64,
    /// By its slow path.
    pub taken: u64,
}

impl Seen {
    /// Reads the counters.
    pub fn read(instance: &Instance) -> Self {
        let folder = instance.show().unwrap().folder;
        let map = MapHandle::from_pinned_path(folder.join("map_emptcp_scratch")).unwrap();
        let values = map.lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
        let sum = |counter: usize| {
            let words = values.iter().map(|value| value[counter * 8..][..8].try_into().unwrap());
            words.map(u64::from_ne_bytes).sum()
        };
        Self {
            entered: sum(ENTERED),
            handed_over: sum(HANDED_OVER),
            taken: sum(TAKEN),
        }
    }
}
