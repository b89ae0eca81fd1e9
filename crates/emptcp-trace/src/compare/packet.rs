//! The data of a TCP segment that is kept until its copy is found.

use crate::packet::segment_of;
use crate::record::{Encapsulated, Skipped};
use crate::{Frame, PacketNumber, Timestamp};
use mptcp_wire::Segment;
use mptcp_wire::segment::Network;
use mptcp_wire::tcp::area::Area;
use mptcp_wire::tcp::option::TcpOption;
use mptcp_wire::tcp::{Flags, Options};
use serde::Serialize;
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;

/// The kind of a packet by its flags and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// SYN.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// Without payload.
    Ack,
    /// With payload.
    Data,
    /// RST.
    Rst,
}

impl Stage {
    /// The name in sentences and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN+ACK",
            Self::Ack => "ACK",
            Self::Data => "data",
            Self::Rst => "RST",
        }
    }
}

/// A TCP segment in one of the captures.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) number: PacketNumber,
    pub(super) time: Timestamp,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) sequence: u32,
    /// None without ACK.
    pub(super) acknowledgement: Option<u32>,
    pub(super) flags: Flags,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) payload_length: u32,
    pub(super) payload: Payload,
    pub(super) area: Area,
    /// TSval.
    pub(super) timestamp: Option<u32>,
    /// Time to live, or hop limit.
    pub(super) hops: u8,
    pub(super) traffic_class: u8,
    /// Identification of IPv4.
    pub(super) identification: Option<u16>,
}

impl Packet {
    /// Reads a frame; none when it is not compared, for the reason that `skipped` counts.
    pub(super) fn parse(frame: &Frame<'_>, skipped: &mut Skipped, encapsulated: &mut Encapsulated) -> Option<Self> {
        let segment = segment_of(frame, skipped, encapsulated)?;
        let tcp = segment.tcp();
        let Ok(area) = Area::from_bytes(tcp.option_bytes()) else {
            skipped.malformed += 1;
            return None;
        };
        let timestamp = tcp.options().parsed().find_map(|option| match option {
            Ok(TcpOption::Timestamps { value, .. }) => Some(value),
            _ => None,
        });
        let payload_length = payload_length(&segment, frame.original_length);
        let (hops, identification) = match segment.network() {
            Network::V4(view) => (view.time_to_live(), Some(view.identification())),
            Network::V6(view) => (view.hop_limit(), None),
        };
        let flags = tcp.flags();
        Some(Self {
            number: frame.number,
            time: frame.time,
            source: segment.source(),
            destination: segment.destination(),
            sequence: tcp.sequence().0,
            acknowledgement: flags.contains(Flags::ACK).then(|| tcp.acknowledgement().0),
            flags,
            window: tcp.window(),
            urgent: tcp.urgent(),
            payload_length,
            payload: Payload::of(segment.payload(), payload_length),
            area,
            timestamp,
            hops,
            traffic_class: segment.traffic_class(),
            identification,
        })
    }

    pub(super) fn options(&self) -> Options<'_> {
        self.area.options()
    }

    pub(super) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    /// Its length in sequence numbers: payload, plus one each for SYN and FIN.
    pub(super) fn sequence_length(&self) -> u32 {
        self.payload_length + u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN))
    }

    pub(super) fn stage(&self) -> Stage {
        if self.has(Flags::RST) {
            Stage::Rst
        } else if self.has(Flags::SYN | Flags::ACK) {
            Stage::SynAck
        } else if self.has(Flags::SYN) {
            Stage::Syn
        } else if self.payload_length > 0 {
            Stage::Data
        } else {
            Stage::Ack
        }
    }
}

/// The longest plausible payload: twice the largest aggregate of Linux (`GSO_MAX_SIZE`).
const LONGEST: u32 = 1 << 20;

