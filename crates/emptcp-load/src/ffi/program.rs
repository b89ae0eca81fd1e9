//! Programs in the kernel.

use super::{check, owned};
use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

/// Id and name of a program.
///
/// # Errors
/// The error of the kernel.
pub fn info(program: BorrowedFd<'_>) -> io::Result<(u32, String)> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of::<libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: `info` has the size that is passed; pointers in it are null, so that nothing else is written.
    check(unsafe { libbpf_sys::bpf_obj_get_info_by_fd(program.as_raw_fd(), (&raw mut info).cast(), &raw mut size) })?;
    // SAFETY: the kernel ends the name with a zero within its 16 bytes.
    let name = unsafe { CStr::from_ptr(info.name.as_ptr()) };
    Ok((info.id, name.to_string_lossy().into_owned()))
}

/// A program by its id.
///
/// # Errors
/// The error of the kernel.
pub fn by_id(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libbpf_sys::bpf_prog_get_fd_by_id(id) })
}

/// The input of a test run.
pub struct TestRun<'a> {
    /// The packet, from the link header on.
    pub packet: &'a [u8],
    /// The context before the run, empty for none; afterwards the context after the run.
    pub context: &'a mut [u8],
    /// Number of runs.
    pub repeat: u32,
}

/// The result of a test run.
pub struct TestAnswer {
    /// The program's return value.
    pub returned: u32,
    /// The packet after the run.
    pub packet: Vec<u8>,
    /// Mean time of one run, ns, as the kernel measured it.
    pub duration_ns: u32,
}

/// Runs a program on a packet: `BPF_PROG_TEST_RUN`.
///
/// # Errors
/// The error of the kernel.
pub fn test_run(program: BorrowedFd<'_>, run: TestRun<'_>) -> io::Result<TestAnswer> {
    // Space for bytes that a program may add before or after it.
    let mut output = vec![0_u8; run.packet.len() + 256];
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
        data_in: run.packet.as_ptr().cast(),
        data_size_in: run.packet.len() as u32,
        data_out: output.as_mut_ptr().cast(),
        data_size_out: output.len() as u32,
        repeat: run.repeat as libc::c_int,
        ..Default::default()
    };
    if !run.context.is_empty() {
        options.ctx_in = run.context.as_ptr().cast();
        options.ctx_out = run.context.as_mut_ptr().cast();
        options.ctx_size_in = run.context.len() as u32;
        options.ctx_size_out = run.context.len() as u32;
    }
    // SAFETY: every pointer comes with its size and outlives the call; the kernel reads the context before it writes.
    check(unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut options) })?;
    output.truncate(options.data_size_out as usize);
    Ok(TestAnswer {
        returned: options.retval,
        packet: output,
        duration_ns: options.duration,
    })
}
