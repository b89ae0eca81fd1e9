//! Reading ahead in another thread changes nothing: the same events in the same order, and the same error in the same
//! place.

use crate::common::{fixture, from_bytes, gzip, unpacked};
use crate::encapsulated::{file, packets, wrap::WAYS};
use emptcp_trace::source::{Files, open};
use emptcp_trace::{Analyzer, ConnectionId, Event, Next, Order, Settings, Source, Watch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All that an analysis says.
fn said(analyzer: impl Iterator<Item = emptcp_trace::Result<Event>>) -> Vec<String> {
    let written = |event: emptcp_trace::Result<Event>| match event {
        Ok(Event::Connection(connection)) => serde_json::to_string(&connection).unwrap(),
        Ok(Event::Mark(mark)) => serde_json::to_string(&mark).unwrap(),
        Ok(Event::End(totals)) => serde_json::to_string(&totals).unwrap(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    };
    analyzer.map(written).collect()
}

fn compare(name: &str, open: impl Fn() -> Files) {
    let everything = Settings {
        watch: Watch::Everything,
        ..Settings::default()
    };
    let one = Settings {
        watch: Watch::Connection(ConnectionId(0)),
        marks: false,
        order: Order::ByTime,
        ..everything
    };
    for settings in [Settings::default(), everything, one] {
        let expected = said(Analyzer::with_settings(open(), settings));
        let found = said(Analyzer::ahead(open(), settings));
        assert!(!expected.is_empty(), "{name}");
        assert!(found == expected, "{name}: {settings:?}");
    }
}

/// The captures of the repository, and the shorter ones of the shared test data where that is there.
fn captures() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("../mptcp-wire/tests/fixtures"), root.join("tests/captures")];
    folders.extend([
        root.join("../../../shared/cases/trace"),
        root.join("../../../shared/traces/v1"),
    ]);
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(".pcap") && entry.metadata().unwrap().len() < 40_000 {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_capture_gives_the_same_events_with_one_and_two_threads() {
    let captures = captures();
    assert!(captures.len() >= 12, "{captures:?}");
    for path in captures {
        compare(&path.display().to_string(), || open([&path]).unwrap());
    }
    let both = ["v1/empty.client.pcap.zst", "v1/empty.server.pcapng.zst"].map(fixture);
    compare("two files", || open(&both).unwrap());
}

#[test]
fn damage_is_at_the_same_place_with_two_threads() {
    let whole = unpacked(&fixture("v1/signals.client.pcap.zst"));
    let packed = gzip(&whole);
    for part in 1..12 {
        for bytes in [&whole, &packed] {
            let bytes = &bytes[..bytes.len() * part / 12];
            if from_bytes(bytes).is_ok() {
                compare("cut", || from_bytes(bytes).unwrap());
            }
        }
    }
}

#[test]
fn frames_that_are_skipped_are_counted_the_same_with_two_threads() {
    // More of them than a batch is read from.
    let other = (0..10_000).map(|number| (number, vec![number as u8; 60]));
    let tcp = packets()
        .into_iter()
        .take(300)
        .map(|(time, ip)| (time, (WAYS[0].wrap)(&ip)));
    let bytes = file(1, other.clone().chain(tcp).chain(other));
    compare("mixed", || from_bytes(&bytes).unwrap());
    let foreign = file(189, (0..10_000).map(|number| (number, vec![7; 60])));
    compare("another link type", || from_bytes(&foreign).unwrap());
}

/// Counts how far a source was read.
struct Watched<S> {
    source: S,
    read: Arc<AtomicU64>,
}

impl<S: Source> Source for Watched<S> {
    fn next(&mut self) -> emptcp_trace::Result<Next<'_>> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.source.next()
    }

    fn name(&self) -> Arc<str> {
        self.source.name()
    }

    fn may_be_unordered(&self) -> bool {
        self.source.may_be_unordered()
    }
}

#[test]
fn an_analysis_that_is_dropped_has_read_only_a_little_ahead() {
    let packet = (WAYS[0].wrap)(&packets()[0].1);
    let bytes = file(1, (0..100_000).map(|number| (number * 1000, packet.clone())));
    let read = Arc::new(AtomicU64::new(0));
    let source = Watched {
        source: from_bytes(&bytes).unwrap(),
        read: Arc::clone(&read),
    };
    let mut analyzer = Analyzer::ahead(
        source,
        Settings {
            watch: Watch::Everything,
            ..Settings::default()
        },
    );
    assert!(analyzer.next().is_some());
    drop(analyzer);
    let read = read.load(Ordering::SeqCst);
    assert!(read < 10_000, "{read} packets were read for the first event");
}
