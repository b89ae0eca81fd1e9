//! Live packets of a network device: a [`Source`] for live views.
//!
//! * `device.rs`: the source. `starts.rs`: a source that counts subflows whose start was not seen.
//! * `filter.rs`: the socket filter, which passes only TCP. `block.rs`: packets in a block of the ring.
//! * `ffi.rs`: the ring that the kernel writes to, the only unsafe code of this crate.
//!
//! A packet socket of type `SOCK_DGRAM` delivers packets from the network header on, for any type of device: Ethernet,
//! tunnel and loopback look the same, and `any` can have all of them. The kernel removes the outer VLAN tag; one more
//! is skipped here.
//!
//! [`Source`]: crate::Source

mod block;
mod device;
#[expect(
    unsafe_code,
    reason = "memory shared with the kernel, and socket options that no crate wraps"
)]
mod ffi;
mod filter;
mod starts;

pub use device::{Counters, Device, DeviceSettings};
pub use starts::Starts;
