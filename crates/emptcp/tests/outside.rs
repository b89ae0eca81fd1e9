//! A crate outside the workspace uses the library: `examples/subflow-log`, built and run.

mod common;

use common::{Own, connect};
use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Ends the program, whatever happens to the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds the example beside the workspace's own programs: most of what it needs is there.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // This program lies in `deps` of the profile's folder.
    let folder = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .arg("build")
        .arg("--manifest-path")
        .arg(root.join("examples/subflow-log/Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(status.success(), "the example does not build");
    folder.join("debug/subflow-log")
}

#[test]
fn a_crate_outside_the_workspace_builds_and_logs_the_subflows_of_a_connection() {
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let program = build();
    let own = Own::new("outside");
    let mut running = Command::new(program)
        .args(["lo", &own.0])
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let instance = own.namespace().instance("subflow-log");
    while !instance.is_in_force().unwrap() {
        assert!(running.0.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    // Its reader may begin after the first connections.
    let logged = std::thread::scope(|scope| {
        let first = scope.spawn(move || lines.next().unwrap().unwrap());
        for _ in 0..200 {
            if first.is_finished() {
                break;
            }
            connect(&own.namespace());
        }
        first.join().unwrap()
    });
    let event: emptcp::model::Event = serde_json::from_str(&logged).unwrap();
    assert_eq!(event.policy.as_deref(), Some("log"));
    instance.remove().unwrap();
    assert!(
        running.0.wait().unwrap().success(),
        "it ends when its instance is removed"
    );
}
