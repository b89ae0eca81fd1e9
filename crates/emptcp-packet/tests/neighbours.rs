//! Programs and qdiscs of others on the same device stay, and errors name those that conflict with us.

mod common;

use common::{Namespace, catalog_with_tally, documented, message, plan};
use emptcp_packet::{
    ApplyOptions, Catalog, Error, Instance, apply, attach::Kind, instance::DEFAULT, remove, require, testing::is_root,
};

fn options() -> ApplyOptions {
    ApplyOptions {
        adopt: false,
        clsact: false,
    }
}

fn policy(device: &str, hook: &str, rest: &str) -> String {
    format!("[[policy]]\nname = \"p\"\ndevice = \"{device}\"\nhook = \"{hook}\"\n{rest}\n")
}

#[test]
fn another_xdp_program_is_named_and_stays() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    namespace.within(|| {
        let tc = policy("a0", "ingress", "do = [\"tally\"]");
        let xdp = policy("a0", "ingress", "attach = \"xdp-generic\"\ndo = [\"tally\"]");
        apply(DEFAULT, &plan(&catalog, &tc), &tc, &catalog, &options()).unwrap();
        // Another loader, which knows nothing of us.
        let object = folder.path().join("installed/tally/xdp.o");
        common::run(&format!(
            "ip link set dev a0 xdpgeneric obj {} sec xdp",
            object.display()
        ));
        let text = message(apply(DEFAULT, &plan(&catalog, &xdp), &xdp, &catalog, &options()));
        assert!(
            text.contains("a0") && text.contains("XDP program") && text.contains("`tally`"),
            "{text}"
        );
        let kinds: Vec<_> = Instance::open(DEFAULT)
            .unwrap()
            .attached()
            .unwrap()
            .iter()
            .map(|a| (a.kind, a.alive))
            .collect();
        assert_eq!(
            kinds,
            [(Kind::Tcx, true), (Kind::Tcx, true)],
            "the old set is attached as before"
        );
        assert_eq!(Instance::open(DEFAULT).unwrap().show().unwrap().source, tc);
        remove(DEFAULT).unwrap();
        assert!(
            common::run("ip link show dev a0").contains("xdpgeneric"),
            "it is still there"
        );
    });
}

#[test]
fn native_xdp_is_attached_on_a_virtual_device_only_when_asked_for() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    Namespace::new().within(|| {
        for (attach, kind) in [("auto", Kind::Tcx), ("xdp-native", Kind::XdpNative)] {
            let text = policy("a0", "ingress", &format!("attach = \"{attach}\"\ndo = [\"tally\"]"));
            apply(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options()).unwrap();
            let attached = Instance::open(DEFAULT).unwrap().attached().unwrap();
            assert!(
                attached.iter().any(|a| a.kind == kind && a.alive),
                "{attach}: {attached:?}"
            );
        }
        remove(DEFAULT).unwrap();
    });
}

#[test]
fn a_device_that_went_away_and_came_back_is_attached_again_by_the_next_apply() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let namespace = Namespace::new();
    let text = policy("a0", "ingress", "do = [\"tally\"]");
    namespace.within(|| apply(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options()).unwrap());
    namespace.run("ip link del a0");
    namespace.run("ip link add a0 type veth peer name b0");
    namespace.within(|| {
        let attached = Instance::open(DEFAULT).unwrap().attached().unwrap();
        assert!(attached.iter().all(|a| !a.alive), "{attached:?}");
        let applied = apply(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options()).unwrap();
        assert_eq!((applied.attached.len(), applied.kept.len()), (2, 1));
        let attached = Instance::open(DEFAULT).unwrap().attached().unwrap();
        assert!(attached.len() == 2 && attached.iter().all(|a| a.alive), "{attached:?}");
        remove(DEFAULT).unwrap();
    });
}

