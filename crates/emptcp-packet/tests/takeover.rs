//! `emptcp apply --replace`: a new instance replaces one whose tables have another layout. Judged on the wire: every
//! packet that leaves the host has the DSCP that both policy sets give it.

mod common;

use common::{
    SetWhenDropped,
    pair::{Pair, has_mptcp},
    plan,
};
use emptcp_host::namespace;
use emptcp_packet::{
    Applied, ApplyOptions, Catalog, Error, Instance, Result, apply,
    instance::DEFAULT,
    remove, replace, require,
    testing::{is_root, with_faults},
};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

const DSCP: u8 = 10;
const NAMESPACE: &str = "EMPTCP_TEST_NAMESPACE";

fn policy(name: &str) -> String {
    format!("[[policy]]\nname = \"{name}\"\ndevice = \"a0\"\nhook = \"egress\"\ndo = [\"mark dscp={DSCP}\"]\n")
}

fn options(clsact: bool) -> ApplyOptions {
    ApplyOptions { adopt: true, clsact }
}

fn put(name: &str, clsact: bool) -> Result<Applied> {
    let (catalog, text) = (Catalog::built_in(), policy(name));
    replace(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options(clsact))
}

/// The folder of the instance, also where it cannot be opened.
fn folder() -> PathBuf {
    let inode = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    PathBuf::from(format!("/sys/fs/bpf/emptcp/{inode}/{DEFAULT}"))
}

/// Makes the instance one of another version.
fn set_version(folder: &Path, version: u32) {
    note(folder, [0, 3], version);
}

/// Writes a record of the instance itself.
fn note(folder: &Path, key: [u32; 2], word: u32) {
    let map = MapHandle::from_pinned_path(folder.join("map_emptcp_devices")).unwrap();
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_ne_bytes()).collect() };
    map.update(&words(&key), &words(&[word, 0, 0, 0]), MapFlags::ANY)
        .unwrap();
}

/// What the client's host receives from the server: packets, and those without the DSCP.
#[derive(Default)]
struct Received {
    all: AtomicU64,
    without: AtomicU64,
}

impl Received {
    fn count(&self, device: Socket, end: &AtomicBool) {
        device.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (mut device, mut packet) = (device, vec![0; 1 << 17]);
        while !end.load(Ordering::Relaxed) {
            let Ok(length) = device.read(&mut packet) else { continue };
            let is_ours = length >= 38 && packet[12..14] == [8, 0] && packet[34..36] == 7000_u16.to_be_bytes();
            if is_ours {
                self.all.fetch_add(1, Ordering::Relaxed);
                self.without
                    .fetch_add(u64::from(packet[15] >> 2 != DSCP), Ordering::Relaxed);
            }
        }
    }

    fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }
}

/// Runs `work` in the server's namespace while a connection transfers; `policy` is in force before it begins.
fn under_traffic(clsact: bool, work: impl FnOnce(&Pair, &Received) + Send) {
    let pair = Pair::new();
    pair.server.within(|| put("p", clsact)).unwrap();
    let device = namespace::within(&pair.client, || {
        let all = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
        Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap()
    })
    .unwrap();
    let mut connection = pair.connect();
    let (received, end) = (Received::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| received.count(device, &end));
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                connection.exchange(100_000);
            }
        });
        let _end = SetWhenDropped(&end);
        pair.server.within(|| work(&pair, &received));
    });
    assert!(received.all() > 500, "{} packets", received.all());
    assert_eq!(
        received.without.load(Ordering::Relaxed),
        0,
        "of {} packets",
        received.all()
    );
    println!("{} packets, all with the DSCP", received.all());
    pair.server.within(|| remove(DEFAULT)).unwrap();
}

fn nothing_is_left() {
    let names = fs::read_dir(folder().parent().unwrap()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [DEFAULT]);
    let pins = fs::read_dir(folder()).unwrap();
    let pins: Vec<_> = pins
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pins.iter().all(|name| !name.contains('@')), "{pins:?}");
}

fn in_force() -> Vec<String> {
    let shown = Instance::open(DEFAULT).unwrap().show().unwrap();
    assert!(shown.attachments.iter().all(|attachment| attachment.alive), "{shown:?}");
    shown.plan.policies.into_iter().map(|policy| policy.name).collect()
}

fn replaced_again_and_again(clsact: bool) {
    under_traffic(clsact, |_, received| {
        let begin = Instant::now();
        let mut round = 0;
        while round < 4 || received.all() < 1000 {
            assert!(begin.elapsed() < Duration::from_secs(60), "{} packets", received.all());
            round += 1;
            set_version(&folder(), 3);
            let name = ["p", "q"][round % 2];
            let (catalog, text) = (Catalog::built_in(), policy(name));
            let plan = plan(&catalog, &text);
            let refused = apply(DEFAULT, &plan, &text, &catalog, &options(clsact)).unwrap_err();
            assert!(matches!(refused, Error::Layout { .. }), "{refused}");
            assert!(refused.to_string().contains("ABI version 3"), "{refused}");
            let applied = put(name, clsact).unwrap();
            assert!(applied.replaced.is_some() && applied.warnings.is_empty(), "{applied:?}");
            assert!(
                applied.attached.is_empty() && applied.detached.is_empty(),
                "{applied:?}"
            );
            assert_eq!(applied.adopted, 1, "the connection of this host is taken over");
            assert_eq!(in_force(), [name]);
            nothing_is_left();
        }
        let instance = Instance::open(DEFAULT).unwrap();
        assert_eq!(instance.stats(&Catalog::built_in()).unwrap().core["chain_broken"], 0);
        // Where the layout fits there is nothing to replace.
        assert!(put("p", clsact).unwrap().replaced.is_none());
    });
}

