//! Geneve (RFC 8926).

use super::{Inner, Payload};
use crate::bytes::{u8_at, u16_at};
use crate::error::{Header, Result};

const LENGTH: usize = 8;
const VERSION: u8 = 0xc0;
/// The length of the options, in words of 4 bytes.
const OPTIONS: u8 = 0x3f;
const PROTOCOL: usize = 2;
/// Transparent Ethernet bridging.
const ETHERNET: u16 = 0x6558;

/// None: a version that is not known.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::Geneve.within(bytes, LENGTH)?;
    let first = u8_at(bytes, 0);
    if first & VERSION != 0 {
        return Ok(None);
    }
    let options = usize::from(first & OPTIONS).saturating_mul(4);
    let offset = LENGTH.saturating_add(options);
    Header::Geneve.within(bytes, offset)?;
    Ok(Some(match u16_at(bytes, PROTOCOL) {
        ETHERNET => Inner::new(offset, Payload::Ethernet),
        ether_type => Inner::of_type(offset, ether_type),
    }))
}
