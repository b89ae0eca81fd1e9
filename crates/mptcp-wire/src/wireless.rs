//! Data frames of IEEE 802.11, and the radiotap header that captures put before them (radiotap.org).

use crate::bytes::{array_at, tail, u8_at};
use crate::encapsulation::llc;
use crate::error::{Header, Result};
use crate::ethernet::EtherType;

/// The header of radiotap, little-endian.
mod radiotap {
    pub(super) const LENGTH: usize = 2;
    pub(super) const PRESENT: usize = 4;
    pub(super) const SHORTEST: usize = 8;
    /// Another word of present fields follows.
    pub(super) const MORE: u32 = 1 << 31;
    pub(super) const TIMER: u32 = 1;
    pub(super) const FLAGS: u32 = 1 << 1;
    /// In the flags: the header of 802.11 is padded to 4 bytes.
    pub(super) const PADDED: u8 = 0x20;
}

/// The header of 802.11.
mod field {
    /// Type and subtype, in the first byte.
    pub(super) const TYPE: u8 = 0x0c;
    pub(super) const DATA: u8 = 0x08;
    pub(super) const WITHOUT_DATA: u8 = 0x40;
    pub(super) const QUALITY_OF_SERVICE: u8 = 0x80;
    /// In the second byte.
    pub(super) const BOTH_SYSTEMS: u8 = 0x03;
    pub(super) const PROTECTED: u8 = 0x40;
    pub(super) const ORDER: u8 = 0x80;
    pub(super) const LENGTH: usize = 24;
    pub(super) const FOURTH_ADDRESS: usize = 6;
    pub(super) const QOS_CONTROL: usize = 2;
    pub(super) const HT_CONTROL: usize = 4;
    /// In the QoS control: several packets are aggregated (A-MSDU).
    pub(super) const AGGREGATED: u8 = 0x80;
    /// Destination, source and length of an aggregated packet.
    pub(super) const SUBFRAME: usize = 14;
}

/// The type and the offset of the payload after a radiotap header; type 0: not data, or encrypted.
pub(crate) fn radiotap(bytes: &[u8]) -> Result<(EtherType, usize)> {
    Header::Radiotap.within(bytes, radiotap::SHORTEST)?;
    let length = usize::from(u16::from_le_bytes(array_at(bytes, radiotap::LENGTH)));
    Header::Radiotap.within(bytes, length.max(radiotap::SHORTEST))?;
    let padded = flags(bytes) & radiotap::PADDED != 0;
    let (ether_type, offset) = frame(tail(bytes, length), padded)?;
    Ok((ether_type, length.saturating_add(offset)))
}

/// The field of flags; 0 when there is none.
fn flags(bytes: &[u8]) -> u8 {
    let word = |at| u32::from_le_bytes(array_at(bytes, at));
    let first = word(radiotap::PRESENT);
    if first & radiotap::FLAGS == 0 {
        return 0;
    }
    // The words end with the bytes: a word outside of them is 0.
    let mut fields = radiotap::PRESENT;
    while word(fields) & radiotap::MORE != 0 {
        fields = fields.saturating_add(4);
    }
    fields = fields.saturating_add(4);
    if first & radiotap::TIMER != 0 {
        fields = fields.next_multiple_of(8).saturating_add(8);
    }
    u8_at(bytes, fields)
}

/// The type and the offset of the payload of an 802.11 frame; type 0: not data, or encrypted. Of aggregated packets
/// (A-MSDU), the first is read.
pub(crate) fn frame(bytes: &[u8], padded: bool) -> Result<(EtherType, usize)> {
    let (first, second) = (u8_at(bytes, 0), u8_at(bytes, 1));
    if first & field::TYPE != field::DATA || first & field::WITHOUT_DATA != 0 || second & field::PROTECTED != 0 {
        return Ok((EtherType(0), 0));
    }
    let mut length = field::LENGTH;
    if second & field::BOTH_SYSTEMS == field::BOTH_SYSTEMS {
        length = length.saturating_add(field::FOURTH_ADDRESS);
    }
    let mut aggregated = false;
    if first & field::QUALITY_OF_SERVICE != 0 {
        aggregated = u8_at(bytes, length) & field::AGGREGATED != 0;
        length = length.saturating_add(field::QOS_CONTROL);
        if second & field::ORDER != 0 {
            length = length.saturating_add(field::HT_CONTROL);
        }
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    if aggregated {
        length = length.saturating_add(field::SUBFRAME);
    }
    Header::Ieee80211.within(bytes, length)?;
    let ether_type = llc::ether_type(tail(bytes, length))?;
    Ok((ether_type, length.saturating_add(llc::LENGTH)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn data(first: u8, second: u8, header: usize) -> Vec<u8> {
        let mut bytes = std::vec![0; header];
        (bytes[0], bytes[1]) = (first, second);
        bytes.extend([0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0]);
        bytes
    }

    #[test]
    fn each_form_of_the_header_is_measured() {
        let cases = [
            (data(0x08, 0x01, 24), false, 32),
            (data(0x08, 0x03, 30), false, 38),
            (data(0x88, 0x02, 26), false, 34),
            (data(0x88, 0x82, 30), false, 38),
            (data(0x88, 0x02, 28), true, 36),
            (data(0x88, 0x03, 32), false, 40),
        ];
        for (bytes, padded, offset) in cases {
            assert_eq!(frame(&bytes, padded), Ok((EtherType::IPV4, offset)), "{bytes:?}");
            assert!(frame(&bytes[..offset - 1], padded).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn management_null_and_encrypted_frames_are_not_ip() {
        for bytes in [
            data(0x80, 0, 24),
            data(0x48, 1, 24),
            data(0xc8, 1, 26),
            data(0x08, 0x41, 24),
        ] {
            assert_eq!(frame(&bytes, false), Ok((EtherType(0), 0)), "{bytes:?}");
        }
    }

    #[test]
    fn the_padding_is_told_by_the_flags_after_timer_and_further_words() {
        let mut bytes = std::vec![0, 0, 32, 0];
        bytes.extend((radiotap::MORE | radiotap::FLAGS | radiotap::TIMER).to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        // The timer is aligned to 8 bytes.
        bytes.extend([0; 4 + 8]);
        bytes.push(radiotap::PADDED);
        bytes.resize(32, 0);
        bytes.extend(data(0x88, 0x02, 28));
        assert_eq!(radiotap(&bytes), Ok((EtherType::IPV4, 32 + 28 + 8)));
    }
}
