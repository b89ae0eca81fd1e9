//! A crate outside the workspace uses the library: `examples/subflow-log`, built and run.

mod common;

use common::{Own, connect};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Ends the program, even if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A copy of the example in a separate folder, as a user would start. With the workspace's versions and profiles, cargo
/// reuses most of what is already built.
fn copy(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let example = root.join("examples/subflow-log");
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let mut manifest: toml::Table = read(example.join("Cargo.toml")).parse().unwrap();
    let path = root.join("crates/emptcp").to_str().unwrap().to_owned();
    manifest["dependencies"]["emptcp"]["path"] = path.into();
    let workspace: toml::Table = read(root.join("Cargo.toml")).parse().unwrap();
    manifest.insert("profile".to_owned(), workspace["profile"].clone());
    fs::create_dir(folder.join("src")).unwrap();
    fs::copy(example.join("src/main.rs"), folder.join("src/main.rs")).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest.to_string()).unwrap();
}

/// Builds it beside the workspace's programs.
fn build(folder: &Path) -> PathBuf {
    // This program lies in `deps` of the profile's folder.
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .current_dir(folder)
        .args(["build", "--target-dir"])
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "the example does not build");
    target.join("debug/subflow-log")
}

#[test]
fn a_crate_outside_the_workspace_builds_and_logs_the_subflows_of_a_connection() {
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let program = build(folder.path());
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
    assert_eq!(event.policy.as_deref(), Some("log/egress"));
    instance.remove().unwrap();
    assert!(
        running.0.wait().unwrap().success(),
        "it ends when its instance is removed"
    );
}
