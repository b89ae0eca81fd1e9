//! `emptcp-trace plot` and `report` as a user runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A capture with connections that reuse a port.
fn capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../emptcp-trace/tests/captures/reuse.pcap.zst")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emptcp-trace"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}

#[test]
fn a_png_is_written_and_nothing_is_said_but_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("one.png");
    let capture = capture();
    let output = run(&["plot", text(&capture), "-c", "2", "-o", text(&picture)]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("no font is installed") {
        eprintln!("no font is installed: not tested");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim_end(), text(&picture));
    assert!(fs::read(&picture).expect("a file").starts_with(b"\x89PNG"));
}

#[test]
fn round_trip_times_are_one_picture_unless_a_direction_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = capture();
    let names = |more: &[&str]| {
        let pictures = folder.path().join(more.len().to_string());
        let always = [
            "plot",
            text(&capture),
            "-c",
            "2",
            "--what",
            "rtt",
            "-o",
            text(&pictures),
        ];
        let output = run(&[&always, more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = fs::read_dir(&pictures).expect("a folder");
        let mut names: Vec<_> = files
            .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&[]), ["connection-2-rtt.svg"]);
    assert_eq!(names(&["--direction", "to-client"]), ["connection-2-rtt-s2c.svg"]);
}

#[test]
fn a_picture_names_its_hosts_and_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("one.svg");
    let capture = capture();
    let output = run(&["plot", text(&capture), "-c", "2", "-o", text(&picture)]);
    assert!(output.status.success());
    let svg = fs::read_to_string(&picture).expect("a file");
    for words in ["reuse.pcap.zst</text>", "client 10.", ">subflow 0: 10."] {
        assert!(svg.contains(words), "{words}");
    }
}
