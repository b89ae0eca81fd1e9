//! An element or an instance of another version of emptcp is refused with what to do; it is never misread.

mod common;

use common::{Namespace, element, manifest, message, plan};
use emptcp_model::ErrorKind;
use emptcp_packet::{
    ApplyOptions, Catalog, Error, Instance, apply, element as elements, instance::DEFAULT, preview, remove, require,
    testing::is_root,
};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::{fs, path::Path};

const POLICY: &str = "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = \"ingress\"\ndo = [\"count\"]\n";

/// The word of the record of the version in `emptcp_devices`: `None` removes it, as versions before 3 had none.
fn set_version(folder: &Path, version: Option<u32>) {
    let map = MapHandle::from_pinned_path(folder.join("map_emptcp_devices")).unwrap();
    let key: Vec<u8> = [0_u32, 3].iter().flat_map(|word| word.to_ne_bytes()).collect();
    match version {
        Some(version) => {
            let record: Vec<u8> = [version, 0, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
            map.update(&key, &record, MapFlags::ANY).unwrap();
        }
        None => map.delete(&key).unwrap(),
    }
}

#[test]
fn an_instance_of_another_version_is_not_read_and_can_be_removed() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let catalog = Catalog::built_in();
    let namespace = Namespace::new();
    namespace.within(|| {
        let options = ApplyOptions {
            adopt: false,
            clsact: true,
        };
        for version in [Some(2), Some(u32::MAX), None] {
            apply(DEFAULT, &plan(&catalog, POLICY), POLICY, &catalog, &options).unwrap();
            let open = Instance::open(DEFAULT).unwrap();
            let folder = open.show().unwrap().folder;
            set_version(&folder, version);
            // Nor need it have the maps that this version has.
            fs::remove_file(folder.join("map_emptcp_connections")).unwrap();
            let said = version.map_or("before 3".to_owned(), |version| version.to_string());
            for result in [
                Instance::open(DEFAULT).map(drop),
                apply(DEFAULT, &plan(&catalog, POLICY), POLICY, &catalog, &options).map(drop),
                preview(DEFAULT, &plan(&catalog, POLICY), &catalog, &options).map(drop),
            ] {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.instance()), (ErrorKind::OtherBuild, Some(DEFAULT)));
                assert!(error.to_string().contains(&format!("ABI version {said}")), "{error}");
            }
            assert_eq!(Instance::list().unwrap(), [DEFAULT], "it is there");
            // Another instance still cannot have its device.
            let text = message(apply("other", &plan(&catalog, POLICY), POLICY, &catalog, &options));
            assert!(text.contains("already belongs to the emptcp instance"), "{text}");
            let removed = remove(DEFAULT).unwrap();
            assert_eq!(
                removed.detached.len(),
                2,
                "both directions of a0 are detached: {removed:?}"
            );
            assert!(Instance::list().unwrap().is_empty());
        }
    });
    let left = namespace.run("tc filter show dev a0 ingress");
    assert!(!left.contains("bpf"), "nothing is left at the device: {left}");
}

#[test]
fn an_installed_element_of_another_version_is_refused_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <emptcp/element.h>\nACTOR(tally)\n{\n\t(void)packet;\n\treturn EMPTCP_CONTINUE;\n}\n";
    let source = element(
        &folder.path().join("source"),
        "tally",
        &manifest("tally", "actor", ""),
        source,
    );
    let installed = folder.path().join("installed");
    elements::install_into(&source, &installed).unwrap_or_else(|error| panic!("{error}"));
    let policy = POLICY.replace("count", "tally");
    let catalog = Catalog::load_from(&installed).unwrap();
    catalog.fits(&plan(&catalog, &policy)).unwrap();

    // The number is the first word of .rodata's `emptcp_about`, and followed by the kind: an actor.
    for object in ["tc.o", "xdp.o"] {
        let path = installed.join("tally").join(object);
        let mut bytes = fs::read(&path).unwrap();
        let about: Vec<u8> = [emptcp_abi::ABI_VERSION, emptcp_abi::element_kind::ACTOR]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let at = bytes.windows(8).position(|window| window == about).unwrap();
        bytes[at] = 2;
        fs::write(&path, bytes).unwrap();
    }
    let catalog = Catalog::load_from(&installed).unwrap();
    let error = catalog.fits(&plan(&catalog, &policy)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("element `tally`") && text.contains("ABI version 2"),
        "{text}"
    );
    assert!(matches!(error, Error::Mismatch { rebuild: true, .. }), "{text}");
    // The remedy works: the source is beside the objects.
    elements::install_into(&installed.join("tally"), &installed).unwrap_or_else(|error| panic!("{error}"));
    let catalog = Catalog::load_from(&installed).unwrap();
    catalog.fits(&plan(&catalog, &policy)).unwrap();
}
