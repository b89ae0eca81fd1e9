//! Reads many entries of a map with one call.

use super::check;
use libbpf_rs::{MapCore, MapHandle};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

/// The position at which reading of a map continues, in the kernel's format.
#[derive(Debug)]
pub(crate) struct Position {
    /// Room for a key, or for the number of a bucket.
    mark: Vec<u8>,
    begun: bool,
}

impl Position {
    /// The beginning of a map.
    pub(crate) fn start() -> Self {
        Self {
            mark: Vec::new(),
            begun: false,
        }
    }

    /// After the entry `index` of an array.
    pub(crate) fn after(index: u32) -> Self {
        Self {
            mark: index.to_ne_bytes().to_vec(),
            begun: true,
        }
    }
}

/// What a call has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    /// Entries.
    pub(crate) count: usize,
    /// That was the last one.
    pub(crate) is_end: bool,
}

/// Reads entries into `keys` and `values`, as many as fit.
///
/// # Errors
/// The kernel's error: `ENOSPC` if a bucket of a hash table has more entries than fit, `EINVAL` before Linux 5.6, and
/// `EINVAL` for maps with a value for each CPU.
pub(crate) fn lookup(map: &MapHandle, position: &mut Position, keys: &mut [u8], values: &mut [u8]) -> io::Result<Read> {
    if map.map_type().is_percpu() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let (key, value) = (map.key_size() as usize, map.value_size() as usize);
    let room = (keys.len() / key.max(1)).min(values.len() / value.max(1));
    position.mark.resize(key.max(4), 0);
    let mut count = u32::try_from(room).unwrap_or(u32::MAX);
    let options = libbpf_sys::bpf_map_batch_opts {
        sz: size_of::<libbpf_sys::bpf_map_batch_opts>() as libbpf_sys::size_t,
        ..Default::default()
    };
    let from = position.mark.clone();
    let begin = if position.begun { from.as_ptr() } else { ptr::null() };
    // SAFETY: both marks have room for a key, and for the four bytes of a bucket's number; `keys` and `values` have
    // room for `count` entries, and the kernel writes no more. It only reads from the first mark.
    let answer = check(unsafe {
        libbpf_sys::bpf_map_lookup_batch(
            map.as_fd().as_raw_fd(),
            begin.cast_mut().cast(),
            position.mark.as_mut_ptr().cast(),
            keys.as_mut_ptr().cast(),
            values.as_mut_ptr().cast(),
            &raw mut count,
            &raw const options,
        )
    });
    let is_end = match answer {
        Ok(_) => false,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
        Err(error) => return Err(error),
    };
    position.begun = true;
    Ok(Read {
        count: (count as usize).min(room),
        is_end,
    })
}
