//! Copies one connection to a separate capture: all subflows, the original frames and timestamps.
//!
//! Two passes over the capture: [`Selection`] notes the numbers of the packets while they are analysed,
//! [`Selection::copy`] copies them. `write.rs` has the formats. The copy is in the order of time, so its analysis gives
//! the same record even if the original mixed interfaces.

mod write;

pub use write::Format;

use crate::reorder::Reorder;
use crate::{ConnectionId, Error, Event, Next, Order, PacketNumber, Settings, Source, Timestamp};
use mptcp_wire::LinkType;
use roaring::RoaringTreemap;
use std::io::{self, Write};
use write::Writer;

/// Why a connection could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The capture cannot be read.
    #[error(transparent)]
    Source(#[from] Error),
    /// The copy cannot be written.
    #[error("cannot write the copy: {0}")]
    Write(#[from] io::Error),
    /// A pcap file has one link type.
    #[error("its packets have several link types ({first:?}, {second:?}), for which a pcapng file is needed")]
    SeveralLinkTypes {
        /// That of the first packet.
        first: LinkType,
        /// Another.
        second: LinkType,
    },
    /// The source ended early: it is not the capture that was analysed.
    #[error("only {found} of {wanted} packets were found again: the capture has changed since it was analysed")]
    Changed {
        /// Packets copied.
        found: u64,
        /// Packets of the connection.
        wanted: u64,
    },
}

/// The packets of one connection, by their numbers: about two bytes each, or less.
///
/// ```
/// use emptcp_trace::split::{Format, Selection};
/// use emptcp_trace::{Analyzer, ConnectionId, Event, Settings, Watch, source};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
/// let id = ConnectionId(2);
/// let settings = Settings {
///     watch: Watch::Connection(id),
///     ..Settings::default()
/// };
/// let mut selection = Selection::new(id);
/// for event in Analyzer::with_settings(source::open([path])?, settings) {
///     selection.observe(&event?);
/// }
/// let mut copy = Vec::new();
/// selection.copy(source::open([path])?, &settings, Format::Pcap, &mut copy)?;
///
/// // The copy has this connection alone.
/// let copy = source::from_reader("copy", std::io::Cursor::new(copy))?;
/// for event in Analyzer::new(copy) {
///     if let Event::End(totals) = event? {
///         assert_eq!((totals.connections, totals.packets), (1, selection.packets()));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Selection {
    watched: ConnectionId,
    numbers: RoaringTreemap,
}

/// A frame that waits to be written in order.
#[derive(Debug)]
pub(crate) struct Stored {
    time: Timestamp,
    link: LinkType,
    original_length: u32,
    bytes: Vec<u8>,
}

impl Selection {
    /// For one connection, the one that is watched.
    #[must_use]
    pub fn new(watched: ConnectionId) -> Self {
        Self {
            watched,
            numbers: RoaringTreemap::new(),
        }
    }

    /// Takes note of an event. Those of other connections are ignored.
    pub fn observe(&mut self, event: &Event) {
        if let Event::Packet(packet) = event
            && packet.conn_id == self.watched
        {
            self.numbers.insert(packet.number.0);
        }
    }

    /// Packets noted.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.numbers.len()
    }

    /// Copies the packets from `source`: the capture that was analysed, from its beginning, with the same settings.
    ///
    /// # Errors
    /// [`SplitError`]. The output is then incomplete.
    pub fn copy(
        &self,
        mut source: impl Source,
        settings: &Settings,
        format: Format,
        to: &mut impl Write,
    ) -> Result<(), SplitError> {
        let mut writer = Writer::new(format, to);
        let mut waiting = Reorder::default();
        let mut found = 0;
        while found < self.packets() {
            let ordered = match settings.order {
                Order::Auto => source.may_be_unordered(),
                Order::ByTime => true,
                Order::AsCaptured => false,
            };
            let Some((number, stored)) = self.next(&mut source)? else {
                let wanted = self.packets();
                return Err(SplitError::Changed { found, wanted });
            };
            found += 1;
            if let Some(late) = waiting.push(stored.time, number, stored) {
                writer.write(&late)?;
            }
            while let Some(stored) = waiting.pop(&settings.limits) {
                writer.write(&stored)?;
            }
            if !ordered {
                drain(&mut waiting, &mut writer)?;
            }
        }
        drain(&mut waiting, &mut writer)
    }

    /// The next packet of the connection.
    fn next(&self, source: &mut impl Source) -> Result<Option<(PacketNumber, Stored)>, SplitError> {
        loop {
            match source.next()? {
                Next::Frame(frame) if self.numbers.contains(frame.number.0) => {
                    // Packets that were analysed have a known link type.
                    let Ok(link) = frame.link else { continue };
                    let stored = Stored {
                        time: frame.time,
                        link,
                        original_length: frame.original_length,
                        bytes: frame.bytes.to_vec(),
                    };
                    return Ok(Some((frame.number, stored)));
                }
                Next::Frame(_) | Next::Quiet(_) => {}
                Next::End => return Ok(None),
            }
        }
    }
}

fn drain<W: Write>(waiting: &mut Reorder<Stored>, writer: &mut Writer<'_, W>) -> Result<(), SplitError> {
    while let Some(stored) = waiting.pop_any() {
        writer.write(&stored)?;
    }
    Ok(())
}
