//! Files that are not captures, and truncated or damaged captures.

use crate::common::{Bytes, Order, drain, from_bytes, gzip, pcap, pcap_head, refusal, whole, zstandard};
use emptcp_trace::{Error, source};

/// Number of frames, offset and words of the error after them.
fn damaged(bytes: &[u8]) -> (usize, u64, String) {
    match drain(from_bytes(bytes).unwrap()) {
        (frames, Some(Error::Malformed { offset, what, .. })) => (frames.len(), offset, what),
        (frames, other) => panic!("{} frames, {other:?}", frames.len()),
    }
}

fn pcapng() -> Bytes {
    Bytes::new(Order::Little)
        .section()
        .interface(1, &[])
        .enhanced(0, 1, b"whole")
}

#[test]
fn what_is_no_capture_is_named() {
    assert!(refusal(b"").contains("it is empty"));
    assert!(refusal(b"GET / HTTP/1.1\r\n").contains("it begins with the bytes \"GET / HT\""));
    assert!(refusal(b"BZh91AY&SY").contains("a bzip2 file: decompress it first"));
    assert!(refusal(&gzip(b"\xfd7zXZ\0....")).contains("an xz file: decompress it first (inside gzip)"));
    assert!(refusal(&zstandard(b"")).contains("it is empty (inside zstd)"));
    assert!(refusal(&pcap(&[])[..20]).contains("the file ends 20 bytes into a pcap file header of 24 bytes"));
    assert!(refusal(&pcapng().bytes[..20]).contains("the file ends 20 bytes into a section header of 28 bytes"));
    let version = Bytes::new(Order::Big).u32(0xa1b2_c3d4).u16(3).u16(9).raw(&[0; 16]);
    assert!(refusal(&version.bytes).contains("pcap version 3.9"));
    let Err(Error::Io { path, .. }) = source::open(["/does/not/exist.pcap"]) else {
        panic!("a file that does not exist was opened");
    };
    assert_eq!(path.to_str(), Some("/does/not/exist.pcap"));
    assert!(source::open(["-", "-"]).is_err());
}

#[test]
fn a_capture_cut_anywhere_gives_all_whole_packets_and_says_where_it_ends() {
    let file = pcap(&[1, 2, 3]);
    for cut in 25..file.len() {
        let records = (cut - 24) / 20;
        if (cut - 24) % 20 == 0 {
            assert_eq!(whole(&file[..cut]).len(), records);
            continue;
        }
        let (frames, offset, what) = damaged(&file[..cut]);
        assert_eq!((frames, offset), (records, 24 + 20 * records as u64), "{what}");
        assert!(
            what.starts_with(&format!("the file ends {} bytes into a ", (cut - 24) % 20)),
            "{what}"
        );
    }
    let file = pcapng()
        .block(5, &Bytes::new(Order::Little).raw(&[0; 100]))
        .enhanced(0, 2, b"two")
        .bytes;
    let start = pcapng().bytes.len();
    for cut in start + 1..file.len() {
        if cut == start + 112 {
            continue;
        }
        let (frames, offset, what) = damaged(&file[..cut]);
        let block = if cut < start + 112 { start } else { start + 112 };
        assert_eq!((frames, offset), (1, block as u64), "{what}");
        assert!(
            what.starts_with(&format!("the file ends {} bytes into a ", cut - block)),
            "{what}"
        );
    }
}

#[test]
fn packed_captures_cut_off_give_what_could_be_unpacked() {
    let times: Vec<u32> = (0..100_000).collect();
    let plain = pcap(&times);
    for packed in [gzip(&plain), zstandard(&plain)] {
        let (frames, offset, what) = damaged(&packed[..packed.len() / 2]);
        assert!((1000..100_000).contains(&frames), "{frames}");
        assert!(offset >= 24 + 20 * frames as u64 && offset < plain.len() as u64);
        assert!(what.contains("damaged or cut off"), "{what}");
    }
}

#[test]
fn absurd_lengths_are_refused() {
    let record = |captured| pcap_head(Order::Little, 0xa1b2_c3d4).u32(0).u32(0).u32(captured).u32(0);
    assert!(damaged(&record(u32::MAX).bytes).2.contains("4294967295 captured bytes"));
    assert!(damaged(&record(1 << 28).bytes).2.contains("implausible"));
    // A plausible length without such a packet: no memory is allocated for it.
    assert!(
        damaged(&record(1 << 24).bytes)
            .2
            .contains("the file ends 16 bytes into")
    );
    for length in [0, 8, 13, 1 << 28, u32::MAX] {
        let block = pcapng().u32(77).u32(length).raw(&[0; 64]);
        let (frames, _, what) = damaged(&block.bytes);
        assert!(frames == 1 && what.contains("a block of type 0x4d"), "{what}");
    }
    assert!(
        damaged(&pcapng().u32(6).u32(1 << 27).raw(&[0; 64]).bytes)
            .2
            .contains("a packet block of 134217728")
    );
    assert!(
        damaged(&pcapng().u32(77).u32(1 << 27).raw(&[0; 64]).bytes)
            .2
            .contains("the file ends 72 bytes")
    );
    assert!(
        damaged(&pcapng().u32(1).u32(1 << 27).raw(&[0; 64]).bytes)
            .2
            .contains("interface description of")
    );
}

#[test]
fn what_contradicts_itself_is_refused_where_it_stands() {
    let packet = |interface, captured| {
        let body = Bytes::new(Order::Little)
            .u32(interface)
            .u32(0)
            .u32(0)
            .u32(captured)
            .u32(0)
            .raw(b"abcd");
        pcapng().block(6, &body).bytes
    };
    assert!(
        damaged(&packet(1, 4))
            .2
            .contains("a packet of interface 1, but the section has described 1")
    );
    assert!(
        damaged(&packet(0, 5))
            .2
            .contains("5 captured bytes in a packet block of 36 bytes")
    );
    // A new section has no interfaces yet.
    assert!(
        damaged(&pcapng().section().enhanced(0, 1, b"").bytes)
            .2
            .contains("has described 0")
    );
    assert!(
        damaged(&pcapng().section().block(3, &Bytes::new(Order::Little).u32(0)).bytes)
            .2
            .contains("described 0")
    );
    for kind in [1, 5, 6] {
        let mut file = pcapng().block(kind, &Bytes::new(Order::Little).raw(&[0; 20])).bytes;
        *file.last_mut().unwrap() = 1;
        assert!(
            damaged(&file)
                .2
                .contains("length 32 at its beginning and 16777248 at its end"),
            "{kind}"
        );
    }
}
