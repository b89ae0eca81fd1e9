//! Reading and writing big-endian fields without a panic.
//!
//! Reads outside the slice give zero, so no caller can cause a panic. Views check their length on creation, so this
//! never happens for valid views.

use crate::error::{Error, Result};

pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes(array_at(bytes, offset))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, offset))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(array_at(bytes, offset))
}

/// The bytes from `offset` on, empty when there are none.
pub(crate) fn tail(bytes: &[u8], offset: usize) -> &[u8] {
    bytes.get(offset..).unwrap_or(&[])
}

/// The bytes before `end`, all when there are fewer.
pub(crate) fn head(bytes: &[u8], end: usize) -> &[u8] {
    bytes.get(..end).unwrap_or(bytes)
}

/// Writes fields one after the other into a part of the caller's buffer that has exactly the requested length.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// An error if the buffer has less than `needed` bytes; further bytes stay unchanged.
    pub(crate) fn new(buffer: &'a mut [u8], needed: usize) -> Result<Self> {
        let available = buffer.len();
        match buffer.get_mut(..needed) {
            Some(rest) => Ok(Self { rest }),
            None => Err(Error::BufferTooSmall { needed, available }),
        }
    }

    /// Writes `bytes`, as far as they fit. They always fit, because `new` got the sum of all lengths.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.rest);
        if let Some((now, later)) = rest.split_at_mut_checked(bytes.len()) {
            now.copy_from_slice(bytes);
            self.rest = later;
        }
    }

    pub(crate) fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
}

/// Overwrites two bytes at `offset`; does nothing when they are not there.
pub(crate) fn set_u16_at(bytes: &mut [u8], offset: usize, value: u16) {
    if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value.to_be_bytes();
    }
}
