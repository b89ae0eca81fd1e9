//! Every shipped element, and the template of the SDK.

mod common;

use emptcp_packet::{Catalog, element, require, sdk, testing::is_root};
use emptcp_plan::manifest::{Hook, Unit};
use std::path::{Path, PathBuf};

/// The folder of a shipped element, copied out of the sources of emptcp.
fn copied_out(name: &str, folder: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../elements").join(name);
    let copy = folder.join(name);
    std::fs::create_dir_all(&copy).unwrap();
    for file in std::fs::read_dir(shipped).unwrap().flatten() {
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    copy
}

/// As `emptcp element build` does for an operator: with the headers of the SDK and nothing else of emptcp.
#[test]
fn every_shipped_element_builds_with_the_sdk_alone_and_this_kernel_accepts_it_for_every_hook_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut built = 0;
    for shipped in Catalog::built_in().iter() {
        let name = &shipped.manifest.name;
        let element = element::build(&copied_out(name, folder.path())).unwrap_or_else(|error| panic!("{error}"));
        let tc = shipped.manifest.hooks.iter().any(|hook| *hook != Hook::Xdp);
        let xdp = shipped.manifest.hooks.contains(&Hook::Xdp);
        assert_eq!(element.objects.len(), usize::from(tc) + usize::from(xdp), "{name}");
        if is_root() {
            assert_eq!(element.checked, shipped.manifest.hooks, "{name}");
        }
        built += 1;
    }
    assert!(built > 0, "this build ships no element");
    require!(is_root(), "the verifier was not asked: that needs root");
}

#[test]
fn an_element_that_reaches_into_the_core_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let count = copied_out("count", folder.path());
    let source = count.join("element.bpf.c");
    let good = std::fs::read_to_string(&source).unwrap();
    for (line, wanted) in [
        ("#include \"../../bpf/core/parse.h\"", "file not found"),
        ("#include \"parse.h\"", "file not found"),
        ("#include <emptcp/private.h>", "`emptcp/private.h` is private"),
        (
            "static void stop(void) { emptcp_scratch_get()->busy = 1; }",
            "element.bpf.c:1: `emptcp_scratch` is private",
        ),
    ] {
        std::fs::write(&source, format!("{line}\n{good}")).unwrap();
        let refused = element::build(&count).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{line}: {refused}");
    }
    std::fs::write(&source, format!("#include \"own.h\"\n{good}")).unwrap();
    std::fs::write(count.join("own.h"), "struct emptcp_scratch;\n").unwrap();
    let refused = element::build(&count).unwrap_err().to_string();
    assert!(refused.contains("own.h:1: `emptcp_scratch` is private"), "{refused}");
}

/// Declarations in `private.h` can only be refused by the header's name.
#[test]
fn everything_private_to_the_core_has_a_name_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    sdk::write(folder.path()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("include/emptcp/private.h")).unwrap();
    let code = text
        .split("*/")
        .map(|part| part.split("/*").next().unwrap())
        .collect::<String>();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for line in code
        .lines()
        .filter(|line| !line.starts_with([' ', '\t', '#']) && line.contains("emptcp_"))
    {
        let own = line.split(|c| !is_word(c)).filter(|word| word.starts_with("emptcp_"));
        assert!(own.clone().all(|word| word.starts_with("emptcp_scratch")), "{line}");
    }
}

#[test]
fn the_template_of_the_sdk_builds_as_it_is() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    sdk::write(folder.path()).unwrap();
    let built = element::build(&folder.path().join("large_packet")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((built.name.as_str(), built.checked.len()), ("large_packet", 3));
    assert!(built.warnings.is_empty());
}

#[test]
fn every_shipped_counter_counts_what_its_unit_says() {
    let elements = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../elements");
    for shipped in Catalog::built_in().iter() {
        let name = &shipped.manifest.name;
        let mut source = String::new();
        for file in std::fs::read_dir(elements.join(name)).unwrap().flatten() {
            if file
                .path()
                .extension()
                .is_some_and(|extension| extension == "c" || extension == "h")
            {
                source += &std::fs::read_to_string(file.path()).unwrap();
            }
        }
        for counter in &shipped.manifest.counters {
            let calls = |function: &str| source.matches(&format!("{function}(packet, {})", counter.name)).count();
            let (segments, events) = (calls("emptcp_count"), calls("emptcp_count_event"));
            let expected = match counter.unit {
                Unit::Segments => segments > 0 && events == 0,
                Unit::Packets | Unit::Events => segments == 0 && events > 0,
            };
            assert!(
                expected,
                "{name}: `{}` has the unit {}, is counted {segments} times by emptcp_count and {events} times by emptcp_count_event",
                counter.name,
                counter.unit.word()
            );
        }
    }
}