#[test]
fn what_another_program_pinned_in_place_of_a_link_stays_and_is_named() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let text = policy("a0", "ingress", "do = [\"tally\"]");
    let name = format!("foreign-{}", std::process::id());
    Namespace::new().within(|| {
        apply(&name, &plan(&catalog, &text), &text, &catalog, &options()).unwrap();
        let inode = emptcp_host::namespace::inode().unwrap();
        let pins = std::path::PathBuf::from(format!("/sys/fs/bpf/emptcp/{inode}/{name}"));
        let is_link = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("link_");
        let entries = std::fs::read_dir(&pins).unwrap().flatten();
        let link = entries
            .map(|entry| entry.file_name())
            .find(|name| is_link(name))
            .unwrap();
        let link = pins.join(link);
        std::fs::remove_file(&link).unwrap();
        let map = libbpf_rs::MapHandle::from_pinned_path(pins.join("map_emptcp_table")).unwrap();
        emptcp_load::pin::add(std::os::fd::AsFd::as_fd(&map), &link).unwrap();

        let said = message(remove(&name));
        assert!(
            said.contains("this is not a link") && said.contains(&*link.to_string_lossy()),
            "{said}"
        );
        assert!(link.exists(), "it is not ours");
        std::fs::remove_file(&link).unwrap();
        remove(&name).unwrap();
        assert!(!pins.exists());
    });
}

#[test]
fn an_instance_of_a_namespace_that_is_gone_is_not_taken_for_one_of_its_successor() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let catalog = catalog_with_tally(folder.path());
    let text = policy("a0", "ingress", "do = [\"tally\"]");
    let plan = plan(&catalog, &text);
    let name = format!("old-{}", std::process::id());
    let old = Namespace::new();
    let inode = old.within(|| {
        apply(&name, &plan, &text, &catalog, &options()).unwrap();
        emptcp_host::namespace::inode().unwrap()
    });
    common::run(&format!("ip netns del {}", old.name));
    std::mem::forget(old);
    // The kernel uses the lowest free number: after some attempts, the one of the namespace that is gone.
    let mut others = Vec::new();
    let successor = (0..40).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let namespace = Namespace::new();
        if namespace.within(|| emptcp_host::namespace::inode().unwrap()) == inode {
            return Some(namespace);
        }
        others.push(namespace);
        None
    });
    let folder = format!("/sys/fs/bpf/emptcp/{inode}/{name}");
    if let Some(successor) = successor {
        successor.within(|| {
            assert!(!Instance::list().unwrap().contains(&name));
            let applied = apply(&name, &plan, &text, &catalog, &options()).unwrap();
            assert_eq!((applied.generation.0, applied.attached.len()), (1, 2), "it begins anew");
            remove(&name).unwrap();
        });
    } else {
        // Unless another apply on this machine has freed it already.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        let _ = std::fs::remove_dir(&folder);
        require!(kernel: false, "the kernel has not used the namespace's number again");
    }
    assert!(!std::path::Path::new(&folder).exists());
}

