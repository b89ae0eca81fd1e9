//! Packets of a network device while they pass: a [`Source`] for live views.
//!
//! * `device.rs`: the source. `starts.rs`: a source that counts subflows whose start was not seen.
//! * `filter.rs`: the program that lets the kernel pass on only TCP. `block.rs`: packets in a block of the ring.
//! * `ffi.rs`: the ring that the kernel writes to, the only unsafe code of this crate.
//!
//! A packet socket of type `SOCK_DGRAM` gives packets from the network header on, whatever the device: Ethernet,
//! tunnels and loopback are all the same, and `any` may have all of them at once. The kernel takes the outer VLAN tag
//! away itself; one more is skipped here.
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
