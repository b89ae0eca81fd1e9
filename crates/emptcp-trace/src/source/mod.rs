//! Sources of packets.
//!
//! * This file: the trait.
//! * `files.rs`: files and the standard input, several as one stream: [`open`], [`from_reader`].
//! * `capture.rs`: one file of either format, `pcap.rs` and `pcapng.rs`, with `clock.rs` for the time of the latter.
//! * `input.rs`: the bytes of a file, decompressed.
//! * `memory.rs`: packets in memory.

mod capture;
mod clock;
mod files;
mod input;
mod memory;
mod pcap;
mod pcapng;

pub use files::{Files, Progress, from_reader, open};
pub use memory::Packets;

use crate::{PacketNumber, Result, Timestamp};
use mptcp_wire::{LinkType, UnknownLink};
use std::sync::Arc;

/// A captured packet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the stream, from 1.
    pub number: PacketNumber,
    /// When it was captured.
    pub time: Timestamp,
    /// The link type, or the number of one that is not read.
    pub link: std::result::Result<LinkType, UnknownLink>,
    /// Its length on the wire, bytes; `bytes` may be shorter.
    pub original_length: u32,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
}

/// The next item of a source.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// No packet now, at this time: only from live sources.
    Quiet(Timestamp),
    /// The end of the source.
    End,
}

/// Packets, one after the other.
///
/// You can implement it for other sources:
///
/// ```
/// use emptcp_trace::{Next, Result, Source};
/// use std::sync::Arc;
///
/// /// Only the first packets of another source.
/// struct First<S> {
///     source: S,
///     left: u64,
/// }
///
/// impl<S: Source> Source for First<S> {
///     fn next(&mut self) -> Result<Next<'_>> {
///         if self.left == 0 {
///             return Ok(Next::End);
///         }
///         self.left -= 1;
///         self.source.next()
///     }
///
///     fn name(&self) -> Arc<str> {
///         self.source.name()
///     }
///
///     fn may_be_unordered(&self) -> bool {
///         self.source.may_be_unordered()
///     }
/// }
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
/// # let source = First { source: emptcp_trace::source::open([path])?, left: 100 };
/// # let last = emptcp_trace::Analyzer::new(source).last().expect("an end")?;
/// # assert!(matches!(last, emptcp_trace::Event::End(totals) if totals.packets == 100));
/// # Ok::<(), emptcp_trace::Error>(())
/// ```
pub trait Source {
    /// The next packet. It is not called again after an error or [`Next::End`].
    ///
    /// # Errors
    /// When the source ends early. The packets before the error are valid: a truncated file gives an error in place of
    /// [`Next::End`], and the analysis still emits the results of those packets, before the error.
    fn next(&mut self) -> Result<Next<'_>>;

    /// The name in the output: that of the files, or of the device.
    fn name(&self) -> Arc<str>;

    /// Whether packets may be out of order in time. It can become true while packets are read (a file may declare a
    /// second interface anywhere), but not false again, so check it after each packet. When it becomes true, packets
    /// before the last one from [`Source::next`] were in order.
    fn may_be_unordered(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn next(&mut self) -> Result<Next<'_>> {
        (**self).next()
    }

    fn name(&self) -> Arc<str> {
        (**self).name()
    }

    fn may_be_unordered(&self) -> bool {
        (**self).may_be_unordered()
    }
}
