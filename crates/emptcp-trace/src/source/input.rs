//! The bytes of one file, decompressed, through a window that moves over them.

use crate::{Error, Result};
use std::fmt;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Large enough for few system calls, small enough for the second-level cache.
const WINDOW: usize = 256 << 10;
/// Bytes of a compressed file to read at a time.
const COMPRESSED_WINDOW: usize = 64 << 10;
/// The first bytes, which show the compression.
const MAGIC: usize = 6;

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// None.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstandard,
}

impl Packing {
    /// From the first bytes.
    fn of(first: &[u8]) -> Self {
        match *first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The second is a skippable frame, with which parallel compressors begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
            _ => Self::Plain,
        }
    }

    /// The name in errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
        }
    }
}

/// Counts the bytes that come from the file itself, for progress.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The bytes of one file. It reads only when requested bytes are missing, and takes what is available then. So a
/// capture that is still being written comes through packet by packet.
pub(super) struct Input {
    path: PathBuf,
    packing: Packing,
    reader: Box<dyn Read + Send>,
    window: Vec<u8>,
    /// The bytes from `start` to `end` are in the window and not consumed.
    start: usize,
    end: usize,
    /// The offset of `start` in the decompressed bytes.
    position: u64,
    ended: bool,
}

impl fmt::Debug for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Input")
            .field("path", &self.path)
            .field("packing", &self.packing)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Reads enough to detect the compression. `count` counts the bytes read from `reader`.
    pub(super) fn new(path: PathBuf, reader: impl Read + Send + 'static, count: Arc<AtomicU64>) -> Result<Self> {
        let mut input = Self {
            path,
            packing: Packing::Plain,
            reader: Box::new(Counted { reader, count }),
            window: vec![0; WINDOW],
            start: 0,
            end: 0,
            position: 0,
            ended: false,
        };
        let first = input.fill(MAGIC)?.to_vec();
        input.packing = Packing::of(&first);
        if input.packing != Packing::Plain {
            let rest = std::mem::replace(&mut input.reader, Box::new(io::empty()));
            let packed = Cursor::new(first).chain(rest);
            let packed = BufReader::with_capacity(COMPRESSED_WINDOW, packed);
            input.reader = match input.packing {
                Packing::Zstandard => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(packed);
                    Box::new(decoder.map_err(|error| input.failure(error))?)
                }
                _ => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            };
            (input.start, input.end, input.ended) = (0, 0, false);
        }
        Ok(input)
    }

    /// The compression of the file.
    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    /// The offset of the next byte in the decompressed bytes.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// At least `wanted` of the next bytes, or all up to the end.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> Result<&[u8]> {
        if self.available().len() < wanted {
            self.read(wanted)?;
        }
        Ok(self.available())
    }

    /// The next bytes that are in the window.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        self.window.get(self.start..self.end).unwrap_or(&[])
    }

    /// Skips `length` bytes, at most up to the end of the window.
    #[inline]
    pub(super) fn consume(&mut self, length: usize) {
        let length = length.min(self.end - self.start);
        self.start += length;
        self.position += length as u64;
    }

    /// Skips `length` bytes without holding them all at once. Returns how many there were.
    pub(super) fn skip(&mut self, length: u64) -> Result<u64> {
        let mut rest = length;
        while rest > 0 {
            let available = self.fill(1)?.len();
            if available == 0 {
                break;
            }
            let now = usize::try_from(rest).unwrap_or(usize::MAX).min(available);
            self.consume(now);
            rest -= now as u64;
        }
        Ok(length - rest)
    }

    /// The error for wrong bytes at `offset`.
    #[cold]
    pub(super) fn malformed(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::Malformed {
            path: self.path.clone(),
            offset,
            what: what.into(),
        }
    }

    #[cold]
    #[inline(never)]
    fn read(&mut self, wanted: usize) -> Result<()> {
        self.window.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < wanted && !self.ended {
            if self.end == self.window.len() {
                // Grow only as bytes come: a false length costs no memory.
                self.window.resize(wanted.min(2 * self.end), 0);
            }
            match self.reader.read(&mut self.window[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(())
    }

    /// An error of the system, or of the decompressor (without an errno).
    fn failure(&self, error: io::Error) -> Error {
        if self.packing != Packing::Plain && error.raw_os_error().is_none() {
            let at = self.position + (self.end - self.start) as u64;
            let what = format!("the {} data is damaged or cut off here: {error}", self.packing.name());
            return self.malformed(at, what);
        }
        Error::Io {
            path: self.path.clone(),
            source: error,
        }
    }
}
