//! Where packets come from.
//!
//! * This file: what a source is.
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
use mptcp_wire::LinkType;
use std::sync::Arc;

/// A captured packet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its place in the stream.
    pub number: PacketNumber,
    /// When it was captured.
    pub time: Timestamp,
    /// How it begins; none when that is not understood.
    pub link: Option<LinkType>,
    /// Its length on the wire; `bytes` may be shorter.
    pub original_length: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// What a source has next.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// Nothing now, although time passes: only from live sources.
    Quiet(Timestamp),
    /// No more.
    End,
}

/// Packets, one after the other.
pub trait Source {
    /// The next packet. After an error, or [`Next::End`], nothing more is asked for.
    ///
    /// # Errors
    /// What ended the source before its end. The packets before it are good: a file that was cut off gives an error in
    /// place of [`Next::End`], and what was learnt from it up to there is still given out, before the error.
    fn next(&mut self) -> Result<Next<'_>>;

    /// What it is called in the output: file names, a device.
    fn name(&self) -> Arc<str>;

    /// Whether packets may come out of the order of time. It can become true while packets are read (a file announces
    /// its second interface where it likes) but not false again: ask after each packet. True holds from the packet that
    /// [`Source::next`] gave last; those before it were in order.
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
