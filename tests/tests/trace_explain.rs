//! The output of `explain` for real captures, compared with their scenarios (`truth.json`); and the analysis of a
//! connection copied by `split`, which must give the same record.

use emptcp_tests::captures::shared;
use emptcp_trace::record::Connection;
use emptcp_trace::split::{Format, Selection};
use emptcp_trace::{Analyzer, ConnectionId, Event, Settings, Watch, source};
use emptcp_trace_report::explain::{Collector, Sentence, SentenceKind};
use serde_json::Value;
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn capture(scenario: &str, end: &str) -> Option<PathBuf> {
    let found = shared(&format!("traces/v1/{scenario}"))?;
    found.into_iter().find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(end))
    })
}

fn watching(id: ConnectionId) -> Settings {
    Settings {
        watch: Watch::Connection(id),
        ..Settings::default()
    }
}

/// The story of the first connection.
fn story(scenario: &str, end: &str) -> Option<Vec<Sentence>> {
    let path = capture(scenario, end)?;
    let id = ConnectionId(0);
    let mut collector = Collector::new(id);
    let files = source::open([&path]).expect("a capture");
    for event in Analyzer::with_settings(files, watching(id)) {
        let event = event.expect("a whole capture");
        collector.observe(&event);
        if let Event::Connection(connection) = event
            && connection.conn_id == id
        {
            return Some(collector.story(&connection));
        }
    }
    panic!("{} has no connection", path.display());
}

/// Asserts that a sentence of this kind, at about this second (if any), has all of these words.
fn assert_described(scenario: &str, end: &str, kind: SentenceKind, second: Option<f64>, words: &[&str]) {
    let Some(story) = story(scenario, end) else { return };
    let near = |sentence: &&Sentence| second.is_none_or(|second| (sentence.t.seconds() - second).abs() < 0.6);
    let said = |sentence: &Sentence| words.iter().all(|words| sentence.text.contains(words));
    let found = story
        .iter()
        .filter(|sentence| sentence.kind == kind)
        .filter(near)
        .any(said);
    let texts: Vec<_> = story
        .iter()
        .map(|sentence| format!("{:?} {}", sentence.kind, sentence.text))
        .collect();
    assert!(
        found,
        "{scenario}/{end}: no {kind:?} with {words:?} in\n{}",
        texts.join("\n")
    );
}

#[test]
fn the_handover_to_the_backup_subflow_is_described_at_its_time() {
    use SentenceKind::{Handover, Reinjection, Silence, Subflow};
    let (scenario, end) = ("backup_handover", "server");
    assert_described(
        scenario,
        end,
        Subflow,
        None,
        &["opened subflow 1, 10.1.2.2", "as backup", "HMACs are right"],
    );
    assert_described(scenario, end, Silence, Some(3.0), &["Subflow 0 stopped working"]);
    assert_described(
        scenario,
        end,
        Handover,
        Some(3.4),
        &["subflow 0 to subflow 1", "make before break"],
    );
    assert_described(
        scenario,
        end,
        Reinjection,
        Some(3.4),
        &["48 280 bytes", "subflow 0 had carried first"],
    );
}

#[test]
fn break_before_make_is_told_with_the_address_that_went() {
    use SentenceKind::{Address, Handover};
    let (scenario, end) = ("break_before_make", "server");
    assert_described(
        scenario,
        end,
        Address,
        Some(3.0),
        &["The client withdrew its address with id 0", "subflow 0"],
    );
    assert_described(
        scenario,
        end,
        Handover,
        Some(6.0),
        &["subflow 0 to subflow 1", "break before make"],
    );
}

#[test]
fn priorities_are_told_with_what_was_carried_meanwhile() {
    use SentenceKind::Priority;
    assert_described(
        "mpprio",
        "server",
        Priority,
        Some(2.0),
        &["keep subflow 1 as backup", "Until that changed it carried"],
    );
    assert_described(
        "mpprio",
        "server",
        Priority,
        Some(4.0),
        &["subflow 1 as a regular subflow again"],
    );
}

#[test]
fn removed_addresses_name_their_subflows() {
    use SentenceKind::{Address, Subflow};
    assert_described(
        "removeaddr",
        "server",
        Address,
        Some(2.0),
        &["id 2", "the client reset subflow 1"],
    );
    assert_described(
        "removeaddr",
        "server",
        Address,
        Some(3.0),
        &["id 3", "the client reset subflow 2"],
    );
    assert_described(
        "removeaddr",
        "server",
        Subflow,
        Some(4.0),
        &["opened subflow 3, 10.1.2.2"],
    );
}

