//! GRE (RFC 2784) with checksum, key and sequence number (RFC 2890), and ERSPAN, which mirrors Ethernet frames in it.

use super::{Inner, Payload};
use crate::bytes::{tail, u8_at, u16_at};
use crate::error::{Header, Result};

/// IP protocol number.
pub(crate) const PROTOCOL: u8 = 47;

/// Flags and lengths, bytes.
mod field {
    pub(super) const CHECKSUM: u16 = 0x8000;
    /// RFC 1701: its entries are not read.
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    /// Version 1 is that of PPTP (RFC 2637).
    pub(super) const VERSION: u16 = 0x0007;
    pub(super) const PROTOCOL_TYPE: usize = 2;
    pub(super) const LENGTH: usize = 4;
    pub(super) const OPTIONAL: usize = 4;
}

/// Protocol types that are not EtherTypes of a payload.
mod protocol {
    /// Transparent Ethernet bridging, RFC 1701 and 7637.
    pub(super) const ETHERNET: u16 = 0x6558;
    /// ERSPAN types I and II: the same number; type II has a sequence number.
    pub(super) const ERSPAN: u16 = 0x88be;
    pub(super) const ERSPAN_3: u16 = 0x22eb;
}

/// The headers of ERSPAN (draft-foschiano-erspan).
mod erspan {
    pub(super) const TYPE_2: usize = 8;
    pub(super) const TYPE_3: usize = 12;
    /// The byte of the flag O: a further part of 8 bytes follows.
    pub(super) const OPTIONAL_AT: usize = 11;
    pub(super) const OPTIONAL: u8 = 1;
    pub(super) const OPTIONAL_LENGTH: usize = 8;
}

/// None: a version or a part that is not read.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::Gre.within(bytes, field::LENGTH)?;
    let flags = u16_at(bytes, 0);
    if flags & (field::VERSION | field::ROUTING) != 0 {
        return Ok(None);
    }
    let optional = [field::CHECKSUM, field::KEY, field::SEQUENCE];
    let present = optional.iter().filter(|flag| flags & **flag != 0).count();
    let offset = field::LENGTH.saturating_add(present.saturating_mul(field::OPTIONAL));
    Header::Gre.within(bytes, offset)?;
    let ethernet = |further: usize| Inner::new(offset.saturating_add(further), Payload::Ethernet);
    Ok(Some(match u16_at(bytes, field::PROTOCOL_TYPE) {
        protocol::ETHERNET => ethernet(0),
        protocol::ERSPAN if flags & field::SEQUENCE == 0 => ethernet(0),
        protocol::ERSPAN => ethernet(erspan::TYPE_2),
        protocol::ERSPAN_3 => {
            let flags = u8_at(tail(bytes, offset), erspan::OPTIONAL_AT);
            let further = match flags & erspan::OPTIONAL {
                0 => erspan::TYPE_3,
                _ => erspan::TYPE_3.saturating_add(erspan::OPTIONAL_LENGTH),
            };
            ethernet(further)
        }
        ether_type => Inner::of_type(offset, ether_type),
    }))
}
