//! Every shipped element, and the template of the SDK.

mod common;

use emptcp_packet::{Catalog, element, require, sdk, testing::is_root};
use emptcp_plan::manifest::Unit;
use std::path::Path;

#[test]
fn every_shipped_element_is_accepted_by_this_kernel_for_every_hook_that_it_names() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let elements = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../elements");
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for shipped in Catalog::built_in().iter() {
        let name = &shipped.manifest.name;
        let copy = folder.path().join(name);
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(elements.join(name)).unwrap().flatten() {
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        let built = element::build(&copy).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(built.checked, shipped.manifest.hooks, "{name}");
        checked += 1;
    }
    assert!(checked > 0, "this build ships no element");
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
