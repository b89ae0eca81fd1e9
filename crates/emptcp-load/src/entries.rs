//! Reads whole maps: many entries with one call where the kernel can (Linux 5.6), else one by one.

use crate::{
    error::{OrKernel, Result},
    ffi::batch::{self, Position},
};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use std::io;

/// Entries per call: enough that the copying dominates the cost, and more than a bucket holds.
const AT_ONCE: usize = 4096;

/// Most bytes of values per call, for maps with large values.
const BYTES_AT_ONCE: usize = 4 << 20;

fn room(map: &MapHandle) -> usize {
    (BYTES_AT_ONCE / (map.value_size() as usize).max(1)).clamp(64, AT_ONCE)
}

/// Whether the kernel lacks batches, for maps of this kind or at all.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

/// Calls `take` with key and value of every entry of a hash table that exists during the whole call.
///
/// # Errors
/// When the kernel refuses.
pub fn for_each(map: &MapHandle, mut take: impl FnMut(&[u8], &[u8])) -> Result<()> {
    let sizes = (map.key_size() as usize, map.value_size() as usize);
    let mut position = Position::start();
    let mut room = room(map);
    let (mut keys, mut values) = (vec![0; room * sizes.0], vec![0; room * sizes.1]);
    let mut begun = false;
    loop {
        match batch::lookup(map, &mut position, &mut keys, &mut values) {
            Ok(read) => {
                begun = true;
                let entries = keys.chunks_exact(sizes.0).zip(values.chunks_exact(sizes.1));
                entries.take(read.count).for_each(|(key, value)| take(key, value));
                if read.is_end {
                    return Ok(());
                }
            }
            // A bucket holds more entries than that.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                room *= 2;
                keys.resize(room * sizes.0, 0);
                values.resize(room * sizes.1, 0);
            }
            Err(error) if !begun && is_missing(&error) => return one_by_one(map, take),
            Err(error) => return Err(error).or_kernel("read a table"),
        }
    }
}

fn one_by_one(map: &MapHandle, mut take: impl FnMut(&[u8], &[u8])) -> Result<()> {
    for key in map.keys() {
        if let Some(value) = map.lookup(&key, MapFlags::ANY).or_kernel("read a table")? {
            take(&key, &value);
        }
    }
    Ok(())
}

/// Number of entries in a hash table.
///
/// # Errors
/// When the kernel refuses.
pub fn count(map: &MapHandle) -> Result<u64> {
    let mut count = 0;
    for_each(map, |_, _| count += 1)?;
    Ok(count)
}

/// Reads `count` values of an array from `first` on into `values`, which is resized to fit. Every value has
/// `value_size` bytes.
///
/// # Errors
/// When the kernel refuses.
pub fn array(map: &MapHandle, first: u32, count: u32, values: &mut Vec<u8>) -> Result<()> {
    let stride = map.value_size() as usize;
    values.resize(count as usize * stride, 0);
    let mut keys = vec![0; AT_ONCE * 4];
    let mut position = match first.checked_sub(1) {
        Some(before) => Position::after(before),
        None => Position::start(),
    };
    let mut done = 0;
    while done < count as usize {
        let wanted = (count as usize - done).min(AT_ONCE);
        let part = &mut values[done * stride..][..wanted * stride];
        match batch::lookup(map, &mut position, &mut keys[..wanted * 4], part) {
            Ok(read) if read.count == 0 => break,
            Ok(read) => done += read.count,
            Err(error) if done == 0 && is_missing(&error) => return array_one_by_one(map, first, count, values),
            Err(error) => return Err(error).or_kernel("read a table"),
        }
    }
    values.truncate(done * stride);
    Ok(())
}

fn array_one_by_one(map: &MapHandle, first: u32, count: u32, values: &mut Vec<u8>) -> Result<()> {
    values.clear();
    for index in first..first + count {
        let value = map
            .lookup(&index.to_ne_bytes(), MapFlags::ANY)
            .or_kernel("read a table")?;
        let Some(value) = value else { break };
        values.extend_from_slice(&value);
    }
    Ok(())
}
