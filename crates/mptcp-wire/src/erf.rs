//! The Extensible Record Format of Endace's capture cards, as a link header (LINKTYPE_ERF).

use crate::bytes::{tail, u8_at};
use crate::error::{Header, Result};

/// Offsets and lengths.
mod field {
    pub(super) const TYPE: usize = 8;
    /// An extension header follows: in the type, and in the first byte of each extension header.
    pub(super) const MORE: u8 = 0x80;
    pub(super) const LENGTH: usize = 16;
    pub(super) const EXTENSION: usize = 8;
    /// Offset and padding before an Ethernet frame.
    pub(super) const ETHERNET_PADDING: usize = 2;
}

/// What a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Ethernet,
    /// PPP or Cisco's HDLC.
    Ppp,
    Ip,
    /// Not read.
    Other,
}

/// More extension headers are implausible.
const MOST_EXTENSIONS: usize = 16;

/// The content and its offset.
pub(crate) fn open(bytes: &[u8]) -> Result<(Content, usize)> {
    Header::Erf.within(bytes, field::LENGTH)?;
    let mut offset = field::LENGTH;
    let mut more = u8_at(bytes, field::TYPE);
    for _ in 0..MOST_EXTENSIONS {
        if more & field::MORE == 0 {
            break;
        }
        let extension = tail(bytes, offset);
        Header::Erf.within(extension, field::EXTENSION)?;
        more = u8_at(extension, 0);
        offset = offset.saturating_add(field::EXTENSION);
    }
    let content = match u8_at(bytes, field::TYPE) & !field::MORE {
        // HDLC_POS and its coloured forms.
        1 | 10 | 15 | 19 => Content::Ppp,
        // ETH and its coloured forms.
        2 | 11 | 16 | 20 => {
            offset = offset.saturating_add(field::ETHERNET_PADDING);
            Content::Ethernet
        }
        22 | 23 => Content::Ip,
        _ => Content::Other,
    };
    Header::Erf.within(bytes, offset)?;
    Ok((content, offset))
}