#[test]
fn a_new_instance_takes_the_place_of_one_of_another_version_without_a_gap() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    replaced_again_and_again(false);
}

#[test]
fn a_new_instance_takes_over_filters_of_clsact_without_a_gap() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    replaced_again_and_again(true);
}

#[test]
fn a_device_may_change_its_hook_when_an_instance_is_replaced() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let namespace = common::Namespace::new();
    let put = |attach: &str| {
        let (catalog, policy) = (Catalog::built_in(), policy("p").replace("egress", "ingress"));
        let text = policy
            .replace("mark dscp=10", "count")
            .replace("do =", &format!("attach = \"{attach}\"\ndo ="));
        replace(DEFAULT, &plan(&catalog, &text), &text, &catalog, &options(false)).unwrap()
    };
    namespace.within(|| {
        put("xdp-generic");
        for (attach, changed) in [("xdp-generic", 0), ("tc", 1), ("xdp-generic", 1)] {
            set_version(&folder(), 3);
            let applied = put(attach);
            assert!(applied.warnings.is_empty(), "{applied:?}");
            assert_eq!(
                (applied.attached.len(), applied.detached.len()),
                (changed, changed),
                "{applied:?}"
            );
            assert!(
                applied
                    .replaced
                    .is_some_and(|former| former.both_acted.is_zero() == (changed == 0)),
                "{applied:?}"
            );
            assert_eq!(in_force(), ["p"]);
            nothing_is_left();
        }
        // Killed between the two steps that older kernels need: the former folder is removed, the new one does not have
        // its name yet.
        note(&folder(), [0, 6], 1);
        fs::rename(folder(), folder().with_file_name(format!("{DEFAULT}_new"))).unwrap();
        assert!(put("xdp-generic").replaced.is_none());
        assert_eq!(in_force(), ["p"]);
        nothing_is_left();
        remove(DEFAULT).unwrap();
    });
}

/// Points of a replacement after which it is incomplete.
const POINTS: [&str; 6] = [
    "before handing over",
    "after handing over",
    "before the switch",
    "before ending the handover",
    "after ending the handover",
    "before exchanging the folders",
];

#[test]
fn a_replacement_that_fails_leaves_the_former_instance_or_is_ended_by_the_next_command() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    under_traffic(false, |_, _| {
        set_version(&folder(), 3);
        let (_, points) = with_faults(&[], || put("q", false).unwrap());
        for (point, name) in points
            .iter()
            .enumerate()
            .filter(|(_, name)| POINTS.contains(&name.as_str()))
        {
            put("p", false).unwrap();
            set_version(&folder(), 3);
            let (result, _) = with_faults(&[point], || put("q", false));
            let failed = result.is_err();
            if failed {
                set_version(&folder(), emptcp_abi::ABI_VERSION);
                assert_eq!(in_force(), ["p"], "{name}");
                nothing_is_left();
                set_version(&folder(), 3);
            }
            put("q", false).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(in_force(), ["q"], "{name}");
            nothing_is_left();
        }
    });
}

#[test]
#[ignore = "the other half of the test of kills, which starts it"]
fn replace_one_instance_after_the_other_until_killed() {
    let Ok(name) = std::env::var(NAMESPACE) else {
        panic!("only the test of kills can run this");
    };
    namespace::enter(&name).unwrap();
    for round in 0.. {
        set_version(&folder(), 3);
        put(["p", "q"][round % 2], false).unwrap();
    }
}

#[test]
fn a_replacement_that_is_killed_leaves_the_former_instance_or_the_new_one() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    require!(has_mptcp(), "this kernel has no MPTCP");
    under_traffic(false, |pair, _| {
        for round in 0..8_u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "replace_one_instance_after_the_other_until_killed",
                    "--ignored",
                ])
                .env(NAMESPACE, &pair.server.name)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(20 + round * 237 % 1200));
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success(), "it runs until it is killed");
            put("p", false).unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(in_force(), ["p"]);
            nothing_is_left();
        }
    });
}

#[test]
fn what_was_interrupted_while_it_was_made_goes_with_the_next_command() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let (catalog, text) = (Catalog::built_in(), policy("p"));
    let compiled = plan(&catalog, &text);
    let apply = || apply(DEFAULT, &compiled, &text, &catalog, &options(false)).unwrap();
    common::Namespace::new().within(|| {
        apply();
        let folder = Instance::open(DEFAULT).unwrap().show().unwrap().folder;
        let beside = folder.with_file_name(format!("{DEFAULT}_new"));
        let leave = || {
            std::fs::create_dir_all(&beside).unwrap();
            let options = libbpf_sys::bpf_map_create_opts {
                sz: size_of::<libbpf_sys::bpf_map_create_opts>() as libbpf_sys::size_t,
                ..Default::default()
            };
            let kind = libbpf_rs::MapType::Array;
            let mut map = MapHandle::create(kind, Some("left"), 4, 8, 1, &options).unwrap();
            map.pin(beside.join("map_left")).unwrap();
        };
        leave();
        apply();
        assert!(!beside.exists(), "an apply frees it");
        leave();
        remove(DEFAULT).unwrap();
        assert!(!beside.exists() && !folder.exists(), "a removal frees it");
        leave();
        remove(DEFAULT).unwrap();
        assert!(!beside.exists(), "also where there is no instance");
    });
}
