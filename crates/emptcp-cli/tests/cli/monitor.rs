//! `emptcp monitor`: several at a time, one that is too slow, one that is killed.

use crate::{
    common::{EMPTCP, Netns, wait_until},
    hosts::{Python, hosts},
};
use emptcp::require;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

/// Room for 6 events on each CPU; a record for each packet that the host sends.
const POLICY: &str = "\
[tables]
events = 4096

[[policy]]
name   = 'tell'
device = 'v0'
hook   = 'egress'
when   = 'packet is data'
do     = ['record every=0s']
";

/// Sends 200 requests and waits for each answer, then follows commands on its input and confirms each.
const CLIENT: &str = "\
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.connect(('10.77.0.2', 7000))
for i in range(200):
    s.sendall(b'request')
    s.recv(100)
print('sent', flush=True)
sys.stdin.read()
";

const SERVER: &str = "\
import socket
l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
l.bind(('10.77.0.2', 7000))
l.listen()
print('ready', flush=True)
s, _ = l.accept()
while s.recv(100):
    s.sendall(b'answer')
";

/// A running monitor that prints to a file.
struct Monitor {
    child: Child,
    out: tempfile::NamedTempFile,
}

impl Monitor {
    /// Starts it, and waits until it has mapped the rings.
    fn start(netns: &Netns) -> Self {
        let out = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(EMPTCP)
            .args(["--netns", &netns.name, "monitor", "--json"])
            .stdout(Stdio::from(out.reopen().unwrap()))
            .spawn()
            .unwrap();
        let monitor = Self { child, out };
        let maps = format!("/proc/{}/maps", monitor.child.id());
        wait_until("it reads events", || {
            let maps = fs::read_to_string(&maps).unwrap_or_default();
            maps.lines()
                .filter(|line| line.contains("r--s") && line.contains("bpf-map"))
                .count()
                == 2
        });
        monitor
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// How many events it has printed, and how many it reports as missed.
    fn counts(&self) -> (u64, u64) {
        let (mut events, mut missed) = (0, 0);
        for line in fs::read_to_string(self.out.path()).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            match line["event"].as_str().unwrap() {
                "missed" => missed += line["count"].as_u64().unwrap(),
                _ => events += 1,
            }
        }
        (events, missed)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that is pinned or kept for namespaces.
fn files() -> Vec<String> {
    let find = Command::new("find")
        .args(["/sys/fs/bpf/emptcp", "/run/emptcp"])
        .output()
        .unwrap();
    String::from_utf8(find.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_reader_that_stands_still_reports_what_it_missed_and_one_that_is_killed_leaves_nothing() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    require!(
        fs::exists("/proc/sys/net/mptcp/enabled").unwrap(),
        "needs MPTCP in the kernel"
    );
    let (netns, peer) = hosts();
    netns.apply(POLICY, &[]).exits(0);
    let inode = netns.inode().to_string();
    let pinned = || {
        files()
            .into_iter()
            .filter(|file| file.contains(&inode))
            .collect::<Vec<_>>()
    };
    let before = pinned();
    assert!(!before.is_empty());
    let [running, slow] = [0, 1].map(|_| Monitor::start(&netns));
    drop(Monitor::start(&netns));
    slow.signal(Signal::SIGSTOP);
    let server = Python::start(&peer, SERVER);
    let client = Python::start(&netns, CLIENT);
    slow.signal(Signal::SIGCONT);

    let stats = netns.emptcp(&["stats", "--json"]).exits(0).json();
    let emitted = stats["policies"][0]["elements"][1]["counters"][0]["packets"]
        .as_u64()
        .unwrap();
    assert!(emitted >= 200, "each request is a packet: {stats}");
    for (name, monitor) in [("running", &running), ("slow", &slow)] {
        wait_until("each event is counted", || {
            let (events, missed) = monitor.counts();
            events + missed == emitted
        });
        println!("{name}: {:?} of {emitted}", monitor.counts());
    }
    let (events, missed) = slow.counts();
    assert!(events >= 1 && missed >= 150, "{events} events, {missed} missed");
    assert_eq!(pinned(), before, "readers leave nothing");
    let kept = netns
        .emptcp(&["monitor", "--backlog", "--for", "0.1", "--json"])
        .exits(0);
    assert!((6..=emitted as usize).contains(&kept.out.lines().count()), "{kept:?}");
    let now = netns.emptcp(&["monitor", "--for", "0.1", "--json"]).exits(0);
    assert_eq!(now.out, "", "all of it was before");
    client.finish();
    drop(server);
}
