//! Compiles the core and every shipped element for tc and XDP, and embeds the objects, the manifests and the SDK.

#[path = "src/clang.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library, which uses all of it")]
mod clang;

use clang::Variant;
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Number of clang processes at a time: the machine is often busy with rustc as well.
const PARALLEL: usize = 2;

/// One compilation.
struct Job {
    source: PathBuf,
    object: PathBuf,
    variant: Variant,
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository's root");
    // libbpf-sys exports the path of libbpf's headers.
    let libbpf = PathBuf::from(env::var_os("DEP_BPF_INCLUDE").expect("libbpf-sys names its headers"));
    let include = [libbpf, root.join("bpf/include")];
    for watched in ["bpf", "elements"] {
        watch(&root.join(watched));
    }
    println!("cargo:rerun-if-env-changed=CLANG");

    let mut jobs = Vec::new();
    let mut generated = String::new();

    generated.push_str("/// Core programs: name, tc object, XDP object.\npub const CORE: &[CoreObject] = &[\n");
    for source in files(&root.join("bpf/core"), ".bpf.c") {
        let name = source
            .file_name()
            .unwrap()
            .to_string_lossy()
            .trim_end_matches(".bpf.c")
            .to_owned();
        let [tc, xdp] = Variant::ALL.map(|variant| {
            let object = out.join(format!("core_{name}_{}.o", variant.name()));
            jobs.push(Job {
                source: source.clone(),
                object: object.clone(),
                variant,
            });
            object
        });
        writeln!(generated, "({name:?}, aligned!({tc:?}), aligned!({xdp:?})),").unwrap();
    }
    generated.push_str("];\n");

    generated.push_str("/// Shipped elements.\npub const ELEMENTS: &[Shipped] = &[\n");
    for folder in folders(&root.join("elements")) {
        let source = folder.join("element.bpf.c");
        let manifest = folder.join("element.toml");
        if !source.is_file() || !manifest.is_file() {
            println!(
                "cargo:warning={} has no element.bpf.c or no element.toml: skipped",
                folder.display()
            );
            continue;
        }
        let text = fs::read_to_string(&manifest).expect("readable element.toml");
        let objects = Variant::ALL.map(|variant| {
            if !runs_at(&text, variant) {
                return "None".to_owned();
            }
            let name = folder.file_name().unwrap().to_string_lossy();
            let object = out.join(format!("element_{name}_{}.o", variant.name()));
            jobs.push(Job {
                source: source.clone(),
                object: object.clone(),
                variant,
            });
            format!("Some(aligned!({object:?}))")
        });
        writeln!(
            generated,
            "(include_str!({manifest:?}), {}, {}),",
            objects[0], objects[1]
        )
        .unwrap();
    }
    generated.push_str("];\n");

    generated.push_str("/// Headers of the SDK: file name, text.\npub const SDK: &[(&str, &str)] = &[\n");
    for header in files(&root.join("bpf/include/emptcp"), ".h") {
        writeln!(
            generated,
            "({:?}, include_str!({header:?})),",
            header.file_name().unwrap().to_string_lossy()
        )
        .unwrap();
    }
    generated.push_str("];\n");

    if let Err(failures) = run(&jobs, &include) {
        for failure in failures {
            println!("cargo:error={}", failure.replace('\n', "\ncargo:error="));
        }
        std::process::exit(1);
    }
    fs::write(out.join("embedded.rs"), generated).expect("writable OUT_DIR");
}

/// Whether the manifest lists a hook of this kind. The library parses the manifest completely; here a search is enough.
fn runs_at(manifest: &str, variant: Variant) -> bool {
    let (_, from_hooks) = manifest.split_once("\nhooks").unwrap_or_default();
    let hooks = from_hooks.split(']').next().unwrap_or_default();
    hooks.contains(&format!("\"{}", variant.name()))
}

fn run(jobs: &[Job], include: &[PathBuf]) -> Result<(), Vec<String>> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Err(failure) = clang::compile(&job.source, &job.object, job.variant, include) else {
                        continue;
                    };
                    let mut failures = failures.lock().unwrap();
                    if matches!(failure, clang::Failure::Missing(_)) {
                        // It is missing for all of them: reported once.
                        *failures = vec![failure.to_string()];
                        break;
                    }
                    failures.push(format!(
                        "{} for {}: {failure}",
                        job.source.display(),
                        job.variant.name()
                    ));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn watch(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
    for folder in folders(path) {
        watch(&folder);
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    entries
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir()).collect()
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().ends_with(suffix))
        })
        .collect()
}
