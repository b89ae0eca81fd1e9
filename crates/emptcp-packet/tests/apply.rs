//! Policy sets are applied, changed and removed in network namespaces of their own.

mod common;

use common::{Namespace, catalog_with_tally, message, plan};
use emptcp_packet::{
    ApplyOptions, Error, Instance, apply, attach::Kind, instance::DEFAULT, remove, require, testing::is_root,
};

const ON_A0: &str = "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = \"ingress\"\ndo = [\"tally weight=3\"]\n";
const TWO: &str = "[[policy]]\nname = \"p\"\ndevice = \"a0\"\nhook = \"ingress\"\ndo = [\"tally weight=3\"]\n\
                   [[policy]]\nname = \"q\"\ndevice = [\"a0\", \"b0\"]\nhook = \"egress\"\ndo = [\"tally weight=4\"]\n";

fn options() -> ApplyOptions {
    ApplyOptions {
        adopt: false,
        clsact: false,
    }
}

#[test]
fn a_policy_set_is_applied_changed_and_removed_without_a_trace() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    namespace.within(|| {
        let first = apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        assert_eq!((first.generation.0, first.programs, first.attached.len()), (1, 1, 2));
        assert_eq!(first.changed, ["p"]);
        let instance = Instance::open(DEFAULT).unwrap();
        let shown = instance.show().unwrap();
        assert_eq!(shown.source, ON_A0);
        assert!(
            shown
                .attachments
                .iter()
                .all(|attachment| attachment.alive && attachment.link.is_some())
        );

        let second = apply(DEFAULT, &plan(&catalog, TWO), TWO, &catalog, &options()).unwrap();
        assert_eq!(
            (second.kept.as_slice(), second.changed.as_slice()),
            (&["p".to_owned()][..], &["q".to_owned()][..])
        );
        assert_eq!(second.attached.len(), 2, "a0 is attached already");
        assert_eq!(
            instance.show().unwrap().policy_ids[0],
            shown.policy_ids[0],
            "p is unchanged and keeps its id"
        );
        let stats = instance.stats(&catalog).unwrap();
        assert_eq!(stats.policies[0].elements[0].counters[1].name, "heavy");

        let third = apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        assert_eq!(
            (third.removed.as_slice(), third.detached.len()),
            (&["q".to_owned()][..], 2)
        );
        let removed = remove(DEFAULT).unwrap();
        assert_eq!(removed.detached.len(), 2);
        assert!(Instance::list().unwrap().is_empty());
        assert!(matches!(Instance::open(DEFAULT), Err(Error::NoInstance { .. })));
    });
    assert_eq!(namespace.run("tc qdisc show dev a0").matches("clsact").count(), 0);
}

#[test]
fn clsact_is_used_where_it_must_be_and_removed_unless_others_use_it() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    let clsact = ApplyOptions {
        clsact: true,
        ..options()
    };
    let present = || namespace.run("tc qdisc show dev a0").contains("clsact");

    let applied = namespace.within(|| apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &clsact).unwrap());
    assert!(applied.attached.iter().all(|attached| attached.kind == Kind::Clsact));
    assert!(present());
    assert!(namespace.run("tc filter show dev a0 ingress").contains("emptcp_entry"));
    namespace.within(|| remove(DEFAULT).unwrap());
    assert!(!present(), "we made the qdisc, nothing else uses it");

    namespace.within(|| apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &clsact).unwrap());
    namespace.run("tc filter add dev a0 egress protocol ip prio 7 u32 match u32 0 0");
    namespace.within(|| remove(DEFAULT).unwrap());
    assert!(present(), "a filter of another program is in it");
    assert!(namespace.run("tc filter show dev a0 egress").contains("u32"));

    namespace.within(|| apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &clsact).unwrap());
    namespace.within(|| remove(DEFAULT).unwrap());
    assert!(present(), "the qdisc was there before us");
    assert!(namespace.run("tc filter show dev a0 egress").contains("u32"));
    assert!(!namespace.run("tc filter show dev a0 ingress").contains("bpf"));
}

#[test]
fn a_device_of_another_instance_is_refused_and_nothing_changes() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    Namespace::new().within(|| {
        apply("one", &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        let error = apply("two", &plan(&catalog, TWO), TWO, &catalog, &options()).unwrap_err();
        assert!(matches!(&error, Error::DeviceInUse { device, instance } if device == "a0" && instance == "one"));
        assert_eq!(Instance::list().unwrap(), ["one"]);
        remove("one").unwrap();
    });
}

