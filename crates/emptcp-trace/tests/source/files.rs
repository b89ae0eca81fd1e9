//! Files, compressed files and pipes, also several of them, give the same packets.

use crate::common::{
    Bytes, Dripping, Order, Owned, drain, fixture, gzip, pcap, rotated, unpacked, whole, written, zstandard,
};
use emptcp_trace::source::{from_reader, open};
use emptcp_trace::{Error, Next, Source};
use std::fs;

const CAPTURES: [&str; 4] = [
    "v1/empty.client.pcap.zst",
    "v1/empty.server.pcapng.zst",
    "tcpdump/mptcp-v0.pcap",
    "tcpdump/mptcp-v1.pcap",
];

fn times(frames: &[Owned]) -> Vec<i64> {
    frames.iter().map(|frame| frame.time / 1000).collect()
}

#[test]
fn file_pipe_gzip_zstd_and_rotated_files_are_the_same() {
    for name in CAPTURES {
        let plain = unpacked(&fixture(name));
        let expected = whole(&plain);
        assert!(expected.len() > 10);
        let (half, rest) = gzip_members(&plain);
        let forms = [gzip(&plain), zstandard(&plain), [half, rest].concat()];
        for form in &forms {
            assert_eq!(whole(form), expected, "{name}");
            let (dripped, error) = drain(from_reader("pipe", Dripping::new(form)).unwrap());
            assert!(dripped == expected && error.is_none(), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = rotated(&plain);
        // Names in reverse order; one file is compressed.
        let paths = written(&folder, &[("b.pcap", &first), ("a.pcap.gz", &gzip(&second))]);
        for paths in [[&paths[0], &paths[1]], [&paths[1], &paths[0]]] {
            let (frames, error) = drain(open(paths).unwrap());
            assert!(error.is_none());
            assert_eq!(frames, expected, "{name}");
        }
    }
}

fn gzip_members(plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (front, back) = plain.split_at(plain.len() / 2 + 1);
    (gzip(front), gzip(back))
}

#[test]
fn files_side_by_side_are_merged_by_time_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("1.pcap", &pcap(&[10, 30, 50, 50, 90])),
        ("2.pcap", &pcap(&[20, 50, 60])),
        ("3.pcap", &pcap(&[])),
        ("4.pcap", &pcap(&[55, 100])),
    ];
    let paths = written(&folder, &files);
    let source = open(&paths).unwrap();
    assert_eq!(
        &*source.name(),
        format!("{} ... {} (4 files)", paths[0].display(), paths[3].display())
    );
    let (frames, error) = drain(source);
    assert!(error.is_none());
    assert_eq!(times(&frames), [10, 20, 30, 50, 50, 50, 55, 60, 90, 100]);
    assert!(frames.iter().map(|frame| frame.number).eq(1..=10));
}

#[test]
fn damage_of_one_file_is_reported_after_the_packets_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let cut = pcap(&[1, 5, 9]);
    let files: [(&str, &[u8]); 3] = [
        ("whole.pcap", &pcap(&[2, 6, 10])),
        ("cut.pcap", &cut[..cut.len() - 1]),
        ("first.pcap", &pcap(&[1])[..30]),
    ];
    let (frames, error) = drain(open(written(&folder, &files)).unwrap());
    assert_eq!(times(&frames), [1, 2, 5, 6, 10]);
    assert!(matches!(error, Some(Error::Malformed { path, .. }) if path.ends_with("first.pcap")));
}

#[test]
fn progress_counts_the_bytes_of_the_files_once() {
    let folder = tempfile::tempdir().unwrap();
    let many: Vec<u32> = (0..50_000).collect();
    let late: Vec<u32> = (40_000..90_000).collect();
    let files: [(&str, &[u8]); 2] = [("a", &pcap(&many)), ("b", &zstandard(&pcap(&late)))];
    let paths = written(&folder, &files);
    for paths in [&paths[..1], &paths[..]] {
        let mut source = open(paths).unwrap();
        let total: u64 = paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert_eq!(source.progress().bytes_total, Some(total));
        assert!(source.progress().bytes_read < total);
        let mut packets = 0;
        while let Next::Frame(_) = source.next().unwrap() {
            packets += 1;
        }
        assert_eq!(
            (source.progress().bytes_read, source.progress().packets),
            (total, packets)
        );
    }
    assert_eq!(
        from_reader("pipe", Dripping::new(&pcap(&[])))
            .unwrap()
            .progress()
            .bytes_total,
        None
    );
}

#[test]
fn one_file_with_several_interfaces_makes_the_order_of_all_doubtful() {
    let folder = tempfile::tempdir().unwrap();
    let two = Bytes::new(Order::Big)
        .section()
        .interface(1, &[])
        .interface(1, &[])
        .enhanced(1, 5, b"");
    let mut source = open(written(&folder, &[("a", &pcap(&[1, 9])), ("b", &two.bytes)])).unwrap();
    for expected in [false, true, true] {
        assert!(matches!(source.next(), Ok(Next::Frame(_))));
        assert_eq!(source.may_be_unordered(), expected);
    }
}
