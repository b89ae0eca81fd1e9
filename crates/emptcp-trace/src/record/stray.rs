//! MPTCP options of packets that belong to no connection of the capture: a row of the table `strays`.

use super::{Answer, Malformed};
use crate::{PacketNumber, Timestamp};
use mptcp_wire::mptcp::ResetReason;
use mptcp_wire::{AddressId, Token};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StrayKind {
    /// An MP_JOIN whose token belongs to no known connection.
    OrphanJoin,
    /// A malformed option.
    MalformedOption,
}

/// An MPTCP option that belongs to no connection of the capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// What it is.
    pub stray: StrayKind,
    /// The first packet of it.
    pub packet: PacketNumber,
    /// When that was captured.
    pub t: Timestamp,
    /// The sender of the packet; of a join, the host that opened it.
    pub source: IpAddr,
    /// Its port.
    pub source_port: u16,
    /// The receiver of the packet.
    pub destination: IpAddr,
    /// Its port.
    pub destination_port: u16,
    /// The SYN of the join was captured.
    pub syn: bool,
    /// The token of the join; none where the SYN was not captured.
    #[serde(serialize_with = "super::wire::optional_token")]
    pub token: Option<Token>,
    /// The address identifier of the join, from the opener.
    #[serde(serialize_with = "super::wire::optional_address_id")]
    pub address_id: Option<AddressId>,
    /// How the join was answered; none when no answer was captured.
    pub answer: Option<Answer>,
    /// The packet with the answer.
    pub answer_packet: Option<PacketNumber>,
    /// The first RST of the join.
    pub rst_packet: Option<PacketNumber>,
    /// The reason in MP_TCPRST.
    #[serde(serialize_with = "super::wire::optional_reason")]
    pub rst_reason: Option<ResetReason>,
    /// What is wrong with a malformed option.
    pub malformed: Option<Malformed>,
}

impl Stray {
    /// Of this kind, without more than the packet.
    pub(crate) fn new(
        stray: StrayKind,
        packet: PacketNumber,
        t: Timestamp,
        (source, destination): (SocketAddr, SocketAddr),
    ) -> Self {
        Self {
            stray,
            packet,
            t,
            source: source.ip(),
            source_port: source.port(),
            destination: destination.ip(),
            destination_port: destination.port(),
            syn: false,
            token: None,
            address_id: None,
            answer: None,
            answer_packet: None,
            rst_packet: None,
            rst_reason: None,
            malformed: None,
        }
    }
}
