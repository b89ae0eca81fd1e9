//! LLC with SNAP (IEEE 802.2, RFC 1042): in Ethernet frames with a length in place of a type, and in 802.11.

use crate::bytes::{array_at, u16_at};
use crate::error::{Header, Result};
use crate::ethernet::EtherType;

/// DSAP, SSAP, unnumbered information; then the organisation: RFC 1042 and IEEE 802.1H.
const SNAP: [[u8; 6]; 2] = [[0xaa, 0xaa, 0x03, 0, 0, 0], [0xaa, 0xaa, 0x03, 0, 0, 0xf8]];
const TYPE: usize = 6;
/// Of the header.
pub(crate) const LENGTH: usize = 8;
/// The largest value of an EtherType field that is a length (IEEE 802.3, 3.2.6).
pub(crate) const LARGEST_LENGTH: u16 = 1500;

/// The type of the payload; 0 for other protocols of LLC.
pub(crate) fn ether_type(bytes: &[u8]) -> Result<EtherType> {
    Header::Llc.within(bytes, LENGTH)?;
    if SNAP.contains(&array_at(bytes, 0)) {
        return Ok(EtherType(u16_at(bytes, TYPE)));
    }
    Ok(EtherType(0))
}
