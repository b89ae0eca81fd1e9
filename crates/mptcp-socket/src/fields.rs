//! Fields of the kernel's structures.
//!
//! Offsets are those of `linux/mptcp.h` and `linux/tcp.h`, whose structures only grow at the end. Fields that a kernel
//! does not have are beyond the length that it returned, and read as zero.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A structure as long as the kernel wrote it.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(self, at: usize) -> [u8; N] {
        let bytes = at.checked_add(N).and_then(|end| self.0.get(at..end));
        bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    pub(crate) fn u8(self, at: usize) -> u8 {
        self.take::<1>(at)[0]
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        u32::from_ne_bytes(self.take(at))
    }

    pub(crate) fn u64(self, at: usize) -> u64 {
        u64::from_ne_bytes(self.take(at))
    }

    /// A time in microseconds.
    pub(crate) fn microseconds(self, at: usize) -> Duration {
        Duration::from_micros(self.u32(at).into())
    }

    /// A `sockaddr_in` or `sockaddr_in6`.
    pub(crate) fn socket_address(self, at: usize) -> Option<SocketAddr> {
        let port = u16::from_be_bytes(self.take(at + 2));
        let address = match i32::from(u16::from_ne_bytes(self.take(at))) {
            libc::AF_INET => IpAddr::from(self.take::<4>(at + 4)),
            libc::AF_INET6 => IpAddr::from(Ipv6Addr::from(self.take::<16>(at + 8))),
            _ => return None,
        };
        Some(SocketAddr::new(address, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_beyond_the_returned_length_read_as_zero() {
        let fields = Fields(&[0xff; 10]);
        assert_eq!(fields.u64(0), u64::MAX);
        assert_eq!(fields.u32(8), 0);
        assert_eq!(fields.u32(100), 0);
        assert_eq!(fields.u64(usize::MAX), 0);
    }

    #[test]
    fn socket_addresses_of_both_families_are_read() {
        let mut bytes = [0; 128];
        bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        bytes[2..8].copy_from_slice(&[0x1f, 0x90, 10, 1, 0, 2]);
        assert_eq!(Fields(&bytes).socket_address(0), Some("10.1.0.2:8080".parse().unwrap()));
        bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        bytes[8..24].fill(0);
        bytes[8] = 0xfd;
        bytes[23] = 1;
        assert_eq!(
            Fields(&bytes).socket_address(0),
            Some("[fd00::1]:8080".parse().unwrap())
        );
        bytes[0] = 77;
        assert_eq!(Fields(&bytes).socket_address(0), None);
    }
}
