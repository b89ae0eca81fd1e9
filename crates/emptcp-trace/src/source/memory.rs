//! Packets in memory as a source.

use super::{Frame, Next, Source};
use crate::{PacketNumber, Result, Timestamp};
use mptcp_wire::LinkType;
use std::sync::Arc;

/// Packets in memory, analysed in the order in which they were added, or in the order of time where an earlier one was
/// added later.
///
/// ```
/// use emptcp_trace::{Analyzer, Event, Timestamp, source::Packets};
/// use mptcp_wire::{LinkType, PacketBuilder, Version, mptcp, tcp::Flags};
///
/// // A SYN with MP_CAPABLE, without an answer.
/// let syn = PacketBuilder::new("10.0.0.1:4000".parse()?, "10.0.0.2:80".parse()?)
///     .flags(Flags::SYN)
///     .mptcp(mptcp::MpCapable {
///         version: Version::V1,
///         flags: mptcp::CapableFlags::HMAC,
///         keys: mptcp::CapableKeys::None,
///     });
/// let mut frame = vec![0; syn.buffer_length()];
/// let length = syn.build(&mut frame)?;
/// frame.truncate(length);
///
/// let mut packets = Packets::new("an example", LinkType::Ethernet);
/// packets.push(Timestamp(0), frame);
/// for event in Analyzer::new(packets) {
///     if let Event::Connection(connection) = event? {
///         assert_eq!((connection.port, connection.complete), (80, false));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Packets {
    name: Arc<str>,
    link: LinkType,
    packets: Vec<(Timestamp, Vec<u8>)>,
    next: usize,
    is_unordered: bool,
}

impl Packets {
    /// Without packets yet. `name` is the name of the trace in records; `link` is how every packet begins.
    #[must_use]
    pub fn new(name: &str, link: LinkType) -> Self {
        Self {
            name: name.into(),
            link,
            packets: Vec::new(),
            next: 0,
            is_unordered: false,
        }
    }

    /// Adds a whole packet, captured at `time`.
    pub fn push(&mut self, time: Timestamp, bytes: Vec<u8>) {
        self.is_unordered |= self.packets.last().is_some_and(|(last, _)| time < *last);
        self.packets.push((time, bytes));
    }
}

impl Source for Packets {
    fn next(&mut self) -> Result<Next<'_>> {
        let Some((time, bytes)) = self.packets.get(self.next) else {
            return Ok(Next::End);
        };
        self.next += 1;
        Ok(Next::Frame(Frame {
            number: PacketNumber(self.next as u64),
            time: *time,
            link: Ok(self.link),
            original_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            bytes,
        }))
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn may_be_unordered(&self) -> bool {
        self.is_unordered
    }
}
