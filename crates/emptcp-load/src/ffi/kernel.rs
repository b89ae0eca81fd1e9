//! Queries about the kernel.

use std::ptr;

/// Whether programs at tc may call `bpf_probe_read_kernel`.
pub(crate) fn programs_read_kernel_memory() -> bool {
    // SAFETY: no options are passed; libbpf loads a program of two instructions and unloads it.
    let answer = unsafe {
        libbpf_sys::libbpf_probe_bpf_helper(
            libbpf_sys::BPF_PROG_TYPE_SCHED_CLS,
            libbpf_sys::BPF_FUNC_probe_read_kernel,
            ptr::null(),
        )
    };
    answer == 1
}

/// Waits until all programs that were running have ended: `synchronize_rcu`. False if the kernel does not offer it.
pub(crate) fn grace_period() -> bool {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: no memory is passed.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 }
}
