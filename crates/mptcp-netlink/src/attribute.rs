//! Attributes of netlink (`struct nlattr`): length, kind, value, padding to four bytes.

/// The two upper bits of the kind are flags (nested, byte order).
const KIND: u16 = 0x3fff;

/// The value of the first attribute of this kind.
pub(crate) fn find(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let found = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & KIND;
        let value = bytes.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// The value of an attribute of 32 bits.
pub(crate) fn number(bytes: &[u8], kind: u16) -> Option<u32> {
    let value = find(bytes, kind)?.get(..4)?;
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_after_others_and_a_truncated_one_is_not() {
        let mut bytes = Vec::new();
        for (kind, value) in [(1_u16, &b"mptcp"[..]), (3 | 0x8000, b"\x01\x02\x03\x04")] {
            bytes.extend((4 + value.len() as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        assert_eq!(find(&bytes, 3), Some(&[1, 2, 3, 4][..]));
        assert_eq!(number(&bytes, 3), Some(u32::from_ne_bytes([1, 2, 3, 4])));
        assert_eq!(find(&bytes, 9), None);
        assert_eq!(find(&bytes[..bytes.len() - 1], 3), None);
        assert_eq!(find(&[0, 0, 0, 0], 3), None, "a length of zero must not loop");
    }
}
