//! libbpf's messages.

use std::{mem, panic, sync::OnceLock};

/// Receives libbpf's messages.
struct Print {
    wanted: fn() -> bool,
    take: fn(&str),
}

static PRINT: OnceLock<Print> = OnceLock::new();

unsafe extern "C" {
    /// libc's. A `va_list` is a pointer, or is passed as one, on every machine that has BPF; its type differs.
    fn vsnprintf(
        buffer: *mut libc::c_char,
        size: libc::size_t,
        format: *const libc::c_char,
        arguments: *mut libc::c_void,
    ) -> libc::c_int;
}

/// Passes libbpf's messages to `take`, if they are `wanted`. A message may hold any bytes: names come from object
/// files. Only the first call has an effect.
pub(crate) fn set(wanted: fn() -> bool, take: fn(&str)) {
    if PRINT.set(Print { wanted, take }).is_err() {
        return;
    }
    let print: unsafe extern "C" fn(
        libbpf_sys::libbpf_print_level,
        *const libc::c_char,
        *mut libc::c_void,
    ) -> libc::c_int = print;
    // SAFETY: the types differ only in how the third argument is called; see `vsnprintf` above.
    unsafe {
        libbpf_sys::libbpf_set_print(mem::transmute::<
            unsafe extern "C" fn(u32, *const libc::c_char, *mut libc::c_void) -> libc::c_int,
            libbpf_sys::libbpf_print_fn_t,
        >(print));
    }
}

/// libbpf calls this. A panic must not unwind through it.
unsafe extern "C" fn print(
    _level: libbpf_sys::libbpf_print_level,
    format: *const libc::c_char,
    arguments: *mut libc::c_void,
) -> libc::c_int {
    /// Longer messages are cut.
    const LONGEST: usize = 16 << 10;
    let _ = panic::catch_unwind(|| {
        let Some(print) = PRINT.get().filter(|print| (print.wanted)()) else {
            return;
        };
        let mut text = vec![0_u8; LONGEST];
        // SAFETY: `text` has the size that is passed; format and arguments are libbpf's and are read once. libc ends
        // the text with a zero.
        let length = unsafe { vsnprintf(text.as_mut_ptr().cast(), text.len(), format, arguments) };
        let length = usize::try_from(length).unwrap_or(0).min(LONGEST - 1);
        (print.take)(&String::from_utf8_lossy(&text[..length]));
    });
    0
}