#[test]
fn a_device_that_does_not_exist_is_named_and_nothing_changes() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    Namespace::new().within(|| {
        apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        let wrong = TWO.replace("b0", "wlan7");
        let text = message(apply(DEFAULT, &plan(&catalog, &wrong), &wrong, &catalog, &options()));
        assert!(
            text.contains("wlan7") && text.contains("policy `q`") && text.contains("a0"),
            "{text}"
        );
        assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().source, ON_A0);
        remove(DEFAULT).unwrap();
    });
}

#[test]
fn generic_xdp_is_attached_when_asked_for_and_given_up_again() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let xdp = ON_A0.replace("hook = \"ingress\"", "hook = \"ingress\"\nattach = \"xdp-generic\"");
    Namespace::new().within(|| {
        let applied = apply("one", &plan(&catalog, &xdp), &xdp, &catalog, &options()).unwrap();
        let kinds: Vec<Kind> = applied.attached.iter().map(|attached| attached.kind).collect();
        assert_eq!(kinds, [Kind::XdpGeneric, Kind::Tcx]);
        // Back to tc, in place.
        let applied = apply("one", &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        assert_eq!(applied.generation.0, 2);
        let kinds = |list: &[emptcp_packet::AttachedTo]| list.iter().map(|a| a.kind).collect::<Vec<_>>();
        assert_eq!(
            (kinds(&applied.attached), kinds(&applied.detached)),
            (vec![Kind::Tcx], vec![Kind::XdpGeneric])
        );
        let kinds: Vec<Kind> = Instance::open("one")
            .unwrap()
            .attached()
            .unwrap()
            .iter()
            .map(|a| a.kind)
            .collect();
        assert_eq!(kinds, [Kind::Tcx, Kind::Tcx]);
        remove("one").unwrap();
    });
}

#[test]
fn tables_of_other_sizes_wait_for_the_next_installation_with_a_warning() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let small = format!("[tables]\nflows = 500\nstate = 300\n{ON_A0}");
    Namespace::new().within(|| {
        let first = apply(DEFAULT, &plan(&catalog, &small), &small, &catalog, &options()).unwrap();
        assert!(first.warnings.is_empty(), "{:?}", first.warnings);
        let stats = Instance::open(DEFAULT).unwrap().stats(&catalog).unwrap();
        let size = |name: &str| {
            stats
                .tables
                .iter()
                .find(|table| table.name == name)
                .map(|table| table.size)
        };
        // The flow table is made of a power of two of sets.
        assert_eq!((size("flows"), size("tally:state_tally")), (Some(512), Some(300)));
        let second = apply(DEFAULT, &plan(&catalog, ON_A0), ON_A0, &catalog, &options()).unwrap();
        assert!(second.warnings[0].contains("512 flows"), "{:?}", second.warnings);
        assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().tables.flows, 512);
        remove(DEFAULT).unwrap();
    });
}

#[test]
fn an_element_that_cannot_be_loaded_leaves_the_old_set_or_nothing() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let good = catalog_with_tally(folder.path());
    // The programs of another element under this one's name: its constants do not fit the manifest.
    let source = "#include <emptcp/element.h>\nACTOR(other)\n{\n\treturn EMPTCP_CONTINUE;\n}\n";
    let other = common::element(folder.path(), "other", &common::manifest("other", "actor", ""), source);
    let built = emptcp_packet::element::build(&other).unwrap();
    let broken_folder = folder.path().join("broken");
    let broken_tally = broken_folder.join("tally");
    std::fs::create_dir_all(&broken_tally).unwrap();
    std::fs::write(broken_tally.join("element.toml"), common::tally_manifest()).unwrap();
    for object in &built.objects {
        std::fs::copy(object, broken_tally.join(object.file_name().unwrap())).unwrap();
    }
    let broken = emptcp_packet::Catalog::load_from(&broken_folder).unwrap();
    let namespace = Namespace::new();
    namespace.within(|| {
        let text = message(apply(DEFAULT, &plan(&good, TWO), TWO, &broken, &options()));
        assert!(
            text.contains("element `tally`") && text.contains("ACTOR(other)"),
            "{text}"
        );
        assert!(
            Instance::list().unwrap().is_empty(),
            "nothing is left of a first apply that fails"
        );

        apply(DEFAULT, &plan(&good, ON_A0), ON_A0, &good, &options()).unwrap();
        message(apply(DEFAULT, &plan(&good, TWO), TWO, &broken, &options()));
        let shown = Instance::open(DEFAULT).unwrap().show().unwrap();
        assert_eq!((shown.source.as_str(), shown.generation.0), (ON_A0, 1));
        assert!(
            shown
                .attachments
                .iter()
                .all(|a| a.alive && a.device.as_deref() == Some("a0")),
            "b0 is free again"
        );
        remove(DEFAULT).unwrap();
    });
}
