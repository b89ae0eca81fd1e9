//! `emptcp-trace analyze` as a user runs it.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A capture of 20 empty connections, and one of port reuse.
fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../emptcp-trace/tests/captures")
        .join(name)
}

fn analyze() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emptcp-trace"));
    command.arg("analyze").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    analyze().args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}

/// The file with what packs it taken off.
fn plain(name: &str) -> Vec<u8> {
    let packed = fs::File::open(capture(name)).expect("a capture");
    let mut bytes = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).expect("zstd");
    decoder.read_to_end(&mut bytes).expect("zstd");
    bytes
}

/// Asserts that the command fails with these words and leaves nothing in the folder.
fn refuses(arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let tables = folder.path().join("tables");
    let output = run(&[arguments, &["--csv", path(&tables), "--parquet", path(&tables)]].concat());
    assert!(!output.status.success(), "{arguments:?}");
    let error = text(&output.stderr);
    assert!(error.starts_with("error: "), "{error}");
    assert_eq!(error.matches("os error").count().max(1), 1, "said twice: {error}");
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    assert!(!tables.exists());
}

#[test]
fn what_is_no_capture_is_refused_with_its_name_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, nonsense) = (folder.path().join("empty"), folder.path().join("nonsense"));
    fs::write(&empty, "").expect("written");
    fs::write(&nonsense, "this is not a capture, whatever its name").expect("written");
    refuses(&["no/such/file"], &["no/such/file", "No such file"]);
    refuses(&[path(folder.path())], &[path(folder.path()), "directory"]);
    refuses(&[path(&empty)], &[path(&empty), "empty"]);
    refuses(&[path(&nonsense)], &[path(&nonsense), "not a capture"]);
    refuses(
        &["--each", path(&empty), path(&nonsense)],
        &[path(&empty), path(&nonsense), "2 of 2"],
    );
    refuses(&["-"], &["empty"]);
}