#[test]
fn announced_addresses_are_told_with_port_and_use() {
    use SentenceKind::{Address, Subflow};
    assert_described(
        "addaddr_port4",
        "client",
        Address,
        None,
        &["10.1.2.1, port 4444, as id", "opened subflow 1 to it"],
    );
    assert_described(
        "addaddr_port4",
        "client",
        Subflow,
        None,
        &["10.1.2.1:4444", "the server had announced as id"],
    );
}

#[test]
fn each_fallback_says_why() {
    use SentenceKind::{Fallback, Subflow};
    assert_described(
        "fb_syn",
        "client",
        Fallback,
        None,
        &["the SYN+ACK", "has no MP_CAPABLE"],
    );
    assert_described(
        "fb_synack",
        "client",
        Fallback,
        None,
        &["the SYN+ACK", "has no MP_CAPABLE"],
    );
    assert_described(
        "fb_synack",
        "server",
        Fallback,
        None,
        &["nothing that comes from the client on subflow 0 has an MPTCP option"],
    );
    assert_described(
        "fb_ack",
        "server",
        Fallback,
        None,
        &["nothing that comes from the client on subflow 0 has an MPTCP option"],
    );
    assert_described(
        "fb_join",
        "client",
        Subflow,
        None,
        &["tried to open subflow 1", "has no MP_JOIN"],
    );
    assert_described(
        "fb_dss_one",
        "client",
        Fallback,
        Some(1.0),
        &[
            "nothing that comes from the server",
            "without a mapping",
            "the client goes on with DSS",
        ],
    );
    assert_described(
        "fb_dss_one",
        "server",
        Fallback,
        Some(1.0),
        &["nothing that comes from the client", "has an MPTCP option"],
    );
    assert_described(
        "csum_corrupt_single",
        "client",
        Fallback,
        None,
        &["the client sent MP_FAIL"],
    );
    assert_described(
        "csum_corrupt_single",
        "client",
        Fallback,
        None,
        &["checksum of data from the server is wrong"],
    );
}

#[test]
fn the_end_says_how_and_by_whom() {
    use SentenceKind::{End, Silence};
    assert_described(
        "fastclose",
        "server",
        End,
        Some(1.0),
        &["The client aborted", "MP_FASTCLOSE"],
    );
    assert_described(
        "lossy",
        "server",
        End,
        None,
        &["The client closed first", "a clean end"],
    );
    assert_described("idle", "server", Silence, None, &["neither side sent anything"]);
}

#[test]
fn no_story_is_long() {
    let Some(captures) = shared("traces/v1") else { return };
    for path in captures {
        let scenario = path
            .parent()
            .and_then(Path::file_name)
            .expect("a folder")
            .to_string_lossy()
            .into_owned();
        let end = if path.to_string_lossy().contains("server.") {
            "server"
        } else {
            "client"
        };
        let none = ["tcp_only", "fb_syn"].contains(&scenario.as_str());
        if !none && let Some(story) = story(&scenario, end) {
            assert!((3..60).contains(&story.len()), "{scenario}/{end}: {}", story.len());
            assert_eq!(story.last().map(|sentence| sentence.kind), Some(SentenceKind::Verdict));
        }
    }
}

/// A record without its identity.
fn nameless(connection: &Connection) -> Value {
    let mut value = serde_json::to_value(connection).expect("JSON");
    let object = value.as_object_mut().expect("an object");
    object.remove("trace");
    object.remove("conn_id");
    for subflow in object
        .get_mut("subflows")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        subflow.as_object_mut().expect("an object").remove("conn_id");
    }
    value
}

#[test]
fn a_connection_that_was_split_off_analyses_to_the_same_record() {
    let Some(captures) = shared("traces/v1") else { return };
    for path in captures {
        // A connection in the middle, where there are several.
        let analyse = || Analyzer::new(source::open([&path]).expect("a capture"));
        let all: Vec<_> = analyse()
            .filter_map(|event| match event.expect("a whole capture") {
                Event::Connection(connection) => Some(connection),
                _ => None,
            })
            .collect();
        let Some(original) = all.get(all.len() / 2) else {
            continue;
        };
        let settings = watching(original.conn_id);
        let mut selection = Selection::new(original.conn_id);
        for event in Analyzer::with_settings(source::open([&path]).expect("a capture"), settings) {
            selection.observe(&event.expect("a whole capture"));
        }
        for format in [Format::Pcap, Format::Pcapng] {
            let mut copy = Vec::new();
            let files = source::open([&path]).expect("a capture");
            selection.copy(files, &settings, format, &mut copy).expect("a copy");
            let files = source::from_reader("copy", Cursor::new(copy)).expect("a capture");
            let split: Vec<_> = Analyzer::new(files)
                .filter_map(|event| match event.expect("a whole copy") {
                    Event::Connection(connection) => Some(nameless(&connection)),
                    _ => None,
                })
                .collect();
            assert_eq!(split, [nameless(original)], "{} {format:?}", path.display());
        }
    }
}
