//! Reading captures, and the rule for test data that may be absent.

use mptcp_wire::LinkType;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// One captured frame.
pub(crate) struct Frame {
    /// From 1, as tshark counts.
    pub(crate) number: usize,
    /// `None`: a link type that this crate does not read.
    pub(crate) link: Option<LinkType>,
    /// What was captured of it.
    pub(crate) bytes: Vec<u8>,
    /// Its length on the wire.
    pub(crate) wire_length: usize,
}

/// Link type, length on the wire, bytes.
type Packet = (u32, u32, Vec<u8>);

/// The captures in the repository: `folder` is one below `tests/fixtures`.
pub(crate) fn fixtures(folder: &str) -> Vec<PathBuf> {
    let captures = captures_below(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(folder),
    );
    assert!(!captures.is_empty(), "tests/fixtures/{folder} holds no capture");
    captures
}

/// The captures in `folder` of the shared test data, or `None` with a message when it is absent.
pub(crate) fn shared(folder: &str) -> Option<Vec<PathBuf>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(folder);
    if path.is_dir() {
        return Some(captures_below(&path));
    }
    skip(&format!("../shared/{folder} is absent"));
    None
}

/// Says that a test, or a part of it, is skipped; fails instead where everything has to be there.
pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var_os("EMPTCP_REQUIRE_SHARED").is_none_or(|value| value != "1"),
        "{reason}"
    );
    println!("SKIPPED: {reason} (set EMPTCP_REQUIRE_SHARED=1 to fail instead)");
}

fn captures_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            found.extend(captures_below(&entry));
        } else if entry.to_string_lossy().contains(".pcap") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// The bytes of a capture file, decompressed when it ends in `.zst`.
pub(crate) fn contents(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|extension| extension != "zst") {
        return bytes;
    }
    let mut contents = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(Cursor::new(bytes))
        .unwrap()
        .read_to_end(&mut contents)
        .unwrap();
    contents
}

/// All frames of a pcap or pcapng file.
pub(crate) fn frames(contents: &[u8]) -> Vec<Frame> {
    let packets = match contents.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        true => pcapng(contents),
        false => pcap(contents),
    };
    let numbered = packets.into_iter().enumerate();
    numbered
        .map(|(index, (link, length, bytes))| Frame {
            wire_length: length as usize,
            number: index + 1,
            link: LinkType::from_pcap(link),
            bytes,
        })
        .collect()
}

fn pcap(contents: &[u8]) -> Vec<Packet> {
    let mut reader = PcapReader::new(Cursor::new(contents)).unwrap();
    let link = reader.header().datalink.into();
    let mut packets = Vec::new();
    // Raw: the reader would refuse a packet longer than the snap length that the file names, as these captures have.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.unwrap();
        packets.push((link, packet.orig_len, packet.data.into_owned()));
    }
    packets
}

fn pcapng(contents: &[u8]) -> Vec<Packet> {
    let mut reader = PcapNgReader::new(Cursor::new(contents)).unwrap();
    let mut packets = Vec::new();
    let mut links = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(interface) => links.push(interface.linktype.into()),
            Block::EnhancedPacket(packet) => {
                let link = links[packet.interface_id as usize];
                packets.push((link, packet.original_len, packet.data.into_owned()));
            }
            _ => {}
        }
    }
    packets
}
