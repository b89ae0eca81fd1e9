//! The memory of tables is reported before they are made. It is compared with the kernel's `memlock` of the maps.

use crate::common::{EMPTCP, Netns, PolicyFile, Said, emptcp, emptcp_with, run};
use emptcp::{require, testing::is_root};
use libbpf_rs::MapHandle;
use std::{
    fs,
    os::{fd::AsFd, fd::AsRawFd, unix::fs::MetadataExt},
    path::Path,
    process::Command,
};

const POLICY: &str = "[[policy]]\nname = \"p\"\ndevice = \"v0\"\nhook = \"egress\"\ndo = ['record', 'get_connect', 'set_backup state=on']\n";

/// Bytes that the kernel uses for a pinned map.
fn memlock(path: &Path) -> u64 {
    let map = MapHandle::from_pinned_path(path).unwrap();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd())).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn check_says_the_bytes_that_the_kernel_then_takes() {
    require!(is_root(), "needs root: it makes network namespaces and loads programs");
    for tables in [
        "",
        "[tables]\nflows = 50000\nhalf_open = 3000\nconnections = 40000\nstate = 20000\nevents = 1048576\n",
    ] {
        let text = format!("{tables}{POLICY}");
        let said = emptcp_with(&["check", "--json", "-"], &text).exits(0).json();
        let said = said["memory"].as_u64().unwrap();
        let netns = Netns::new();
        netns.apply(&text, &[]).exits(0);
        let inode = fs::metadata(format!("/run/netns/{}", netns.name)).unwrap().ino();
        let folder = format!("/sys/fs/bpf/emptcp/{inode}/default");
        let mut taken = 0;
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            // The instance's own records are no tables.
            if name.starts_with("map_") && !["map_emptcp_state", "map_emptcp_devices"].contains(&name.as_str()) {
                taken += memlock(&entry.path());
            }
        }
        println!("{said} said, {taken} taken");
        assert!(said.abs_diff(taken) < taken / 20, "{said} said, {taken} taken");
    }
}

#[test]
fn tables_that_do_not_fit_into_the_memory_are_refused_before_anything_is_made() {
    require!(is_root(), "needs root: it makes network namespaces and loads programs");
    let largest = format!(
        "[tables]\nflows = 16777216\nhalf_open = 16777216\nconnections = 16777216\nstate = 16777216\nevents = 1073741824\n{POLICY}"
    );
    let needed = emptcp_with(&["check", "--json", "-"], &largest).exits(0).json()["memory"].as_u64();
    let available = fs::read_to_string("/proc/meminfo").unwrap();
    let available = available
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .unwrap();
    let available: u64 = available.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap();
    require!(kernel: needed.unwrap() > available * 1100, "this machine has room for the largest tables");
    let netns = Netns::new();
    for arguments in [&[][..], &["--dry-run"]] {
        let refused = netns.apply(&largest, arguments).exits(1);
        assert!(
            refused.err.contains("--force") && refused.err.contains("available"),
            "{refused:?}"
        );
    }
    netns.emptcp(&["show"]).exits(1);
}

/// Runs `emptcp` in a mount namespace of its own, where the files in `folder` hide those at the same path.
fn emptcp_over(folder: &Path, places: &[&str], arguments: &[&str]) -> Said {
    // The shell becomes the command: `$$` is its process.
    let mounts: String = places
        .iter()
        .map(|place| {
            format!(
                "mount --bind {}{} {place} && ",
                folder.display(),
                place.replace("$$", "self")
            )
        })
        .collect();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &format!("{mounts} exec \"$@\""), "sh", EMPTCP]);
    run(command.args(arguments), "")
}

#[test]
fn force_makes_tables_for_which_there_seems_to_be_too_little_memory() {
    require!(is_root(), "needs root: it makes namespaces and loads programs");
    let (netns, file, folder) = (Netns::new(), PolicyFile::new(POLICY), tempfile::tempdir().unwrap());
    let path = file.path();
    let write = |place: &str, text: &str| {
        let file = folder.path().join(place);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("proc/meminfo", "MemTotal:  24684092 kB\nMemAvailable:  2048 kB\n");
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/memory.max", "5000000\n");
    write("sys/fs/cgroup/memory.current", "2000000\n");
    let text = emptcp(&["check", &path]).exits(0).out;
    let (_, needed) = text.trim_end().rsplit_once("the tables take ").unwrap();
    let apply = |places: &[&str], arguments: &[&str]| {
        let always = ["--netns", &netns.name, "apply", &path];
        emptcp_over(folder.path(), places, &[&always[..], arguments].concat())
    };
    let (machine, groups) = (&["/proc/meminfo"][..], &["/proc/$$/cgroup", "/sys/fs/cgroup"][..]);
    for (places, available) in [(machine, "2.10 MB"), (groups, "3.00 MB")] {
        let wanted = format!(
            "the tables would take {needed}, but only {available} of memory are available; \
             make them smaller in `[tables]`, or use --force"
        );
        for arguments in [&[][..], &["--dry-run"]] {
            let refused = apply(places, arguments).exits(1);
            assert!(refused.err.contains(&wanted), "{wanted} in {refused:?}");
        }
    }
    netns.emptcp(&["show"]).exits(1);
    // The kernel has the memory and provides it.
    apply(machine, &["--force"]).exits(0);
    netns.emptcp(&["check", "--in-force"]).exits(0);
    // The tables exist: another set takes no more, and neither does a dry run.
    apply(machine, &[]).exits(0);
    apply(machine, &["--dry-run"]).exits(0);
    // Larger ones are not made: those of the instance stay.
    let larger = PolicyFile::new(&format!("[tables]\nflows = 16777216\nevents = 1073741824\n{POLICY}"));
    for arguments in [&[][..], &["--dry-run"]] {
        let always = ["--netns", &netns.name, "apply", &larger.path()];
        let said = emptcp_over(folder.path(), machine, &[&always[..], arguments].concat()).exits(0);
        assert!(said.out.contains("the tables keep the sizes"), "{said:?}");
    }
}
