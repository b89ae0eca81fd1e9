//! Commands that watch an instance end with success when it is removed.

use crate::common::{EMPTCP, Netns, wait_until};
use emptcp::require;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

const POLICY: &str = "[[policy]]\nname = 'a'\ndevice = 'v0'\nhook = 'egress'\ndo = ['count']\n";

/// A command that watches, and its output.
struct Watcher {
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
}

impl Watcher {
    fn start(netns: &Netns, arguments: &[&str]) -> Self {
        let [out, err] = [(), ()].map(|()| tempfile::NamedTempFile::new().unwrap());
        let child = Command::new(EMPTCP)
            .args(["--netns", &netns.name])
            .args(arguments)
            .stdout(Stdio::from(out.reopen().unwrap()))
            .stderr(Stdio::from(err.reopen().unwrap()))
            .spawn()
            .unwrap();
        Self { child, out, err }
    }

    /// Whether it has started: it has printed something, or has mapped the rings of events.
    fn watches(&self) -> bool {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap_or_default();
        self.said().0.contains('\n')
            || maps
                .lines()
                .any(|line| line.contains("r--s") && line.contains("bpf-map"))
    }

    fn said(&self) -> (String, String) {
        let read = |file: &tempfile::NamedTempFile| fs::read_to_string(file.path()).unwrap();
        (read(&self.out), read(&self.err))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_command_that_watches_a_removed_instance_ends_with_success_and_says_why() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    let netns = Netns::new();
    netns.apply(POLICY, &[]).exits(0);
    let mut watchers = Vec::new();
    for json in [&[][..], &["--json"]] {
        for command in [
            &["monitor"][..],
            &["flows", "--watch", "0.1"],
            &["stats", "--watch", "0.1"],
        ] {
            watchers.push(Watcher::start(&netns, &[command, json].concat()));
        }
    }
    wait_until("all watch", || watchers.iter().all(Watcher::watches));
    netns.emptcp(&["remove"]).exits(0);
    for watcher in &mut watchers {
        wait_until("it ends", || watcher.child.try_wait().unwrap().is_some());
        let code = watcher.child.wait().unwrap().code();
        let (out, err) = watcher.said();
        assert_eq!((code, err.as_str()), (Some(0), "the instance was removed\n"), "{out}");
        assert!(!out.contains("error"), "{out}");
    }
    // There is nothing to watch: that is a failure.
    for command in [
        &["monitor"][..],
        &["flows", "--watch", "0.1"],
        &["stats", "--watch", "0.1"],
    ] {
        netns.emptcp(command).exits(1);
    }
}
