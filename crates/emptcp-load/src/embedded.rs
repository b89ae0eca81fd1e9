//! What the build script put into this crate: BPF objects, manifests, headers of the SDK. This crate treats them as
//! bytes and texts; the crates that use it interpret them.

/// An object's bytes, aligned as libbpf needs them.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

macro_rules! aligned {
    ($path:literal) => {{
        static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &OBJECT.0
    }};
}

/// A program of the core: name, tc object, XDP object.
pub type CoreObject = (&'static str, &'static [u8], &'static [u8]);

/// A shipped element: manifest text, tc object, XDP object.
pub type Shipped = (&'static str, Option<&'static [u8]>, Option<&'static [u8]>);

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Distinguishes builds with different core programs (FNV-1a).
pub fn fingerprint(core: &[CoreObject]) -> u32 {
    let bytes = core.iter().flat_map(|(_, tc, xdp)| tc.iter().chain(*xdp));
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
