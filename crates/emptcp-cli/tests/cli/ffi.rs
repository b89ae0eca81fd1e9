//! The only unsafe code of these tests: a system call that no crate wraps.
#![allow(unsafe_code)] // See above.

use libbpf_rs::libbpf_sys::bpf_map_get_next_id;
use std::{collections::BTreeSet, iter};

/// Ids of all maps of this kernel.
///
/// Nothing is opened. If a process opens a program array by its id just when its last pin is removed, and closes it
/// again, the kernel may clear it twice. The second reference that `prog_array_map_clear` takes for that is never
/// released: the map stays forever (seen on 6.18).
pub(crate) fn map_ids() -> BTreeSet<u32> {
    let after = |id: &u32| {
        let mut next = 0;
        // SAFETY: the kernel writes one number to `next`, which lives until after the call.
        (unsafe { bpf_map_get_next_id(*id, &raw mut next) } == 0).then_some(next)
    };
    iter::successors(after(&0), after).collect()
}
