//! Random bytes: no panic, and never more packets than the bytes could contain.

use crate::adversary::{Choice, check};
use crate::common::{drain, fixture, from_bytes, unpacked};
use proptest::prelude::*;

const CAPTURES: [&str; 3] = [
    "v1/empty.server.pcapng.zst",
    "v1/csum_corrupt_single.client.pcap.zst",
    "tcpdump/mptcp-aa-v1.pcap",
];

const MAGIC: &[&[u8]] = &[
    &[0xa1, 0xb2, 0xc3, 0xd4],
    &[0x4d, 0x3c, 0xb2, 0xa1],
    &[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0],
    &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0],
    &[],
];
const PACKED: &[&[u8]] = &[&[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd]];

fn survives(bytes: &[u8]) {
    let Ok(files) = from_bytes(bytes) else { return };
    let (frames, _) = drain(files);
    assert!(frames.iter().map(|frame| 16 + frame.bytes.len()).sum::<usize>() <= bytes.len());
}

proptest! {
    #[test]
    fn any_bytes_behind_any_magic_number_are_survived(
        magic in prop::sample::select(MAGIC),
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        survives(&[magic, &bytes].concat());
    }

    /// Compressed bytes can expand, so only the absence of panics is checked.
    #[test]
    fn any_bytes_as_packed_data_are_survived(
        magic in prop::sample::select(PACKED),
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        if let Ok(files) = from_bytes(&[magic, &bytes].concat()) {
            drain(files);
        }
    }

    #[test]
    fn captures_with_bytes_changed_are_survived(
        which in 0..CAPTURES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        front in any::<bool>(),
    ) {
        let mut bytes = unpacked(&fixture(CAPTURES[which]));
        // Half of the cases near the front, where the heads are.
        let length = if front { bytes.len().min(400) } else { bytes.len() };
        for (index, value) in changes {
            bytes[index.index(length)] = value;
        }
        survives(&bytes);
    }

    #[test]
    fn connections_with_any_packets_are_analysed(
        shape in any::<u8>(),
        choices in proptest::collection::vec(any::<Choice>(), 0..400),
    ) {
        check(shape, &choices);
    }

    /// As before, but most packets carry data that fits its connection.
    #[test]
    fn connections_with_much_data_are_analysed(
        shape in any::<u8>(),
        choices in proptest::collection::vec(data(), 0..400),
    ) {
        // Both handshakes; 8 is the bit of the server.
        let handshakes = [(0, 0), (8, 1), (0, 2), (1, 4), (9, 5), (1, 6)];
        let opened = handshakes.map(|(who, kind)| [who, kind, 0, 0, 0, 0, 0, 0, 0, 0]);
        check(shape, &[&opened, &choices[..]].concat());
    }
}

/// A packet with data of the first two subflows of the first connection, at the same number in both sequences or
/// another.
fn data() -> impl Strategy<Value = Choice> {
    let place = 0_u8..16;
    (any::<Choice>(), place.clone(), place, any::<bool>()).prop_map(|(mut choice, at, data, same)| {
        choice[0] &= 0x79;
        choice[1] = if choice[1] < 200 { 7 } else { choice[1] & 15 };
        choice[2] = at;
        choice[6] = if same { at } else { data };
        choice[9] &= 0x80 | if choice[9] & 0x30 == 0 { 0xff } else { 0x40 };
        choice
    })
}
