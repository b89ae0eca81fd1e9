//! Two hosts with MPTCP, and scripts that run on them.

use crate::common::Netns;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A host with `v0`, 10.77.0.1, and its peer with `v1`, 10.77.0.2.
pub(crate) fn hosts() -> (Netns, Netns) {
    let (netns, peer) = (Netns::new(), Netns::new());
    peer.ip(&["link", "del", "v0"]);
    netns.ip(&["link", "set", "v1", "netns", &peer.name]);
    netns.ip(&["addr", "add", "10.77.0.1/24", "dev", "v0"]);
    peer.ip(&["addr", "add", "10.77.0.2/24", "dev", "v1"]);
    peer.ip(&["link", "set", "v1", "up"]);
    (netns, peer)
}

/// A script that runs.
pub(crate) struct Python(Child);

impl Python {
    /// Runs in the namespace until it has said its first line.
    pub(crate) fn start(netns: &Netns, script: &str) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &netns.name, "python3", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ip starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it is text");
        let python = Self(child);
        assert!(!line.is_empty(), "the script failed");
        python
    }

    /// Closes its standard input and waits for its end.
    pub(crate) fn finish(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it runs").success());
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
