//! What the build script put into this crate: BPF objects, manifests, headers of the SDK.

/// An object's bytes, aligned as libbpf reads them.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

macro_rules! aligned {
    ($path:literal) => {{
        static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &OBJECT.0
    }};
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
