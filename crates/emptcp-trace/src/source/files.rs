//! Several capture files as one stream of packets.

use super::capture::Capture;
use super::input::Input;
use super::{Frame, Next, Source};
use crate::{Error, PacketNumber, Result, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The progress of [`Files`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from the files (compressed bytes for compressed files).
    pub bytes_read: u64,
    /// The total length of the files when they were opened, in the same unit; none when one is a pipe. A file that
    /// still grows can give more.
    pub bytes_total: Option<u64>,
    /// Packets read.
    pub packets: u64,
}

/// Capture files, or the standard input, as one stream. See [`open`].
///
/// Packets come in the order of time. So consecutive files, as `tcpdump -C` and `dumpcap -b` write them, are read one
/// after the other, in the order of their first packets, not of their names. Parallel files, of two interfaces or two
/// hosts, are merged. A file is opened when its first packet is due and closed at its end.
///
/// A truncated or damaged file gives the packets before the damage, and so do the other files. The error comes last
/// (the first one, if there are several).
#[derive(Debug)]
pub struct Files {
    name: Arc<str>,
    /// In the order of their first packets.
    slots: Vec<Slot>,
    /// Slots from this index on are not open yet.
    waiting: usize,
    /// The slot that the last packet came from.
    current: Option<usize>,
    /// The other open ones, by the time of their next packet.
    others: BinaryHeap<Reverse<(Timestamp, usize)>>,
    several_interfaces: bool,
    damage: Option<Error>,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    packets: u64,
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    first: Timestamp,
    /// None: not open yet, or finished.
    capture: Option<Box<Capture>>,
    /// The first packet of the capture was read, but not returned yet.
    at_first: bool,
}

/// Opens capture files to be read as one stream; `-` is the standard input.
///
/// pcap and pcapng of any byte order and time resolution, also packed by gzip or zstd, are recognised by their first
/// bytes, whatever their names. With one file its head is read, with several files also the first packet of each.
///
/// ```
/// use emptcp_trace::{Next, Source, source};
///
/// # fn main() -> emptcp_trace::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
/// let mut files = source::open([path])?;
/// let Next::Frame(frame) = files.next()? else {
///     panic!("the file has packets");
/// };
/// assert_eq!((frame.number.0, frame.bytes.len() as u32), (1, frame.original_length));
/// assert_eq!(files.progress().packets, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Io`] when a file cannot be read, [`Error::Malformed`] when one is not a capture.
pub fn open(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Files> {
    let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
    if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err(Error::Io {
            path: "-".into(),
            source: io::Error::new(io::ErrorKind::InvalidInput, "the standard input can be read only once"),
        });
    }
    let mut files = Files::new(name_of(&paths));
    let only = paths.len() == 1;
    for path in paths {
        files.add(path, only)?;
    }
    files.slots.sort_by_key(|slot| slot.first);
    Ok(files)
}

/// Reads one capture, in any format that [`open`] supports, from `reader`. `name` is for messages.
///
/// ```
/// use emptcp_trace::source;
///
/// // Bytes that are not a capture.
/// let error = source::from_reader("bytes", &b"not a capture"[..]).unwrap_err();
/// assert!(error.to_string().starts_with("bytes: at byte 0: "));
/// ```
///
/// # Errors
/// As [`open`].
pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Files> {
    let mut files = Files::new(name.to_owned());
    files.bytes_total = None;
    let input = Input::new(name.into(), reader, Arc::clone(&files.bytes_read))?;
    files.slots.push(Slot {
        path: name.into(),
        first: Timestamp::default(),
        capture: Some(Box::new(Capture::new(input)?)),
        at_first: false,
    });
    Ok(files)
}

impl Files {
    fn new(name: String) -> Self {
        Self {
            name: name.into(),
            slots: Vec::new(),
            waiting: 0,
            current: None,
            others: BinaryHeap::new(),
            several_interfaces: false,
            damage: None,
            bytes_read: Arc::default(),
            bytes_total: Some(0),
            packets: 0,
        }
    }

    /// The progress so far.
    pub fn progress(&self) -> Progress {
        Progress {
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_total: self.bytes_total,
            packets: self.packets,
        }
    }

    /// Adds a file. With several files, reads the first packet of each.
    fn add(&mut self, path: PathBuf, only: bool) -> Result<()> {
        // Anything but a regular file can be read only once, so it stays open.
        let length = regular_length(&path);
        let count = match length {
            Some(_) if !only => Arc::default(),
            _ => Arc::clone(&self.bytes_read),
        };
        let mut capture = open_capture(&path, count)?;
        let mut first = Timestamp::default();
        if !only {
            match capture.advance() {
                Ok(Some(time)) => first = time,
                // No packet: the file is finished.
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.damage.get_or_insert(error);
                    return Ok(());
                }
            }
        }
        self.bytes_total = self.bytes_total.zip(length).map(|(total, length)| total + length);
        let stays_open = only || length.is_none();
        self.slots.push(Slot {
            path,
            first,
            capture: stays_open.then(|| Box::new(capture)),
            at_first: !only,
        });
        Ok(())
    }

    /// Moves to the packet that is next in time; none at the end of all files.
    #[inline]
    fn step(&mut self) -> Option<usize> {
        if let Some(slot) = self.current.take()
            && let Some(time) = self.advance(slot)
        {
            if self.is_earliest(time) {
                self.current = Some(slot);
                return self.current;
            }
            self.others.push(Reverse((time, slot)));
        }
        self.change()
    }

    /// Whether no other file has an earlier packet.
    #[inline]
    fn is_earliest(&self, time: Timestamp) -> bool {
        let open = self.others.peek().is_none_or(|Reverse((other, _))| time <= *other);
        open && self.slots.get(self.waiting).is_none_or(|slot| time <= slot.first)
    }

    /// Opens the files that are due and selects the earliest.
    #[cold]
    fn change(&mut self) -> Option<usize> {
        while let Some(slot) = self.slots.get(self.waiting) {
            let first = slot.first;
            if self.others.peek().is_some_and(|Reverse((time, _))| *time <= first) {
                break;
            }
            let number = self.waiting;
            self.waiting += 1;
            if let Some(time) = self.begin(number) {
                self.others.push(Reverse((time, number)));
            }
        }
        self.current = self.others.pop().map(|Reverse((_, slot))| slot);
        self.current
    }

    /// Opens a file, unless it is open, and goes to its first packet.
    fn begin(&mut self, number: usize) -> Option<Timestamp> {
        let slot = self.slots.get_mut(number)?;
        if slot.capture.is_some() {
            if slot.at_first {
                return Some(slot.first);
            }
        } else {
            match open_capture(&slot.path, Arc::clone(&self.bytes_read)) {
                Ok(capture) => slot.capture = Some(Box::new(capture)),
                Err(error) => {
                    self.damage.get_or_insert(error);
                    return None;
                }
            }
        }
        self.advance(number)
    }

    /// Goes to the next packet of a file; closes it at its end.
    #[inline]
    fn advance(&mut self, number: usize) -> Option<Timestamp> {
        let slot = self.slots.get_mut(number)?;
        match slot.capture.as_mut()?.advance() {
            Ok(Some(time)) => return Some(time),
            Ok(None) => {}
            Err(error) => {
                self.damage.get_or_insert(error);
            }
        }
        slot.capture = None;
        None
    }
}

