//! The session stage of PPP over Ethernet (RFC 2516).

use super::{Inner, Payload, ppp};
use crate::bytes::{tail, u16_at};
use crate::error::{Header, Result};

/// The EtherType of the session stage.
pub(crate) const SESSION: u16 = 0x8864;
/// Version 1, type 1, code 0: data of a session.
const DATA: u16 = 0x1100;
const LENGTH: usize = 6;

/// None: not data of a session.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<Inner>> {
    Header::Pppoe.within(bytes, LENGTH)?;
    if u16_at(bytes, 0) != DATA {
        return Ok(None);
    }
    let (ether_type, length) = ppp::protocol(tail(bytes, LENGTH))?;
    Ok(Some(Inner::new(
        LENGTH.saturating_add(length),
        Payload::Type(ether_type),
    )))
}
