//! Labs do not collide, and leave nothing, however they end.

mod common;

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path as FilePath;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::build;
use emptcp_lab::{IpVersion, Lab, LabBuilder, LabError, Path, Rate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn small() -> LabBuilder {
    Lab::builder()
        .path(Path::with(Rate::mbit(20), Duration::from_millis(10)))
        .path(Path::new())
}

fn exists(namespace: &str) -> bool {
    FilePath::new("/run/netns").join(namespace).exists()
}

fn names(lab: &Lab) -> Vec<String> {
    [lab.client().netns(), lab.server().netns(), lab.middle()]
        .map(|netns| netns.name().to_owned())
        .into()
}

#[test]
fn labs_in_parallel_have_the_same_addresses_and_do_not_meet() {
    let all: Vec<Vec<String>> = thread::scope(|scope| {
        let run = |seed| {
            move || {
                let lab = build(small())?;
                lab.bulk().seed(seed).bytes(1_000_000).run().unwrap();
                Some(names(&lab))
            }
        };
        let labs: Vec<_> = (1..=3).map(|seed| scope.spawn(run(seed))).collect();
        labs.into_iter().filter_map(|lab| lab.join().unwrap()).collect()
    });
    assert!(all.iter().flatten().all(|name| !exists(name)), "{all:?}");
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let Some(lab) = build(small()) else { return };
    let names = names(&lab);
    assert!(names.iter().all(|name| exists(name)));
    let result = catch_unwind(AssertUnwindSafe(move || {
        let _transfer = lab.bulk().start().unwrap();
        panic!("in the middle of a transfer");
    }));
    assert!(result.is_err());
    assert!(names.iter().all(|name| !exists(name)), "{names:?}");
}

#[test]
fn a_lab_that_cannot_be_built_leaves_nothing_behind() {
    if build(small()).is_none() {
        return;
    }
    assert!(
        matches!(Lab::builder().build(), Err(LabError::Invalid { .. })),
        "no path"
    );
    // veth refuses this MTU after the namespaces were created.
    let Err(LabError::Command { netns, message, .. }) = Lab::builder().path(Path::new().mtu(10)).build() else {
        panic!("a path with an MTU of 10 bytes was built");
    };
    let stem = netns
        .strip_suffix("-middle")
        .unwrap_or_else(|| panic!("{netns}: {message}"));
    let left = ["client", "server", "middle"].map(|role| exists(&format!("{stem}-{role}")));
    assert_eq!(left, [false; 3]);
}

/// Not a test: the next two tests kill this process.
#[test]
#[ignore = "waits to be killed"]
fn hold_a_lab_until_killed() {
    Lab::clean_up_on_signals().unwrap();
    let Some(lab) = build(small()) else { return };
    println!("\nholding {}", names(&lab).join(" "));
    thread::sleep(Duration::from_secs(60));
}

/// Starts this test binary as a separate process with a lab; `None` if this machine does not support labs.
fn holder() -> Option<(Child, Vec<String>)> {
    drop(build(small())?);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "hold_a_lab_until_killed", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    match output
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("holding "))
    {
        Some(line) => Some((child, line.split_whitespace().skip(1).map(str::to_owned).collect())),
        None => panic!("the holder ended with {:?} and without a lab", child.wait()),
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[test]
fn sweep_removes_what_a_killed_process_left_and_spares_the_living() {
    let (Some((mut killed, left)), Some((mut living, kept))) = (holder(), holder()) else {
        return;
    };
    signal(&killed, Signal::SIGKILL);
    killed.wait().unwrap();
    assert!(left.iter().all(|name| exists(name)), "nobody cleans up after SIGKILL");
    Lab::sweep().unwrap();
    assert!(left.iter().all(|name| !exists(name)), "{left:?}");
    assert!(kept.iter().all(|name| exists(name)), "{kept:?}");
    signal(&living, Signal::SIGTERM);
    living.wait().unwrap();
}

#[test]
fn sigint_removes_the_lab_and_ends_the_process() {
    let Some((mut child, names)) = holder() else { return };
    signal(&child, Signal::SIGINT);
    let begin = Instant::now();
    assert!(!child.wait().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert!(names.iter().all(|name| !exists(name)), "{names:?}");
}

#[test]
fn a_closure_runs_in_the_namespace_of_its_host_and_panics_come_back() {
    let Some(lab) = build(small()) else { return };
    let devices = |host: &emptcp_lab::Host| {
        let text = emptcp_lab::in_netns(host, || std::fs::read_to_string("/proc/thread-self/net/dev"))
            .unwrap()
            .unwrap();
        text.contains("path2")
    };
    assert!(devices(lab.client()) && devices(lab.server()));
    assert!(!std::fs::read_to_string("/proc/self/net/dev").unwrap().contains("path2"));
    assert!(catch_unwind(AssertUnwindSafe(|| lab.client().run(|| panic!("inside")))).is_err());
    assert_eq!(lab.client().address(0, IpVersion::V4).unwrap().to_string(), "10.1.0.1");
}
