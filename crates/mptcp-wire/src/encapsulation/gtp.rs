//! GTP-U, version 1 (3GPP TS 29.281, section 5), with extension headers.

use super::{Inner, Payload, ip_type};
use crate::bytes::{tail, u8_at};
use crate::error::{Header, Result};

/// Offsets, flags and values.
mod field {
    /// Version 1 and protocol type GTP, in the first byte.
    pub(super) const VERSION_TYPE_MASK: u8 = 0xf0;
    pub(super) const VERSION_TYPE: u8 = 0x30;
    /// Extension header, sequence number, N-PDU number: with any of them, all three fields are there.
    pub(super) const OPTIONAL: u8 = 0x07;
    pub(super) const EXTENSION: u8 = 0x04;
    pub(super) const MESSAGE_TYPE: usize = 1;
    /// A packet of a user.
    pub(super) const G_PDU: u8 = 255;
    pub(super) const LENGTH: usize = 8;
    pub(super) const LONG_LENGTH: usize = 12;
    pub(super) const NEXT_EXTENSION: usize = 11;
}

/// More extension headers are implausible.
const MOST_EXTENSIONS: usize = 16;

/// None: not a packet of a user.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::GtpU.within(bytes, field::LENGTH)?;
    let flags = u8_at(bytes, 0);
    if flags & field::VERSION_TYPE_MASK != field::VERSION_TYPE || u8_at(bytes, field::MESSAGE_TYPE) != field::G_PDU {
        return Ok(None);
    }
    let mut offset = field::LENGTH;
    let mut extension = 0;
    if flags & field::OPTIONAL != 0 {
        offset = field::LONG_LENGTH;
        Header::GtpU.within(bytes, offset)?;
        if flags & field::EXTENSION != 0 {
            extension = u8_at(bytes, field::NEXT_EXTENSION);
        }
    }
    for _ in 0..MOST_EXTENSIONS {
        if extension == 0 {
            let payload = Payload::Type(ip_type(bytes.get(offset)));
            return Ok(Some(Inner::new(offset, payload)));
        }
        // Its length is in words of 4 bytes, itself included; the last byte is the type of the next.
        let header = tail(bytes, offset);
        let length = usize::from(u8_at(header, 0)).saturating_mul(4);
        Header::GtpU.within(header, length.max(4))?;
        if length == 0 {
            return Ok(None);
        }
        extension = u8_at(header, length.saturating_sub(1));
        offset = offset.saturating_add(length);
    }
    Ok(None)
}
