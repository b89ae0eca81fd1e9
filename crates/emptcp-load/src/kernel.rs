//! What the kernel allows.

use crate::ffi;

/// Whether programs at tc may call `bpf_probe_read_kernel`: not in lockdown.
pub fn programs_read_kernel_memory() -> bool {
    ffi::kernel::programs_read_kernel_memory()
}