impl Source for Files {
    #[inline]
    fn next(&mut self) -> Result<Next<'_>> {
        let Some(number) = self.step() else {
            return self.damage.take().map_or(Ok(Next::End), Err);
        };
        let capture = self.slots.get(number).and_then(|slot| slot.capture.as_ref());
        let Some((capture, (record, bytes))) = capture.and_then(|capture| Some((capture, capture.packet()?))) else {
            return Ok(Next::End);
        };
        self.several_interfaces |= capture.may_be_unordered();
        self.packets += 1;
        Ok(Next::Frame(Frame {
            number: PacketNumber(self.packets),
            time: record.time,
            link: record.link,
            original_length: record.original_length,
            bytes,
        }))
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// True once a pcapng section with more than one interface has been met, in any of the files.
    fn may_be_unordered(&self) -> bool {
        self.several_interfaces
    }
}

fn open_capture(path: &Path, count: Arc<AtomicU64>) -> Result<Capture> {
    if is_standard_input(path) {
        return Capture::new(Input::new(path.to_owned(), io::stdin(), count)?);
    }
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    Capture::new(Input::new(path.to_owned(), file, count)?)
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// The length of a regular file; none for a pipe or a device.
fn regular_length(path: &Path) -> Option<u64> {
    let metadata = (!is_standard_input(path)).then(|| std::fs::metadata(path).ok())??;
    metadata.is_file().then_some(metadata.len())
}

fn name_of(paths: &[PathBuf]) -> String {
    match paths {
        [] => String::new(),
        [first, .., last] if paths.len() > 3 => {
            format!("{} ... {} ({} files)", first.display(), last.display(), paths.len())
        }
        few => {
            let names: Vec<String> = few.iter().map(|path| path.display().to_string()).collect();
            names.join(", ")
        }
    }
}
