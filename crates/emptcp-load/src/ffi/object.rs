//! Objects of libbpf: the verifier's log, and types.

use libbpf_rs::{AsRawLibbpf, Object, OpenObject, btf::Btf};

/// Loads an object; on refusal also returns the verifier's log, cut to `log_size` bytes.
pub(crate) fn load(mut object: OpenObject, log_size: usize) -> Result<Object, (libbpf_rs::Error, String)> {
    let mut log = vec![0_u8; log_size];
    for program in object.progs_mut() {
        // SAFETY: `log` outlives the load below; libbpf writes to it only during the load. With log level 0 it is
        // written only when the first attempt fails.
        unsafe {
            libbpf_sys::bpf_program__set_log_buf(
                program.as_libbpf_object().as_ptr(),
                log.as_mut_ptr().cast(),
                log.len() as libbpf_sys::size_t,
            );
        }
    }
    object.load().map_err(|error| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        (error, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

/// The types of an object that is open.
pub(crate) fn btf(object: &OpenObject) -> libbpf_rs::Result<Option<Btf<'_>>> {
    // SAFETY: the pointer is valid while `object` lives, and the result borrows from `object`.
    Btf::from_bpf_object(unsafe { object.as_libbpf_object().as_ref() })
}
