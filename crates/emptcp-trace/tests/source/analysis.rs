//! The result does not depend on the form of the capture (invariant I9 of the trace-analysis specification).

use crate::common::{Dripping, fixture, gzip, pcap, rotated, unpacked, written, zstandard};
use emptcp_trace::source::{Files, from_reader, open};
use emptcp_trace::{Analyzer, Event};
use std::io::Cursor;

/// Every event of an analysis in the order in which they came, connections without the name of their source.
fn events(files: Files) -> Vec<String> {
    let written = |event| match event {
        Event::Connection(connection) => {
            let mut value = serde_json::to_value(&connection).unwrap();
            value.as_object_mut().unwrap().remove("trace");
            value.to_string()
        }
        Event::Mark(mark) => serde_json::to_string(&mark).unwrap(),
        Event::End(totals) => serde_json::to_string(&totals).unwrap(),
        other => format!("{other:?}"),
    };
    Analyzer::new(files).map(|event| written(event.unwrap())).collect()
}

#[test]
fn an_analysis_is_the_same_for_file_pipe_gzip_zstd_and_rotated_files() {
    for name in [
        "v1/empty.client.pcap.zst",
        "v1/empty.server.pcapng.zst",
        "tcpdump/mptcp-v0.pcap",
        "tcpdump/mptcp-v1.pcap",
    ] {
        let plain = unpacked(&fixture(name));
        let expected = events(open([fixture(name)]).unwrap());
        assert!(expected.len() > 2, "{name}: {expected:?}");
        for form in [plain.clone(), gzip(&plain), zstandard(&plain)] {
            assert_eq!(
                events(from_reader("a", Cursor::new(form.clone())).unwrap()),
                expected,
                "{name}"
            );
            assert_eq!(
                events(from_reader("b", Dripping::new(&form)).unwrap()),
                expected,
                "{name}"
            );
        }
        let (first, second) = rotated(&plain);
        let folder = tempfile::tempdir().unwrap();
        let paths = written(&folder, &[("2", &first), ("1", &zstandard(&second))]);
        assert_eq!(events(open(paths).unwrap()), expected, "{name}");
    }
}

#[test]
fn what_a_cut_off_capture_shows_comes_before_the_error() {
    let whole = unpacked(&fixture("tcpdump/mptcp-v1.pcap"));
    let files = from_reader("cut", Cursor::new(whole[..whole.len() - 1].to_vec())).unwrap();
    let events: Vec<_> = Analyzer::new(files).collect();
    let [.., end, error] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(matches!(end, Ok(Event::End(totals)) if totals.packets > 0 && totals.connections > 0));
    assert!(error.is_err());
    assert!(events.iter().any(|event| matches!(event, Ok(Event::Connection(_)))));
}

#[test]
fn a_capture_without_packets_ends_at_once() {
    assert_eq!(events(from_reader("none", Cursor::new(pcap(&[]))).unwrap()).len(), 1);
}
