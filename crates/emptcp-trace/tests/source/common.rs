//! Captures written field by field, and the output of a source in a form that can be compared.

use emptcp_trace::source::{Files, from_reader};
use emptcp_trace::{Error, Next, Source};
use mptcp_wire::{LinkType, UnknownLink};
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;

/// An owned frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) number: u64,
    pub(crate) time: i64,
    pub(crate) link: Result<LinkType, UnknownLink>,
    pub(crate) original_length: u32,
    pub(crate) bytes: Vec<u8>,
}

/// All frames, and the error that ended them, if any.
pub(crate) fn drain(mut files: Files) -> (Vec<Owned>, Option<Error>) {
    let mut frames = Vec::new();
    loop {
        match files.next() {
            Ok(Next::Frame(frame)) => frames.push(Owned {
                number: frame.number.0,
                time: frame.time.0,
                link: frame.link,
                original_length: frame.original_length,
                bytes: frame.bytes.to_vec(),
            }),
            Ok(Next::End) => return (frames, None),
            Ok(Next::Quiet(time)) => panic!("files are never quiet, but at {time:?}"),
            Err(error) => return (frames, Some(error)),
        }
    }
}

pub(crate) fn from_bytes(bytes: &[u8]) -> emptcp_trace::Result<Files> {
    from_reader("test", Cursor::new(bytes.to_vec()))
}

/// The frames of a complete capture.
pub(crate) fn whole(bytes: &[u8]) -> Vec<Owned> {
    let (frames, error) = drain(from_bytes(bytes).unwrap());
    assert!(error.is_none(), "{error:?}");
    frames
}

/// The message of an error in the header of a file.
pub(crate) fn refusal(bytes: &[u8]) -> String {
    from_bytes(bytes).unwrap_err().to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Big,
    Little,
}

/// Bytes in a byte order.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    pub(crate) order: Order,
    pub(crate) bytes: Vec<u8>,
}

impl Bytes {
    pub(crate) fn new(order: Order) -> Self {
        Self {
            order,
            bytes: Vec::new(),
        }
    }

    pub(crate) fn u16(mut self, value: u16) -> Self {
        self.bytes.extend(match self.order {
            Order::Big => value.to_be_bytes(),
            Order::Little => value.to_le_bytes(),
        });
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.bytes.extend(match self.order {
            Order::Big => value.to_be_bytes(),
            Order::Little => value.to_le_bytes(),
        });
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Adds a block of pcapng: framed, and filled up to 4 bytes.
    pub(crate) fn block(self, kind: u32, body: &Self) -> Self {
        let padding = vec![0; body.bytes.len().next_multiple_of(4) - body.bytes.len()];
        let length = (12 + body.bytes.len() + padding.len()) as u32;
        self.u32(kind).u32(length).raw(&body.bytes).raw(&padding).u32(length)
    }

    pub(crate) fn section(self) -> Self {
        let body = Self::new(self.order)
            .u32(0x1a2b_3c4d)
            .u16(1)
            .u16(0)
            .u32(u32::MAX)
            .u32(u32::MAX);
        self.block(0x0a0d_0d0a, &body)
    }

    pub(crate) fn interface(self, link: u16, options: &[u8]) -> Self {
        let body = Self::new(self.order).u16(link).u16(0).u32(0).raw(options);
        self.block(1, &body)
    }

    pub(crate) fn enhanced(self, interface: u32, time: u64, packet: &[u8]) -> Self {
        let body = Self::new(self.order)
            .u32(interface)
            .u32((time >> 32) as u32)
            .u32(time as u32)
            .u32(packet.len() as u32)
            .u32(1000 + packet.len() as u32)
            .raw(packet);
        self.block(6, &body)
    }
}

/// The head of a pcap file: microseconds, Ethernet, a snap length that does not hold.
pub(crate) fn pcap_head(order: Order, magic: u32) -> Bytes {
    Bytes::new(order).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(1).u32(1)
}

/// A pcap of little byte order with packets at these times in microseconds.
pub(crate) fn pcap(times: &[u32]) -> Vec<u8> {
    let head = pcap_head(Order::Little, 0xa1b2_c3d4);
    let add = |bytes: Bytes, time: &u32| {
        let packet = time.to_be_bytes();
        bytes
            .u32(time / 1_000_000)
            .u32(time % 1_000_000)
            .u32(4)
            .u32(1500)
            .raw(&packet)
    };
    times.iter().fold(head, add).bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn unpacked(path: &PathBuf) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    match path.extension() {
        Some(extension) if extension == "zst" => zstd::decode_all(&bytes[..]).unwrap(),
        _ => bytes,
    }
}

/// A real capture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../mptcp-wire/tests/fixtures")
        .join(name)
}

/// A reader that gives one byte at a time and is interrupted before each.
#[derive(Debug)]
pub(crate) struct Dripping {
    bytes: Cursor<Vec<u8>>,
    interrupted: bool,
}

impl Dripping {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: Cursor::new(bytes.to_vec()),
            interrupted: false,
        }
    }
}

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(1);
        self.bytes.read(&mut buffer[..length])
    }
}

/// Files of these names and contents; their paths.
pub(crate) fn written(folder: &tempfile::TempDir, files: &[(&str, &[u8])]) -> Vec<PathBuf> {
    let write = |(name, bytes): &(&str, &[u8])| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    files.iter().map(write).collect()
}

/// Two files with the packets of one, as if the second had been begun in the middle: the head of the file again, which
/// for pcapng are the blocks before the first packet.
pub(crate) fn rotated(plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let number = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap()) as usize;
    let is_pcapng = number(0) == 0x0a0d_0d0a;
    let (mut head, mut starts, mut at) = (
        if is_pcapng { 0 } else { 24 },
        Vec::new(),
        if is_pcapng { 0 } else { 24 },
    );
    while at < plain.len() {
        let length = if is_pcapng { number(at + 4) } else { 16 + number(at + 8) };
        match is_pcapng && number(at) != 6 {
            true if starts.is_empty() => head = at + length,
            true => {}
            false => starts.push(at),
        }
        at += length;
    }
    // Where no packet that follows is earlier than one before: only there a file can be cut so that order stays.
    let frames = whole(plain);
    let fits = |middle: &usize| {
        let (before, after) = frames.split_at(*middle);
        before
            .iter()
            .all(|earlier| after.iter().all(|later| earlier.time <= later.time))
    };
    let middle = (frames.len() / 2..frames.len()).find(fits).unwrap();
    let (first, second) = plain.split_at(starts[middle]);
    (first.to_vec(), [&plain[..head], second].concat())
}