/// The length of the payload. Aggregates above 64 KiB (BIG TCP) have an IP length of 0: then the frame length counts.
fn payload_length(segment: &Segment<'_>, original_length: u32) -> u32 {
    let headers = segment.transport_offset() + segment.tcp().header_length();
    let without_length = match segment.network() {
        Network::V4(view) => view.total_length() == 0,
        Network::V6(view) => view.payload_length() == 0,
    };
    let length = if without_length {
        (original_length as usize).saturating_sub(headers)
    } else {
        segment.payload_length()
    };
    u32::try_from(length).unwrap_or(u32::MAX).min(LONGEST)
}

/// The first prefix length of [`Payload`]; each further one is twice as long.
const FIRST_MARK: usize = 8;
/// The number of prefix lengths: the last one is 32 KiB.
const MARKS: usize = 13;

/// The payload as hashes of its prefixes, because captures may truncate the same packet at different lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    /// Hashes of the first 8, 16, 32... bytes, as far as they were captured.
    marks: [u32; MARKS],
    /// How many of them there are.
    count: u8,
    /// Hash of all of it, when all of it was captured.
    whole: Option<u32>,
}

/// The result of the comparison of two payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadMatch {
    /// Not enough of it was captured.
    Unknown,
    Same,
    /// Different; the first difference is between these bytes.
    Different {
        from: u32,
        to: u32,
    },
}

impl Payload {
    fn of(captured: &[u8], length: u32) -> Self {
        let mut payload = Self::default();
        let (mut hasher, mut done, mut next) = (DefaultHasher::new(), 0, FIRST_MARK);
        for mark in &mut payload.marks {
            let Some(piece) = captured.get(done..next) else { break };
            hasher.write(piece);
            *mark = fold(hasher.finish());
            payload.count += 1;
            (done, next) = (next, next * 2);
        }
        if captured.len() as u64 == u64::from(length) {
            hasher.write(captured.get(done..).unwrap_or_default());
            payload.whole = Some(fold(hasher.finish()));
        }
        payload
    }

    /// Compares the payloads of two segments that begin at the same byte; `length` is that of the shorter.
    pub(super) fn compare(&self, other: &Self, length: u32, same_length: bool) -> PayloadMatch {
        let count = usize::from(self.count.min(other.count));
        let both = self.marks.iter().zip(&other.marks).take(count);
        for (index, (own, others)) in both.enumerate() {
            if own != others {
                let to = u32::try_from(FIRST_MARK << index).unwrap_or(u32::MAX);
                let from = if index == 0 { 0 } else { to / 2 };
                return PayloadMatch::Different {
                    from,
                    to: to.min(length),
                };
            }
        }
        match (self.whole, other.whole) {
            (Some(own), Some(others)) if same_length && own != others => PayloadMatch::Different {
                from: if count == 0 {
                    0
                } else {
                    u32::try_from(FIRST_MARK << (count - 1)).unwrap_or(0)
                },
                to: length,
            },
            (Some(_), Some(_)) if same_length => PayloadMatch::Same,
            _ if count > 0 => PayloadMatch::Same,
            _ => PayloadMatch::Unknown,
        }
    }
}

fn fold(hash: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
    u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_cut_at_different_places_are_compared_as_far_as_both_go() {
        let mut bytes: Vec<u8> = (0..200).collect();
        let whole = Payload::of(&bytes, 200);
        let cut = Payload::of(&bytes[..70], 200);
        assert_eq!(whole.compare(&cut, 200, true), PayloadMatch::Same);
        bytes[40] ^= 1;
        let changed = Payload::of(&bytes[..74], 200);
        assert_eq!(
            cut.compare(&changed, 200, true),
            PayloadMatch::Different { from: 32, to: 64 }
        );
        bytes[40] ^= 1;
        bytes[199] ^= 1;
        let end = Payload::of(&bytes, 200);
        assert_eq!(
            whole.compare(&end, 200, true),
            PayloadMatch::Different { from: 128, to: 200 }
        );
        assert_eq!(Payload::of(&[], 200).compare(&whole, 200, true), PayloadMatch::Unknown);
    }
}
