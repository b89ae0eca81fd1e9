//! A packet socket with a ring that the kernel writes to (`PACKET_RX_RING`, TPACKET_V3; packet(7) and
//! `Documentation/networking/packet_mmap.rst`). The only unsafe code of this crate: socket options and `bind` with
//! structures that no crate wraps, and the memory that is shared with the kernel.

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::ffi::{c_int, c_void};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// `linux/if_packet.h`.
mod option {
    use std::ffi::c_int;

    pub(super) const RX_RING: c_int = 5;
    pub(super) const STATISTICS: c_int = 6;
    pub(super) const VERSION: c_int = 10;
    /// `TPACKET_V3`.
    pub(super) const VERSION_3: c_int = 2;
}

/// `TP_STATUS_KERNEL`, and the bit `TP_STATUS_USER`.
const STATUS_KERNEL: u32 = 0;
const STATUS_USER: u32 = 1;
/// Where `block_status` is in a block.
const STATUS: usize = 8;

/// A block holds some thousand packets of the usual snap length, or four of the largest.
const BLOCK_SIZE: usize = 1 << 18;
/// `TPACKET_V3` fills blocks without regard to frames, but the sizes must fit.
const FRAME_SIZE: usize = 1 << 11;
/// Milliseconds after which the kernel passes on a block that is not full.
pub(super) const BLOCK_TIMEOUT: u32 = 20;

/// `struct tpacket_req3`.
#[repr(C)]
struct Request {
    block_size: u32,
    block_count: u32,
    frame_size: u32,
    frame_count: u32,
    block_timeout: u32,
    private: u32,
    features: u32,
}

/// `struct tpacket_stats_v3`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    /// Packets that passed the filter, dropped ones included.
    pub(super) packets: u32,
    /// Packets that did not fit.
    pub(super) drops: u32,
    freezes: u32,
}

/// The socket and its ring.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<c_void>,
    blocks: usize,
    current: usize,
}

// SAFETY: only this value uses the mapping, which is not tied to a thread; all accesses are through `&self` or
// `&mut self`.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a ring of about `size` bytes on the device with this index, 0 for all, with a filter.
    pub(super) fn open(device: u32, filter: &[libc::sock_filter], size: usize) -> io::Result<Self> {
        // Without a protocol it receives nothing until `bind`, so no packet arrives before the filter is set.
        let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            // The kernel only reads it.
            filter: filter.as_ptr().cast_mut(),
        };
        set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        set(&socket, libc::SOL_PACKET, option::VERSION, &option::VERSION_3)?;
        let blocks = (size / BLOCK_SIZE).clamp(2, 1 << 12);
        let word = |number: usize| u32::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let request = Request {
            block_size: word(BLOCK_SIZE)?,
            block_count: word(blocks)?,
            frame_size: word(FRAME_SIZE)?,
            frame_count: word(BLOCK_SIZE / FRAME_SIZE * blocks)?,
            block_timeout: BLOCK_TIMEOUT,
            private: 0,
            features: 0,
        };
        set(&socket, libc::SOL_PACKET, option::RX_RING, &request)?;
        let length = NonZeroUsize::new(BLOCK_SIZE * blocks).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address that the kernel chooses, so it overlaps no other memory. It has exactly
        // the size of the ring that the option above set.
        let memory = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &socket,
                0,
            )?
        };
        let ring = Self {
            socket,
            memory,
            blocks,
            current: 0,
        };
        bind(&ring.socket, device)?;
        Ok(ring)
    }

    /// The next block, once the kernel has passed it on.
    pub(super) fn block(&self) -> Option<&[u8]> {
        if self.status().load(Ordering::Acquire) & STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies inside the mapping, which lives as long as `self`. The kernel does not write to a
        // block after it passed it on (checked above, with acquire ordering) until `release` returns it. `release`
        // needs `&mut self`, so it comes after the last use of this slice. Any bytes are valid for `u8`.
        Some(unsafe { std::slice::from_raw_parts(self.begin().as_ptr(), BLOCK_SIZE) })
    }

    /// Returns the current block to the kernel, if the kernel passed it on, and moves to the next one.
    pub(super) fn release(&mut self) {
        let status = self.status();
        if status.load(Ordering::Acquire) & STATUS_USER != 0 {
            status.store(STATUS_KERNEL, Ordering::Release);
            self.current = (self.current + 1) % self.blocks;
        }
    }

    /// Counts since the last call; the kernel resets them.
    pub(super) fn statistics(&self) -> io::Result<Statistics> {
        let mut statistics = Statistics::default();
        let mut length = size_of::<Statistics>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to a structure of that size, all of whose fields may have
        // any value.
        let answer = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                option::STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        result(answer).map(|()| statistics)
    }

    /// Where the current block begins.
    fn begin(&self) -> NonNull<u8> {
        // SAFETY: `current` is less than `blocks`, and the mapping has `blocks` times this size.
        unsafe { self.memory.cast::<u8>().add(self.current * BLOCK_SIZE) }
    }

    /// The status word by which the kernel and this process pass the current block to each other.
    fn status(&self) -> &AtomicU32 {
        // SAFETY: inside the mapping and aligned, as blocks begin at pages; both sides access it only as a whole, we
        // atomically; and the reference is not used beyond `self`.
        unsafe { AtomicU32::from_ptr(self.begin().add(STATUS).cast().as_ptr()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `open` with this size, and nothing refers to it any more. If `munmap` fails,
        // the memory stays mapped until the process ends.
        let _ = unsafe { munmap(self.memory, BLOCK_SIZE * self.blocks) };
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Receives all packets of the device from now on.
fn bind(socket: &OwnedFd, device: u32) -> io::Result<()> {
    // SAFETY: a plain structure of numbers, for which zero bytes are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = c_int::try_from(device).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads this many bytes of a structure that lives until after the call.
    result(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })
}

/// Sets a socket option to a structure of the kernel, or to a number.
fn set<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as the value has; what pointers in it refer to lives until after the call.
    result(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    })
}

fn result(answer: c_int) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