#[test]
fn shaping_makes_a_class_and_removes_it_and_refuses_another_qdisc() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let catalog = Catalog::built_in();
    require!(
        catalog.element("rate_limit").is_ok(),
        "this build ships no element rate_limit"
    );
    let shape = |rate: &str| policy("a0", "egress", &format!("do = ['rate_limit rate={rate} mode=shape']"));
    let namespace = Namespace::new();
    let apply = |text: &str| namespace.within(|| apply(DEFAULT, &plan(&catalog, text), text, &catalog, &options()));
    apply(&shape("4mbit")).unwrap();
    assert!(namespace.run("tc qdisc show dev a0").contains("htb e7c0:"));
    let classes = namespace.run("tc class show dev a0");
    assert!(classes.contains("rate 4Mbit"), "{classes}");
    // Two aggregates of 64 kB with their headers.
    let leaf = namespace.run("tc qdisc show dev a0");
    assert!(["144Kb", "147456b"].iter().any(|limit| leaf.contains(limit)), "{leaf}");
    apply(&shape("8mbit")).unwrap();
    let classes = namespace.run("tc class show dev a0");
    assert!(
        classes.contains("rate 8Mbit") && !classes.contains("rate 4Mbit"),
        "{classes}"
    );
    let police = policy("a0", "egress", "do = ['rate_limit rate=4mbit mode=police']");
    apply(&police).unwrap();
    assert!(!namespace.run("tc qdisc show dev a0").contains("htb"));

    namespace.run("tc qdisc add dev a0 root handle 1: tbf rate 1mbit burst 10k latency 50ms");
    let error = apply(&shape("4mbit")).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }));
    assert!(
        error.to_string().contains("tbf") && error.to_string().contains("a0"),
        "{error}"
    );
    assert_eq!(
        namespace.within(|| Instance::open(DEFAULT).unwrap().show().unwrap().source),
        police
    );
    namespace.within(|| remove(DEFAULT).unwrap());
    assert!(namespace.run("tc qdisc show dev a0").contains("tbf"));
    let ingress = policy("a0", "ingress", "do = ['rate_limit rate=4mbit mode=shape']");
    let compiled = emptcp_plan::compile("test.toml", &ingress, &catalog.manifests());
    if let Ok(compiled) = compiled {
        let error = namespace
            .within(|| emptcp_packet::apply(DEFAULT, &compiled, &ingress, &catalog, &options()))
            .unwrap_err();
        assert!(error.to_string().contains("egress"), "{error}");
    }
}

#[test]
fn an_operator_s_own_element_gets_a_class_with_the_rate_that_it_was_given() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let folder = tempfile::tempdir().unwrap();
    let sources = tempfile::tempdir().unwrap();
    let lane = documented(sources.path(), "lane");
    emptcp_packet::element::install_into(&lane, folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let catalog = Catalog::load_from(folder.path()).unwrap();
    let namespace = Namespace::new();
    let apply = |text: &str| namespace.within(|| apply(DEFAULT, &plan(&catalog, text), text, &catalog, &options()));
    let text = |rate: &str| policy("a0", "egress", &format!("do = ['lane rate={rate}']"));
    apply(&text("3mbit")).unwrap();
    let classes = namespace.run("tc class show dev a0");
    assert!(classes.contains("rate 3Mbit"), "{classes}");
    apply(&text("5mbit")).unwrap();
    let classes = namespace.run("tc class show dev a0");
    assert!(
        classes.contains("rate 5Mbit") && !classes.contains("rate 3Mbit"),
        "{classes}"
    );
    let two = policy(
        "a0",
        "egress",
        "do = ['lane rate=1mbit', 'rate_limit rate=2mbit mode=shape']",
    );
    let refused = emptcp_plan::compile("test.toml", &two, &catalog.manifests()).unwrap_err();
    assert!(refused.to_string().contains("both need a class"), "{refused}");
    namespace.within(|| remove(DEFAULT).unwrap());
    assert!(!namespace.run("tc qdisc show dev a0").contains("htb"));
}

#[test]
#[ignore = "the other half of the test of rights, which starts it without them"]
fn apply_without_rights() {
    let catalog = Catalog::built_in();
    let text = policy("lo", "ingress", "do = [\"count\"]");
    let name = format!("emk-{}", std::process::id());
    println!(
        "apply: {}",
        message(apply(&name, &plan(&catalog, &text), &text, &catalog, &options()))
    );
    println!("open: {}", message(Instance::open(&name)));
}

#[test]
fn without_rights_the_message_says_which_ones_are_missing() {
    require!(is_root(), "this test gives up the rights of root, so it must have them");
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "apply_without_rights", "--ignored", "--nocapture"])
        .output();
    require!(output.is_ok(), "there is no `setpriv` (package util-linux)");
    let text = String::from_utf8_lossy(&output.as_ref().unwrap().stdout).into_owned();
    for words in [
        "apply: ",
        "not permitted; ",
        "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are missing",
    ] {
        assert!(text.contains(words), "{words}: {output:?}");
    }
}
