//! `emptcp trace` runs the program `emptcp-trace`.

use crate::common::{EMPTCP, emptcp, run};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// A program that prints its arguments, one per line.
fn echo(path: &Path) {
    fs::write(path, "#!/bin/sh\nfor argument; do echo \"$argument\"; done\nexit 7\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_trace_is_the_program_beside_the_command_or_in_path_with_all_its_arguments() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let command = own.path().join("emptcp");
    if fs::hard_link(EMPTCP, &command).is_err() {
        fs::copy(EMPTCP, &command).unwrap();
    }
    let trace = |arguments: &[&str]| {
        let mut command = Command::new(&command);
        command.env("PATH", other.path());
        run(command.args(arguments), "")
    };
    let missing = trace(&["trace", "analyze", "a.pcap"]).exits(1);
    assert!(missing.err.contains("--package emptcp-trace-cli"), "{missing:?}");

    echo(&other.path().join("emptcp-trace"));
    let arguments = ["trace", "analyze", "--json", "a b.pcap", "--", "-h", "--help"];
    let by_path = trace(&arguments).exits(7);
    assert_eq!(by_path.out.lines().collect::<Vec<_>>(), &arguments[1..]);

    let beside = own.path().join("emptcp-trace");
    symlink(other.path().join("emptcp-trace"), &beside).unwrap();
    let before = trace(&["--json", "--netns", "gw", "trace", "live", "eth0"]).exits(7);
    // Before a `--` that may follow.
    let wanted = ["--netns", "gw", "live", "--json", "eth0"];
    assert_eq!(before.out.lines().collect::<Vec<_>>(), wanted);

    emptcp(&["trace"]).exits(2);
    let help = emptcp(&["trace", "--help"]).exits(0);
    assert!(help.out.contains("emptcp trace analyze"), "{help:?}");
}
