//! A VLAN tag at the position of its tag type's payload: IEEE 802.1Q, 802.1ad, and the older types of stacked tags.

use super::Inner;
use crate::bytes::u16_at;
use crate::error::{Header, Result};

/// Stacked tags before 802.1ad.
const OLDER: [u16; 2] = [0x9100, 0x9200];
const TYPE: usize = 2;
const LENGTH: usize = 4;

/// Whether a tag follows this EtherType.
pub(crate) fn is_tag(ether_type: u16) -> bool {
    crate::ethernet::EtherType(ether_type).is_vlan() || OLDER.contains(&ether_type)
}

/// `bytes`: after the tag's type.
pub(crate) fn open(bytes: &[u8]) -> Result<Inner> {
    Header::Vlan.within(bytes, LENGTH)?;
    Ok(Inner::of_type(LENGTH, u16_at(bytes, TYPE)))
}
