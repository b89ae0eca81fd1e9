//! BPF programs of any kind, from C source to the kernel. This crate knows nothing about policies, chains or MPTCP.
//!
//! * [`clang`] compiles a source, for the build script too. [`embedded`] has the objects of the build script.
//! * [`object`] opens an object, fills in its constants (where [`rodata`] finds them) and loads it with maps that its
//!   caller [shares](object::Maps). [`refusal`] explains a refusal by the verifier, with a hint from `traps`.
//! * [`map`] makes maps and computes their memory; [`mapping`] maps them into our memory, [`entries`] reads whole maps;
//!   [`pin`] pins objects in bpffs.
//! * [`link`] attaches, [`program`] queries programs and runs them on packets, [`grace`] waits for running ones,
//!   [`kernel`] queries what the kernel allows.
//! * [`messages`] receives libbpf's messages, [`numbers`] puts its error numbers into words; [`error`] has the errors.
//! * `ffi` holds every unsafe call.
//!
//! This crate does not interpret elements: an element's manifest names hooks of the packet plane, and building one
//! loads it with the core's maps. So the catalogue, `element install` and the SDK's export are in `emptcp-packet`; this
//! crate provides the compiler and the bytes. The objects of all planes are embedded here, so that one build script
//! runs clang, once for each content.
//!
//! ```no_run
//! use emptcp_load::object::{self, Fill, NoMaps, Presence, Value};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("limit.o")?;
//! let fill = Fill {
//!     variable: "config",
//!     members: vec![("limit", Value::Integer(1500))],
//!     presence: Presence::Required,
//! };
//! let loaded = object::load(&bytes, "`limit`", &[fill], &NoMaps)?;
//! let (id, name) = emptcp_load::program::info(std::os::fd::AsFd::as_fd(&loaded.program))?;
//! println!("{name} is program {id}");
//! # Ok(())
//! # }
//! ```

pub mod clang;
pub mod embedded;
pub mod entries;
pub mod error;
pub mod grace;
pub mod kernel;
pub mod map;
pub mod messages;
pub mod numbers;
pub mod object;
pub mod refusal;
pub mod rodata;

mod ffi;
mod traps;

pub use error::{Error, LOADING, Misfit, Result};
pub use ffi::{link, mapping, pin, program};
