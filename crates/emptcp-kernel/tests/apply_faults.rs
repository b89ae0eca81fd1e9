//! An error between two steps of `apply` leaves the old set in force; one behind the switch is a warning.

mod common;

use common::{Namespace, catalog_with_tally, plan};
use emptcp_kernel::{ApplyOptions, Instance, apply, fault, instance::DEFAULT, require, testing::is_root};

const OLD: &str =
    "[[policy]]\nname = \"p\"\ndevice = [\"a0\", \"b0\"]\nhook = \"ingress\"\ndo = [\"tally weight=3\"]\n";
const NEW: &str = "[[policy]]\nname = \"q\"\ndevice = \"a0\"\nhook = \"egress\"\ndo = [\"tally weight=4\"]\n";
const BEFORE_THE_SWITCH: [&str; 6] = ["fill", "store", "pin", "set_up", "attach", "switch"];
const BEHIND_THE_SWITCH: [&str; 3] = ["detach", "shape", "clear"];

/// Programs at the hooks of a device, as the kernel lists them.
fn attached(device: &str) -> usize {
    let output = std::process::Command::new("bpftool")
        .args(["-j", "net", "show", "dev", device])
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).matches("prog_id").count(),
        // Without bpftool: the links, which the kernel knows by their ids.
        _ => {
            let attachments = Instance::open(DEFAULT).unwrap().attached().unwrap();
            let here = attachments
                .iter()
                .filter(|found| found.device.as_deref() == Some(device));
            here.filter(|found| found.alive && found.link.is_some()).count()
        }
    }
}

fn options() -> ApplyOptions {
    ApplyOptions {
        adopt: false,
        clsact: false,
    }
}

#[test]
fn an_error_before_the_switch_leaves_what_was_in_force_and_nothing_else() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    for point in BEFORE_THE_SWITCH {
        let namespace = Namespace::new();
        namespace.within(|| {
            fault::inject(Some(point));
            apply(DEFAULT, &plan(&catalog, OLD), OLD, &catalog, &options()).unwrap_err();
            assert_eq!(
                Instance::list().unwrap(),
                Vec::<String>::new(),
                "{point}: a first apply"
            );
            fault::inject(None);
            apply(DEFAULT, &plan(&catalog, OLD), OLD, &catalog, &options()).unwrap();
            let before = (attached("a0"), attached("b0"));
            fault::inject(Some(point));
            apply(DEFAULT, &plan(&catalog, NEW), NEW, &catalog, &options()).unwrap_err();
            fault::inject(None);
            assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().source, OLD, "{point}");
            assert_eq!((attached("a0"), attached("b0")), before, "{point}");
        });
    }
}

#[test]
fn an_error_behind_the_switch_is_a_warning_and_the_new_set_is_in_force() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    for point in BEHIND_THE_SWITCH {
        let namespace = Namespace::new();
        namespace.within(|| {
            fault::inject(Some(point));
            let first = apply(DEFAULT, &plan(&catalog, OLD), OLD, &catalog, &options()).unwrap();
            assert!(
                first.warnings.iter().any(|warning| warning.contains("again")),
                "{point}"
            );
            let second = apply(DEFAULT, &plan(&catalog, NEW), NEW, &catalog, &options()).unwrap();
            assert!(
                second.warnings.iter().any(|warning| warning.contains("again")),
                "{point}"
            );
            assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().source, NEW, "{point}");
            assert!(attached("a0") > 0, "{point}");
            fault::inject(None);
            let third = apply(DEFAULT, &plan(&catalog, NEW), NEW, &catalog, &options()).unwrap();
            assert_eq!(third.warnings, Vec::<String>::new(), "{point}");
            assert_eq!(attached("b0"), 0, "{point}: the next apply cleans up");
        });
    }
}