#[test]
fn wrong_arguments_are_explained() {
    for arguments in [
        &["--idle", "0", "x"][..],
        &["--events", "x"],
        &["--jobs", "0", "--each", "x"],
        &["--reorder", "perhaps", "x"],
        &[],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let output = run(&["--csv", path(&file.join("below")), path(&capture("empty.pcap.zst"))]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("cannot write the tables") && error.contains(path(&file)),
        "{error}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn the_summary_says_what_the_capture_holds() {
    let file = capture("empty.pcap.zst");
    let output = run(&[path(&file), "--top", "3"]);
    assert!(output.status.success());
    let text = text(&output.stdout);
    assert!(text.contains("20 MPTCP connections, version 1; 20 complete"), "{text}");
    assert!(text.contains("the 3 largest of 20 connections"), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe");
}

#[test]
fn the_standard_input_gives_what_the_file_gives() {
    let file = capture("reuse.pcap.zst");
    let from_file = run(&["--json", "--events", path(&file)]);
    let mut child = analyze()
        .args(["--json", "--events", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(&plain("reuse.pcap.zst"))
        .expect("read");
    let from_pipe = child.wait_with_output().expect("it ends");
    assert!(from_pipe.status.success());
    let expected = text(&from_file.stdout).replace(&format!("\"trace\":\"{}\"", file.display()), "\"trace\":\"-\"");
    assert_eq!(text(&from_pipe.stdout), expected);
}

#[test]
fn every_line_of_json_is_an_object_and_events_are_asked_for() {
    let file = capture("reuse.pcap.zst");
    let lines = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let output = run(&[arguments, &[path(&file)]].concat());
        let text = text(&output.stdout);
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    };
    let connections = lines(&["--json"]);
    assert!(!connections.is_empty());
    assert!(
        connections
            .iter()
            .all(|line| line["subflows"].is_array() && line["data"][1].is_u64())
    );
    let all = lines(&["--json", "--events"]);
    let (events, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(|line| line.get("kind").is_some());
    let totals = others.pop().expect("the totals are the last line");
    assert!(
        totals["totals"]["packets"].is_u64() && totals["trace"] == path(&file),
        "{totals}"
    );
    assert_eq!(others, connections);
    assert!(events.iter().any(|event| event["kind"] == "SYN"));
    assert!(events.iter().all(|event| event["trace"] == path(&file)));
}

#[test]
fn a_damaged_file_says_what_it_can_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = plain("empty.pcap.zst");
    let cut = folder.path().join("cut.pcap");
    fs::write(&cut, &whole[..whole.len() / 2 + 3]).expect("written");
    let tables = folder.path().join("tables");
    let output = run(&[path(&cut), "--csv", path(&tables)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("MPTCP connections"));
    let error = text(&output.stderr);
    assert!(
        error.contains("cut.pcap") && error.contains("the results end with packet"),
        "{error}"
    );
    let rows = fs::read_to_string(tables.join("connections.csv")).expect("a table");
    assert!(rows.lines().count() > 2);

    let good = capture("empty.pcap.zst");
    let each = run(&["--each", "--json", path(&cut), path(&good), "missing"]);
    assert_eq!(each.status.code(), Some(1));
    let error = text(&each.stderr);
    assert!(
        error.contains("2 of 3") && error.contains("cut.pcap") && error.contains("missing"),
        "{error}"
    );
    let from_good = text(&each.stdout)
        .lines()
        .filter(|line| line.contains(path(&good)))
        .count();
    assert_eq!(from_good, 20);
}

#[test]
fn traces_side_by_side_come_out_in_the_order_of_their_names_whatever_the_number_of_jobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        capture("reuse.pcap.zst"),
        capture("empty.pcap.zst"),
        capture("reuse.pcap.zst"),
    ];
    let outputs: Vec<_> = ["1", "2", "7"]
        .iter()
        .map(|jobs| {
            let tables = folder.path().join(jobs);
            let mut command = analyze();
            command
                .args(["--each", "--json", "--jobs", jobs, "--csv", path(&tables)])
                .args(&files);
            let output = command.output().expect("it starts");
            assert!(output.status.success(), "{}", text(&output.stderr));
            let tables = ["connections", "subflows", "events", "strays"]
                .map(|table| fs::read_to_string(tables.join(format!("{table}.csv"))).expect("a table"));
            (text(&output.stdout), tables)
        })
        .collect();
    assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
    let numbers: Vec<_> = outputs[0]
        .0
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["conn_id"].clone())
        .collect();
    assert_eq!(numbers.iter().filter(|number| **number == 0).count(), files.len());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let file = capture("empty.pcap.zst");
    let mut child = analyze()
        .args(["--json", "--each"])
        .args(vec![&file; 40])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for name in ["empty.pcap.zst", "reuse.pcap.zst"] {
        let file = capture(name);
        for more in [&["--json", "--events"][..], &[]] {
            let with = |threads| run(&[&["--threads", threads, path(&file)], more].concat());
            let (one, two) = (with("1"), with("2"));
            assert!(one.status.success() && one.stdout == two.stdout, "{name}");
            assert_eq!(run(&[&[path(&file)], more].concat()).stdout, one.stdout, "{name}");
        }
    }
    assert_eq!(run(&["--threads", "0", "x"]).status.code(), Some(2));
}

#[test]
fn a_namespace_is_taken_where_captures_are_read_too() {
    use std::os::unix::process::CommandExt;
    let file = capture("reuse.pcap.zst");
    let program = env!("CARGO_BIN_EXE_emptcp-trace");
    let output = Command::new(program)
        .arg0("emptcp trace")
        .args(["--netns", "any", "analyze", path(&file)])
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    // It calls itself what the user called it.
    assert!(
        text(&output.stdout).contains("next: emptcp trace explain"),
        "{}",
        text(&output.stdout)
    );
    let usage = Command::new(program)
        .arg0("emptcp trace")
        .arg("analyze")
        .output()
        .expect("it starts");
    assert!(
        text(&usage.stderr).contains("Usage: emptcp trace analyze"),
        "{}",
        text(&usage.stderr)
    );
}
