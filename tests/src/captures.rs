//! Frames of a capture in a form for both the programs and tshark: Ethernet, complete, in the order of time.

use mptcp_wire::{IpVersion, LinkType, Segment, ethernet::EtherType};
use pcap_file::{
    TsResolution,
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader},
};
use std::{
    io::{Cursor, Read},
    path::{Path, PathBuf},
    time::Duration,
};

/// A frame with an Ethernet header.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it was captured.
    pub time: Duration,
    /// The bytes from the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Hardware address of the sender of a frame, by its direction: tshark's `eth.src`.
pub const REMOTE_SENDS: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The other direction.
pub const LOCAL_SENDS: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// The captures below a folder of the shared test data, or `None` with a message when it is absent.
///
/// # Panics
/// When it is absent although `EMPTCP_REQUIRE_SHARED=1` says that it must not be.
pub fn shared(folder: &str) -> Option<Vec<PathBuf>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(folder);
    if path.is_dir() {
        let mut found = below(&path);
        found.sort();
        return Some(found);
    }
    let required = std::env::var_os("EMPTCP_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(
        !required,
        "../shared/{folder} is absent, but EMPTCP_REQUIRE_SHARED=1 is set"
    );
    eprintln!("skipped: ../shared/{folder} is absent (EMPTCP_REQUIRE_SHARED=1 makes this a failure)");
    None
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let captures = files
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".pcap"));
    captures
        .chain(folders.iter().flat_map(|folder| below(folder)))
        .collect()
}

/// All TCP frames of a capture, in the order of time. A truncated frame is padded with zeros to
/// its IP length.
///
/// # Panics
/// When the file cannot be read.
pub fn read(path: &Path) -> Vec<Frame> {
    let mut contents = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|extension| extension == "zst") {
        let mut plain = Vec::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(Cursor::new(contents)).expect("zstd");
        decoder.read_to_end(&mut plain).expect("zstd");
        contents = plain;
    }
    let packets = if contents.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        pcapng(&contents)
    } else {
        pcap(&contents)
    };
    let mut frames: Vec<_> = packets
        .into_iter()
        .filter_map(|(time, link, bytes)| frame(time, link, &bytes))
        .collect();
    frames.sort_by_key(|frame| frame.time);
    frames
}

fn frame(time: Duration, link: u32, bytes: &[u8]) -> Option<Frame> {
    let link = LinkType::from_pcap(link)?;
    let segment = Segment::parse(bytes, link).ok()?;
    let length = segment.tcp().header_length() + segment.payload_length();
    let ether_type = if segment.ip_version() == IpVersion::V4 {
        EtherType::IPV4
    } else {
        EtherType::IPV6
    };
    let mut whole = vec![0; 12];
    whole.extend(ether_type.0.to_be_bytes());
    whole.extend(&bytes[segment.network_offset()..bytes.len().min(segment.transport_offset() + length)]);
    whole.resize(14 + segment.transport_offset() - segment.network_offset() + length, 0);
    Some(Frame { time, bytes: whole })
}

fn pcap(contents: &[u8]) -> Vec<(Duration, u32, Vec<u8>)> {
    let mut reader = PcapReader::new(Cursor::new(contents)).expect("a capture");
    let link = reader.header().datalink.into();
    let nanoseconds = match reader.header().ts_resolution {
        TsResolution::MicroSecond => 1000,
        TsResolution::NanoSecond => 1,
    };
    let mut packets = Vec::new();
    // Raw: the reader would refuse a packet longer than the snap length that the file names, as these captures have.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.expect("a packet");
        packets.push((
            Duration::new(packet.ts_sec.into(), packet.ts_frac * nanoseconds),
            link,
            packet.data.into_owned(),
        ));
    }
    packets
}

fn pcapng(contents: &[u8]) -> Vec<(Duration, u32, Vec<u8>)> {
    let mut reader = PcapNgReader::new(Cursor::new(contents)).expect("a capture");
    let (mut packets, mut links) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.expect("a block") {
            Block::InterfaceDescription(interface) => links.push(u32::from(interface.linktype)),
            Block::EnhancedPacket(packet) => {
                packets.push((
                    packet.timestamp,
                    links[packet.interface_id as usize],
                    packet.data.into_owned(),
                ));
            }
            _ => {}
        }
    }
    packets
}
