//! Any bytes as a capture, plain or packed: no panic, and every frame is inside the input.
#![no_main]

use emptcp_trace::{Analyzer, Next, Source, source};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|input: &[u8]| {
    let open = || source::from_reader("fuzz", Cursor::new(input.to_vec()));
    let Ok(mut files) = open() else { return };
    let packed = matches!(
        input,
        [0x1f, 0x8b, ..] | [_, 0xb5, 0x2f, 0xfd, ..] | [_, 0x2a, 0x4d, 0x18, ..]
    );
    let (mut packets, mut bytes) = (0, 0);
    while let Ok(Next::Frame(frame)) = files.next() {
        packets += 1;
        bytes += 12 + frame.bytes.len();
        assert!(packed || bytes <= input.len());
        assert_eq!(frame.number.0, packets);
    }
    assert!(files.progress().bytes_read <= input.len() as u64);
    if let Ok(files) = open() {
        for _ in Analyzer::new(files) {}
    }
});
